"""The HTTP door for Convex clients, asked as they ask."""

import base64
from typing import Any

import msgspec

from dust.convex.http import ConvexDoor
from tests.dust import asking
from tests.dust.asking import Answer
from tests.rest import token

JSON = (b"content-type", b"application/json")
CLIENT = (b"convex-client", b"npm-1.48.0")

Headers = tuple[tuple[bytes, bytes], ...]


async def elsewhere(scope: Any, receive: Any, send: Any) -> None:
    """Stand for Django."""
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


async def send(path: str, body: Any = None, *, headers: Headers = (), **request: Any) -> Answer:
    """Ask the door; a body that is no bytes is sent as JSON."""
    parts = () if body is None else (body,)
    if body is not None and not isinstance(body, bytes):
        parts, headers = (msgspec.json.encode(body),), (JSON, *headers)
    return await asking.ask(ConvexDoor(elsewhere), path, *parts, headers=headers, **request)


async def call(
    endpoint: str, function: str, args: Any = None, *, headers: Headers = (), **asked: Any
) -> Any:
    """Call a function as npm clients do; return what is told of it."""
    body = {"path": function, "format": "convex_encoded_json", "args": [args or {}]} | asked
    answer = await send(f"/api/{endpoint}", body, headers=(CLIENT, *headers))
    assert answer.status == 200, answer.body
    return answer.json


def bearer(name: str) -> tuple[bytes, bytes]:
    """Return the header of somebody who is signed in."""
    return b"authorization", f"Bearer {token(name)}".encode()


def admin(key: str, acting_as: dict[str, Any] | None = None) -> tuple[bytes, bytes]:
    """Return the header of somebody with an admin key, perhaps acting as a user."""
    user = b"" if acting_as is None else b":" + base64.b64encode(msgspec.json.encode(acting_as))
    return b"authorization", b"Convex " + key.encode() + user
