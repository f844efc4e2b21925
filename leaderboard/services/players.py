"""What becomes of a player's entries with their account, and the player's copy of them."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType

from dust import ids
from leaderboard.models import Attempt, Entry

_RESULT = ("score", "accuracy", "level", "pages_completed", "source")


def suspend_player(user_id: UUID, suspended: bool) -> None:  # noqa: FBT001 - as a ban calls it
    """Take all that a banned player has off the boards and out of the ranks, or put it back.

    What a moderator has hidden stays hidden.
    """
    Entry.objects.filter(user_id=user_id).update(suspended=suspended)


def forget_player(user_id: UUID) -> bool:
    """Take a deleted player's name out of the admin's log; return whether none is left.

    The entries stay: they are shown under the name of the row that they belong to, which has none.
    """
    entries = Entry.objects.filter(user_id=user_id).values_list("id", flat=True)
    about = LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(Entry),
        object_id__in=[str(entry) for entry in entries],
    )
    about.update(object_repr="An entry of a deleted account")
    return True


def export_entries(user_id: UUID) -> Iterator[dict[str, Any]]:
    """Yield a player's entries."""
    columns = ("ranked", "hidden", "hidden_reason", "achieved_at")
    entries = Entry.objects.filter(user_id=user_id).order_by("board_id")
    for entry in entries.values("id", "board_id", *_RESULT, *columns).iterator():
        yield _shown(entry, Entry.TABLE_NUMBER)


def export_attempts(user_id: UUID) -> Iterator[dict[str, Any]]:
    """Yield everything that a player has ever submitted."""
    attempts = Attempt.objects.filter(user_id=user_id).order_by("board_id", "id")
    for attempt in attempts.values("id", "board_id", *_RESULT, "improved", "created_at").iterator():
        yield _shown(attempt, Attempt.TABLE_NUMBER)


def _shown(row: dict[str, Any], table_number: int) -> dict[str, Any]:
    board, key = row.pop("board_id"), row.pop("id")
    return {"id": ids.encode(table_number, key), "board": board, **row}
