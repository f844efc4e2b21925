"""Upkeep of the rank counters that ``leaderboard.queries.ranks`` reads. SQLite has none.

Whatever touches a board's counters holds the board's lock, so there is one at a time, and no writer
waits for it. Entries and deltas come together. So while nobody folds, what a counter should be (the
entries in its range less the deltas in it) stays the same, however many statements look at it.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from dust.livequery.changes import unnoticed
from leaderboard.models import Entry, EntryQuerySet, RankCount, RankDelta
from leaderboard.queries.ranks import OFFSET, ROOT, SHIFTS, scores_in

BATCH = 5000
"""How many deltas are folded in one transaction."""

CLEAR_AFTER = 1000
"""How many folded deltas may lie about dead. A rank still has to step over each one in its range,
and autovacuum comes by once a minute at best."""

SPLIT_ABOVE = 128
"""A node's children are counted once it has held more entries than this."""

_LOCK_CLASS = 0x72616E6B


@dataclass(frozen=True, slots=True)
class RankReport:
    """How a board's counters compare with its entries.

    ``wrong`` counts the counters that are off, missing or left over; ``misjudged`` the entries that
    rank although the settings say that their source does not, or the other way round.
    """

    board: str
    listed: int
    counters: int
    deltas: int
    wrong: int
    misjudged: int

    @property
    def is_right(self) -> bool:
        return not self.wrong and not self.misjudged


def fold_rank_deltas(board: str | None = None, *, limit: int = BATCH) -> int:
    """Fold a batch of deltas of the board, or of each board, into the counters.

    Returns how many there were; ``limit`` of them means that more may wait. A board that is being
    folded already is passed over. Ranks are the same before and after, so nobody is told.
    """
    if connection.vendor != "postgresql":
        return 0
    waiting = RankDelta.objects.values_list("board_key", flat=True).distinct()
    return sum(_fold(key, limit) for key in ([board] if board else waiting))


class RankKeeper:
    """Folds, time and again, for one process, and clears away what that leaves behind."""

    def __init__(self) -> None:
        self._dead = 0

    def keep(self) -> None:
        """Fold what waits on each board. To be called outside of any transaction."""
        self._dead += fold_rank_deltas()
        if self._dead >= CLEAR_AFTER:
            _execute(_CLEAR)
            self._dead = 0


def check_ranks(board: str) -> RankReport:
    """Compare the board's counters with its entries. Players go on submitting meanwhile."""
    entries = Entry.objects.filter(board_id=board)
    counters = RankCount.objects.filter(board_key=board)
    wrong = 0
    with _alone_with_counters(board):
        if connection.vendor == "postgresql":
            split = counters.filter(is_split=True).values_list("node", flat=True)
            wrong = sum(len(_corrections(board, node)) for node in [ROOT, *split])
            wrong += _execute(_COUNT_ORPHANS, board=board)[0][0]
        return RankReport(
            board=board,
            listed=entries.listed().count(),
            counters=counters.count(),
            deltas=RankDelta.objects.filter(board_key=board).count(),
            wrong=wrong,
            misjudged=_wrongly_ranked(entries).count() + _wrongly_unranked(entries).count(),
        )


def repair_ranks(board: str) -> None:
    """Judge the board's entries by the present settings and count them anew."""
    entries = Entry.objects.filter(board_id=board)
    with _alone_with_counters(board):
        _wrongly_ranked(entries).update(ranked=False)
        _wrongly_unranked(entries).update(ranked=True)
        if connection.vendor == "postgresql":
            with unnoticed():
                RankCount.objects.filter(board_key=board).delete()
            _split(board, [ROOT])


def _wrongly_ranked(entries: EntryQuerySet) -> EntryQuerySet:
    return entries.filter(ranked=True).exclude(source__in=settings.LEADERBOARD_RANKED_SOURCES)


def _wrongly_unranked(entries: EntryQuerySet) -> EntryQuerySet:
    return entries.filter(ranked=False, source__in=settings.LEADERBOARD_RANKED_SOURCES)


@contextmanager
def _alone_with_counters(board: str) -> Iterator[None]:
    """Open a transaction of its own in which nobody else changes the board's counters."""
    with transaction.atomic(durable=True):
        if connection.vendor == "postgresql":
            _execute(_READ_COMMITTED)
            _execute(_LOCK, lock=_LOCK_CLASS, board=board)
        yield


def _fold(board: str, limit: int) -> int:
    """Fold one batch, if nobody else does; split the nodes that it fills, drop those it empties."""
    with transaction.atomic(durable=True):
        _execute(_READ_COMMITTED)
        if not _execute(_TRY_LOCK, lock=_LOCK_CLASS, board=board)[0][0]:
            return 0
        rows = _execute(_FOLD, board=board, limit=limit, offset=OFFSET, shifts=SHIFTS)
        unsplit = {node: count for _, node, count, is_split in rows if node and not is_split}
        if emptied := [node for node, count in unsplit.items() if not count]:
            _execute(_DROP, board=board, nodes=emptied)
        _split(board, _overfull(unsplit.items()))
        return int(rows[0][0])


