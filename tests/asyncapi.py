"""The document at /api/asyncapi.json as tests use it: for checking what is really said."""

import json
from collections.abc import Mapping
from typing import Any

import jsonschema  # type: ignore[import-untyped]
from channels.routing import URLRouter
from django.test import RequestFactory
from typing_extensions import override

from dust.sockets import asyncapi
from dust.urls import websocket_urlpatterns
from tests.sockets import Message, Peer


def document() -> Message:
    """Return the document as it is served."""
    request = RequestFactory().get("/api/asyncapi.json")
    answer: Message = json.loads(asyncapi.show(request, websocket_urlpatterns).content)
    return answer


def struct_of(
    document: Mapping[str, Any],
    message: Message,
    *,
    direction: str,
    channel: str = "leaderboard",
) -> str:
    """Return which of the messages of a direction (send, receive) this one is, to the letter."""
    for reference in document["operations"][f"{channel}_{direction}"]["messages"]:
        name: str = reference["$ref"].rpartition("/")[2]
        if document["components"]["messages"][name]["name"] == message["type"]:
            schema = document["components"]["messages"][name]["payload"]
            jsonschema.validate(message, {**schema, "components": document["components"]})
            return name
    raise AssertionError(f"{message['type']} is not described")


class DescribedPeer(Peer):
    """A client that insists on what the document says; ``seen`` collects what it was sent."""

    document = document()
    channel = "leaderboard"
    seen: set[str]

    @override
    async def receive(self) -> Message:
        message = await super().receive()
        described = self.document["channels"][self.channel]
        found = struct_of(self.document, message, direction="send", channel=self.channel)
        self.seen.add(found)
        if message["type"] == "error":
            assert message["code"] in described["x-error-codes"]
        return message


class Sockets:
    """Connects clients to one channel, at the same address unless they are told another."""

    def __init__(self, url: str, *, channel: str) -> None:
        self.seen: set[str] = set()
        self._url = url
        self._channel = channel
        self._application = URLRouter(websocket_urlpatterns)  # type: ignore[arg-type]

    def connect(self, url: str | None = None, *, token: str | None = None) -> DescribedPeer:
        """Return a client who offers the token, if there is one, as browsers do."""
        subprotocols = [] if token is None else ["dust.v1", f"bearer.{token}"]
        peer = DescribedPeer(self._application, url or self._url, subprotocols=subprotocols)
        peer.channel, peer.seen = self._channel, self.seen
        return peer
