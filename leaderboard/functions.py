"""The live queries behind the leaderboard's doors. Internal: each door has names of its own."""

from datetime import UTC
from typing import Annotated

import msgspec

from dust.livequery.context import QueryContext
from dust.livequery.registry import internal_query
from dust.livequery.shapes import Args
from leaderboard import rules
from leaderboard.queries import boards
from leaderboard.queries.boards import Standing

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