def _split(board: str, nodes: list[int]) -> None:
    """Count the children of these nodes, and theirs in turn where there are too many."""
    while nodes:
        node = nodes.pop()
        children = _corrections(board, node)
        _execute(_MARK_SPLIT, board=board, node=node)
        _execute(_ADD, board=board, nodes=[n for n, _ in children], counts=[n for _, n in children])
        nodes += _overfull(children)


def _overfull(counts: Iterable[tuple[int, int]]) -> list[int]:
    """Return the nodes that hold too many entries, and more than one score."""
    return [
        node
        for node, count in counts
        if count > SPLIT_ABOVE and scores_in(node)[0] < scores_in(node)[1]
    ]


def _corrections(board: str, node: int) -> list[tuple[int, int]]:
    """Return the children of a node whose counters are wrong or missing, and what each lacks."""
    lowest, highest = scores_in(node)
    return _execute(
        _CORRECTIONS,
        board=board,
        lowest=lowest,
        highest=highest,
        offset=OFFSET,
        shift=SHIFTS[node.bit_length() // 6],
        node=node,
    )


def _execute(statement: str, **values: Any) -> list[tuple[Any, ...]]:
    with unnoticed(), connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


# What has been committed by the time a statement starts, and so under the lock, must be visible
# to it, whatever isolation the connection's last user has left behind.
_READ_COMMITTED = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"
_LOCK = "SELECT pg_advisory_xact_lock(%(lock)s, hashtext(%(board)s))"
_TRY_LOCK = "SELECT pg_try_advisory_xact_lock(%(lock)s, hashtext(%(board)s))"

_FOLD = """
    WITH taken AS (
        DELETE FROM leaderboard_rankdelta WHERE id = ANY(ARRAY(
            SELECT id FROM leaderboard_rankdelta WHERE board_key = %(board)s LIMIT %(limit)s
        )) RETURNING score, change
    ), net AS (
        SELECT score, sum(change) AS change FROM taken GROUP BY score HAVING sum(change) <> 0
    ), step AS (
        SELECT (score + %(offset)s) >> shift AS node, sum(change) AS change
        FROM net, unnest(%(shifts)s::int[]) AS shift GROUP BY 1 HAVING sum(change) <> 0
    ), counter AS (
        INSERT INTO leaderboard_rankcount AS counter (board_key, node, count, is_split)
        SELECT %(board)s, node, change, false FROM step
        WHERE node >> 6 = 1 OR EXISTS (
            SELECT FROM leaderboard_rankcount AS parent
            WHERE parent.board_key = %(board)s AND parent.node = step.node >> 6 AND parent.is_split
        )
        ON CONFLICT (board_key, node) DO UPDATE SET count = counter.count + excluded.count
        RETURNING node, count, is_split
    )
    SELECT folded, node, count, is_split
    FROM (SELECT count(*) AS folded FROM taken) AS batch LEFT JOIN counter ON true
"""

_DROP = """
    DELETE FROM leaderboard_rankcount
    WHERE board_key = %(board)s AND node = ANY(%(nodes)s::bigint[]) AND count = 0 AND NOT is_split
"""

_MARK_SPLIT = """
    UPDATE leaderboard_rankcount SET is_split = true
    WHERE board_key = %(board)s AND node = %(node)s
"""

_ADD = """
    INSERT INTO leaderboard_rankcount (board_key, node, count, is_split)
    SELECT %(board)s, node, count, false
    FROM unnest(%(nodes)s::bigint[], %(counts)s::bigint[]) AS child (node, count)
"""

# Whoever finds another process at it has nothing to do.
_CLEAR = "VACUUM (SKIP_LOCKED, TRUNCATE FALSE) leaderboard_rankdelta"

_CORRECTIONS = """
    SELECT node, sum(count)::bigint AS lacking FROM (
        SELECT (score + %(offset)s) >> %(shift)s AS node, count(*) AS count
        FROM leaderboard_entry
        WHERE board_id = %(board)s AND ranked AND NOT hidden AND NOT suspended
        AND score BETWEEN %(lowest)s AND %(highest)s GROUP BY 1
        UNION ALL
        SELECT (score + %(offset)s) >> %(shift)s, -sum(change) FROM leaderboard_rankdelta
        WHERE board_key = %(board)s AND score BETWEEN %(lowest)s AND %(highest)s GROUP BY 1
        UNION ALL
        SELECT node, -count FROM leaderboard_rankcount
        WHERE board_key = %(board)s
        AND node BETWEEN %(node)s::bigint << 6 AND %(node)s::bigint << 6 | 63
    ) AS found GROUP BY node HAVING sum(count) <> 0
"""

_COUNT_ORPHANS = """
    SELECT count(*) FROM leaderboard_rankcount AS orphan
    WHERE board_key = %(board)s AND node >> 6 <> 1 AND NOT EXISTS (
        SELECT FROM leaderboard_rankcount AS parent
        WHERE parent.board_key = %(board)s AND parent.node = orphan.node >> 6 AND parent.is_split
    )
"""
