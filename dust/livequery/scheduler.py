"""What is to run later: how functions and services schedule it, and what crons are made of.

Scheduling is an insert in the transaction that is open, so a job exists exactly if whatever
scheduled it has committed. Jobs are kept in the table of ``jobs``, and run by a ``worker``, as
nobody: whoever scheduled one is not the caller of its function.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction

from dust import ids
from dust.livequery import hints, jobs
from dust.livequery.crons import cron
from dust.livequery.errors import InvalidTimeError, TooManyJobsError
from dust.livequery.models import Job
from dust.livequery.registry import find_job_function
from dust.livequery.timetables import Crontab, Every, daily, hourly, monthly, weekly

__all__ = [
    "Crontab",
    "Every",
    "Scheduler",
    "cancel",
    "cron",
    "daily",
    "hourly",
    "monthly",
    "schedule",
    "weekly",
]

MOST_JOBS = 1_000
"""What one call of a function may schedule."""

LOOK_EVERY = timedelta(seconds=0.5)
"""How often workers look for jobs, if nobody tells them of one."""


def schedule(path: str, args: Mapping[str, Any], *, at: datetime) -> UUID:
    """Have a mutation or an action, public or internal, run at that time or as soon as possible.

    Part of the open transaction, if there is one.

    :raises UnknownFunctionError: if there is no such function.
    :raises InvalidArgumentsError: if the arguments do not fit it.
    :raises InvalidTimeError: if the time has no time zone.
    """
    if at.tzinfo is None:
        raise InvalidTimeError
    job_id = jobs.add(find_job_function(path), args, at=at)
    transaction.on_commit(partial(_tell, at))
    return job_id


def cancel(job_id: UUID, *, now: datetime) -> bool:
    """Cancel a job in the open transaction, if there is one.

    Returns false if it is too late: the job has begun, is over or forgotten.
    """
    return jobs.cancel(job_id, now=now)


class Scheduler:
    """What a running function schedules with; ids are opaque as at every door.

    ``call`` is given each piece of work that needs the database.
    """

    def __init__(
        self, *, clock: Callable[[], datetime], call: Callable[[Callable[[], Any]], Any]
    ) -> None:
        self._clock = clock
        self._call = call
        self._count = 0

    def run_after(self, seconds: float, path: str, args: Mapping[str, Any]) -> str:
        """Have the function run so many seconds from now; see :func:`schedule`.

        :raises InvalidTimeError: if that is in the past or beyond all time.
        """
        try:
            at = self._clock() + timedelta(seconds=seconds)
        except (OverflowError, ValueError) as exc:
            raise InvalidTimeError from exc
        if seconds < 0:
            raise InvalidTimeError
        return self.run_at(at, path, args)

    def run_at(self, at: datetime, path: str, args: Mapping[str, Any]) -> str:
        """Have the function run at that time, at once if it has passed; see :func:`schedule`.

        :raises TooManyJobsError: if this call has scheduled too many.
        """
        if self._count >= MOST_JOBS:
            raise TooManyJobsError(f"One call schedules {MOST_JOBS} jobs at most.")
        self._count += 1
        job_id: UUID = self._call(partial(schedule, path, args, at=at))
        return ids.encode(Job.TABLE_NUMBER, job_id)

    def cancel(self, job: str) -> bool:
        """Cancel a job; false if it is too late.

        :raises InvalidIdError: if this is not the id of a job.
        """
        job_id = ids.decode(job, Job.TABLE_NUMBER)
        done: bool = self._call(partial(cancel, job_id, now=self._clock()))
        return done


# --- telling workers ----------------------------------------------------------------------------

_workers: list[Callable[[], None]] = []


def on_due(wake: Callable[[], None]) -> Callable[[], None]:
    """Have this process's worker woken when it should look for jobs; return what ends that.

    It is called in any thread.
    """
    _workers.append(wake)
    return lambda: _workers.remove(wake)


def _tell(at: datetime) -> None:
    """Wake a worker, here or elsewhere, unless it will look in time by itself."""
    if at - datetime.now(UTC) > LOOK_EVERY:
        return
    for wake in tuple(_workers) or (hints.announce_due,):
        wake()
