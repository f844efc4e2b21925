"""The functions of refereed runs, and what the scheduler calls for them.

Times are in milliseconds since the epoch. Nothing that is shown here follows from what is true on
a page before it is over.
"""

from dataclasses import fields
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from archives.queries import runs as queries
from archives.queries.runs import Reveal, ShownPage, ShownRun, Truth
from archives.rules import content as rules
from archives.rules.play import Lifeline
from archives.rules.playable import SeenPage
from archives.rules.runs import Mode, Status
from archives.services import bounds, run_ends, run_trimming, runs
from dust.errors import UnauthenticatedError
from dust.livequery.context import Caller, Context, MutationContext, QueryContext
from dust.livequery.registry import internal_mutation, mutation, query
from dust.livequery.scheduler import Every, cron
from dust.livequery.shapes import Args, Millis, NoArgs, in_table, milliseconds
from dust.livequery.transactions import Isolation
from gamesessions.queries import SessionId

RunId = Annotated[str, in_table("runs")]

# Each of these waits for the one before it, by a lock: see services.runs.
_LOCKED = Isolation.READ_COMMITTED
_TRIM = "runs:trim"
_REFRESH = "archives:refreshBounds"


class StartArgs(Args, frozen=True):
    """What to play: a level, five pages about as hard as one, or the demo."""

    mode: Mode
    level: int | None = None


class RunArgs(Args, frozen=True):
    """Which run."""

    run_id: RunId


class PageArgs(RunArgs, frozen=True):
    """Which page of it."""

    page: int


class LifelineArgs(PageArgs, frozen=True):
    """Which lifeline to use; verifying is for a section."""

    lifeline: Lifeline
    section_id: str | None = None


class ArchiveArgs(PageArgs, frozen=True):
    """Which sections to archive, in the order of choice."""

    section_ids: Annotated[list[str], Meta(max_length=rules.MAX_SECTIONS)]


class TickArgs(Args, frozen=True):
    """Where the run was when this was scheduled."""

    run: UUID
    page: int


class Struct(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a function shows."""


class PageDocument(Struct, frozen=True):
    """A page that has begun; revealed once it is over. All of ``energy`` must be spent on it."""

    number: int
    level: int
    energy: int
    content: SeenPage
    started_at: Millis
    deadline: Millis
    frozen_until: Millis | None
    ended_at: Millis | None
    verified: Truth | None
    purged: str | None
    reveal: Reveal | None


class RunDocument(Struct, frozen=True):
    """A run: all that is needed to go on with it."""

    id: RunId = msgspec.field(name="_id")
    creation_time: Millis = msgspec.field(name="_creationTime")
    session_id: SessionId
    mode: Mode
    level: int | None
    status: Status
    score: int
    combo: int
    best_combo: int
    archived: int
    correct: int
    accuracy: float
    pages_completed: int
    page_count: int
    started_at: Millis
    ended_at: Millis | None
    page: PageDocument | None
    next_page: int | None
    board: str | None
    board_status: str | None


@mutation("runs:start", isolation=_LOCKED, limit=runs.STARTS)
def start(ctx: MutationContext, args: StartArgs) -> RunDocument:
    """Begin a run and its first page; the game that the caller was in is abandoned."""
    place = runs.start_run(
        _player(ctx), mode=args.mode, level=args.level, luck=ctx.random, now=ctx.now
    )
    return _document(queries.show(place))


@query("runs:get")
def get(ctx: QueryContext, args: RunArgs) -> RunDocument | None:
    """Show a run of the caller's; null if there is no such run of theirs."""
    shown = queries.find_run(ctx.identity, queries.parse_id(args.run_id))
    return None if shown is None else _document(shown)


@query("runs:getActive")
def get_active(ctx: QueryContext, _args: NoArgs) -> RunDocument | None:
    """Show the run that the caller is in; null for nobody, and for who is in none."""
    shown = queries.find_active(ctx.identity)
    return None if shown is None else _document(shown)


@mutation("runs:lifeline", isolation=_LOCKED, limit=runs.MOVES)
def lifeline(ctx: MutationContext, args: LifelineArgs) -> RunDocument:
    """Use a lifeline, which the player has once for each page."""
    use = runs.Use(page=args.page, lifeline=args.lifeline, section_id=args.section_id)
    run_id = queries.parse_id(args.run_id)
    place = runs.use_lifeline(_player(ctx), run_id, use, luck=ctx.random, now=ctx.now)
    return _document(queries.show(place))


@mutation("runs:archive", isolation=_LOCKED, limit=runs.MOVES)
def archive(ctx: MutationContext, args: ArchiveArgs) -> RunDocument:
    """Archive sections of the page, and reveal it; after the last one the run is finished."""
    place = runs.archive_page(
        _player(ctx),
        queries.parse_id(args.run_id),
        number=args.page,
        section_ids=args.section_ids,
        now=ctx.now,
    )
    return _document(queries.show(place))


@mutation("runs:next", isolation=_LOCKED, limit=runs.MOVES)
def begin_next(ctx: MutationContext, args: PageArgs) -> RunDocument:
    """Begin the page after the one that is over."""
    run_id = queries.parse_id(args.run_id)
    place = runs.begin_next_page(_player(ctx), run_id, number=args.page, now=ctx.now)
    return _document(queries.show(place))


@mutation("runs:finish", isolation=_LOCKED, limit=runs.MOVES)
def finish(ctx: MutationContext, args: RunArgs) -> RunDocument:
    """End the run: with pages left, it is abandoned. One that is over stays as it is."""
    place = runs.finish_run(_player(ctx), queries.parse_id(args.run_id), now=ctx.now)
    return _document(queries.show(place))


@internal_mutation(run_ends.TICK, isolation=_LOCKED)
def tick(ctx: MutationContext, args: TickArgs) -> bool:
    """End the page or the run whose time is over; false if there is nothing to end."""
    return run_ends.tick(args.run, number=args.page, now=ctx.now)


# Nobody else writes what it deletes.
@internal_mutation(_TRIM, isolation=Isolation.READ_COMMITTED)
def trim(ctx: MutationContext, _args: NoArgs) -> None:
    """Delete the pages of some runs that ended long ago, and go on if there are more."""
    if not run_trimming.trim_runs(now=ctx.now):
        ctx.scheduler.run_after(0, _TRIM, {})


@internal_mutation(_REFRESH)
def refresh_bounds(_ctx: MutationContext, _args: NoArgs) -> list[str]:
    """Bound what may be claimed by the present content; return the boards that hear of it.

    Every change of content does that. But whose content it is may have been changed as well.
    """
    return bounds.refresh_bounds()


cron("trim runs", _TRIM, when=Every(hours=1))
cron("refresh score bounds", _REFRESH, when=Every(hours=1))


def _document(shown: ShownRun) -> RunDocument:
    values = _converted(shown) | {"page": None if shown.page is None else _page(shown.page)}
    return RunDocument(creation_time=milliseconds(shown.started_at), **values)


def _page(shown: ShownPage) -> PageDocument:
    return PageDocument(**_converted(shown))


def _converted(shown: ShownPage | ShownRun) -> dict[str, Any]:
    values = {field.name: getattr(shown, field.name) for field in fields(shown)}
    return {
        name: milliseconds(value) if isinstance(value, datetime) else value
        for name, value in values.items()
    }


def _player(ctx: Context) -> Caller:
    caller = ctx.identity
    if caller is None:
        raise UnauthenticatedError("Must be logged in to play")
    return caller
