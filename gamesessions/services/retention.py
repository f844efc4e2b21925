"""What goes: old history, sessions that are too many, and all of a player who leaves."""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Exists

from accounts.services.deletion import rename_in_log
from gamesessions import rules
from gamesessions.models import GameSession, PlayEvent, Save
from gamesessions.rules import Status

SESSIONS_AT_ONCE = 200
DROPPED_AT_ONCE = 50
"""How many sessions a transaction drops, of one player. A run that goes with one has many pages."""
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


_held: list[Exists] = []


def hold(kept: Exists) -> None:
    """Have no session dropped of which there is this, however many its player has."""
    _held.append(kept)


def drop_sessions(*, since: datetime) -> datetime | None:
    """Delete a batch of sessions that are too many of their player's, the oldest.

    Looks at players of whom a session has ended since: nobody else has come to have more. Whoever
    is missed, because nothing ran for long, is looked at once they have played again. Returns since
    when to go on looking, None when all have been looked at.
    """
    recent = GameSession.objects.filter(trimmed=False, ended_at__gt=since).order_by("ended_at")
    rows = list(recent.values_list("user_id", "ended_at")[:SESSIONS_AT_ONCE])
    dropped, seen = 0, set()
    for user_id, ended_at in rows:
        assert ended_at is not None
        if user_id not in seen:
            dropped += _drop_oldest(user_id)
            seen.add(user_id)
        if dropped >= DROPPED_AT_ONCE:  # of this player there may be more
            return ended_at - timedelta(microseconds=1)
    return rows[-1][1] if len(rows) == SESSIONS_AT_ONCE else None


def _drop_oldest(user_id: UUID) -> int:
    """Delete some of a player's sessions that are too many; return how many, or could be."""
    own = GameSession.objects.filter(user_id=user_id).order_by("-id").values_list("id", flat=True)
    newest_too_many = own[rules.MAX_SESSIONS :].first()
    if newest_too_many is None:
        return 0
    droppable = own.filter(id__lte=newest_too_many).exclude(status=Status.ACTIVE)
    for kept in _held:
        droppable = droppable.filter(~kept)
    with transaction.atomic():
        same = GameSession.objects.filter(id__in=list(droppable[:DROPPED_AT_ONCE])).order_by("id")
        locked = list(same.select_for_update(skip_locked=True).values_list("id", flat=True))
        # Under its lock nothing comes to refer to a session. What did before keeps it.
        doomed = list(droppable.filter(id__in=locked))
        if not _drop_history(doomed):
            return DROPPED_AT_ONCE
        GameSession.objects.filter(id__in=doomed).only("id").delete()
    return len(doomed)


def erase_sessions(user_id: UUID) -> bool:
    """Delete a batch of a user's sessions, with all of theirs; return whether none is left."""
    own = GameSession.objects.filter(user_id=user_id)
    with transaction.atomic():
        chosen = list(own.order_by("id").values_list("id", flat=True)[:SESSIONS_AT_ONCE])
        if not _drop_history(chosen):
            return False
        rename_in_log(GameSession, chosen, "A game of a deleted account")
        GameSession.objects.filter(id__in=chosen).only("id").delete()
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
