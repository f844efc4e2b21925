"""Where a score stands on its board: 1 + the listed entries with a higher score, exactly.

SQLite counts them. On PostgreSQL a board may hold millions, so there are counters of how many lie
in each range of scores. The ranges form a tree with 64 children to a node: a score, moved up to be
positive, is nine digits of 6 bits, and its first digits name the nodes that it lies in.

- A node has a counter if its parent is *split*, as the root always is. A node is split when it
  comes to hold many entries. So there are few counters where scores are sparse, and one for every
  single score where thousands share it; nothing has to be known of how scores are spread.
- Writers never touch a counter, which would be a row that all of them queue for. In the writer's
  transaction a trigger adds a *delta* for every entry that comes to a score or goes from one, and
  ``leaderboard.services.ranks`` folds these into the counters later.
- Invariant, in every snapshot: a counter plus the deltas in its range is the number of listed
  entries in its range. Should it ever break, ``manage.py check_ranks --repair`` mends it.

A rank, then, is one statement. It adds up the counters to the right of the score's path, the deltas
beyond the last counted node on it, and inside that node the entries themselves, which are few.
"""

from typing import Any

from django.db import connection

from dust.livequery.capture import reading
from leaderboard.models import Entry

ROOT = 1
SHIFTS = list(range(48, -1, -6))
"""How far a score is shifted to name its node at each depth, from the root's children down."""

OFFSET = 2**54 + 2**53
"""Moves a score into the lowest level of the tree; a node is a 1 followed by its digits."""


def path_to(score: int) -> list[int]:
    """Return the nodes that the score lies in, from the root's child down to the score alone."""
    return [(score + OFFSET) >> shift for shift in SHIFTS]


def scores_in(node: int) -> tuple[int, int]:
    """Return the lowest and the highest score that lie in the node."""
    shift = 55 - node.bit_length()
    return (node << shift) - OFFSET, ((node + 1) << shift) - 1 - OFFSET


def get_rank(board: str, score: int) -> int:
    """Return the rank that the score has on the board, or would have."""
    if connection.vendor != "postgresql":
        return 1 + Entry.objects.listed().filter(board_id=board, score__gt=score).count()
    path = path_to(score)
    values: dict[str, Any] = {
        "board": board,
        "score": score,
        "path": path,
        "highest": [scores_in(node)[1] for node in path],
    }
    with (
        reading(
            Entry,
            columns=["score"],
            board_id=board,
            ranked=True,
            hidden=False,
            suspended=False,
        ),
        connection.cursor() as cursor,
    ):
        cursor.execute(_RANK, values)
        return int(cursor.fetchone()[0])


# ``reach`` is the highest score in the last counted node of the path. The limit says what the
# planner cannot know: a node has 63 siblings at most.
_RANK = """
    WITH reach AS (
        SELECT (%(highest)s::bigint[])[1 + count(*)] AS score FROM leaderboard_rankcount
        WHERE board_key = %(board)s AND node = ANY(%(path)s::bigint[]) AND is_split
    )
    SELECT 1 + (
        SELECT coalesce(sum(higher.count), 0)
        FROM unnest(%(path)s::bigint[]) AS step (node), LATERAL (
            SELECT count FROM leaderboard_rankcount
            WHERE board_key = %(board)s AND node > step.node AND node <= step.node | 63
            ORDER BY node LIMIT 63
        ) AS higher
    ) + (
        SELECT coalesce(sum(change), 0) FROM leaderboard_rankdelta
        WHERE board_key = %(board)s AND score > (SELECT score FROM reach)
    ) + (
        SELECT count(*) FROM leaderboard_entry
        WHERE board_id = %(board)s AND ranked AND NOT hidden AND NOT suspended
        AND score > %(score)s AND score <= (SELECT score FROM reach)
    )
"""
