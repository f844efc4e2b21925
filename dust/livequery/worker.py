"""One process's share of the jobs: when it looks for them, and how it runs them.

Which jobs there are, whose they are and what became of them is the affair of ``jobs``.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from django.db import Error

from dust.errors import DustError
from dust.livequery import crons, jobs, metrics, recovery, scheduler
from dust.livequery.actions import Actions
from dust.livequery.errors import DatabaseLostError, WriteConflictError
from dust.livequery.execution import ServerError, run_mutation
from dust.livequery.jobs import Claim, ClaimLostError
from dust.livequery.registry import Kind, find_function
from dust.livequery.runner import Runner
from dust.livequery.writing import Phases

logger = logging.getLogger(__name__)

MOST_AT_ONCE = {Kind.MUTATION: 4, Kind.ACTION: 32}
"""How many jobs of a kind one process runs at once. A mutation needs a thread and a connection."""

_RENEW_EVERY = recovery.LIFETIME / 3


class Worker:
    """Runs jobs beside whatever else its process does.

    One task looks for them, on a thread and connection of its own: at the time that the next one is
    due, when it is woken, when a job has ended, and every half second in any case. It also gives
    the process's sign of life. All but the jobs and the look-ups happens on the event loop.
    """

    def __init__(self, actions: Actions) -> None:
        self._actions = actions
        self._due = asyncio.Event()
        self._running: dict[UUID, Claim] = {}
        self._performing: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._is_cut_off = False
        self._stop_listening: Callable[[], None] = lambda: None

    async def start(self) -> None:
        """Begin to run jobs."""
        self._loop = asyncio.get_running_loop()
        self._name = secrets.token_hex(8)
        self._table = Runner(1, name="dust-jobs")
        self._mutations = Runner(MOST_AT_ONCE[Kind.MUTATION], name="dust-job")
        self._turn = asyncio.Semaphore(MOST_AT_ONCE[Kind.ACTION])
        self._due = asyncio.Event()
        self._is_stopping = False
        self._renewed_at = datetime.now(UTC)
        await self._table.run(partial(_sign_on, self._name, now=self._renewed_at))
        self._stop_listening = scheduler.on_due(self._wake_from_anywhere)
        self._task = asyncio.create_task(self._work(), name="dust-jobs")

    async def stop(self, *, patience_seconds: float | None) -> None:
        """Begin no more jobs, and wait for those that run; None means to wait for all of them.

        Mutations are always waited for. An action that is not has failed.
        """
        if self._task is None:
            return
        self._stop_listening()
        self._is_stopping = True
        self._due.set()
        await asyncio.wait([self._task], timeout=patience_seconds)
        for task in [self._task, *self._performing]:
            task.cancel()
        await asyncio.gather(self._task, *self._performing, return_exceptions=True)
        self._task = None
        await asyncio.to_thread(self._mutations.close)
        with contextlib.suppress(Error):  # without it, the row expires
            await self._table.run(partial(recovery.sign_off, self._name))
        await asyncio.to_thread(self._table.close)

    def wake(self) -> None:
        """Look for jobs now; called on the event loop."""
        self._due.set()

    def _wake_from_anywhere(self) -> None:
        self._loop.call_soon_threadsafe(self._due.set)

    # -- looking ------------------------------------------------------------------------------

    async def _work(self) -> None:
        while self._running or not self._is_stopping:
            self._due.clear()
            try:
                seconds = await self._look()
                self._is_cut_off = False
            except Exception:
                # The border: most likely the database is away. One line per outage.
                if not self._is_cut_off:
                    logger.exception("jobs not found", extra={"action": "jobs.fail"})
                self._is_cut_off = True
                seconds = scheduler.LOOK_EVERY.total_seconds()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._due.wait()

    async def _look(self) -> float:
        """Begin what is due; return how many seconds to wait before the next look."""
        now = datetime.now(UTC)
        if not self._renewed_at <= now < self._renewed_at + _RENEW_EVERY:
            running = frozenset(self._running)
            await self._table.run(partial(recovery.renew, self._name, running=running, now=now))
            self._renewed_at = now
        pause = scheduler.LOOK_EVERY
        if not self._is_stopping:
            claims, next_at = await self._table.run(partial(self._take, now))
            for claim in claims:
                self._begin(claim, now)
            pause = min(pause, next_at - now) if next_at else pause
        return pause.total_seconds()

    def _take(self, now: datetime) -> tuple[list[Claim], datetime | None]:
        busy = [claim.kind for claim in self._running.values()]
        free = {kind: most - busy.count(kind) for kind, most in MOST_AT_ONCE.items()}
        next_cron = crons.fire(now=now)
        claims, next_job = jobs.take(self._name, free=free, now=now)
        known = [at for at in (next_cron, next_job) if at is not None]
        return claims, now if claims else min(known, default=None)

    # -- running ------------------------------------------------------------------------------

    def _begin(self, claim: Claim, now: datetime) -> None:
        metrics.job_lag_seconds.observe(max((now - claim.scheduled_at).total_seconds(), 0.0))
        self._running[claim.id] = claim
        task = asyncio.create_task(self._perform(claim), name=f"dust-job-{claim.path}")
        self._performing.add(task)
        task.add_done_callback(self._performing.discard)

    async def _perform(self, claim: Claim) -> None:
        try:
            if claim.kind is Kind.MUTATION:
                await self._mutations.run(partial(run_mutation_job, claim))
            else:
                await self._act(claim)
        except Exception:
            # The border. The table does not tell how it ended: the next renewal gives it up.
            logger.exception("job lost", extra={"action": "job.lose", "job": claim.id})
        finally:
            del self._running[claim.id]
            self._due.set()

    async def _act(self, claim: Claim) -> None:
        error = ""
        try:
            spec = find_function(claim.path, kind=Kind.ACTION, internal=True)
            await self._actions.run(spec, claim.args, None, turn=self._turn)
        except Exception as exc:  # noqa: BLE001 - the border: noted and logged
            error = note_failure(claim, exc)
        while True:
            now = datetime.now(UTC)
            try:
                await self._table.run(partial(jobs.settle, claim, error=error, now=now))
            except Error:
                # It will not be run again, so this is the only one to tell how it ended.
                await asyncio.sleep(scheduler.LOOK_EVERY.total_seconds())
            else:
                break
        if not error:
            note_success(claim)


def _sign_on(name: str, *, now: datetime) -> None:
    recovery.sign_on(name, now=now)
    crons.sync(now=now)


def run_mutation_job(claim: Claim, *, now: datetime | None = None) -> None:
    """Run a mutation that this thread's process has claimed, and note how it ended."""
    now = now or datetime.now(UTC)
    try:
        spec = find_function(claim.path, kind=Kind.MUTATION, internal=True)
        before = partial(jobs.complete, claim, now=now)
        run_mutation(spec, claim.args, None, now=now, phases=Phases(begun=before))
    except ClaimLostError:
        logger.warning("job was taken over", extra=_told(claim, "job.take_over"))
    except WriteConflictError:
        recovery.put_back(claim, now=now)
    except DatabaseLostError:
        raise
    except Exception as exc:  # noqa: BLE001 - the border: noted with the job, and logged
        jobs.settle(claim, error=note_failure(claim, exc), now=now)
    else:
        note_success(claim)


def note_success(claim: Claim) -> None:
    """Count and log a job that went well; of a cron that is no news."""
    metrics.jobs.labels("success").inc()
    level = logging.DEBUG if claim.cron else logging.INFO
    logger.log(level, "job done", extra=_told(claim, "job.done"))


def note_failure(claim: Claim, error: Exception) -> str:
    """Count and log a failure, once; return the sentence that is kept of it."""
    metrics.jobs.labels("failed").inc()
    request_id = secrets.token_hex(8)
    if isinstance(error, ServerError):  # a query's, which has been logged
        return f"{error.message} ({error.request_id})"
    anticipated = isinstance(error, DustError)
    logger.log(
        logging.WARNING if anticipated else logging.ERROR,
        "job failed",
        exc_info=None if anticipated else error,
        extra=_told(claim, "job.fail") | {"reason": str(error), "request_id": request_id},
    )
    return f"{error if anticipated else 'Server Error'} ({request_id})"


def _told(claim: Claim, action: str) -> dict[str, object]:
    return {"action": action, "function": claim.path, "job": claim.id, "cron": claim.cron}
