"""The functions of game sessions: those that Convex clients know, and those behind our doors."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import msgspec

from dust.errors import ForbiddenError, UnauthenticatedError
from dust.livequery.context import Caller, Context, MutationContext, QueryContext
from dust.livequery.registry import internal_mutation, internal_query, mutation, query
from dust.livequery.scheduler import Every, cron
from dust.livequery.shapes import Args, NoArgs, milliseconds
from dust.livequery.transactions import Isolation
from gamesessions import queries, rules
from gamesessions.errors import SessionNotFoundError, StaleSaveError
from gamesessions.queries import SessionId
from gamesessions.rules import Progress
from gamesessions.services import retention, sessions

_SIGN_IN = "Must be logged in to play"
_FOREIGN = "Not authorized"
_TRIM = "gamesessions:trim"
_DROP = "gamesessions:drop"
_LOOKED_BACK = timedelta(hours=2)
"""So far that nobody is missed between two hourly looks."""

# Each of these waits for the one before it, by a lock: see services.sessions.
_LOCKED = Isolation.READ_COMMITTED


# --- as Convex clients know them ------------------------------------------------------------------


class UpdateArgs(Args, frozen=True):
    """How far the game has come. With a ``version``, only if that is the present one."""

    session_id: SessionId
    score: float
    level: float
    combo: float
    pages_completed: float
    accuracy: float
    version: int | msgspec.UnsetType = msgspec.UNSET


class FinishArgs(Args, frozen=True):
    """How the game came out."""

    session_id: SessionId
    final_score: float
    accuracy: float
    level: float


class Document(msgspec.Struct, frozen=True, rename="camel"):
    """A session as Convex clients know them; ``version`` is ours. Times are in milliseconds."""

    id: SessionId = msgspec.field(name="_id")
    creation_time: float = msgspec.field(name="_creationTime")
    user_id: str
    score: float
    level: float
    combo: float
    pages_completed: float
    accuracy: float
    status: rules.Status
    started_at: float
    version: float
    ended_at: float | msgspec.UnsetType = msgspec.UNSET


@mutation("gameSessions:create", isolation=_LOCKED, limit=sessions.STARTS)
def create(ctx: MutationContext, _args: NoArgs) -> SessionId:
    """Begin a game and return its id; the one that the caller was in is abandoned."""
    return sessions.create_session(_player(ctx), now=ctx.now).public_id


@mutation("gameSessions:update", isolation=_LOCKED, limit=sessions.SAVES)
def update(ctx: MutationContext, args: UpdateArgs) -> None:
    """Save the caller's game; its history keeps the copy before."""
    caller = _player(ctx)
    progress = Progress(
        score=args.score,
        level=args.level,
        combo=args.combo,
        pages_completed=args.pages_completed,
        accuracy=args.accuracy,
    )
    with _answering(caller):
        sessions.save_session(
            caller,
            queries.parse_id(args.session_id),
            based_on=None if args.version is msgspec.UNSET else args.version,
            progress=progress,
            now=ctx.now,
        )


@mutation("gameSessions:finish", isolation=_LOCKED, limit=sessions.SAVES)
def finish(ctx: MutationContext, args: FinishArgs) -> None:
    """Save the caller's game for the last time and complete it; a second time changes nothing."""
    caller = _player(ctx)
    progress = Progress(score=args.final_score, level=args.level, accuracy=args.accuracy)
    with _answering(caller):
        sessions.finish_session(
            caller,
            queries.parse_id(args.session_id),
            based_on=None,
            progress=progress,
            now=ctx.now,
        )


@query("gameSessions:getActive")
def get_active(ctx: QueryContext, _args: NoArgs) -> Document | None:
    """Show the game that the caller is in; null for nobody, and for who is in none."""
    caller = ctx.identity
    session = queries.find_active(caller, with_state=False)
    return None if caller is None or session is None else _document(session, caller)


def _player(ctx: Context) -> Caller:
    caller = ctx.identity
    if caller is None:
        raise UnauthenticatedError(_SIGN_IN)
    return caller


@contextmanager
def _answering(caller: Caller) -> Iterator[None]:
    """Put what goes wrong in the words and shapes that Convex clients know."""
    try:
        yield
    except SessionNotFoundError as error:
        if error.is_foreign:
            raise ForbiddenError(_FOREIGN) from error
        raise
    except StaleSaveError as stale:
        data = msgspec.to_builtins(_document(stale.current, caller))
        raise StaleSaveError(stale.current, data=data) from stale


def _document(session: queries.Session, caller: Caller) -> Document:
    ended_at = session.ended_at
    return Document(
        id=session.public_id,
        creation_time=milliseconds(session.started_at),
        user_id=caller.subject,
        score=float(session.score),
        level=float(session.level),
        combo=float(session.combo),
        pages_completed=float(session.pages_completed),
        accuracy=session.accuracy,
        status=rules.Status(session.status),
        started_at=milliseconds(session.started_at),
        version=float(session.version),
        ended_at=msgspec.UNSET if ended_at is None else milliseconds(ended_at),
    )


# --- behind our own doors -------------------------------------------------------------------------


class Session(msgspec.Struct, frozen=True):
    """A game as REST shows it too, without the client's state."""

    id: str
    status: rules.Status
    refereed: bool
    version: int
    score: int
    level: int
    combo: int
    pages_completed: int
    accuracy: float
    started_at: str
    updated_at: str
    ended_at: str | None
    voided_at: str | None


class ActiveResult(msgspec.Struct, frozen=True):
    """The game that the caller is in; null for who is in none."""

    session: Session | None


@internal_query("gamesessions:active")
def active(ctx: QueryContext, _args: NoArgs) -> ActiveResult:
    """Show the caller the game that they are in."""
    caller = ctx.identity
    if caller is None:
        raise UnauthenticatedError
    session = queries.find_active(caller, with_state=False)
    return ActiveResult(None if session is None else _shown(session))


# Nobody else writes what it deletes.
@internal_mutation(_TRIM, isolation=Isolation.READ_COMMITTED)
def trim(ctx: MutationContext, _args: NoArgs) -> None:
    """Delete a batch of the history of games that ended long ago, and go on if there is more."""
    if not retention.trim_sessions(now=ctx.now):
        ctx.scheduler.run_after(0, _TRIM, {})


class DropArgs(Args, frozen=True):
    """When the first sessions have ended that are still to be looked at, as ISO 8601 writes it."""

    since: str | None = None


# Each session that it deletes, it has locked.
@internal_mutation(_DROP, isolation=Isolation.READ_COMMITTED)
def drop(ctx: MutationContext, args: DropArgs) -> None:
    """Delete a batch of games that are too many of their players', and go on if there are more."""
    since = ctx.now - _LOOKED_BACK if args.since is None else datetime.fromisoformat(args.since)
    following = retention.drop_sessions(since=since)
    if following is not None:
        ctx.scheduler.run_after(0, _DROP, {"since": following.isoformat()})


cron("trim game sessions", _TRIM, when=Every(hours=1))
cron("drop game sessions", _DROP, when=Every(hours=1))


def _shown(session: queries.Session) -> Session:
    return Session(
        id=session.public_id,
        status=rules.Status(session.status),
        refereed=session.refereed,
        version=session.version,
        score=session.score,
        level=session.level,
        combo=session.combo,
        pages_completed=session.pages_completed,
        accuracy=session.accuracy,
        started_at=_time(session.started_at),
        updated_at=_time(session.updated_at),
        ended_at=None if session.ended_at is None else _time(session.ended_at),
        voided_at=None if session.voided_at is None else _time(session.voided_at),
    )


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
