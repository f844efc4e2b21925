"""The server that serves: uvicorn, what its WebSocket connections offer, and one server a file."""

import asyncio
import fcntl
import os
import signal
import struct
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from socket import socket
from typing import Any, cast

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from prometheus_client.multiprocess import mark_process_dead
from typing_extensions import override
from uvicorn import Config, Server
from uvicorn._types import ASGISendEvent
from uvicorn.config import STARTUP_FAILURE
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.supervisors import Multiprocess
from websockets.http11 import Request

FRAMES_EXTENSION = "dust.frames"
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
SOCKET_MESSAGE_BYTES = 64 * 1024
GRACE_SECONDS = 8  # container runtimes kill after ten
ABANDON_SECONDS = 5
WORKER_START_SECONDS = 60
KEEP_ALIVE_SECONDS = 75  # longer than proxies keep theirs, or they send into a closed connection


def text_frame(payload: bytes) -> bytes:
    """Wrap the UTF-8 text as one unmasked, final frame (RFC 6455 §5.2)."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 1 << 16:
        return struct.pack("!BBH", 0x81, 126, size) + payload
    return struct.pack("!BBQ", 0x81, 127, size) + payload


class Frames:
    """What a connection offers beside ordinary sends: frames made once, written as they are.

    Everything is called on the event loop. A frame goes out after whatever was sent before it.
    ``is_full`` says that the buffer rose above its high mark and is not below the low one yet.
    """

    # Kept here and not asked of the connection: a broadcast is as fast as it touches few objects.
    __slots__ = ("_protocol", "_transport", "is_full", "is_open")

    text_frame = staticmethod(text_frame)

    def __init__(self, protocol: "FrameProtocol") -> None:
        self._protocol = protocol
        self._transport = protocol.transport
        self.is_full = False
        self.is_open = False

    def write(self, frame: bytes) -> None:
        """Write a whole frame; a connection not open, or closing, takes nothing."""
        transport = self._transport
        if self.is_open and not transport.is_closing():
            transport.write(frame)

    def buffered(self) -> int:
        """Count the bytes the kernel has not taken yet."""
        return self._protocol.transport.get_write_buffer_size()

    def limit(self, *, message_bytes: int, unsent_bytes: int) -> None:
        """Take messages of that length, and be full above that; said before the socket is accepted.

        With no unsent bytes allowed it is full as soon as the kernel does not take all at once.
        """
        self._protocol.conn.max_message_size = message_bytes
        self._transport.set_write_buffer_limits(high=unsent_bytes)

    def on_drain(self, callback: Callable[[], None] | None) -> None:
        """Call back each time the buffer stops being full; None: no more."""
        self._protocol.drained = callback

    def abandon(self, code: int, reason: str) -> None:
        """Close without waiting for a peer that takes nothing; what it never takes is dropped."""
        self._protocol.abandon(code, reason)


class FrameProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket connection, offering its frames to the application."""

    outlet: Frames
    drained: Callable[[], None] | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.outlet = Frames(self)

    @override
    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:  # refused handshakes have no scope
            extensions = cast("dict[str, Any]", self.scope["extensions"])
            extensions[FRAMES_EXTENSION] = self.outlet

    @override
    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            # A refusal ends the handshake too, which the base would log as an error.
            self.handshake_complete = not message.get("more_body", False)
            return
        self.outlet.is_open = self.handshake_complete and not self.close_sent

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        self.outlet.is_full = True

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        self.outlet.is_full = False
        if self.drained is not None:
            self.drained()

    @override
    def keepalive_timeout(self) -> None:
        """Give up a peer that has not answered a ping, even if it reads nothing either."""
        self.pong_timer = None
        self.abandon(1011, "keepalive ping timeout")

    @override
    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """Let go of a peer that never takes the last it was sent, and so never lets go of us."""
        super().on_task_complete(task)
        self.loop.call_later(ABANDON_SECONDS, self.transport.abort)

    def abandon(self, code: int, reason: str) -> None:
        """Close as the application's ``websocket.close`` does, but give up in the end.

        That one waits for room in the buffer, and then for the buffer to empty: for ever, if the
        peer does not read. Here the close frame is queued, and the peer has a while to get to it.
        """
        if not self.outlet.is_open or self.transport.is_closing():
            return
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.outlet.is_open = False
        if self.read_paused:  # the peer's own close frame may stand behind what it sent before
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(ABANDON_SECONDS, self.transport.abort)


class _AnnouncingServer(Server):
    def __init__(self, config: Config, *, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    @override
    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._announce()


class _AnnouncingSupervisor(Multiprocess):
    def __init__(
        self, config: Config, *, sockets: list[socket], announce: Callable[[], None]
    ) -> None:
        super().__init__(config, sockets)
        self._announce = announce
        self.started = False

    @override
    def init_processes(self) -> None:
        super().init_processes()
        self.started = all(
            process.wait_until_ready(WORKER_START_SECONDS, self.should_exit)
            for process in self.processes
        )
        if self.started:
            self._announce()
        else:
            self.should_exit.set()

    @override
    def keep_subprocess_alive(self) -> None:
        before = {process.pid for process in self.processes}
        super().keep_subprocess_alive()
        for pid in before - {process.pid for process in self.processes}:
            # Or its gauges would count for ever.
            mark_process_dead(pid, os.environ[METRICS_FOLDER])  # type: ignore[no-untyped-call]


def serve(
    listener: socket,
    *,
    workers: int,
    announce: Callable[[], None],
    application: str = "dust.asgi:application",
) -> None:
    """Serve until told to stop: requests in flight finish, sockets close with 1012.

    ``announce`` is called once everything answers. Being told to stop is a clean end.

    :raises SystemExit: if the application does not start.
    """
    config = Config(
        application,
        workers=workers,
        lifespan="on",
        ws="dust.server:FrameProtocol",
        ws_per_message_deflate=False,
        ws_max_size=SOCKET_MESSAGE_BYTES,
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=settings.FORWARDED_ALLOW_IPS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_worker_healthcheck=WORKER_START_SECONDS,
    )
    started = (_serve_many if workers > 1 else _serve_alone)(config, listener, announce)
    if not started:
        sys.exit(STARTUP_FAILURE)


def _serve_alone(config: Config, listener: socket, announce: Callable[[], None]) -> bool:
    server = _AnnouncingServer(config, announce=announce)
    # uvicorn repeats the signal when it has stopped, so that it kills the process after all.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, server.handle_exit)
    server.run([listener])
    return server.started


def _serve_many(config: Config, listener: socket, announce: Callable[[], None]) -> bool:
    supervisor = _AnnouncingSupervisor(config, sockets=[listener], announce=announce)
    with tempfile.TemporaryDirectory(prefix="dust-metrics-") as folder:
        os.environ[METRICS_FOLDER] = folder  # the workers' counts are added up there
        supervisor.run()
    return supervisor.started


@cache
def claim_database() -> int | None:
    """Claim the SQLite file for this process, which keeps the claim until it dies.

    Commands may run beside the process that serves; a second one that serves would not hear of
    the first one's writes in time, and would share its channel layer with nobody.

    :raises ImproperlyConfigured: if another process serves from it.
    """
    if connection.vendor != "sqlite":
        return None
    path = str(connection.settings_dict["NAME"])
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        os.close(descriptor)
        raise ImproperlyConfigured(
            f"Another process already serves from {path}. SQLite is for one serving process;"
            " use PostgreSQL and Redis (DATABASE_URL, REDIS_URL) for more."
        ) from exc
    return descriptor
