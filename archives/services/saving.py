"""What players archive, one archive for each of their sessions."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from accounts.services.players import ensure_user_key
from archives.errors import NoRoomError
from archives.models import Archive
from archives.rules import checking
from archives.rules import content as rules
from dust.limits import Limit
from dust.livequery.context import Caller
from gamesessions.errors import SessionRefereedError
from gamesessions.queries import access_session

SAVES = Limit("archives.save", rules.SAVES_PER_MINUTE, 60)

_ERASED_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Saved:
    """An archive, and whether its session had none before."""

    archive: Archive
    is_new: bool


def save_archive(session_id: UUID, items: rules.Items, *, caller: Caller, now: datetime) -> Saved:
    """Keep what the caller archived in a session of theirs, in place of what was kept of it before.

    :raises SessionNotFoundError: if there is no such session, or if it is somebody else's.
    :raises SessionRefereedError: if the server keeps it, and so its archive.
    :raises InvalidContentError: if an item breaks a rule; it is named.
    :raises NoRoomError: if they have as many archives as they may, and none of this session.
    :raises AccountBannedError: if the caller is banned; the other refusals likewise.
    """
    user_id = ensure_user_key(caller, now=now)
    if access_session(caller, session_id, with_state=False).refereed:
        raise SessionRefereedError
    return keep_items(session_id, items, user_id=user_id, now=now)


def keep_items(
    session_id: UUID, items: rules.Items, *, user_id: UUID, now: datetime, key: UUID | None = None
) -> Saved:
    """Keep what a player archived in a session, in place of what was kept of it before.

    A new archive has the ``key`` that it is given, if any.

    :raises InvalidContentError: if an item breaks a rule; it is named.
    :raises NoRoomError: if they have as many archives as they may, and none of this session.
    """
    values = {
        "items": checking.plain(items)["items"],
        "total_items": len(items.items),
        "correct_items": sum(item.was_correct for item in items.items),
        "size": checking.check(items),
        "user_id": user_id,
        "saved_at": now,
    }
    own = Archive.objects.filter(user_id=user_id)
    is_full = own[: rules.MAX_ARCHIVES].count() == rules.MAX_ARCHIVES
    if is_full and not own.filter(session_id=session_id).exists():
        raise NoRoomError(f"You have {rules.MAX_ARCHIVES} archives, and there can be no more.")
    archive, is_new = Archive.objects.update_or_create(
        session_id=session_id,
        defaults=values,
        create_defaults={**values, "id": key or uuid7(), "created_at": now},
    )
    return Saved(archive, is_new)


def erase_archives(user_id: UUID) -> bool:
    """Delete some of a user's archives; return whether none is left."""
    first = Archive.objects.filter(user_id=user_id).order_by("id").values_list("id", flat=True)
    found = list(first[: _ERASED_AT_ONCE + 1])
    Archive.objects.filter(id__in=found[:_ERASED_AT_ONCE]).delete()
    return len(found) <= _ERASED_AT_ONCE
