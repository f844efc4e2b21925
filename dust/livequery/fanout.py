"""What other processes commit reaches this one here.

Two ways lead in. *Hints* come over the channel layer, which the process joins once, however many
sockets it serves. They are quick and may be lost. *Change rows* are the truth; the engine reads
them at the start of each refresh cycle (see ``catchup``), and is asked here for a cycle whenever
there may be rows that no hint told of: a hint is missing, the layer was away, something has written
to the SQLite file. On PostgreSQL it is also asked a few times a second, because a process that dies
between its commit and its hint leaves no sign.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from channels.layers import BaseChannelLayer
from django.db import DatabaseError, connection

from dust.livequery import changes, metrics
from dust.livequery.catchup import ChangeReader
from dust.livequery.changes import Commit
from dust.livequery.hints import (
    GROUP,
    MESSAGE_TYPE,
    SEND_SECONDS,
    Hints,
    make_shared_layer,
    reason_of,
)
from dust.livequery.runner import Runner

__all__ = ["ChangeReader", "Fanout"]

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.25
WATCH_SECONDS = 0.05
BEAT_SECONDS = 2.0
UNHEARD_BEATS = 2
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
REMEMBERED_ORIGINS = 1_000

_BEAT = "livequery.beat"


class UnheardError(Exception):
    """The layer takes messages, and this process does not get them."""


class Fanout:
    """A process's ear. Everything is called on the event loop.

    ``deliver`` takes commits of other processes, perhaps known already; ``catch_up`` asks for a
    refresh cycle even if nothing is known to be stale; ``due`` says that there is a job to run.
    """

    def __init__(
        self,
        *,
        deliver: Callable[[list[Commit]], object],
        catch_up: Callable[[], None],
        due: Callable[[], None] = lambda: None,
        make_layer: Callable[[], BaseChannelLayer | None] = make_shared_layer,
    ) -> None:
        self.reader = ChangeReader()
        self._deliver = deliver
        self._catch_up = catch_up
        self._due = due
        self._make_layer = make_layer
        self._numbers: OrderedDict[str, int] = OrderedDict()
        self._tasks: list[asyncio.Task[None]] = []
        self._watcher: Runner | None = None
        self._pause = FIRST_PAUSE_SECONDS
        self._is_cut_off = False

    async def start(self) -> None:
        """Begin to listen and to watch. Neither the layer nor the database need be there yet."""
        if connection.vendor == "postgresql":
            self._keep(self._poll(), name="dust-poll")
        else:
            self._watcher = Runner(1, name="dust-file-watch")
            self._keep(self._watch(self._watcher), name="dust-file-watch")
        layer = self._make_layer()
        if layer is not None:
            self._keep(self._listen(layer), name="dust-listen")

    async def stop(self) -> None:
        """Let go of the layer and the database."""
        pending = set(self._tasks)
        while pending:  # the Redis client may swallow a cancellation while it connects
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=1)
        self._tasks = []
        if self._watcher is not None:
            await asyncio.to_thread(self._watcher.close)
            self._watcher = None

    def _keep(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        self._tasks.append(asyncio.create_task(work, name=name))

    # -- the database -------------------------------------------------------------------------

    async def _poll(self) -> None:
        while True:
            self._catch_up()
            await asyncio.sleep(POLL_SECONDS)

    async def _watch(self, watcher: Runner) -> None:
        """Notice that the SQLite file has changed, through whomever.

        The number to compare belongs to one connection, hence the thread of its own.
        """
        seen: int | None = None
        while True:
            try:
                version = await watcher.run(_data_version)
            except DatabaseError:
                logger.warning("file not read", exc_info=True, extra={"action": "watch.fail"})
                version = None
            if version is not None and version != seen:
                self._catch_up()
            seen = version
            await asyncio.sleep(WATCH_SECONDS)

    # -- the layer ----------------------------------------------------------------------------

    async def _listen(self, layer: BaseChannelLayer) -> None:
        """Listen for ever; after a failure join anew, pausing longer each time."""
        while True:
            try:
                try:
                    await self._hear_until_it_fails(layer)
                finally:
                    await layer.flush()  # closes connections, and what is left half joined
            except Exception as exc:  # noqa: BLE001 - the border to a layer that may raise anything
                # One line per outage.
                if not self._is_cut_off:
                    extra = {"action": "hints.lost", "reason": reason_of(exc)}
                    logger.warning("hints cut off", extra=extra)
                self._is_cut_off = True
            await asyncio.sleep(self._pause)
            self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)

    async def _hear_until_it_fails(self, layer: BaseChannelLayer) -> None:
        """Join and hear.

        A subscription may die without an error, so in silence this speaks to the group, itself
        included.

        :raises UnheardError: if it is not heard.
        """
        async with asyncio.timeout(SEND_SECONDS):
            channel = await layer.new_channel()
            await layer.group_add(GROUP, channel)
        self._suspect()  # nobody was listening until now
        unheard = 0
        receiving = asyncio.ensure_future(layer.receive(channel))
        try:
            while True:
                await asyncio.wait([receiving], timeout=BEAT_SECONDS)
                if receiving.done():
                    message = receiving.result()
                    receiving = asyncio.ensure_future(layer.receive(channel))
                    self._hear(message)
                    unheard = 0
                elif unheard == UNHEARD_BEATS:
                    raise UnheardError
                else:
                    unheard += 1
                    async with asyncio.timeout(SEND_SECONDS):
                        await layer.group_send(GROUP, {"type": _BEAT})
        finally:
            receiving.cancel()
            await asyncio.wait([receiving])

    def _hear(self, message: dict[str, Any]) -> None:
        self._pause = FIRST_PAUSE_SECONDS
        if self._is_cut_off:
            self._is_cut_off = False
            logger.info("hints are back", extra={"action": "hints.back"})
        if message["type"] != MESSAGE_TYPE:
            return
        try:
            hints = Hints.parse(message)
            commits = hints.unpack()
        except msgspec.MsgspecError:
            self._suspect()
            return
        if hints.origin == changes.ORIGIN:
            return
        if hints.is_due:
            self._due()
        if self._is_after_a_hole(hints):
            self._suspect()
        self._deliver(commits)

    def _is_after_a_hole(self, hints: Hints) -> bool:
        last = self._numbers.pop(hints.origin, None)
        self._numbers[hints.origin] = hints.number
        if len(self._numbers) > REMEMBERED_ORIGINS:
            self._numbers.popitem(last=False)
        return last is not None and hints.number != last + 1

    def _suspect(self) -> None:
        """Have the change rows looked at, since there may be some that no hint told of."""
        metrics.catch_ups.inc()
        self._catch_up()


def _data_version() -> int:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA data_version")
        version: int = cursor.fetchone()[0]
        return version
