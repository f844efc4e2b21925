"""Writers beside a test's own connection, for what depends on the order of commits."""

from django.db import connection, connections

from dust.livequery.catchup import ChangeReader
from dust.livequery.changes import Commit, encode_writes
from dust.livequery.readset import TableWrite
from dust.livequery.transactions import snapshot

WRITES = (TableWrite("entry", {"board": frozenset({"solo:3"})}, frozenset({"score"})),)
INSERT = "INSERT INTO livequery_change (origin, seq, ts, payload) VALUES (%s, %s, %s, %s)"
IS_POSTGRESQL = connection.vendor == "postgresql"


class Writer:
    """Another process, with a connection of its own, that commits one change at a time."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.seq = 0
        self.connection = connections["default"].copy()

    def begin(self) -> Commit:
        """Write a change row, and keep the transaction open."""
        self._execute("BEGIN")
        self.seq += 1
        commit = Commit(self.origin, self.seq, 1_000 + self.seq, WRITES)
        self._execute(INSERT, commit.origin, commit.seq, commit.ts, encode_writes(commit.writes))
        return commit

    def commit(self) -> None:
        self._execute("COMMIT")

    def roll_back(self) -> None:
        self._execute("ROLLBACK")

    def write(self) -> Commit:
        """Commit a change."""
        commit = self.begin()
        self.commit()
        return commit

    def close(self) -> None:
        self.connection.close()

    def _execute(self, sql: str, *params: str | int | bytes) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, params)


def read(reader: ChangeReader) -> list[Commit]:
    with snapshot():
        return reader.unseen()
