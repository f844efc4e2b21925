"""Boards of many entries, each in tables of its own."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from django.core.management import call_command
from django.db import connection

from dust.identity import Identity
from leaderboard.rules import MAX_SCORE
from leaderboard.services.ranks import check_ranks, repair_ranks
from tests.bench.report import Row, say

_luck = random.Random(1)  # noqa: S311 - players are picked with it

BOARD = "coop"
_SHAPES = {
    "game": "(1000 + 300 * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()))::bigint",
    "wide": "((random() * 2 - 1) * 9007199254740991)::bigint",
}


@dataclass
class Table:
    """One size's tables, what loading them told, and what the turns did."""

    schema: str
    entries: int
    loaded: Row = field(default_factory=dict)
    reads: dict[str, list[float]] = field(default_factory=dict)
    submit_ms: list[float] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)
    together: list[float] = field(default_factory=list)
    raw_alone: list[float] = field(default_factory=list)
    raw_together: list[float] = field(default_factory=list)
    fold_ms: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Player:
    """Somebody on the board."""

    subject: str
    user_id: UUID
    score: int

    @property
    def identity(self) -> Identity:
        return Identity("bench", self.subject)

    def better(self) -> int:
        return min(self.score + _luck.randint(1, 20), MAX_SCORE)


def load(shape: str, entries: int) -> Table:
    """Make tables with so many entries on one board, and count them."""
    table = Table(f"{shape}_{entries}", entries)
    say(f"{shape}: loading {entries:,} entries")
    started = time.perf_counter()
    _execute(f"CREATE SCHEMA {table.schema}")
    with using(table):
        call_command("migrate", interactive=False, verbosity=0)
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            cursor.execute(_LOAD_USERS, [entries])
            cursor.execute(_LOAD_ENTRIES.format(score=_SHAPES[shape]), [BOARD, entries])
            cursor.execute("SET session_replication_role = origin")
            cursor.execute("VACUUM ANALYZE leaderboard_entry, accounts_user")
        counting = time.perf_counter()
        repair_ranks(BOARD)
        counted = time.perf_counter()
        report = check_ranks(BOARD)
        checked = time.perf_counter()
        _execute("VACUUM ANALYZE leaderboard_rankcount")
    if not report.is_right or report.listed != entries:
        raise RuntimeError(f"The board is wrong from the start: {report}")
    table.loaded = {
        "entries": entries,
        "counters": report.counters,
        "s to load": counting - started,
        "s to count anew": counted - counting,
        "s to check": checked - counted,
    }
    return table


def drop(table: Table) -> None:
    """Remove the tables."""
    _execute(f"DROP SCHEMA {table.schema} CASCADE")


@contextmanager
def using(table: Table) -> Iterator[None]:
    """Have this thread's connection see these tables."""
    _execute(f"SET search_path TO {table.schema}")
    try:
        yield
    finally:
        _execute("RESET search_path")


@contextmanager
def as_default(table: Table) -> Iterator[None]:
    """Have every connection that is opened inside see these tables, and this one too."""
    name = connection.settings_dict["NAME"]
    _execute(f"ALTER DATABASE {name} SET search_path TO {table.schema}")
    connection.close()
    try:
        yield
    finally:
        _execute(f"ALTER DATABASE {name} RESET search_path")
        connection.close()


def _execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


_LOAD_USERS = """
    INSERT INTO accounts_user (
        id, issuer, subject, username, avatar_url, password, is_superuser, is_staff, is_active
    )
    SELECT ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'bench', 'player' || n,
        'player ' || n, '', '!', false, false, true
    FROM generate_series(1, %s) AS n
"""
_LOAD_ENTRIES = """
    INSERT INTO leaderboard_entry (
        id, board_id, user_id, score, accuracy, level, pages_completed, source, ranked,
        achieved_at, hidden, hidden_reason
    )
    SELECT ('01900000-0000-7000-9000-' || lpad(to_hex(n), 12, '0'))::uuid, %s,
        ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
        {score}, 80, 3, 5, 'claimed', true, '2026-01-01'::timestamptz + n * interval '1 second',
        false, ''
    FROM generate_series(1, %s) AS n
"""


def pick(table: Table, count: int) -> list[Player]:
    """Return so many players at random, with the scores they have now."""
    numbers = _luck.sample(range(1, table.entries + 1), count)
    with connection.cursor() as cursor:
        cursor.execute(_PICK, [BOARD, [f"player{number}" for number in numbers]])
        return [Player(*row) for row in cursor.fetchall()]


_PICK = """
    SELECT player.subject, player.id, entry.score
    FROM accounts_user AS player JOIN leaderboard_entry AS entry ON entry.user_id = player.id
    WHERE entry.board_id = %s AND player.issuer = 'bench' AND player.subject = ANY(%s)
"""
