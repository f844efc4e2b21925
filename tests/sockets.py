"""The far end of a WebSocket whose server is this process: no network, and it can stop reading."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import pytest
from websockets.frames import Frame
from websockets.streams import StreamReader

from dust.convex import consumer as convex
from dust.livequery import runner
from dust.livequery.engine import Engine
from dust.server import FRAMES_EXTENSION
from dust.sockets import display

PATIENCE_SECONDS = 20
"""When a test gives up waiting for what it knows must come."""

Message = dict[str, Any]


@asynccontextmanager
async def running_engine(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Engine]:
    """Run an engine behind the sockets that are opened meanwhile. Needs real commits."""
    engine = Engine()
    await engine.start()
    with monkeypatch.context() as patch:
        for door in (display, convex):
            patch.setattr(door, "get_engine", lambda: engine)
        try:
            yield engine
        finally:
            await engine.stop()


@asynccontextmanager
async def whole_server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Engine]:
    """Run an engine behind the sockets, and leave no connection to the threads that served it."""
    async with running_engine(monkeypatch) as engine:
        yield engine
    await asyncio.to_thread(runner.close)


class MakeBelieveFrames:
    """What our server offers beside ordinary sends (``dust.server.Frames``), without a network."""

    HIGH_MARK = 4
    """How many frames fit in before it is full, unless it is to hold none."""

    def __init__(self, peer: "Peer") -> None:
        self._peer = peer
        self._high_mark = self.HIGH_MARK
        self._drained: Callable[[], None] | None = None
        self._buffer: list[bytes] = []
        self._closing: tuple[int, str] | None = None
        self.is_full = False
        self.abandoned = asyncio.Event()

    def write(self, frame: bytes) -> None:
        if self._closing is not None:
            return
        self._buffer.append(frame)
        self.flush()
        self.is_full = self.is_full or len(self._buffer) > self._high_mark

    def limit(self, *, message_bytes: int, unsent_bytes: int) -> None:
        self._high_mark = min(unsent_bytes, self.HIGH_MARK)

    def buffered(self) -> int:
        return sum(map(len, self._buffer))

    def on_drain(self, callback: Callable[[], None] | None) -> None:
        self._drained = callback

    def abandon(self, code: int, reason: str) -> None:
        self._closing = code, reason
        self.abandoned.set()
        self.flush()

    def take(self) -> None:
        """Let the peer take one frame, even if it is not reading."""
        reader = StreamReader()
        reader.feed_data(self._buffer.pop(0))
        try:
            next(Frame.parse(reader.read_exact, mask=False))
        except StopIteration as parsed:
            self._peer.take_text(parsed.value.data.decode())

    def drop(self) -> None:
        """Lose what the peer has not taken, as a connection does that breaks."""
        self._buffer.clear()

    def flush(self) -> None:
        if not self._peer.is_reading:
            return
        while self._buffer:
            self.take()
        if self._closing is not None:
            self._peer.take_close(*self._closing)
        was_full, self.is_full = self.is_full, False
        if was_full and self._drained is not None:
            self._drained()


class Peer:
    """A client, and the server's side of its connection to an ASGI application.

    ``has_frames`` makes the server one that takes finished frames, as ours does; without, it is any
    other, which makes a sender wait while nothing is read.
    """

    def __init__(
        self,
        application: Any,
        url: str = "/",
        *,
        subprotocols: Sequence[str] = (),
        headers: Sequence[tuple[bytes, bytes]] = (),
        has_frames: bool = True,
    ) -> None:
        path, _, query = url.partition("?")
        self.frames = MakeBelieveFrames(self) if has_frames else None
        self.scope: Message = {
            "type": "websocket",
            "path": path,
            "query_string": query.encode(),
            "headers": list(headers),
            "subprotocols": list(subprotocols),
        }
        if self.frames is not None:
            self.scope["extensions"] = {FRAMES_EXTENSION: self.frames}
        self.subprotocol: str | None = None
        self.is_reading = True
        self._reading = asyncio.Event()
        self._reading.set()
        self._application = application
        self._events: asyncio.Queue[Message] = asyncio.Queue()
        self._inbox: asyncio.Queue[str | tuple[int, str]] = asyncio.Queue()
        self._accepted: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

    # -- the client's side --------------------------------------------------------------------

    async def receive(self) -> Message:
        """Return the next message."""
        text = await self._next()
        assert isinstance(text, str), f"closed with {text}"
        message: Message = json.loads(text)
        return message

    async def until(self, kind: str) -> Message:
        """Return the next message of this type, leaving out those before it."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (message := await self.receive())["type"] != kind:
                pass
        return message

    async def closing(self) -> tuple[int, str]:
        """Return code and reason of the close that must be what comes next."""
        closing = await self._next()
        assert isinstance(closing, tuple), f"not closed, but sent {closing}"
        return closing

    async def closing_after_the_rest(self) -> tuple[int, str]:
        """Return code and reason of the close, leaving out what was sent before it."""
        while not isinstance(closing := await self._next(), tuple):
            pass
        return closing

    @property
    def inbox_is_empty(self) -> bool:
        return self._inbox.empty()

    def say(self, kind: str, **content: Any) -> None:
        """Send a message."""
        self.say_text(json.dumps({"type": kind, **content}))

    def say_text(self, text: str) -> None:
        self._events.put_nowait({"type": "websocket.receive", "text": text})

    def say_bytes(self, content: bytes) -> None:
        self._events.put_nowait({"type": "websocket.receive", "bytes": content})

    async def silence(self) -> None:
        """Check that nothing was sent before the answer to a ping."""
        self.say("ping")
        assert await self.receive() == {"type": "pong"}

    def stop_reading(self) -> None:
        self.is_reading = False
        self._reading.clear()

    def read_on(self) -> None:
        self.is_reading = True
        self._reading.set()
        if self.frames is not None:
            self.frames.flush()

    async def _next(self) -> str | tuple[int, str]:
        return await asyncio.wait_for(self._inbox.get(), PATIENCE_SECONDS)

    # -- the server's side --------------------------------------------------------------------

    def take_text(self, text: str) -> None:
        self._inbox.put_nowait(text)

    def take_close(self, code: int, reason: str) -> None:
        self._inbox.put_nowait((code, reason))
        self._events.put_nowait({"type": "websocket.disconnect", "code": code})

    async def _send(self, message: Message) -> None:
        await self._reading.wait()
        if message["type"] == "websocket.accept":
            self._accepted.set_result(message)
        elif message["type"] == "websocket.send":
            self.take_text(message["text"])
        else:
            self.take_close(message["code"], message["reason"])

    async def __aenter__(self) -> Self:
        self._events.put_nowait({"type": "websocket.connect"})
        running = self._application(self.scope, self._events.get, self._send)
        self._task = asyncio.create_task(running)
        await asyncio.wait(
            [self._task, self._accepted], return_when="FIRST_COMPLETED", timeout=PATIENCE_SECONDS
        )
        if not self._accepted.done():  # nor ever will be: waiting for it would hang
            self._task.cancel()
            await asyncio.wait([self._task])
            reason = None if self._task.cancelled() else self._task.exception()
            raise AssertionError("The socket was not accepted.") from reason
        self.subprotocol = self._accepted.result().get("subprotocol")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._events.put_nowait({"type": "websocket.disconnect", "code": 1005})
        await asyncio.wait_for(self._task, PATIENCE_SECONDS)
