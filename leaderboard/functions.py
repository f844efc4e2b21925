"""The functions of leaderboards: those that Convex clients know, and those behind our doors."""

from datetime import UTC
from typing import Annotated

import msgspec

from accounts.queries import UserId
from accounts.services.players import ensure_user_key
from dust.errors import UnauthenticatedError
from dust.livequery.context import MutationContext, QueryContext
from dust.livequery.registry import internal_query, mutation, query
from dust.livequery.shapes import Args, Millis, in_table, milliseconds
from dust.livequery.transactions import Isolation
from leaderboard import rules
from leaderboard.queries import boards
from leaderboard.queries.boards import Standing
from leaderboard.rules import Play, Source, Status
from leaderboard.services import scores

EntryId = Annotated[str, in_table("leaderboard")]

# --- as Convex clients know them ------------------------------------------------------------------


class BoardArgs(Args, frozen=True):
    """On which board: the team's, or that of a level. What no level can be is taken for the first.

    There is nobody on a board that there is not.
    """

    leaderboard_type: rules.Kind = rules.Kind.SOLO
    level: float = rules.MIN_LEVEL

    @property
    def board(self) -> str:
        return rules.board_of(self.leaderboard_type, self.level)


class GetTopArgs(BoardArgs, frozen=True):
    """How many of the best, within bounds."""

    limit: float = rules.DEFAULT_TOP


class GetAroundArgs(BoardArgs, frozen=True):
    """How many entries in each direction, within bounds."""

    radius: float = rules.DEFAULT_RADIUS


class SubmitArgs(Args, frozen=True):
    """What came of one game, and whether it was played alone."""

    score: float
    accuracy: float
    level: float
    pages_completed: float
    leaderboard_type: rules.Kind = rules.Kind.SOLO


class Submitted(msgspec.Struct, frozen=True, rename="camel"):
    """What became of a result."""

    status: Status
    leaderboard_updated: bool
    board_key: str


class Document(msgspec.Struct, frozen=True, rename="camel"):
    """An entry as Convex clients know it. Times are in milliseconds since the epoch."""

    id: EntryId = msgspec.field(name="_id")
    creation_time: Millis = msgspec.field(name="_creationTime")
    user_id: UserId
    clerk_id: str
    username: str
    avatar_url: str
    leaderboard_type: rules.Kind
    board_key: str
    score: float
    accuracy: float
    level: float
    pages_completed: float
    achieved_at: Millis


class Ranked(msgspec.Struct, frozen=True, rename="camel"):
    """An entry and its rank, which equal scores share."""

    rank: float
    entry: Document


class MyRank(Ranked, frozen=True):
    """The caller's."""

    board_key: str


# One statement decides, and it waits for whoever writes the same entry: see submit_score.
@mutation("leaderboard:submit", isolation=Isolation.READ_COMMITTED, limit=scores.SUBMISSIONS)
def submit(ctx: MutationContext, args: SubmitArgs) -> Submitted:
    """Submit a result. It becomes the caller's entry if it beats the one they have."""
    caller = ctx.identity
    if caller is None:
        raise UnauthenticatedError("Must be logged in to submit scores")
    board = rules.board_of(args.leaderboard_type, args.level)
    submission = scores.submit_score(
        board,
        play=Play(args.score, args.accuracy, args.level, args.pages_completed),
        user_id=ensure_user_key(caller, now=ctx.now),
        source=Source.CLAIMED,
        now=ctx.now,
    )
    return Submitted(submission.status, submission.status is not Status.UNCHANGED, board)


@query("leaderboard:getTop")
def get_top(_ctx: QueryContext, args: GetTopArgs) -> list[Document]:
    """Show the best of a board. Of equal scores the earlier stands first."""
    if args.board not in rules.LEVEL_OF_BOARD:
        return []
    limit = rules.clamp(args.limit, most=rules.MAX_TOP)
    return [_document(each) for each in boards.get_top(args.board, limit=limit).standings]


@query("leaderboard:getMyRank")
def get_my_rank(ctx: QueryContext, args: BoardArgs) -> MyRank | None:
    """Show the caller's own entry and rank; null for nobody, and for whoever is not listed."""
    if args.board not in rules.LEVEL_OF_BOARD:
        return None
    standing = boards.find_my_entry(args.board, caller=ctx.identity)
    if standing is None or standing.rank is None:
        return None
    return MyRank(float(standing.rank), _document(standing), args.board)


