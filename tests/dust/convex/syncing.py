"""A Convex client at the wire: what it says, and a check that it can follow what it is told."""

import json
from typing import Any, Self
from uuid import uuid4

from channels.routing import URLRouter
from typing_extensions import override

from dust import asgi
from dust.convex import codec
from tests.dust.convex.frames import CONNECT
from tests.dust.convex.talking import version
from tests.sockets import Message, Peer

NPM = "/api/1.48.0/sync"


class SyncPeer(Peer):
    """A client that has introduced itself, unless it ``is_silent``.

    Of each transition it checks that it begins where the one before has ended, as clients do, and
    takes in what its queries answer: ``shown`` has values, and the messages of errors.
    """

    def __init__(
        self,
        url: str = NPM,
        *,
        session: str | None = None,
        is_silent: bool = False,
        routes: Any = asgi._socket_routes,
        **server: Any,
    ) -> None:
        super().__init__(URLRouter(routes), url, **server)
        self.session = session or str(uuid4())
        self.at = version(0, 0, 0)
        self.shown: dict[int, Any] = {}
        self._query_set = self._identity = 0
        self._is_silent = is_silent

    @override
    async def __aenter__(self) -> Self:
        await super().__aenter__()
        if not self._is_silent:
            self.connect()
        return self

    def connect(self, **changes: Any) -> None:
        self.say_text(json.dumps(CONNECT | {"sessionId": self.session} | changes))

    def watch(
        self, query_id: int, path: str, args: dict[str, Any] | None = None, **more: Any
    ) -> None:
        self.modify(add(query_id, path, args, **more))

    def modify(self, *modifications: Message) -> None:
        base, self._query_set = self._query_set, self._query_set + 1
        self.say(
            "ModifyQuerySet",
            baseVersion=base,
            newVersion=self._query_set,
            modifications=list(modifications),
        )

    def authenticate(self, token: str | None, *, kind: str = "User", **more: Any) -> None:
        """Be whoever has the token, or nobody."""
        base, self._identity = self._identity, self._identity + 1
        credential = {"tokenType": "None"} if token is None else {"tokenType": kind, "value": token}
        self.say("Authenticate", baseVersion=base, **credential, **more)

    def mutate(self, request_id: int, path: str, args: dict[str, Any]) -> None:
        self.say("Mutation", requestId=request_id, udfPath=path, args=[args])

    def act(self, request_id: int, path: str, args: dict[str, Any]) -> None:
        self.say("Action", requestId=request_id, udfPath=path, args=[args])

    @override
    async def receive(self) -> Message:
        message = await super().receive()
        if message["type"] == "Transition":
            self._follow(message)
        return message

    def _follow(self, transition: Message) -> None:
        start, end = transition["startVersion"], transition["endVersion"]
        assert start == self.at
        assert codec.decode_ts(end["ts"]) >= codec.decode_ts(start["ts"])
        self.at = end
        for change in transition["modifications"]:
            match change["type"]:
                case "QueryUpdated":
                    self.shown[change["queryId"]] = change["value"]
                case "QueryFailed":
                    self.shown[change["queryId"]] = change["errorMessage"]
                case _:
                    self.shown.pop(change["queryId"], None)

    async def news(self) -> Message:
        """Return the transition that must be what comes next."""
        message = await self.receive()
        assert message["type"] == "Transition", message
        return message

    async def answer(self) -> Message:
        """Return the response that must be what comes next, and take the news that must follow."""
        response = await self.receive()
        assert response["type"] in {"MutationResponse", "ActionResponse"}, response
        transition = await self.news()
        if response.get("ts"):
            assert codec.decode_ts(transition["endVersion"]["ts"]) > codec.decode_ts(response["ts"])
        return response

    async def until_shown(self, query_id: int, value: Any) -> None:
        """Take news until the query answers this."""
        while self.shown.get(query_id, ...) != value:
            await self.news()

    @override
    async def silence(self) -> None:
        """Check that nothing was sent before the news that has to be."""
        self.modify()
        assert (await self.news())["modifications"] == []

    async def fatal(self) -> str:
        """Return the error that ends the connection for good, which must be what comes next."""
        message = await self.receive()
        assert message["type"] == "FatalError", message
        assert await self.closing() == (1000, "")
        error: str = message["error"]
        return error


def add(query_id: int, path: str, args: dict[str, Any] | None = None, **more: Any) -> Message:
    return {"type": "Add", "queryId": query_id, "udfPath": path, "args": [args or {}], **more}


def remove(query_id: int) -> Message:
    return {"type": "Remove", "queryId": query_id}
