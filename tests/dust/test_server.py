"""What a WebSocket connection offers beside ordinary sends, on a real uvicorn in this process."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uvicorn import Config, Server
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from dust import server
from dust.server import SOCKET_MESSAGE_BYTES, FrameProtocol, Frames, text_frame

Message = dict[str, Any]
PATIENCE_SECONDS = 20
TOO_MANY = 40
"""So many messages take several times what the kernels have room for."""

CLOSE = Frame(Opcode.CLOSE, (1000).to_bytes(2))


class Socket:
    """The application's end of one connection."""

    def __init__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        self.frames: Frames = scope["extensions"]["dust.frames"]
        self.receive = receive
        self.send = send
        self.done = asyncio.Event()

    async def accept(self) -> None:
        assert (await self.receive())["type"] == "websocket.connect"
        await self.send({"type": "websocket.accept"})

    def write(self, text: str) -> None:
        self.frames.write(text_frame(text.encode()))


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[str, "asyncio.Queue[Socket]"]]:
    """Run uvicorn with our protocol; connections come out of the queue, not yet accepted."""
    sockets: asyncio.Queue[Socket] = asyncio.Queue()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        found = Socket(scope, receive, send)
        sockets.put_nowait(found)
        await found.done.wait()

    config = Config(
        application,
        ws=FrameProtocol,
        ws_per_message_deflate=False,
        ws_max_size=SOCKET_MESSAGE_BYTES,
        lifespan="off",
        log_config=None,
    )
    uvicorn = Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(uvicorn._serve([listener]))
        try:
            yield f"ws://127.0.0.1:{listener.getsockname()[1]}/", sockets
        finally:
            uvicorn.should_exit = True
            uvicorn.force_exit = True
            await serving


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[ClientConnection, Socket]]:
    async with listening() as (url, sockets):
        opening = asyncio.ensure_future(connect(url, compression=None))
        ours = await sockets.get()
        await ours.accept()
        theirs = await opening
        try:
            yield theirs, ours
        finally:
            ours.done.set()
            theirs.transport.abort()


class TestTextFrame:
    @pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 100_000])
    def test_is_what_a_websocket_library_writes(self, size: int) -> None:
        payload = b"x" * size

        assert text_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)

    @given(st.text())
    def test_is_read_back_as_the_same_text(self, text: str) -> None:
        reader = StreamReader()
        reader.feed_data(text_frame(text.encode()))
        parsing = Frame.parse(reader.read_exact, mask=False)

        with pytest.raises(StopIteration) as parsed:
            next(parsing)

        assert parsed.value.value.data.decode() == text


class TestFrames:
    async def test_arrive_in_order_with_ordinary_sends(self) -> None:
        async with connected() as (theirs, ours):
            await ours.send({"type": "websocket.send", "text": "first"})
            ours.write("second")
            await ours.send({"type": "websocket.send", "bytes": b"third"})
            ours.write("fourth")

            received = [await theirs.recv() for _ in range(4)]

        assert received == ["first", "second", b"third", "fourth"]

    async def test_are_not_written_before_the_handshake(self) -> None:
        async with listening() as (url, sockets):
            opening = asyncio.ensure_future(connect(url, compression=None))
            ours = await sockets.get()

            ours.write("too early")
            await ours.accept()
            ours.write("in time")

            theirs = await opening
            assert await theirs.recv() == "in time"
            ours.done.set()
            await theirs.close()

    async def test_are_not_written_after_a_close_from_this_side(self) -> None:
        async with listening() as (url, sockets):
            reader, writer = await _open_by_hand(url)
            ours = await sockets.get()
            await ours.accept()
            await reader.readuntil(b"\r\n\r\n")

            await ours.send({"type": "websocket.close", "code": 4000})
            ours.write("too late")
            ours.done.set()
            writer.write(CLOSE.serialize(mask=True))
            received = await reader.read()

            writer.close()
            assert received == Frame(Opcode.CLOSE, (4000).to_bytes(2)).serialize(mask=False)

    async def test_are_not_written_after_a_close_from_the_other_side(self) -> None:
        async with listening() as (url, sockets):
            reader, writer = await _open_by_hand(url)
            ours = await sockets.get()
            await ours.accept()
            await reader.readuntil(b"\r\n\r\n")

            writer.write(CLOSE.serialize(mask=True))
            message = await ours.receive()
            ours.write("too late")
            ours.done.set()
            received = await reader.read()

            writer.close()
            assert message == {"type": "websocket.disconnect", "code": 1000, "reason": ""}
            assert received == CLOSE.serialize(mask=False)

    async def test_leave_pings_alone(self) -> None:
        async with connected() as (theirs, ours):
            ours.write("a frame")
            pong = await theirs.ping()
            ours.write("another")

            await pong

    async def test_tell_when_a_slow_reader_has_caught_up(self) -> None:
        async with connected() as (theirs, ours):
            drained = asyncio.Event()
            ours.frames.on_drain(drained.set)
            full_before = ours.frames.is_full
            count = _fill(theirs, ours)
            full, buffered = ours.frames.is_full, ours.frames.buffered()

            theirs.transport.resume_reading()
            for _ in range(count):
                await theirs.recv()
            await drained.wait()

            assert not full_before
            assert full
            assert buffered > 0
            assert not ours.frames.is_full
            assert ours.frames.buffered() == 0

    async def test_say_nothing_more_once_nobody_listens(self) -> None:
        async with connected() as (theirs, ours):
            drained = asyncio.Event()
            ours.frames.on_drain(drained.set)
            count = _fill(theirs, ours)

            ours.frames.on_drain(None)
            theirs.transport.resume_reading()
            for _ in range(count):
                await theirs.recv()

            assert not drained.is_set()


