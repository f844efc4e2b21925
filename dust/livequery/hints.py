"""Tells other processes what this one has committed, over the channel layer.

Hints only make others quick: whatever is not sent, they find in the change rows. So nothing here
waits or is retried, and the backlog is bounded. Listening to hints is ``fanout``'s part.
"""

import asyncio
import atexit
import logging
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec
from channels import DEFAULT_CHANNEL_LAYER
from channels.layers import BaseChannelLayer, InMemoryChannelLayer, channel_layers
from typing_extensions import override

from dust.livequery import changes, metrics
from dust.livequery.changes import Commit

logger = logging.getLogger(__name__)

GROUP = "livequery"
MESSAGE_TYPE = "livequery.hints"

BACKLOG = 10_000
"""Commits that may wait to be sent; beyond that they are dropped."""

MOST_IN_ONE_MESSAGE = 100
MOST_BYTES = 64 * 1024
"""A commit that takes more to describe is left to be found in its row."""

SECONDS_BETWEEN_BATCHES = 0.01
"""A message costs as much for one commit as for a hundred, so a stream of them is gathered."""

SEND_SECONDS = 2.0
FLUSH_SECONDS = 1.0


class Hints(msgspec.Struct, array_like=True):
    """One message: commits of one process, each as (seq, ts, encoded writes).

    ``number`` counts the process's messages, so that a listener notices if one is missing; a number
    left out says that a commit was. ``is_due`` says that there is a job to run.
    """

    origin: str
    number: int
    commits: list[tuple[int, int, bytes]]
    is_due: bool = False

    @classmethod
    def parse(cls, message: dict[str, Any]) -> "Hints":
        """Read a message of the layer.

        :raises msgspec.MsgspecError: if another version of this program has sent it.
        """
        return _decoder.decode(message["body"])

    def message(self) -> dict[str, Any]:
        return {"type": MESSAGE_TYPE, "body": msgspec.msgpack.encode(self)}

    def unpack(self) -> list[Commit]:
        """Return the commits.

        :raises msgspec.MsgspecError: if another version of this program has sent them.
        """
        return [
            Commit(self.origin, seq, ts, changes.decode_writes(writes))
            for seq, ts, writes in self.commits
        ]


_decoder = msgspec.msgpack.Decoder(Hints)


def reason_of(failure: Exception) -> str:
    """Say in one line what a layer has failed with."""
    said = " ".join((str(failure) or failure.__doc__ or "").split())
    return f"{type(failure).__name__}: {said}"


def make_shared_layer() -> BaseChannelLayer | None:
    """Return a channel layer object of one's own, None if no other process could be reached.

    Of one's own, since a layer that has failed is best flushed, which cuts off all its users.
    """
    layer = channel_layers.make_backend(DEFAULT_CHANNEL_LAYER)
    return None if isinstance(layer, InMemoryChannelLayer) else layer


class _Loop(asyncio.SelectorEventLoop):
    """Looks names up in its own thread: while a process ends, no other can be had for that."""

    @override
    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        return socket.getaddrinfo(host, port, **options)  # nothing else runs in this loop


class Announcer:
    """Sends hints from a thread of its own, which the first commit starts.

    A thread, and not the server's event loop, because commands and WSGI workers have none, and
    because a loop busy with a thousand sockets should not keep other processes waiting.
    """

    def __init__(
        self, *, make_layer: Callable[[], BaseChannelLayer | None] = make_shared_layer
    ) -> None:
        self._make_layer = make_layer
        self.reset()

    def reset(self) -> None:
        """Begin anew, as a forked process must: threads do not survive a fork."""
        self._pending: deque[Commit] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_due = False
        self._is_closing = False
        self._is_cut_off = False
        self._number = 0
        self._last_batch_at = 0.0

    def announce(self, commit: Commit) -> None:
        """Have the others told of a commit. Never blocks; called in the committing thread."""
        with self._changed:
            if len(self._pending) >= BACKLOG:
                self._number += 1
                metrics.dropped_hints.inc()
                return
            self._pending.append(commit)
            self._speak()

    def announce_due(self) -> None:
        """Have the others told that a job is to be run. Never blocks; called in any thread."""
        with self._changed:
            self._is_due = True
            self._speak()

    def _speak(self) -> None:
        self._changed.notify()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="dust-hints", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Send what is pending, but do not take longer than a moment."""
        with self._changed:
            thread = self._thread
            self._is_closing = True
            self._changed.notify()
        if thread is not None:
            thread.join(FLUSH_SECONDS)

    def _run(self) -> None:
        layer = self._make_layer()
        with asyncio.Runner(loop_factory=_Loop) as loop:
            while any(told := self._next_batch()):
                if layer is not None:
                    loop.run(self._send(layer, *told))

    def _next_batch(self) -> tuple[list[Commit], bool]:
        """Wait for commits, and a moment longer for more of a stream, or for a job that is due.

        Neither means the end.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._pending or self._is_due or self._is_closing)
            wait = self._last_batch_at + SECONDS_BETWEEN_BATCHES - time.monotonic()
            if wait > 0:
                self._changed.wait_for(self._has_full_batch, wait)
            self._last_batch_at = time.monotonic()
            size = min(len(self._pending), MOST_IN_ONE_MESSAGE)
            is_due, self._is_due = self._is_due, False
            return [self._pending.popleft() for _ in range(size)], is_due

    def _has_full_batch(self) -> bool:
        return self._is_closing or len(self._pending) >= MOST_IN_ONE_MESSAGE

    async def _send(
        self,
        layer: BaseChannelLayer,
        batch: list[Commit],
        is_due: bool,  # noqa: FBT001
    ) -> None:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await layer.group_send(GROUP, self._pack(batch, is_due=is_due).message())
        except Exception as exc:  # noqa: BLE001 - the border to a layer that may raise anything
            # One line per outage, not per commit.
            metrics.dropped_hints.inc(len(batch))
            if not self._is_cut_off:
                extra = {"action": "hints.fail", "reason": reason_of(exc)}
                logger.warning("hints not sent", extra=extra)
            self._is_cut_off = True
        else:
            if self._is_cut_off:
                logger.info("hints are sent again", extra={"action": "hints.sent_again"})
            self._is_cut_off = False

    def _pack(self, batch: list[Commit], *, is_due: bool) -> Hints:
        packed = [(commit.seq, commit.ts, changes.encode_writes(commit.writes)) for commit in batch]
        short = [each for each in packed if len(each[2]) <= MOST_BYTES]
        left_out = len(packed) - len(short)
        metrics.dropped_hints.inc(left_out)
        with self._changed:
            self._number += 2 if left_out else 1
            origin = batch[0].origin if batch else changes.ORIGIN
            return Hints(origin, self._number, short, is_due)


_announcer = Announcer()
announce = _announcer.announce
"""Tells other processes of a commit; to be registered with ``changes.on_commit``."""
announce_due = _announcer.announce_due
"""Tells other processes that a job is to be run."""

os.register_at_fork(after_in_child=_announcer.reset)
atexit.register(_announcer.close)
