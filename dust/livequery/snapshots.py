"""Queries that are to be answered from one state of the database: many at once, or one by one.

For those that come one by one a process *holds* a snapshot for a while. On PostgreSQL it is
exported, and found by every process in a table of ours; on SQLite, where one process serves, it is
read by the thread that holds it.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import DatabaseError, Error, connection
from django.db.models import Q

from dust.errors import DustError
from dust.livequery import runner
from dust.livequery.clock import Clock
from dust.livequery.context import Caller
from dust.livequery.errors import SnapshotUnavailableError
from dust.livequery.execution import Result, run_query
from dust.livequery.models import HeldSnapshot
from dust.livequery.registry import FunctionSpec
from dust.livequery.runner import Runner
from dust.livequery.transactions import is_snapshot_spoilt, snapshot

HELD_FOR = timedelta(seconds=30)
MOST_HELD = 8
"""How many one process holds, each with a thread and a connection; the oldest gives way."""

QueryCall = tuple[FunctionSpec, Mapping[str, Any]]


def run_together(
    calls: Iterable[QueryCall], caller: Caller | None, *, now: datetime
) -> list[Result]:
    """Run queries in one snapshot, and return their results in the same order."""
    results: list[Result] = []
    with snapshot():
        for spec, args in calls:
            if is_snapshot_spoilt():  # by the one before, whose error is then everybody's
                results.append(results[-1])
                continue
            results.append(_run(spec, args, caller, now))
    return results


class SnapshotKeeper:
    """The snapshots that one process holds. Used on the event loop only."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: dict[int, _Held] = {}
        self._opening = asyncio.Lock()
        self._releases: set[asyncio.Task[None]] = set()

    async def hold(self, *, now: datetime) -> int:
        """Take a snapshot, hold it for a while, and return its timestamp.

        The clock is read before the snapshot is taken, so it shows every commit that was answered
        with a smaller timestamp.
        """
        async with self._opening:
            if len(self._held) >= MOST_HELD:
                await self._release(next(iter(self._held.values())))
            held = _Held(self._clock.issue(), expires_at=now + HELD_FOR)
            try:
                await held.lane.run(held.open)
                if held.name is not None:
                    await runner.run(partial(_announce, held.ts, held.name, held.expires_at, now))
                loop = asyncio.get_running_loop()
                held.timer = loop.call_later(HELD_FOR.total_seconds(), self._expire, held)
                self._held[held.ts] = held
            finally:
                if held.ts not in self._held:  # failed, or nobody waits for it any more
                    await held.close()
            return held.ts

    async def query(
        self,
        ts: int,
        spec: FunctionSpec,
        args: Mapping[str, Any],
        caller: Caller | None,
        *,
        now: datetime,
    ) -> Result:
        """Run a query in the snapshot of that timestamp, whichever process holds it.

        :raises SnapshotUnavailableError: if nobody does any more.
        """
        work = partial(_run, spec, args, caller, now)
        if connection.vendor == "postgresql":
            return await runner.run(partial(_in_exported, ts, work, now=now))
        held = self._held.get(ts)
        if held is None or held.expires_at <= now:
            raise SnapshotUnavailableError
        return await held.lane.run(partial(_in_held, work))

    async def close(self) -> None:
        """Let go of everything."""
        async with self._opening:
            for held in list(self._held.values()):
                await self._release(held)
        await asyncio.gather(*self._releases)

    def _expire(self, held: "_Held") -> None:
        task = asyncio.create_task(self._release(held), name="dust-snapshot-release")
        self._releases.add(task)
        task.add_done_callback(self._releases.discard)

    async def _release(self, held: "_Held") -> None:
        if self._held.pop(held.ts, None) is None:
            return
        held.timer.cancel()
        await held.close()


class _Held:
    """A snapshot, open on a thread of its own. ``name`` is what it was exported as, if it was."""

    timer: asyncio.TimerHandle

    def __init__(self, ts: int, *, expires_at: datetime) -> None:
        self.ts = ts
        self.expires_at = expires_at
        self.name: str | None = None
        self.lane = Runner(1, name="dust-snapshot")
        self._stack = contextlib.ExitStack()

    def open(self) -> None:
        """Take it. The first statement that reads anything is what does so."""
        self._stack.enter_context(snapshot())
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SELECT pg_export_snapshot()")
                (self.name,) = cursor.fetchone()
            else:
                cursor.execute("SELECT count(*) FROM sqlite_schema")

    async def close(self) -> None:
        """Let it go, with its thread and its connection."""
        await self.lane.run(self._close)
        await asyncio.to_thread(self.lane.close)

    def _close(self) -> None:
        with contextlib.suppress(Error):  # its server may have gone, and the snapshot with it
            self._stack.close()


def _announce(ts: int, name: str, expires_at: datetime, now: datetime) -> None:
    # A server that has been started anew gives the same names again.
    HeldSnapshot.objects.filter(Q(expires_at__lte=now) | Q(name=name)).delete()
    HeldSnapshot.objects.create(ts=ts, name=name, expires_at=expires_at)


def _in_exported(ts: int, work: Callable[[], Result], *, now: datetime) -> Result:
    found = HeldSnapshot.objects.filter(ts=ts, expires_at__gt=now).order_by("id").first()
    if found is None:
        raise SnapshotUnavailableError
    with snapshot():
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION SNAPSHOT %s", [found.name])
        except DatabaseError as exc:  # whoever held it has died, or had to make room
            raise SnapshotUnavailableError from exc
        return work()


def _in_held(work: Callable[[], Result]) -> Result:
    if is_snapshot_spoilt():
        raise SnapshotUnavailableError
    return work()


def _run(
    spec: FunctionSpec, args: Mapping[str, Any], caller: Caller | None, now: datetime
) -> Result:
    try:
        return run_query(spec, spec.parse(args), caller, now=now).result
    except DustError as exc:  # the arguments do not fit
        return Result.failed(exc)