@query("leaderboard:getAroundMe")
def get_around_me(ctx: QueryContext, args: GetAroundArgs) -> list[Ranked]:
    """Show the caller's own entry among its neighbours; none for whoever is not listed."""
    if args.board not in rules.LEVEL_OF_BOARD:
        return []
    radius = rules.clamp(args.radius, most=rules.MAX_RADIUS)
    found = boards.list_around(args.board, caller=ctx.identity, radius=radius)
    return [Ranked(float(each.rank), _document(each)) for each in found if each.rank is not None]


def _document(standing: Standing) -> Document:
    kind = rules.Kind.COOP if standing.board == rules.COOP else rules.Kind.SOLO
    return Document(
        id=standing.public_id,
        creation_time=milliseconds(standing.created_at),
        user_id=standing.user_public_id,
        clerk_id=standing.subject,
        username=standing.username,
        avatar_url=standing.avatar_url,
        leaderboard_type=kind,
        board_key=standing.board,
        score=float(standing.score),
        accuracy=standing.accuracy,
        level=float(standing.level),
        pages_completed=float(standing.pages_completed),
        achieved_at=milliseconds(standing.achieved_at),
    )


# --- behind our own doors -------------------------------------------------------------------------

Cursor = Annotated[str, msgspec.Meta(max_length=rules.MAX_CURSOR_LENGTH)]
Limit = Annotated[int, msgspec.Meta(ge=1, le=rules.MAX_TOP)]
Radius = Annotated[int, msgspec.Meta(ge=1, le=rules.MAX_RADIUS)]


class Entry(msgspec.Struct, frozen=True):
    """An entry as every door shows it. ``rank`` is null if it is hidden or does not rank."""

    id: str
    rank: int | None
    username: str
    avatar_url: str
    score: int
    accuracy: float
    level: int
    pages_completed: int
    source: rules.Source
    achieved_at: str


class TopArgs(Args, frozen=True):
    """Which part of which board."""

    board: str
    limit: Limit = rules.DEFAULT_TOP
    cursor: Cursor | None = None


class TopResult(msgspec.Struct, frozen=True):
    """Entries, best first; ``next_cursor`` asks for those that follow, and is null at the end."""

    results: list[Entry]
    next_cursor: str | None


class MeArgs(Args, frozen=True):
    """On which board."""

    board: str


class MeResult(msgspec.Struct, frozen=True):
    """The caller's entry; null for nobody, and for whoever has none."""

    entry: Entry | None


class AroundArgs(Args, frozen=True):
    """On which board, and how many entries in each direction."""

    board: str
    radius: Radius = rules.DEFAULT_RADIUS


class AroundResult(msgspec.Struct, frozen=True):
    """The entries around the caller's, best first; none for nobody, and for whoever has none."""

    results: list[Entry]


@internal_query("leaderboard:top")
def top(_ctx: QueryContext, args: TopArgs) -> TopResult:
    """Show the best of a board, a page at a time."""
    page = boards.get_top(args.board, limit=args.limit, cursor=args.cursor)
    return TopResult([_shown(standing) for standing in page.standings], page.next_cursor)


@internal_query("leaderboard:me")
def me(ctx: QueryContext, args: MeArgs) -> MeResult:
    """Show the caller's own entry and rank."""
    standing = boards.find_my_entry(args.board, caller=ctx.identity)
    return MeResult(None if standing is None else _shown(standing))


@internal_query("leaderboard:around")
def around(ctx: QueryContext, args: AroundArgs) -> AroundResult:
    """Show the caller's own entry among its neighbours."""
    found = boards.list_around(args.board, caller=ctx.identity, radius=args.radius)
    return AroundResult([_shown(standing) for standing in found])


def _shown(standing: Standing) -> Entry:
    achieved_at = standing.achieved_at.astimezone(UTC).isoformat(timespec="microseconds")
    return Entry(
        id=standing.public_id,
        rank=standing.rank,
        username=standing.username,
        avatar_url=standing.avatar_url,
        score=standing.score,
        accuracy=standing.accuracy,
        level=standing.level,
        pages_completed=standing.pages_completed,
        source=rules.Source(standing.source),
        achieved_at=achieved_at.replace("+00:00", "Z"),
    )
