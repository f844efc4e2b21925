"""What the benchmarks' Convex clients say."""

import json
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from websockets.frames import Frame, Opcode

PATH = "/api/1.48.0/sync"


def opening(*watched: str, query_set: int = 1) -> list[str]:
    """Return what a client says first: its name, and which calls of queries it watches."""
    added = [
        {"type": "Add", "queryId": number, **json.loads(f"{{{each}}}")}
        for number, each in enumerate(watched)
    ]
    return [
        json.dumps({"type": "Connect", "sessionId": str(uuid4()), "connectionCount": 0}),
        json.dumps(
            {
                "type": "ModifyQuerySet",
                "baseVersion": 0,
                "newVersion": query_set,
                "modifications": added,
            }
        ),
    ]


def call(path: str, **args: Any) -> str:
    """Return what a message says of a call, but for the braces around it."""
    return json.dumps({"udfPath": path, "args": [args]})[1:-1]


def frames(texts: Iterable[str]) -> bytes:
    """Return the texts as a client's frames, one after the other."""
    return b"".join(Frame(Opcode.TEXT, text.encode()).serialize(mask=True) for text in texts)
