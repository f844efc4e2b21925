"""Games begin, are saved, are taken back to an earlier save, and end.

Every write here waits for the one before it: on the player's row where a session begins, on the
session's everywhere else. So READ COMMITTED is all they need, and no conflict is ever retried.
"""

from collections.abc import Callable, Collection
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.models import User
from accounts.services.players import ensure_user_key
from dust.limits import Limit
from dust.livequery.context import Caller
from gamesessions import rules
from gamesessions.errors import (
    SaveNotFoundError,
    SessionNotFoundError,
    SessionOverError,
    SessionRefereedError,
    StaleSaveError,
)
from gamesessions.models import GameSession, Save
from gamesessions.rules import KEEP, Progress, Status

STARTS = Limit("gamesessions.start", rules.STARTS_PER_MINUTE, 60)
SAVES = Limit("gamesessions.save", rules.SAVES_PER_MINUTE, 60)

_COPIED = ("score", "level", "combo", "pages_completed", "accuracy", "state")

Handler = Callable[[Collection[UUID], datetime], None]

_handlers: list[Handler] = []


def on_cut_off(handler: Handler) -> None:
    """Have the handler called with the keys of sessions that count for nothing any more.

    The player has begun another, or a moderator has voided them. It is called in the transaction
    that does it, which holds the sessions' locks.
    """
    _handlers.append(handler)


def cut_off(session_ids: Collection[UUID], *, now: datetime) -> None:
    """Tell those who keep more of these sessions. Whoever calls it holds their locks."""
    for handler in _handlers:
        handler(session_ids, now)


def create_session(caller: Caller, *, now: datetime, refereed: bool = False) -> GameSession:
    """Begin a game, and abandon the one that the player was in.

    However many a player begins at once, each sees those that began before it. Whoever has no row
    yet can take a turn only once it is made.

    :raises AccountBannedError: if the caller is banned; the other refusals likewise.
    """
    with transaction.atomic():
        has_turn = _take_turn(caller)
        user_id = ensure_user_key(caller, now=now)
        if not has_turn:
            _take_turn(caller)
        active = GameSession.objects.filter(user_id=user_id, status=Status.ACTIVE)
        if left := list(active.select_for_update(no_key=True).values_list("id", flat=True)):
            same = GameSession.objects.filter(id__in=left)
            same.update(status=Status.ABANDONED, updated_at=now, ended_at=now)
            cut_off(left, now=now)
        return GameSession.objects.create(
            user_id=user_id, refereed=refereed, started_at=now, updated_at=now
        )


def _take_turn(caller: Caller) -> bool:
    """Wait until no other session of the caller's begins; return whether there is a row to wait at.

    First of all, since whoever waits here while holding the row another way would keep a ban from
    it for good. It is not the row's key that is locked: others may go on referring to it.
    """
    own = User.objects.filter(issuer=caller.issuer, subject=caller.subject)
    return bool(list(own.select_for_update(no_key=True).values_list("id")))


def save_session(
    caller: Caller,
    session_id: UUID,
    *,
    based_on: int | None,
    progress: Progress,
    state: Any = KEEP,
    now: datetime,
) -> GameSession:
    """Make this the session's present copy; the history keeps the one before.

    ``based_on`` is the version that the client has seen; with None, whatever is there is followed.
    So of two that save at once one is told, or its save follows the other's: neither is lost.

    :raises SessionNotFoundError: if there is no such session, or if it is somebody else's.
    :raises SessionRefereedError: if the server keeps it.
    :raises SessionOverError: if it has ended.
    :raises StaleSaveError: if the version is not the present one.
    :raises InvalidProgressError: if a number is out of bounds, or pages became fewer.
    :raises InvalidStateError: if the state is too long or too deep.
    :raises AccountBannedError: if the caller is banned; the other refusals likewise.
    """
    with transaction.atomic():
        session = lock_own_session(caller, session_id, now=now)
        check_playable(session)
        _check_version(session, based_on)
        _save_locked(session, progress, state, now=now)
        return session


def finish_session(
    caller: Caller,
    session_id: UUID,
    *,
    based_on: int | None,
    progress: Progress,
    state: Any = KEEP,
    now: datetime,
) -> GameSession:
    """Save the session for the last time, and complete it; if it is completed, leave it as it is.

    :raises: what ``save_session`` raises, ``SessionOverError`` only if the session was abandoned.
    """
    with transaction.atomic():
        session = lock_own_session(caller, session_id, now=now)
        if session.status == Status.COMPLETED and not session.refereed:
            return session
        check_playable(session)
        _check_version(session, based_on)
        _save_locked(session, progress, state, now=now, ends_as=Status.COMPLETED)
        return session


