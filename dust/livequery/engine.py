"""The engine of one process: commits come in, what they made stale is run again, news goes out.

What is *not* here: who watches what (``liveset``), running a function (``execution``), transactions
and retries (``writing``), what other processes did (``fanout``).
"""

import asyncio
import contextlib
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from dust.livequery import changes, metrics, runner
from dust.livequery.actions import Actions
from dust.livequery.changes import Commit
from dust.livequery.chores import ChoreKeeper
from dust.livequery.clock import Clock, process_clock
from dust.livequery.connection import Connection
from dust.livequery.context import Caller
from dust.livequery.execution import Outcome, Result, run_mutation, run_query, run_query_alone
from dust.livequery.fanout import Fanout
from dust.livequery.lanes import BUDGET_SECONDS
from dust.livequery.leases import LeaseKeeper
from dust.livequery.live import Door, LiveQuery
from dust.livequery.liveset import LiveSet, Plan
from dust.livequery.registry import Kind, find_function
from dust.livequery.runner import Runner
from dust.livequery.snapshots import SnapshotKeeper
from dust.livequery.transactions import is_snapshot_spoilt, snapshot
from dust.livequery.worker import Worker
from dust.livequery.writing import RequestKey, Written

logger = logging.getLogger(__name__)

_DELIVERIES_PER_TURN = 256
"""Sockets written to before the event loop gets to do something else."""

_SECONDS_BETWEEN_FAILED_CYCLES = 0.25

JOB_GRACE_SECONDS = 5.0
"""How long a process that serves waits for its jobs before it stops without them."""


class Engine:
    """The live queries of one process and the two loops that keep them fresh.

    Everything but the queries themselves happens on the event loop that called ``start``. Ordinary
    cycles and slow ones (of queries that take longer than a cycle's budget) run side by side, each
    on a thread and connection of its own.
    """

    def __init__(self) -> None:
        self.clock: Clock = process_clock()
        self._wakers = {slow: asyncio.Event() for slow in (False, True)}
        self._live = LiveSet(self._wake)
        self._inbox = Inbox(self._apply)
        self._actions = Actions()
        self._worker = Worker(self._actions)
        self._fanout = Fanout(deliver=self._apply, catch_up=self._catch_up, due=self._worker.wake)
        self._leases = LeaseKeeper()
        self._chores = ChoreKeeper()
        self.snapshots = SnapshotKeeper(self.clock)
        self._must_catch_up = False
        self._tasks: list[asyncio.Task[None]] = []
        self._lanes: list[Runner] = []
        self._stop_listening: Callable[[], None] = lambda: None

    @property
    def is_running(self) -> bool:
        return bool(self._tasks)

    async def start(self, *, runs_jobs: bool = False) -> None:
        """Begin to notice commits, here and elsewhere, and perhaps to run jobs.

        Starting twice does nothing.
        """
        if self._tasks:
            return
        self._inbox.loop = asyncio.get_running_loop()
        await runner.run(self.clock.top_up)
        self._stop_listening = changes.on_commit(self._inbox.put)
        self._tasks = [self._start_lane(slow=slow) for slow in (False, True)]
        self._leases.start()
        self._chores.start()
        await self._fanout.start()
        if runs_jobs:
            await self._worker.start()

    async def stop(self, *, job_grace_seconds: float | None = JOB_GRACE_SECONDS) -> None:
        """Stop in the opposite order. Clients that are still connected get nothing more.

        Without ``job_grace_seconds`` it waits for jobs until they have ended. Stopping twice does
        nothing.
        """
        if not self._tasks:
            return
        await self._worker.stop(patience_seconds=job_grace_seconds)
        await self._leases.stop()
        await self._chores.stop()
        await self.snapshots.close()
        self._actions.close()
        self._stop_listening()
        await self._fanout.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        for lane in self._lanes:
            await asyncio.to_thread(lane.close)
        self._lanes = []

    def connect(self, door: Door, caller: Caller | None = None) -> Connection:
        """Return the engine's end of a socket."""
        return Connection(self._live.connect(door, caller), self._leases, self.clock)

    async def query(
        self, path: str, args: Mapping[str, Any], caller: Caller | None, *, internal: bool = False
    ) -> Result:
        """Run a query once.

        :raises DustError: if there is no such query or the arguments do not fit.
        """
        spec = find_function(path, kind=Kind.QUERY, internal=internal)
        return await runner.run(partial(run_query_alone, spec, args, caller))

    async def mutate(
        self,
        path: str,
        args: Mapping[str, Any],
        caller: Caller | None,
        *,
        request: RequestKey | None = None,
        internal: bool = False,
    ) -> Written[Any]:
        """Run a mutation, once per request key.

        :raises DustError: if it fails; then it has left no trace.
        """
        spec = find_function(path, kind=Kind.MUTATION, internal=internal)
        return await runner.run(partial(run_mutation, spec, args, caller, request))

    async def act(
        self,
        path: str,
        args: Mapping[str, Any],
        caller: Caller | None,
        *,
        turn: asyncio.Semaphore,
        internal: bool = False,
    ) -> Any:
        """Run an action. ``turn`` bounds how many run at once for one socket.

        :raises DustError: if it fails.
        """
        spec = find_function(path, kind=Kind.ACTION, internal=internal)
        return await self._actions.run(spec, args, caller, turn=turn)

    # -- commits ------------------------------------------------------------------------------

    def _apply(self, commits: Iterable[Commit]) -> None:
        for commit in self._fanout.reader.mark_applied(commits):
            self._live.apply(commit)

    def _catch_up(self) -> None:
        self._must_catch_up = True
        self._wake()

    def _wake(self) -> None:
        for waker in self._wakers.values():
            waker.set()

    # -- cycles -------------------------------------------------------------------------------

    def _start_lane(self, *, slow: bool) -> asyncio.Task[None]:
        name = "dust-slow-cycles" if slow else "dust-cycles"
        lane = Runner(1, name=name)
        self._lanes.append(lane)
        return asyncio.create_task(self._keep_fresh(lane, slow=slow), name=name)

    async def _keep_fresh(self, lane: Runner, *, slow: bool) -> None:
        waker = self._wakers[slow]
        while True:
            await waker.wait()
            waker.clear()
            while self._live.has_work(slow=slow) or (self._must_catch_up and not slow):
                try:
                    await self._cycle(lane, slow=slow)
                except Exception:
                    # The border: whatever failed (most likely the database is away), clients
                    # stay subscribed and are served as soon as it works again.
                    logger.exception("cycle failed", extra={"action": "cycle.fail"})
                    self._must_catch_up = True
                    await asyncio.sleep(_SECONDS_BETWEEN_FAILED_CYCLES)

    async def _cycle(self, lane: Runner, *, slow: bool) -> None:
        """Serve what is due.

        1. Read the clock, and start to keep what is written from here on. 2. Take a snapshot, and
        apply the commits that it shows and nobody has told of: now nothing is taken for fresh that
        the snapshot shows otherwise. 3. Choose what to run, and run it in the snapshot. 4. Install
        the results; send them. Whatever is not reached stays queued.
        """
        started = time.perf_counter()
        plan = self._live.begin()
        ts = self.clock.issue()
        session = CycleSession(self._fanout.reader.unseen)
        outcomes: dict[LiveQuery, Outcome] = {}
        if not slow:
            self._must_catch_up = False
        try:
            shown = await lane.run(session.open)
            plan.snapshot_at = session.opened_at
            self._apply(shown)
            plan.shows(shown)
            self._live.choose(plan, slow=slow)
            outcomes = await lane.run(partial(session.run, plan))
        finally:
            if not session.is_over:
                # Also if cancelled while it opens: its thread does one thing after the other.
                await lane.run(session.close)
            self._live.install(plan, outcomes)
            await self._send(plan, ts)
            self._live.finish(plan)
        if plan.groups:
            metrics.cycle_seconds.observe(time.perf_counter() - started)

    async def _send(self, plan: Plan, ts: int) -> None:
        sent = 0
        for group, _ in plan.groups[: plan.served]:
            for client, transition in self._live.news(plan, group, ts):
                try:
                    client.door.deliver(transition)
                except Exception:
                    logger.exception("delivery failed", extra={"action": "door.fail"})
                sent += 1
                if sent % _DELIVERIES_PER_TURN == 0:
                    await asyncio.sleep(0)


