"""Games that come along from another deployment."""

from dataclasses import asdict
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from accounts.services.importing import ensure_player
from dust import ids
from dust.errors import InvalidError
from dust.moving import Moved, read_moment
from gamesessions import rules
from gamesessions.models import GameSession
from gamesessions.rules import Progress, Status


class SessionFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A game. ``user_id`` is its player's subject."""

    user_id: str
    score: float
    level: float
    combo: float
    pages_completed: float
    accuracy: float
    status: Status
    started_at: float
    ended_at: float | UnsetType = UNSET


def import_session(moved: Moved[SessionFields]) -> bool:
    """Add a game in its place among its player's others; return whether it was not here yet.

    Its key is new, since the games of a player stand in the order of their keys. Of several that
    are being played, the one that began last goes on.

    :raises InvalidProgressError: if a number is out of bounds.
    :raises InvalidError: if it says of nobody, or does not say when it began or ended.
    :raises AccountDeletedError: if the account was deleted here.
    """
    fields = moved.fields
    key = ids.dated(moved.key, moved.made_at)
    if GameSession.objects.filter(id=key).exists():
        return False
    progress = rules.check_progress(
        Progress(
            score=fields.score,
            level=fields.level,
            combo=fields.combo,
            pages_completed=fields.pages_completed,
            accuracy=fields.accuracy,
        ),
        current=Progress(),
    )
    started_at, ended_at = read_moment("startedAt", fields.started_at), _end_of(fields)
    player = ensure_player(moved.issuer, fields.user_id, now=moved.made_at)
    status = fields.status
    if ended_at is None and (ended_at := _give_way(player.id, started_at)) is not None:
        status = Status.ABANDONED
    GameSession.objects.create(
        id=key,
        user_id=player.id,
        status=status,
        started_at=started_at,
        updated_at=ended_at or moved.made_at,
        ended_at=ended_at,
        **asdict(progress),
    )
    return True


def find_imported(user_id: UUID, old: UUID) -> UUID | None:
    """Return the key that a player's game has here, by its key where it comes from."""
    own = GameSession.objects.filter(user_id=user_id).values_list("id", flat=True)
    return next((key for key in own.iterator() if ids.is_dated(key, old)), None)


def _end_of(fields: SessionFields) -> datetime | None:
    if (fields.ended_at is UNSET) != (fields.status is Status.ACTIVE):
        raise InvalidError(fields={"endedAt": ["Must be there if the game is over, or else not."]})
    return None if fields.ended_at is UNSET else read_moment("endedAt", fields.ended_at)


def _give_way(user_id: UUID, started_at: datetime) -> datetime | None:
    """Let the player's game that began last go on; return when they left this one if it is not.

    A game that the server plays goes on in any case.
    """
    active = GameSession.objects.filter(user_id=user_id, status=Status.ACTIVE)
    other = active.defer("state").select_for_update(no_key=True).first()
    if other is None:
        return None
    if other.refereed or other.started_at >= started_at:
        return max(other.started_at, started_at)
    other.status = Status.ABANDONED
    other.ended_at = other.updated_at = started_at
    other.save(update_fields=["status", "ended_at", "updated_at"])
    return None
