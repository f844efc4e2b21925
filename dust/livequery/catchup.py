"""Finds committed change rows that this process was not told of, and nothing twice.

Hints over the channel layer are quick and may get lost; the rows are the truth. ``ChangeReader``
reads them inside the snapshot that queries are about to be run in, so that whatever a query can see
has been taken into account before its result is called fresh.

Why nothing is missed. *PostgreSQL*: rows become visible in the order of commits, which is neither
that of ids nor of transaction ids, and rollbacks leave holes in both, so no highest number tells
what has been seen. A snapshot does: it shows a transaction exactly if that had committed when the
snapshot was taken, so its id is below the snapshot's ``xmax`` and not among those then running.
Each change row carries its transaction's id. The reader keeps the last snapshot and asks the next
one for the rows of transactions that the last did not show: at or above its ``xmax``, or then
running. That is every new row and no old one, however long some transaction stays open. (Reading
from ``xmin`` on would miss nothing either, but while one long write is open all rows since would
be read again each time.) *SQLite*: there is one writer at a time and ids are never used twice, so
ids are in commit order and have no holes; the reader asks for those above the last.

Wherever this reasoning lacks its ground, the answer is a commit that wrote every table: on the
first read; after so long a silence that rows may have been purged (SQLite: if ids are missing);
when another server answers, or the same after a crash or a restored backup, when the count of
transactions may have gone back; when there are too many rows, or one that cannot be understood.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
from django.db import connection

from dust.livequery import changes
from dust.livequery.changes import Commit, CommitKey
from dust.livequery.clock import process_clock
from dust.livequery.readset import EVERY_TABLE, TableWrite

TRUSTED_SILENCE = timedelta(minutes=30)
"""How long after a read all rows since are surely still there: half of what the purge leaves them,
to allow for clocks that differ and commits that hang."""

MOST_UNSEEN = 5_000
"""More new rows than this are not worth looking at one by one."""

REMEMBERED = 50_000
"""Applied commits that are remembered. One forgotten too early is applied again, a mere waste."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a PostgreSQL snapshot shows: transactions below ``xmax`` that were not running.

    ``running`` lists their ids, separated by commas. ``server`` names the database and this run of
    its server, ``seconds`` is the time by its clock.
    """

    server: str
    seconds: float
    xmin: int
    xmax: int
    running: str

    @classmethod
    def parse(cls, server: str, seconds: float, text: str) -> "Snapshot":
        xmin, xmax, running = text.split(":")
        return cls(server, seconds, int(xmin), int(xmax), running)

    def follows(self, earlier: "Snapshot") -> bool:
        """Return whether all rows of commits between the two are surely there to be read."""
        silence = self.seconds - earlier.seconds
        return (
            self.server == earlier.server
            and self.xmin >= earlier.xmin
            and self.xmax >= earlier.xmax
            and silence <= TRUSTED_SILENCE.total_seconds()
        )


Position = Snapshot | int
"""What has been read: a snapshot, or SQLite's newest id."""


