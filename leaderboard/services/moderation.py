"""What moderators do to entries: each time with a reason, and in the admin's log."""

import logging
from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.db import transaction

from leaderboard import rules
from leaderboard.models import Entry, EntryQuerySet
from leaderboard.rules import Source

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

    The attempts stay, as evidence. A player whose entry is gone can begin anew.

    :raises InvalidReasonError: if no reason is given, or too long a one.
    """
    reason = rules.check_reason(reason)
    with transaction.atomic():
        entries = _locked(ids)
        _log(entries, DELETION, f"Deleted: {reason}", moderator_id)
        deleted, _ = _same(entries).delete()
        return deleted


def withdraw_entry(board: str, *, user_id: UUID, achieved_at: datetime) -> bool:
    """Delete a player's entry if it is what the server refereed at that time; return whether it is.

    What they have achieved since stays. The attempt stays, as evidence; they can begin anew.
    """
    entries = Entry.objects.filter(board_id=board, user_id=user_id, source=Source.REFEREED)
    deleted, _ = entries.filter(achieved_at=achieved_at).delete()
    if deleted:
        extra = {"action": "leaderboard.withdraw", "board": board, "user": str(user_id)}
        logger.info("entry withdrawn", extra=extra)
    return bool(deleted)


def _locked(ids: Collection[UUID]) -> EntryQuerySet:
    # In one order, or two moderators could wait for each other.
    entries = Entry.objects.select_related("user").order_by("id").filter(id__in=ids)
    return entries.select_for_update(of=("self",))


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