class CycleSession:
    """One cycle's snapshot, held open on its thread from ``open`` to the end of ``run``."""

    def __init__(self, read_unseen: Callable[[], list[Commit]]) -> None:
        self.is_over = False
        self.opened_at = math.inf
        self._read_unseen = read_unseen
        self._stack = contextlib.ExitStack()

    def open(self) -> list[Commit]:
        """Take the snapshot; return the commits it shows that were not applied yet."""
        self._stack.enter_context(snapshot())
        unseen = self._read_unseen()
        self.opened_at = time.perf_counter()
        return unseen

    def run(self, plan: Plan) -> dict[LiveQuery, Outcome]:
        """Run what the plan's groups need, one group after the other, within the budget."""
        deadline = time.perf_counter() + BUDGET_SECONDS
        now = datetime.now(UTC)
        outcomes: dict[LiveQuery, Outcome] = {}
        try:
            for _, queries in plan.groups:
                if plan.served and time.perf_counter() > deadline:
                    break
                for live in queries:
                    if is_snapshot_spoilt():
                        return outcomes
                    if live not in outcomes:
                        outcomes[live] = self._run_query(live, now)
                plan.served += 1
        finally:
            self.close()
        return outcomes

    @staticmethod
    def _run_query(live: LiveQuery, now: datetime) -> Outcome:
        family = live.family
        return run_query(family.spec, family.args, live.caller, now=now, journal=family.journal)

    def close(self) -> None:
        """Let go of the snapshot."""
        self.is_over = True
        self._stack.close()


class Inbox:
    """Carries commits from the threads that made them to the event loop, many at a time."""

    def __init__(self, deliver: Callable[[list[Commit]], None]) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self._deliver = deliver
        self._commits: deque[Commit] = deque()
        self._lock = threading.Lock()
        self._is_scheduled = False

    def put(self, commit: Commit) -> None:
        """Hand over a commit; called in any thread."""
        with self._lock:
            self._commits.append(commit)
            if self._is_scheduled or self.loop is None:
                return
            self._is_scheduled = True
        self.loop.call_soon_threadsafe(self._empty)

    def _empty(self) -> None:
        with self._lock:
            commits, self._commits = list(self._commits), deque()
            self._is_scheduled = False
        self._deliver(commits)


_engine: Engine | None = None


def get_engine() -> Engine:
    """Return this process's engine. Whoever serves sockets starts it."""
    global _engine  # noqa: PLW0603 - the one owner of the process-wide engine
    if _engine is None:
        _engine = Engine()
    return _engine