class ChangeReader:
    """Knows which commits this process has applied, and reads those it has not.

    Invariant: everything up to ``_position`` has been applied, and everything up to ``_next`` as
    soon as nothing is outstanding. So a row is returned by every read until it is marked as
    applied, and a cycle that fails between the two loses nothing. Used by several threads; each
    reads with its own default connection.
    """

    def __init__(self) -> None:
        self._applied: OrderedDict[CommitKey, None] = OrderedDict()
        self._position: Position | None = None
        self._next: Position | None = None
        self._outstanding: set[CommitKey] = set()
        self._unsure = 0
        self._read_lock = threading.Lock()
        self._lock = threading.Lock()

    def mark_applied(self, commits: Iterable[Commit]) -> list[Commit]:
        """Note that these commits are taken care of; return those that had not been before.

        From then on, timestamps issued here are above theirs.
        """
        with self._lock:
            new = []
            for commit in commits:
                self._outstanding.discard(commit.key)
                if commit.key not in self._applied:
                    self._applied[commit.key] = None
                    new.append(commit)
                    process_clock().observe(commit.ts)
            while len(self._applied) > REMEMBERED:
                self._applied.popitem(last=False)
            return new

    def unseen(self) -> list[Commit]:
        """Return the commits that the open transaction's snapshot shows and nobody has applied.

        It has to be the transaction's first statement: reads are taken to be in the order of their
        snapshots.
        """
        with self._read_lock:
            with self._lock:
                if not self._outstanding:
                    self._position = self._next
                position = self._position
            read = _read_postgresql if connection.vendor == "postgresql" else _read_sqlite
            reached, keys = read(position)
            commits = None if keys is None else self._load(keys)
            if commits is None:
                commits = [self._everything()]
            with self._lock:
                self._next = reached
                self._outstanding = {
                    commit.key for commit in commits if commit.key not in self._applied
                }
            return commits

    def _load(self, keys: dict[int, CommitKey]) -> list[Commit] | None:
        """Read the rows that were not applied; None if one is gone or not to be understood."""
        with self._lock:
            ids = [row for row, key in keys.items() if key not in self._applied]
        if not ids:
            return []
        with connection.cursor() as cursor:
            marks = ", ".join(["%s"] * len(ids))
            cursor.execute(f"{_LOAD} ({marks}) ORDER BY id", ids)
            rows = cursor.fetchall()
        if len(rows) != len(ids):
            return None
        try:
            return [
                Commit(origin, seq, ts, changes.decode_writes(bytes(payload)))
                for origin, seq, ts, payload in rows
            ]
        except msgspec.MsgspecError:
            return None  # written by another version of this program

    def _everything(self) -> Commit:
        self._unsure += 1
        return Commit("", self._unsure, 0, (TableWrite(EVERY_TABLE),))


def _read_postgresql(position: Any) -> tuple[Position, dict[int, CommitKey] | None]:
    earlier: Snapshot | None = position
    xmax, running, limit = 0, "", 0
    if earlier is not None:
        xmax, running, limit = earlier.xmax, earlier.running, MOST_UNSEEN + 1
    # One statement, so that one snapshot tells of itself and of the rows it shows.
    with connection.cursor() as cursor:
        cursor.execute(_READ_POSTGRESQL, [xmax, f"{{{running}}}", limit])
        rows = cursor.fetchall()
    server, seconds, text = rows[0][:3]
    reached = Snapshot.parse(server, seconds, text)
    keys = {row: (origin, seq) for *_, row, origin, seq in rows if row is not None}
    if earlier is None or not reached.follows(earlier) or len(keys) > MOST_UNSEEN:
        return reached, None
    return reached, keys


def _read_sqlite(position: Any) -> tuple[Position, dict[int, CommitKey] | None]:
    earlier: int | None = position
    with connection.cursor() as cursor:
        cursor.execute(_READ_SQLITE, [earlier or 0, MOST_UNSEEN if earlier is not None else 0])
        rows = cursor.fetchall()
    newest: int = rows[0][0]
    keys = {row: (origin, seq) for _, row, origin, seq in rows if row is not None}
    if earlier is None or len(keys) != newest - earlier:
        return newest, None
    return newest, keys


_READ_POSTGRESQL = """
    SELECT concat_ws(
               ' ',
               extract(epoch FROM pg_postmaster_start_time()),
               extract(epoch FROM pg_stat_get_bgwriter_stat_reset_time()),
               database.oid
           ),
           extract(epoch FROM clock_timestamp())::float8,
           pg_current_snapshot()::text,
           change.id, change.origin, change.seq
    FROM pg_database AS database
    LEFT JOIN (
        SELECT id, origin, seq FROM livequery_change
        WHERE xid >= %s::text::xid8 OR xid = ANY (%s::xid8[])
        LIMIT %s
    ) AS change ON true
    WHERE database.datname = current_database()
"""
_READ_SQLITE = """
    SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'livequery_change'), 0),
           change.id, change.origin, change.seq
    FROM (SELECT 1)
    LEFT JOIN (
        SELECT id, origin, seq FROM livequery_change WHERE id > %s ORDER BY id LIMIT %s
    ) AS change ON true
"""
_LOAD = "SELECT origin, seq, ts, payload FROM livequery_change WHERE id IN"
