"""How a socket's messages leave: in order, and without ever waiting for the peer."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from functools import cache
from typing import Any, Protocol

from dust.livequery.execution import Result
from dust.server import FRAMES_EXTENSION, Frames, text_frame
from dust.sockets.messages import Closing

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Build = Callable[[Result], bytes]


class Outbox(Protocol):
    """Where messages leave. What is sent after ``close`` goes nowhere."""

    @property
    def writable(self) -> bool:
        """False while the peer has too much to take; it is told to the owner when that is over."""

    @property
    def unsent(self) -> int:
        """How many bytes the peer has yet to take."""

    def send(self, text: bytes) -> None:
        """Send one message."""

    def finish(self, result: Result, what: str) -> bytes:
        """Return the result as a message of type ``what``, made once for all sockets."""

    def send_finished(self, message: bytes) -> None:
        """Send what ``finish`` has made."""

    def close(self, closing: Closing) -> None:
        """Close the socket behind what was sent, if the peer takes that."""

    def stop(self) -> None:
        """Let go of the connection, which has ended."""


def open_outbox(
    scope: MutableMapping[str, Any], send: Send, *, drained: Callable[[], None]
) -> Outbox:
    """Return the best way out that the server offers; ``drained`` is called on the event loop."""
    frames = (scope.get("extensions") or {}).get(FRAMES_EXTENSION)
    return PlainOutbox(send, drained) if frames is None else FrameOutbox(frames, drained)


class FrameOutbox:
    """Writes finished frames to the connection, which buffers what the peer has not taken."""

    def __init__(self, frames: Frames, drained: Callable[[], None]) -> None:
        self._frames = frames
        frames.on_drain(drained)

    @property
    def writable(self) -> bool:
        return not self._frames.is_full

    @property
    def unsent(self) -> int:
        return self._frames.buffered()

    def send(self, text: bytes) -> None:
        self._frames.write(text_frame(text))

    def finish(self, result: Result, what: str) -> bytes:
        return result.shared(*_framing(what))

    def send_finished(self, message: bytes) -> None:
        self._frames.write(message)

    def close(self, closing: Closing) -> None:
        self._frames.abandon(closing.code, closing.reason)

    def stop(self) -> None:
        self._frames.on_drain(None)


class PlainOutbox:
    """Sends as every ASGI server lets its applications, in a task that does the waiting."""

    LONGEST = 8
    """How many messages may wait before the peer counts as behind."""

    def __init__(self, send: Send, drained: Callable[[], None]) -> None:
        self._send = send
        self._drained = drained
        self._waiting: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self._is_closed = False
        self.unsent = 0
        self._task = asyncio.create_task(self._work(), name="dust-outbox")

    @property
    def writable(self) -> bool:
        return self._waiting.qsize() < self.LONGEST

    def send(self, text: bytes) -> None:
        self.unsent += len(text)
        self._put({"type": "websocket.send", "text": text.decode()})

    def finish(self, result: Result, what: str) -> bytes:
        return result.shared(what, _messaging(what))

    def send_finished(self, message: bytes) -> None:
        self.send(message)

    def close(self, closing: Closing) -> None:
        self._put({"type": "websocket.close", "code": closing.code, "reason": closing.reason})
        self._is_closed = True

    def stop(self) -> None:
        self._task.cancel()

    def _put(self, message: MutableMapping[str, Any]) -> None:
        if not self._is_closed:
            self._waiting.put_nowait(message)

    async def _work(self) -> None:
        try:
            while True:
                message = await self._waiting.get()
                await self._send(message)
                self.unsent -= len(message.get("text", "").encode())
                if self._waiting.empty():
                    self._drained()
        except OSError:
            self._is_closed = True  # the peer has gone; the consumer hears of it by itself


@cache
def _messaging(what: str) -> Build:
    """Return what makes a message of a result, whose value is an object, without encoding it anew.

    The version stands beside what the object has.
    """
    head = b'{"type":"%b","version":"' % what.encode()

    def build(result: Result) -> bytes:
        body = result.body
        rest = b'"}' if body == b"{}" else b'",' + body[1:]
        return head + result.version.encode() + rest

    return build


@cache
def _framing(what: str) -> tuple[str, Build]:
    build = _messaging(what)
    return f"{what} frame", lambda result: text_frame(build(result))
