"""What goes: the history of games that ended long ago, and all of a player who leaves."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import transaction

from gamesessions import rules
from gamesessions.models import GameSession, PlayEvent, Save

SESSIONS_AT_ONCE = 200
ROWS_AT_ONCE = 5_000
"""How many saves, and how many events, one transaction deletes."""


def trim_sessions(*, now: datetime) -> bool:
    """Delete saves, events and states of sessions that ended long ago; return whether all are gone.

    The sessions stay, and with them how they came out. One batch at a time: call it again while it
    returns False.
    """
    ended = GameSession.objects.filter(trimmed=False, ended_at__lt=now - rules.HISTORY_KEPT)
    with transaction.atomic():
        chosen = list(ended.order_by("ended_at").values_list("id", flat=True)[:SESSIONS_AT_ONCE])
        if not _drop_history(chosen):
            return False
        GameSession.objects.filter(id__in=chosen).update(trimmed=True, state=None)
    return len(chosen) < SESSIONS_AT_ONCE


def erase_sessions(user_id: UUID) -> bool:
    """Delete a batch of a user's sessions, with all of theirs; return whether none is left."""
    own = GameSession.objects.filter(user_id=user_id)
    with transaction.atomic():
        chosen = list(own.order_by("id").values_list("id", flat=True)[:SESSIONS_AT_ONCE])
        if not _drop_history(chosen):
            return False
        GameSession.objects.filter(id__in=chosen).delete()
    return len(chosen) < SESSIONS_AT_ONCE


def _drop_history(session_ids: Collection[UUID]) -> bool:
    """Delete what these sessions have beside themselves; return whether it is all gone."""
    for model in (PlayEvent, Save):
        rows = model.objects.filter(session_id__in=session_ids)
        doomed = list(rows.values_list("id", flat=True)[:ROWS_AT_ONCE])
        model.objects.filter(id__in=doomed).delete()
        if len(doomed) == ROWS_AT_ONCE:
            return False
    return True
