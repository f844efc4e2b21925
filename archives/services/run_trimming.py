"""What goes of runs: the pages of those that ended long ago, and all of a player who leaves."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from archives.models import Run, RunPage
from archives.rules import runs

RUNS_AT_ONCE = 100


def trim_runs(*, now: datetime) -> bool:
    """Delete the pages of some runs that ended long ago; return whether all are gone.

    The runs stay, and with them how they came out. Call it again while it returns False.
    """
    ended = Run.objects.filter(trimmed=False, ended_at__lt=now - runs.PAGES_KEPT)
    with transaction.atomic():
        first = ended.order_by("ended_at").values_list("session_id", flat=True)
        chosen = list(first[:RUNS_AT_ONCE])
        RunPage.objects.filter(run_id__in=chosen).delete()
        Run.objects.filter(session_id__in=chosen).update(trimmed=True)
    return len(chosen) < RUNS_AT_ONCE


def erase_runs(user_id: UUID) -> bool:
    """Delete some of a user's runs; return whether none is left."""
    own = Run.objects.filter(session__user_id=user_id).order_by("session_id")
    with transaction.atomic():
        chosen = list(own.values_list("session_id", flat=True)[:RUNS_AT_ONCE])
        RunPage.objects.filter(run_id__in=chosen).delete()
        Run.objects.filter(session_id__in=chosen).delete()
    return len(chosen) < RUNS_AT_ONCE