def restore_save(
    caller: Caller, session_id: UUID, *, version: int, based_on: int | None, now: datetime
) -> GameSession:
    """Make a former copy of the session its present one again, as a new version.

    :raises SaveNotFoundError: if the history does not hold that version.
    :raises: what ``save_session`` raises of a session that cannot be saved.
    """
    with transaction.atomic():
        session = lock_own_session(caller, session_id, now=now)
        check_playable(session)
        _check_version(session, based_on)
        restore_locked(session, version, now=now)
        return session


def restore_locked(session: GameSession, version: int, *, now: datetime) -> None:
    """Make a former copy the present one. Whoever calls it holds the lock of the session's row.

    :raises SessionRefereedError: if the server keeps the session.
    :raises SessionOverError: if it has ended.
    :raises SaveNotFoundError: if the history does not hold that version.
    """
    check_playable(session)
    save = Save.objects.filter(session=session, version=version).first()
    if save is None:
        raise SaveNotFoundError
    _keep(session)
    _replace(session, {name: getattr(save, name) for name in _COPIED}, now=now)


# --- for the games that the server plays ----------------------------------------------------------


def save_refereed(
    session_id: UUID, *, progress: Progress, state: Any = KEEP, now: datetime
) -> GameSession:
    """Record how far a refereed game has come. It has no history: nobody may go back in it.

    :raises SessionOverError: if it has ended.
    :raises InvalidProgressError: if a number is out of bounds, or pages became fewer.
    :raises InvalidStateError: if the state is too long or too deep.
    """
    with transaction.atomic():
        session = _lock_refereed(session_id)
        if session.is_over:
            raise SessionOverError
        _save_locked(session, progress, state, now=now)
        return session


def finish_refereed(
    session_id: UUID,
    *,
    progress: Progress,
    state: Any = KEEP,
    status: Status = Status.COMPLETED,
    now: datetime,
) -> GameSession:
    """Record how a refereed game came out, and end it; if it has ended so, leave it as it is.

    :raises: what ``save_refereed`` raises, ``SessionOverError`` only if it ended another way.
    """
    with transaction.atomic():
        session = _lock_refereed(session_id)
        if session.status == status:
            return session
        if not rules.can_become(Status(session.status), status):
            raise SessionOverError
        _save_locked(session, progress, state, now=now, ends_as=status)
        return session


# --- shared ---------------------------------------------------------------------------------------


def lock_own_session(
    caller: Caller, session_id: UUID, *, now: datetime, with_state: bool = True
) -> GameSession:
    """Return a session of the caller's, for this transaction alone to change.

    :raises SessionNotFoundError: if there is no such session, or if it is somebody else's.
    :raises AccountBannedError: if the caller is banned; the other refusals likewise.
    """
    user_id = ensure_user_key(caller, now=now)
    session = lock_session(session_id, with_state=with_state)
    if session is None or session.user_id != user_id:
        raise SessionNotFoundError(is_foreign=session is not None)
    return session


def lock_session(session_id: UUID, *, with_state: bool = True) -> GameSession | None:
    """Return a session, for this transaction alone to change; None if there is no such session."""
    found = GameSession.objects.select_for_update(no_key=True).filter(id=session_id)
    return (found if with_state else found.defer("state")).first()


def _lock_refereed(session_id: UUID) -> GameSession:
    session = lock_session(session_id)
    if session is None or not session.refereed:
        raise SessionNotFoundError
    return session


def check_playable(session: GameSession) -> None:
    """Refuse to let a client change a session that is not its to change.

    :raises SessionRefereedError: if the server keeps it.
    :raises SessionOverError: if it has ended.
    """
    if session.refereed:
        raise SessionRefereedError
    if session.is_over:
        raise SessionOverError


def _check_version(session: GameSession, based_on: int | None) -> None:
    if based_on is not None and based_on != session.version:
        raise StaleSaveError(session)


def _save_locked(
    session: GameSession,
    progress: Progress,
    state: Any,
    *,
    now: datetime,
    ends_as: Status | None = None,
) -> None:
    checked = rules.check_progress(progress, current=session.progress)
    copy = asdict(checked)
    if state is not KEEP:
        rules.check_state(state)
        copy["state"] = state
    if not session.refereed:
        _keep(session)
    if ends_as is not None:
        copy |= {"status": ends_as, "ended_at": now}
    _replace(session, copy, now=now)


def _keep(session: GameSession) -> None:
    """Put the present copy into the history, which drops the oldest that is too many."""
    copy = {name: getattr(session, name) for name in _COPIED}
    Save.objects.create(
        session=session, version=session.version, saved_at=session.updated_at, **copy
    )
    if session.version > rules.MAX_SAVES:
        dropped = session.version - rules.MAX_SAVES
        Save.objects.filter(session=session, version__lte=dropped).delete()


def _replace(session: GameSession, copy: dict[str, Any], *, now: datetime) -> None:
    changed = {**copy, "version": session.version + 1, "updated_at": now}
    for name, value in changed.items():
        setattr(session, name, value)
    session.save(update_fields=changed)
