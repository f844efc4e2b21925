"""The table of jobs: who runs what, and what became of it.

A job is *pending* until a worker claims it at its time; then it is *in progress*. How it ends:

- A **mutation** becomes a success by the first statement of its own transaction, so the state
  commits with what it writes, or neither does. If its worker dies, the claim is given up and
  somebody else runs it; a worker that was only stalled then finds that the job is no longer its own
  and rolls back. So it takes effect exactly once.
- An **action** cannot be rolled back. It is run after its claim has committed and never again: if
  its worker dies, it has failed. So it happens at most once.

Claims are made at READ COMMITTED and pass over rows that others hold (``SKIP LOCKED``; SQLite has
one writer at a time anyway), so workers do not wait for each other. How claims are given up is
told in ``recovery``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection, transaction
from django.db.models import F, Min, QuerySet

from dust.livequery.changes import unnoticed
from dust.livequery.errors import InvalidArgumentsError
from dust.livequery.models import Job, JobState
from dust.livequery.registry import FunctionSpec, Kind, all_functions

LONGEST_ERROR = 300

_ACTIVE = (JobState.PENDING, JobState.IN_PROGRESS)


class ClaimLostError(Exception):
    """The job was taken away from this worker, which had given no sign of life for too long."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that a worker has taken on. No two claims have both worker and number in common."""

    id: UUID
    path: str
    kind: Kind
    args: Mapping[str, Any]
    scheduled_at: datetime
    cron: str
    worker: str
    number: int


def add(spec: FunctionSpec, args: Mapping[str, Any], *, at: datetime, cron: str = "") -> UUID:
    """Insert a pending job.

    :raises InvalidArgumentsError: if the arguments do not fit the function, or are not JSON.
    """
    try:
        text = msgspec.json.encode(args)
    except (TypeError, ValueError) as exc:
        raise InvalidArgumentsError(f"{spec.path}: {exc}") from exc
    spec.parse(msgspec.json.decode(text))
    job = Job(path=spec.path, kind=spec.kind.value, args=text.decode(), scheduled_at=at, cron=cron)
    job.save(force_insert=True)
    return job.id


def cancel(job_id: UUID, *, now: datetime) -> bool:
    """Cancel a job that nobody has begun; return whether it was one."""
    job = Job(id=job_id, path="", state=JobState.CANCELED, scheduled_at=now, completed_at=now)
    with transaction.atomic():
        path = _put(job, instead_of=_PENDING)
        if path == "":  # there was no such job, and now there is
            transaction.set_rollback(True)
    return bool(path)


def has_run_under_way(cron: str) -> bool:
    """Return whether a run of the cron waits or goes on."""
    return Job.objects.filter(cron=cron, state__in=_ACTIVE).exists()


# --- claims -------------------------------------------------------------------------------------


def take(
    worker: str, *, free: Mapping[Kind, int], now: datetime
) -> tuple[list[Claim], datetime | None]:
    """Claim what is due, as many of each kind as are ``free``.

    Returns with it the time of the first job that is not due yet, as far as that is known.
    """
    times: list[datetime] = []
    claims: list[Claim] = []
    for kind, limit in free.items():
        earliest = find_earliest(kind)
        if earliest is not None and earliest > now:
            times.append(earliest)
        elif earliest is not None and limit:
            claims += claim(kind, worker=worker, limit=limit, now=now)
    return claims, min(times, default=None)


def find_earliest(kind: Kind) -> datetime | None:
    """Return the time of the first pending job."""
    pending = Job.objects.filter(kind=kind.value, state=JobState.PENDING)
    found: datetime | None = pending.aggregate(at=Min("scheduled_at"))["at"]
    return found


def claim(kind: Kind, *, worker: str, limit: int, now: datetime) -> list[Claim]:
    """Claim jobs that are due, the longest waiting first.

    Jobs of functions that this process does not know are left to those that do: during a deploy
    there are two versions.
    """
    known = [spec.path for spec in all_functions() if spec.kind is kind]
    due = Job.objects.filter(
        kind=kind.value, state=JobState.PENDING, scheduled_at__lte=now, path__in=known
    )
    with transaction.atomic(durable=True):
        rows = list(due.order_by("scheduled_at", "id").select_for_update(skip_locked=True)[:limit])
        Job.objects.filter(pk__in=[row.pk for row in rows]).update(
            state=JobState.IN_PROGRESS, claimed_by=worker, tries=F("tries") + 1
        )
    return [_claimed(row, worker) for row in rows]


def _claimed(row: Job, worker: str) -> Claim:
    return Claim(
        id=row.id,
        path=row.path,
        kind=Kind(row.kind),
        args=msgspec.json.decode(row.args),
        scheduled_at=row.scheduled_at,
        cron=row.cron,
        worker=worker,
        number=row.tries + 1,
    )


def complete(claim: Claim, *, now: datetime) -> None:
    """Note a mutation's success, in its own transaction.

    :raises ClaimLostError: if the job is no longer the worker's.
    """
    job = Job(
        id=claim.id,
        path=claim.path,
        kind=claim.kind.value,
        args=msgspec.json.encode(claim.args).decode(),
        state=JobState.SUCCESS,
        scheduled_at=claim.scheduled_at,
        completed_at=now,
        cron=claim.cron,
        claimed_by=claim.worker,
        tries=claim.number,
    )
    if _put(job, instead_of=_MINE) is None:
        raise ClaimLostError


def _put(job: Job, *, instead_of: str) -> str | None:
    """Give the job's row its new state if it fulfils the condition.

    Returns the path in the row, and none if it does not. A row that is missing is inserted: what is
    done to jobs inside mutations is an upsert, which reads nothing that another serializable
    transaction could write. Updates read the end of an index, or all of a small table, and would
    conflict with every other mutation that schedules, cancels or completes a job meanwhile.
    """
    fields = Job._meta.concrete_fields
    values = [field.get_db_prep_save(getattr(job, field.attname), connection) for field in fields]
    columns = ", ".join(f'"{field.column}"' for field in fields)
    marks = ", ".join(["%s"] * len(fields))
    with unnoticed(), connection.cursor() as cursor:
        cursor.execute(_PUT.format(columns=columns, marks=marks, condition=instead_of), values)
        row = cursor.fetchone()
    return None if row is None else row[0]


_PUT = """
    INSERT INTO livequery_job ({columns}) VALUES ({marks})
    ON CONFLICT (id) DO UPDATE SET state = excluded.state, completed_at = excluded.completed_at
    WHERE {condition} RETURNING path
"""
_PENDING = "livequery_job.state = 'pending'"
_MINE = """
    livequery_job.state = 'inProgress' AND livequery_job.claimed_by = excluded.claimed_by
    AND livequery_job.tries = excluded.tries
"""


def settle(claim: Claim, *, error: str = "", now: datetime) -> None:
    """Note an action's end, or a mutation's failure, unless the claim is lost."""
    state = JobState.FAILED if error else JobState.SUCCESS
    rows_of(claim).update(state=state, completed_at=now, error=error[:LONGEST_ERROR])


def rows_of(claim: Claim) -> QuerySet[Job]:
    """Return the job's row, or none if the claim is lost."""
    return Job.objects.filter(
        pk=claim.id, state=JobState.IN_PROGRESS, claimed_by=claim.worker, tries=claim.number
    )