class TestAbandon:
    async def test_closes_behind_what_is_buffered(self) -> None:
        async with connected() as (theirs, ours):
            count = _fill(theirs, ours)

            ours.frames.abandon(4008, "resync")
            ours.write("too late")
            message = await ours.receive()
            ours.done.set()
            theirs.transport.resume_reading()
            received = [await theirs.recv() for _ in range(count)]
            with pytest.raises(ConnectionClosed) as closed:
                await theirs.recv()

        assert len(received) == count
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4008, "resync")
        assert message == {"type": "websocket.disconnect", "code": 4008, "reason": "resync"}

    async def test_cuts_off_a_peer_that_never_reads(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(server, "ABANDON_SECONDS", 0.05)
        async with connected() as (theirs, ours):
            _fill(theirs, ours)

            ours.frames.abandon(4008, "resync")
            first = await ours.receive()
            lost = await ours.receive()  # the connection itself has gone

            assert first["code"] == 4008
            assert lost["type"] == "websocket.disconnect"

    @pytest.mark.parametrize("reason", ["it answers no ping", "it closes and reads no answer"])
    async def test_a_peer_that_reads_nothing_is_let_go(
        self, reason: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(server, "ABANDON_SECONDS", 0.05)
        async with connected() as (theirs, ours):
            _fill(theirs, ours)
            protocol = ours.frames._protocol
            lost = _notice_loss(protocol, monkeypatch)

            if reason == "it answers no ping":
                protocol.keepalive_timeout()
            else:
                theirs.transport.write(CLOSE.serialize(mask=True))
            message = await ours.receive()
            ours.done.set()
            await asyncio.wait_for(lost.wait(), PATIENCE_SECONDS)

        assert message["code"] == (1011 if reason == "it answers no ping" else 1000)

    async def test_twice_is_once(self) -> None:
        async with connected() as (theirs, ours):
            ours.frames.abandon(4008, "resync")
            ours.frames.abandon(4009, "again")

            with pytest.raises(ConnectionClosed) as closed:
                await theirs.recv()

        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4008


class TestLimits:
    async def test_a_message_of_64_kib_is_taken(self) -> None:
        async with connected() as (theirs, ours):
            await theirs.send("x" * SOCKET_MESSAGE_BYTES)

            message = await ours.receive()

        assert len(message["text"]) == SOCKET_MESSAGE_BYTES

    async def test_a_larger_one_closes_the_socket(self) -> None:
        async with connected() as (theirs, _ours):
            await theirs.send("x" * (SOCKET_MESSAGE_BYTES + 1))

            with pytest.raises(ConnectionClosed) as closed:
                await theirs.recv()

        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009

    async def test_compression_is_not_offered(self) -> None:
        async with listening() as (url, sockets):
            opening = asyncio.ensure_future(connect(url, compression="deflate"))
            ours = await sockets.get()
            await ours.accept()
            theirs = await opening

            extensions = theirs.response.headers.get("Sec-WebSocket-Extensions")  # type: ignore[union-attr]
            ours.done.set()
            await theirs.close()

        assert extensions is None


async def _open_by_hand(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Ask for a WebSocket without a library that hides what comes after a close."""
    port = int(url.rstrip("/").rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    return reader, writer


def _notice_loss(protocol: FrameProtocol, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Return what is set when nothing is left of the connection."""
    lost = asyncio.Event()
    original = protocol.connection_lost

    def connection_lost(error: Exception | None) -> None:
        original(error)
        lost.set()

    monkeypatch.setattr(protocol, "connection_lost", connection_lost)
    return lost


def _fill(theirs: ClientConnection, ours: Socket) -> int:
    """Write more than the kernels on both sides hold; return how many messages that were."""
    theirs.transport.pause_reading()
    taking = ours.frames._protocol.transport.get_extra_info("socket")
    taking.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)  # or it grows to megabytes
    for _ in range(TOO_MANY):
        ours.write("x" * 60_000)
    return TOO_MANY
