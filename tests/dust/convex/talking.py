"""A client of the sync protocol without a socket: what it says, and what comes of it."""

import json
from typing import Any

import msgspec

from dust.convex import codec, messages
from dust.convex.effects import Effect, Run, Tell
from dust.convex.encoding import describe
from dust.convex.session import Session
from dust.livequery.live import Transition

SESSION_ID = "0f9d9b4e-3c5f-4c8a-9d55-2f8e3a1b7c6d"
NOW_MS = 1_773_500_966_000


class Client:
    """One connection's two ends."""

    def __init__(self, *, connected: bool = True) -> None:
        self.session = Session(encode=lambda _path, result: result, describe=describe)
        self.query_set = self.identity = 0
        if connected:
            self.connect()

    def says(self, message: messages.ClientMessage) -> list[Effect]:
        return list(self.session.receive(message, now_ms=NOW_MS))

    def connect(self, **changes: Any) -> list[Effect]:
        return self.says(messages.Connect(SESSION_ID, 0, **changes))

    def modify(self, *modifications: messages.Add | messages.Remove) -> list[Effect]:
        base, self.query_set = self.query_set, self.query_set + 1
        return self.says(messages.ModifyQuerySet(base, self.query_set, list(modifications)))

    def authenticate(self, value: str = "token", *, kind: Any = "User") -> list[Effect]:
        base, self.identity = self.identity, self.identity + 1
        return self.says(messages.Authenticate(base, kind, value))

    def mutate(self, request_id: int, path: str = "messages:send") -> list[Effect]:
        return self.says(messages.Mutation(udf_path=path, args={}, request_id=request_id))

    def act(self, request_id: int) -> list[Effect]:
        return self.says(messages.Action(udf_path="messages:do", args={}, request_id=request_id))

    def ended(self, run: Effect, outcome: Any) -> list[Effect]:
        assert isinstance(run, Run)
        return list(self.session.ended(run, outcome))

    def news(self, ts: int, *changes: tuple[int, Any]) -> Any:
        (told,) = self.session.news(Transition(ts, changes))
        return said(told)


def add(query_id: int, path: str = "messages:list", **changes: Any) -> messages.Add:
    added = messages.Add(udf_path=path, args={}, query_id=query_id)
    return msgspec.structs.replace(added, **changes)


def said(effect: Effect) -> Any:
    assert isinstance(effect, Tell)
    return json.loads(effect.text)


def version(query_set: int, identity: int, ts: int) -> dict[str, Any]:
    return {"querySet": query_set, "identity": identity, "ts": codec.encode_ts(ts)}


def result(value: str = "1.0") -> bytes:
    return codec.updated(value.encode())
