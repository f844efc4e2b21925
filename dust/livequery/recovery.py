"""Signs of life of those who run jobs, and what becomes of claims that nobody pursues.

A worker's row in its table is its sign of life; claims of a worker without one are nobody's.
"""

import logging
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import QuerySet

from dust.livequery import metrics
from dust.livequery.jobs import Claim, rows_of
from dust.livequery.models import Job, JobState, WorkerRow
from dust.livequery.registry import Kind, all_functions

logger = logging.getLogger(__name__)

LIFETIME = timedelta(seconds=15)
"""How long a worker counts as alive after its last sign."""

PATIENCE = timedelta(hours=1)
"""How long a job waits for a worker whose version has its function."""

MOST_TRIES = 10
"""How often a mutation is begun whose worker dies each time, or that loses every conflict."""

_WITHOUT_END = "It is not known how it ended: its process died or lost the database."
_TOO_OFTEN = f"It was begun {MOST_TRIES} times and never came to an end."
_UNKNOWN = "There is no function of this name any more."


def renew(worker: str, *, running: Collection[UUID], now: datetime) -> None:
    """Give the worker's sign of life, and give up what it claimed but does not run.

    Then give up the claims of dead workers, unless this one would have been taken for dead too: if
    the database was away, the others must first get the chance to give their sign.
    """
    alive = WorkerRow.objects.filter(expires_at__gt=now)
    was_alive = alive.filter(name=worker).exists()
    WorkerRow.objects.update_or_create(name=worker, defaults={"expires_at": now + LIFETIME})
    _give_up(_claimed().filter(claimed_by=worker).exclude(pk__in=running), now=now)
    if was_alive:
        recover(now=now)


def recover(*, now: datetime) -> None:
    """Give up the claims of dead workers."""
    WorkerRow.objects.filter(expires_at__lte=now).delete()
    living = WorkerRow.objects.values("name")
    _give_up(_claimed().exclude(claimed_by__in=living), now=now)


def sign_on(worker: str, *, now: datetime) -> None:
    """Begin to be a worker. On SQLite there is one at a time, so others must have died."""
    if connection.vendor == "sqlite":
        WorkerRow.objects.all().delete()
        recover(now=now)
    renew(worker, running=(), now=now)


def sign_off(worker: str) -> None:
    """End being a worker; what it still has claimed is anybody's."""
    WorkerRow.objects.filter(name=worker).delete()


def put_back(claim: Claim, *, now: datetime) -> None:
    """Let a mutation that has left no trace be begun again."""
    _give_up(rows_of(claim), now=now)


def fail_unknown(*, now: datetime) -> None:
    """Give up jobs that have long waited for a version of this program that knows their function.

    During a deploy there are two versions, and a job may be the newer's, or of the older's past.
    """
    known = [spec.path for spec in all_functions()]
    overdue = Job.objects.filter(
        kind__in=[Kind.MUTATION.value, Kind.ACTION.value],  # by which the index begins
        state=JobState.PENDING,
        scheduled_at__lte=now - PATIENCE,
    )
    with transaction.atomic():
        for job in overdue.exclude(path__in=known).select_for_update(skip_locked=True):
            _fail(job, _UNKNOWN, now=now)


def _claimed() -> QuerySet[Job]:
    return Job.objects.filter(state=JobState.IN_PROGRESS)


def _give_up(rows: QuerySet[Job], *, now: datetime) -> None:
    """Make claims nobody's: mutations are pending again, actions have failed.

    A mutation whose transaction is open holds its row and is passed over: its worker lives.
    """
    with transaction.atomic(durable=True):
        for job in rows.select_for_update(skip_locked=True):
            if job.kind != Kind.MUTATION.value:
                _fail(job, _WITHOUT_END, now=now)
            elif job.tries >= MOST_TRIES:
                _fail(job, _TOO_OFTEN, now=now)
            else:
                job.state = JobState.PENDING
                job.claimed_by = ""
                job.save(update_fields=["state", "claimed_by"])


def _fail(job: Job, error: str, *, now: datetime) -> None:
    job.state = JobState.FAILED
    job.completed_at = now
    job.error = error
    job.save(update_fields=["state", "completed_at", "error"])
    metrics.jobs.labels("failed").inc()
    logger.error(
        "job given up",
        extra={
            "action": "job.give_up",
            "function": job.path,
            "job": job.id,
            "reason": error,
            "request_id": secrets.token_hex(8),
        },
    )
