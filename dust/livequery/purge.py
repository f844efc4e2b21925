"""Deletes the engine's own rows, and sessions of the admin, when they have served their time."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.sessions.models import Session
from django.db.models import Model, QuerySet

from dust.livequery.changes import unnoticed
from dust.livequery.models import Change, Job, Request

CHANGES_KEPT = timedelta(hours=1)
REQUESTS_KEPT = timedelta(weeks=2)
JOBS_KEPT = timedelta(days=7)

_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class PurgeReport:
    """How many rows were deleted, and whether there may be more of the kind."""

    deleted: int
    may_go_on: bool


def purge(*, now: datetime) -> PurgeReport:
    """Delete a batch each of requests and jobs of long ago, changes of an hour ago, and sessions.

    These are Django's own, of the admin, that have expired. A batch takes a moment, so nobody waits
    long. Running it several times at once does no harm.
    """
    counts = [
        _delete_first(Request.objects.filter(created_at__lt=now - REQUESTS_KEPT), "created_at"),
        _delete_first(Change.objects.filter(created_at__lt=now - CHANGES_KEPT), "created_at"),
        _delete_first(Job.objects.filter(completed_at__lt=now - JOBS_KEPT), "completed_at"),
    ]
    with unnoticed():
        expired = Session.objects.filter(expire_date__lt=now)
        counts.append(_delete_first(expired, "expire_date"))
    return PurgeReport(sum(counts), max(counts) == _BATCH)


def forget_requests(owner: str) -> bool:
    """Delete a batch of the requests that are stored for an owner; return whether none is left."""
    return _delete_first(Request.objects.filter(owner=owner), "id") < _BATCH


def _delete_first(rows: QuerySet[Model], order: str) -> int:
    keys = list(rows.order_by(order).values_list("pk", flat=True)[:_BATCH])
    return rows.filter(pk__in=keys).delete()[0]
