"""Deletes the engine's own rows when they have served their time."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Model

from dust.livequery.models import Change, Request

CHANGES_KEPT = timedelta(hours=1)
REQUESTS_KEPT = timedelta(weeks=2)

_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class PurgeReport:
    """How many rows were deleted."""

    requests: int
    changes: int


def purge(*, now: datetime) -> PurgeReport:
    """Delete requests older than two weeks and changes older than an hour.

    Every batch is a transaction of its own, so others wait for a moment at most. Running it in
    several processes at once does no harm.
    """
    return PurgeReport(
        requests=_delete_older(Request, than=now - REQUESTS_KEPT),
        changes=_delete_older(Change, than=now - CHANGES_KEPT),
    )


def _delete_older(model: type[Model], *, than: datetime) -> int:
    old = model._default_manager.filter(created_at__lt=than).order_by("created_at")  # noqa: SLF001
    deleted = 0
    while ids := list(old.values_list("pk", flat=True)[:_BATCH]):
        deleted += model._default_manager.filter(pk__in=ids).delete()[0]  # noqa: SLF001
    return deleted
