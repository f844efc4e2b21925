"""What players have submitted: evidence, and what they fall back to when a result is withdrawn."""

import logging
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from leaderboard import rules
from leaderboard.models import Attempt, Entry, Result

DELETED_AT_ONCE = 5_000

logger = logging.getLogger(__name__)


def withdraw_all(entry: Entry) -> None:
    """Have nothing count that the entry's player has submitted to its board until now."""
    Attempt.objects.filter(board_id=entry.board_id, user_id=entry.user_id).update(withdrawn=True)


def fall_back(entry: Entry) -> None:
    """Have the entry show the best of its player's attempts that count; without any, delete it.

    Hidden and suspended entries stay so. Requires the lock of the entry's row, which whoever
    submits waits for: of the two, the later sees what the other has done.
    """
    own = Attempt.objects.filter(board_id=entry.board_id, user_id=entry.user_id)
    best = own.best_first().first()
    if best is None:
        entry.delete()
    else:
        for name in Result.VALUES:
            setattr(entry, name, getattr(best, name))
        entry.ranked = best.source in settings.LEADERBOARD_RANKED_SOURCES
        entry.achieved_at = best.created_at
        entry.save(update_fields=[*Result.VALUES, "ranked", "achieved_at"])
    logger.info(
        "entry withdrawn",
        extra={
            "action": "leaderboard.withdraw",
            "board": entry.board_id,
            "user": str(entry.user_id),
            "score": None if best is None else best.score,
        },
    )


def trim_attempts(board: str, user_id: UUID) -> int:
    """Delete a batch of a player's attempts on a board that are too many; return how many.

    The best that count stay, so that there is something to fall back to, and so do the newest.
    """
    own = Attempt.objects.filter(board_id=board, user_id=user_id)
    with transaction.atomic():
        newest = _keys(own.order_by("-id"), rules.NEWEST_ATTEMPTS_KEPT)
        if len(newest) < rules.NEWEST_ATTEMPTS_KEPT:
            return 0
        best = _keys(own.best_first(), rules.BEST_ATTEMPTS_KEPT)
        others = own.filter(id__lt=newest[-1]).exclude(id__in=best)
        deleted, _ = own.filter(id__in=_keys(others, DELETED_AT_ONCE)).delete()
    return deleted


def _keys(attempts: QuerySet[Attempt], most: int) -> list[UUID]:
    return list(attempts.values_list("id", flat=True)[:most])
