"""What becomes of a player's entries with their account, and the player's copy of them."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from accounts.services.deletion import rename_in_log
from dust import ids
from leaderboard.models import Attempt, Entry, Result


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
    rename_in_log(Entry, entries, "An entry of a deleted account")
    return True


def export_entries(user_id: UUID) -> Iterator[dict[str, Any]]:
    """Yield a player's entries."""
    columns = ("ranked", "hidden", "hidden_reason", "achieved_at")
    entries = Entry.objects.filter(user_id=user_id).order_by("board_id")
    for entry in entries.values("id", "board_id", *Result.VALUES, *columns).iterator():
        yield _shown(entry, Entry.TABLE_NUMBER)


def export_attempts(user_id: UUID) -> Iterator[dict[str, Any]]:
    """Yield what a player has submitted, as far as it is kept."""
    columns = ("improved", "withdrawn", "created_at")
    attempts = Attempt.objects.filter(user_id=user_id).order_by("board_id", "id")
    for attempt in attempts.values("id", "board_id", *Result.VALUES, *columns).iterator():
        yield _shown(attempt, Attempt.TABLE_NUMBER)


def _shown(row: dict[str, Any], table_number: int) -> dict[str, Any]:
    board, key = row.pop("board_id"), row.pop("id")
    return {"id": ids.encode(table_number, key), "board": board, **row}
