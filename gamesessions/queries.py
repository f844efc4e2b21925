"""What is shown of game sessions, to their players and to nobody else."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Annotated, Any, TypeAlias
from uuid import UUID

from accounts.queries import find_player_key
from dust import ids
from dust.livequery.context import Caller
from dust.livequery.shapes import in_table
from gamesessions import rules
from gamesessions.errors import SessionNotFoundError
from gamesessions.models import Copy, GameSession, PlayEvent, Save
from gamesessions.rules import Status

Session: TypeAlias = GameSession
"""The name by which functions, which know no tables, know what they are given."""
SessionId = Annotated[str, in_table("gameSessions")]
"""The id of a session."""

_ROWS_AT_ONCE = 10


@dataclass(frozen=True, slots=True)
class Page:
    """Sessions, newest first. ``next_cursor`` leads to what follows; None at the end."""

    sessions: list[GameSession]
    next_cursor: str | None


def parse_id(public_id: str) -> UUID:
    """Return the key of the session that an id names, whether or not it is there.

    :raises InvalidIdError: if it is no id of a session.
    """
    return ids.decode(public_id, GameSession.TABLE_NUMBER)


def find_active(caller: Caller | None, *, with_state: bool = True) -> GameSession | None:
    """Return the game that the caller is in, the newest; None for nobody, and for who is in none.

    :raises AccountBannedError: if the caller is banned; the other refusals likewise.
    """
    user_id = None if caller is None else find_player_key(caller)
    if user_id is None:
        return None
    active = GameSession.objects.filter(user_id=user_id, status=Status.ACTIVE).order_by("-id")
    return (active if with_state else active.defer("state")).first()


def access_session(caller: Caller, session_id: UUID, *, with_state: bool = True) -> GameSession:
    """Return a session of the caller's own.

    :raises SessionNotFoundError: if there is none, or if it is somebody else's.
    :raises AccountBannedError: if the caller is banned; the other refusals likewise.
    """
    user_id = find_player_key(caller)
    found = GameSession.objects.filter(id=session_id)
    session = (found if with_state else found.defer("state")).first()
    if session is None or session.user_id != user_id:
        raise SessionNotFoundError(is_foreign=session is not None)
    return session


def list_sessions(
    caller: Caller, *, limit: int = rules.DEFAULT_PAGE, cursor: str | None = None
) -> Page:
    """Return the caller's sessions without their states, newest first.

    A cursor is the id of the last session that was shown, so that nothing is shown twice or left
    out because of what has come since.

    :raises InvalidIdError: if the cursor is none.
    :raises AccountBannedError: if the caller is banned; the other refusals likewise.
    """
    sessions = GameSession.objects.defer("state").order_by("-id")
    if cursor is not None:
        sessions = sessions.filter(id__lt=parse_id(cursor))
    user_id = find_player_key(caller)
    if user_id is None:
        return Page([], None)
    found = list(sessions.filter(user_id=user_id)[: limit + 1])
    shown = found[:limit]
    return Page(shown, shown[-1].public_id if len(found) > limit else None)


def list_saves(caller: Caller, session_id: UUID) -> list[Save]:
    """Return the former copies of a session of the caller's, without their states, newest first.

    :raises SessionNotFoundError: if there is no such session, or if it is somebody else's.
    :raises AccountBannedError: if the caller is banned; the other refusals likewise.
    """
    session = access_session(caller, session_id, with_state=False)
    saves = Save.objects.filter(session=session).defer("state").order_by("-version")
    return list(saves[: rules.MAX_SAVES])


def export_sessions(user_id: UUID) -> Iterator[dict[str, Any]]:
    """Yield everything that is kept of each of a user's sessions, oldest first, for JSON."""
    sessions = GameSession.objects.filter(user_id=user_id).order_by("id")
    for session in sessions.iterator(chunk_size=_ROWS_AT_ONCE):
        saves = Save.objects.filter(session=session).order_by("version")
        events = PlayEvent.objects.filter(session=session).order_by("id")
        yield {
            "id": session.public_id,
            "status": session.status,
            "refereed": session.refereed,
            **_copy(session),
            "started_at": session.started_at,
            "updated_at": session.updated_at,
            "ended_at": session.ended_at,
            "voided_at": session.voided_at,
            "voided_reason": session.voided_reason,
            "saves": [_copy(save) | {"saved_at": save.saved_at} for save in saves],
            "events": [
                {
                    "client_id": event.client_id,
                    "type": event.type,
                    "occurred_at": event.occurred_at,
                    "recorded_at": event.recorded_at,
                    "data": event.data,
                }
                for event in events
            ],
        }


def _copy(copy: Copy) -> dict[str, Any]:
    return {"version": copy.version, **asdict(copy.progress), "state": copy.state}
