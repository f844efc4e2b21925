"""What moderators do to entries: each time with a reason, and in the admin's log."""

import logging
from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.db import transaction

from leaderboard import rules
from leaderboard.models import Attempt, Entry, EntryQuerySet
from leaderboard.rules import Source
from leaderboard.services import attempts

logger = logging.getLogger(__name__)


def hide_entries(ids: Collection[UUID], *, reason: str, moderator_id: UUID) -> int:
    """Take entries off their boards and out of the ranks; return how many were on them.

    Their players can go on submitting: a hidden entry improves, and stays hidden.

    :raises InvalidReasonError: if no reason is given, or too long a one.
    """
    reason = rules.check_reason(reason)
    with transaction.atomic():
        entries = _locked(ids).filter(hidden=False)
        _log(entries, CHANGE, f"Hidden: {reason}", moderator_id)
        return _same(entries).update(hidden=True, hidden_reason=reason)


def unhide_entries(ids: Collection[UUID], *, reason: str, moderator_id: UUID) -> int:
    """Put hidden entries back where their scores belong; return how many were hidden.

    :raises InvalidReasonError: if no reason is given, or too long a one.
    """
    reason = rules.check_reason(reason)
    with transaction.atomic():
        entries = _locked(ids).filter(hidden=True)
        _log(entries, CHANGE, f"No longer hidden: {reason}", moderator_id)
        return _same(entries).update(hidden=False, hidden_reason="")


def delete_entries(ids: Collection[UUID], *, reason: str, moderator_id: UUID) -> int:
    """Delete entries for good; return how many there were.

    The attempts stay, as evidence, and count no more. A player whose entry is gone can begin anew.

    :raises InvalidReasonError: if no reason is given, or too long a one.
    """
    reason = rules.check_reason(reason)
    with transaction.atomic():
        entries = _locked(ids)
        _log(entries, DELETION, f"Deleted: {reason}", moderator_id)
        for entry in entries:
            attempts.withdraw_all(entry)
        deleted, _ = _same(entries).delete()
        return deleted


class Refereed(NamedTuple):
    """Names a result of the server's own: by where it was submitted, for whom, and when."""

    board: str
    user_id: UUID
    achieved_at: datetime


def withdraw_results(results: Collection[Refereed]) -> int:
    """Have results count as if they had never been submitted; return how many entries showed them.

    These fall back to the best that their players have achieved there beside, or go if that is
    nothing. The attempts stay, as evidence.
    """
    if not results:
        return 0
    with transaction.atomic():
        entries = list(_locked(_find_entries(results)))
        for board, user_id, achieved_at in results:
            own = Attempt.objects.filter(board_id=board, user_id=user_id, source=Source.REFEREED)
            own.filter(created_at=achieved_at).update(withdrawn=True)
        showing = [entry for entry in entries if _shown(entry) in results]
        for entry in showing:
            attempts.fall_back(entry)
    return len(showing)


def _find_entries(results: Collection[Refereed]) -> list[UUID]:
    """Return the entries of those players on those boards."""
    places = {(board, user_id) for board, user_id, _ in results}
    boards, user_ids = zip(*places, strict=True)
    found = Entry.objects.filter(board_id__in=boards, user_id__in=user_ids)
    rows = found.values_list("id", "board_id", "user_id")
    return [key for key, *place in rows if tuple(place) in places]


def _shown(entry: Entry) -> Refereed | None:
    """Return the result that the entry shows, if it is one of the server's own."""
    if entry.source != Source.REFEREED:
        return None
    return Refereed(entry.board_id, entry.user_id, entry.achieved_at)


def _locked(ids: Collection[UUID]) -> EntryQuerySet:
    # In one order, or two moderators could wait for each other.
    return Entry.objects.filter(id__in=ids).order_by("id").select_for_update()


def _same(entries: EntryQuerySet) -> EntryQuerySet:
    """Return a query for exactly the rows that have been read and locked."""
    return Entry.objects.filter(id__in=[entry.id for entry in entries])


def _log(entries: EntryQuerySet, flag: int, message: str, moderator_id: UUID) -> None:
    LogEntry.objects.log_actions(moderator_id, entries, flag, change_message=message)
    for entry in entries:
        logger.info(
            "entry moderated",
            extra={
                "action": "leaderboard.moderate",
                "entry": str(entry.id),
                "board": entry.board_id,
                "moderator": str(moderator_id),
                "what": message,
            },
        )
