"""What DUST's fan-out is compared with, each in a process of its own: ``-m tests.bench.peers``.

``raw`` is the limit: uvloop, and one prepared frame written to each transport. ``group`` is what
one writes first with Channels: a consumer for each socket, each a member of one group. Both take
WebSockets at any path, and send the body of a POST to all of them.
"""

import asyncio
import base64
import hashlib
import socket
import sys
from typing import Any, cast

import uvicorn
import uvloop
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer
from django.conf import settings
from typing_extensions import override

from tests.bench.report import say

_GROUP = "board"
_WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3
_TEXT, _TWO_BYTE_LENGTH = 0x81, 126


class RawProtocol(asyncio.Protocol):
    """Enough of HTTP and WebSocket to hold sockets, and to be told what to send them."""

    sockets: dict["RawProtocol", asyncio.Transport] = {}

    def __init__(self) -> None:
        self._received = b""
        self._transport: asyncio.Transport

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.sockets.pop(self, None)

    @override
    def data_received(self, data: bytes) -> None:
        if self in self.sockets:
            return  # the benchmark's client says nothing once it is connected
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        if head.startswith(b"POST"):
            if len(body) == int(headers[b"content-length"]):
                self._transport.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
                # Like any server that answers first, so that both are measured alike.
                asyncio.get_running_loop().call_soon(self._broadcast, frame(body))
        else:
            key = head.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
            self._transport.write(_handshake(key))
            self.sockets[self] = self._transport

    def _broadcast(self, data: bytes) -> None:
        for transport in self.sockets.values():
            transport.write(data)


def frame(payload: bytes) -> bytes:
    """Return the payload as an unmasked text frame."""
    size = len(payload)
    if size < _TWO_BYTE_LENGTH:
        return bytes((_TEXT, size)) + payload
    return bytes((_TEXT, _TWO_BYTE_LENGTH)) + size.to_bytes(2) + payload


def _handshake(key: bytes) -> bytes:
    accept = base64.b64encode(hashlib.sha1(key + _WEBSOCKET_GUID).digest())  # noqa: S324 - as the RFC has it
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


async def _serve_raw() -> None:
    server = await asyncio.get_running_loop().create_server(
        RawProtocol, "127.0.0.1", 0, backlog=2048
    )
    _announce(server.sockets[0])
    await server.serve_forever()


class GroupConsumer(AsyncWebsocketConsumer):
    """A member of the group, as the tutorial of Channels has it."""

    @override
    async def connect(self) -> None:
        await self.channel_layer.group_add(_GROUP, self.channel_name)
        await self.accept()

    @override
    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(_GROUP, self.channel_name)

    async def group_message(self, event: dict[str, Any]) -> None:
        await self.send(text_data=event["text"])


async def _publish(scope: Any, receive: Any, send: Any) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        body += message["body"]
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})
    layer = get_channel_layer()
    assert layer
    await layer.group_send(_GROUP, {"type": "group.message", "text": body.decode()})


def _serve_group(redis_url: str | None) -> None:
    backend = (
        {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [{"address": redis_url, "socket_timeout": 15}]},
        }
        if redis_url
        else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
    )
    settings.configure(CHANNEL_LAYERS={"default": backend})
    consumer = GroupConsumer.as_asgi()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await (consumer if scope["type"] == "websocket" else _publish)(scope, receive, send)

    serve_uvicorn(application)


def serve_uvicorn(application: Any) -> None:
    """Serve the application on a free port, with uvicorn set up as DUST's own server is."""
    listener = socket.create_server(("127.0.0.1", 0))
    _announce(listener)
    config = uvicorn.Config(
        application,
        lifespan="off",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        log_level="warning",
        access_log=False,
    )
    uvicorn.Server(config).run([listener])


def _announce(listener: socket.socket) -> None:
    say(f"Serving at http://127.0.0.1:{listener.getsockname()[1]}/")


def main(argv: list[str]) -> None:
    """Serve as the peer that the first argument names until killed."""
    match argv:
        case ["raw"]:
            uvloop.run(_serve_raw())
        case ["group"]:
            _serve_group(None)
        case ["group", redis_url]:
            _serve_group(redis_url)
        case _:
            sys.exit("usage: python -m tests.bench.peers raw | group [REDIS_URL]")


if __name__ == "__main__":
    main(sys.argv[1:])
