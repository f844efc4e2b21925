"""What players archived, shown to themselves and to nobody else."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet, Sum

from accounts.queries import find_player_key
from archives.errors import ArchiveNotFoundError
from archives.models import Archive
from archives.queries.pages import whole
from archives.rules import content as rules
from dust import ids
from dust.livequery.context import Caller

_EXPORTED_AT_ONCE = 10


@dataclass(frozen=True, slots=True)
class ArchivePage:
    """Archives without their items, the newest first. ``next_cursor`` is None at the end."""

    archives: list[Archive]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Totals:
    """What a player has archived in all."""

    archives: int
    items: int
    correct_items: int


def list_archives(
    caller: Caller, *, limit: int = rules.DEFAULT_LISTED, cursor: str | None = None
) -> ArchivePage:
    """Return the caller's archives without their items, the newest first.

    A cursor is the id of the last archive that was shown.

    :raises InvalidIdError: if the cursor is none.
    :raises AccountBannedError: if the caller is banned; the other refusals likewise.
    """
    archives = _own(caller).defer(*Archive.BODIES).order_by("-id")
    if cursor is not None:
        archives = archives.filter(id__lt=ids.decode(cursor, Archive.TABLE_NUMBER))
    found = list(archives[: limit + 1])
    shown = found[:limit]
    return ArchivePage(shown, shown[-1].public_id if len(found) > limit else None)


def list_whole(caller: Caller | None) -> list[Archive]:
    """Return the caller's newest archives with their items, as many as an answer may hold.

    :raises AccountBannedError: if the caller is banned; the other refusals likewise.
    """
    return whole(_own(caller), newest_first=True)


def access_archive(caller: Caller, archive_id: UUID) -> Archive:
    """Return an archive of the caller's own, with its items.

    :raises ArchiveNotFoundError: if there is none, or if it is somebody else's.
    :raises AccountBannedError: if the caller is banned; the other refusals likewise.
    """
    archive = _own(caller).filter(id=archive_id).first()
    if archive is None:
        raise ArchiveNotFoundError
    return archive


def get_totals(caller: Caller) -> Totals:
    """Return how much the caller has archived, counted without looking at any item.

    :raises AccountBannedError: if the caller is banned; the other refusals likewise.
    """
    found = _own(caller).aggregate(
        archives=Count("*"), items=Sum("total_items"), correct_items=Sum("correct_items")
    )
    return Totals(**{name: number or 0 for name, number in found.items()})


def parse_id(public_id: str) -> UUID:
    """Return the key of the archive that an id names, whether or not it is there.

    :raises InvalidIdError: if it is no id of an archive.
    """
    return ids.decode(public_id, Archive.TABLE_NUMBER)


def export_own(caller: Caller) -> Iterator[Archive]:
    """Yield every archive of the caller's, the oldest first.

    :raises AccountBannedError: if the caller is banned; the other refusals likewise. At once.
    """
    user_id = find_player_key(caller)
    return iter(()) if user_id is None else export_archives(user_id)


def export_archives(user_id: UUID) -> Iterator[Archive]:
    """Yield every archive of a user's, the oldest first.

    A few at a time are read, each time by a statement of its own: whoever asks for the next may be
    another thread, with another connection. What is saved meanwhile comes too.
    """
    archives = Archive.objects.filter(user_id=user_id).order_by("id")
    found = list(archives[:_EXPORTED_AT_ONCE])
    while found:
        yield from found
        found = list(archives.filter(id__gt=found[-1].id)[:_EXPORTED_AT_ONCE])


def export_rows(user_id: UUID) -> Iterator[dict[str, Any]]:
    """Yield every archive of a user's, the oldest first, ready for JSON."""
    for archive in export_archives(user_id):
        yield {
            "id": archive.public_id,
            "session_id": archive.session_public_id,
            "total_items": archive.total_items,
            "correct_items": archive.correct_items,
            "saved_at": archive.saved_at,
            "items": archive.items,
        }


def _own(caller: Caller | None) -> "QuerySet[Archive]":
    user_id = find_player_key(caller)
    if user_id is None:
        return Archive.objects.none()
    return Archive.objects.filter(user_id=user_id)
