"""What a transaction wrote: collected while it is open, handed over when it has committed.

A listener is called in the thread that committed, on a connection that is between two
transactions: it must not use the database, and it must not take long.
"""

import itertools
import logging
import os
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, cast
from uuid import UUID

import msgspec
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model
from django.db.transaction import TransactionManagementError

from dust.livequery import capture
from dust.livequery.columns import columns_of, pins_of
from dust.livequery.errors import WriteInQueryError
from dust.livequery.readset import EVERY_TABLE, TableWrite, Value, narrow

logger = logging.getLogger(__name__)

MOST_WRITES = 1000
"""More different writes than this in one commit are merged into one for each table."""

clock: Callable[[], int] = time.time_ns
"""Issues the timestamps of commits; the engine puts its own clock here."""

ORIGIN = ""
"""This process's name among all that write. Read it from the module: it changes after a fork."""

_seq = itertools.count(1)


def _renew_origin() -> None:
    global ORIGIN, _seq  # noqa: PLW0603 - they belong to the process, and a fork begins one
    ORIGIN = secrets.token_hex(8)
    _seq = itertools.count(1)


_renew_origin()
os.register_at_fork(after_in_child=_renew_origin)


CommitKey = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Commit:
    """What one committed transaction wrote. ``seq`` counts its process's commits from 1.

    A number is missing where the database refused the commit at the last moment.
    """

    origin: str
    seq: int
    ts: int
    writes: tuple[TableWrite, ...]

    @property
    def key(self) -> CommitKey:
        """Tell it from every other commit."""
        return self.origin, self.seq


def stamp(writes: tuple[TableWrite, ...]) -> Commit:
    """Give the commit that is about to happen its number and its timestamp."""
    return Commit(ORIGIN, next(_seq), clock(), writes)


# --- while a transaction is open ----------------------------------------------------------------


class Ledger:
    """What the open transaction of one connection has written.

    Each savepoint has a level of its own, which falls with it or joins the one below.
    While ``paused`` is above 0 the backends add nothing.
    """

    def __init__(self) -> None:
        self.paused = 0
        self._levels: list[tuple[str, dict[object, TableWrite]]] = [("", {})]

    def add(self, write: TableWrite) -> None:
        """Add a write to the innermost level."""
        self._add(write, self._levels[-1][1])

    def mark(self, savepoint: str) -> None:
        """Begin a level."""
        self._levels.append((savepoint, {}))

    def fall_back(self, savepoint: str) -> None:
        """Forget what was written since the savepoint, which stays."""
        at = self._find(savepoint)
        del self._levels[at + 1 :]
        self._levels[at][1].clear()

    def release(self, savepoint: str) -> None:
        """End a level and all inside it, keeping what they hold."""
        at = self._find(savepoint)
        for _, writes in self._levels[at:]:
            for write in writes.values():
                self._add(write, self._levels[at - 1][1])
        del self._levels[at:]

    def clear(self) -> None:
        """Forget everything."""
        self._levels = [("", {})]

    def take(self) -> tuple[TableWrite, ...]:
        """Return everything and forget it."""
        while len(self._levels) > 1:
            self.release(self._levels[-1][0])
        writes = tuple(self._levels[0][1].values())
        self.clear()
        if any(write.table == EVERY_TABLE for write in writes):
            return (TableWrite(EVERY_TABLE),)
        return writes

    def _find(self, savepoint: str) -> int:
        return next(at for at, (name, _) in enumerate(self._levels) if name == savepoint)

    @staticmethod
    def _add(write: TableWrite, level: dict[object, TableWrite]) -> None:
        level[_identity(write)] = write
        if len(level) > MOST_WRITES:
            merged = merge(level.values())
            level.clear()
            level.update((_identity(write), write) for write in merged)


def _identity(write: TableWrite) -> object:
    return write.table, frozenset(write.pins.items()), write.columns


def merge(writes: Iterable[TableWrite]) -> list[TableWrite]:
    """Return one write for each table that says no less than all of its writes together."""
    by_table: defaultdict[str, list[TableWrite]] = defaultdict(list)
    for write in writes:
        by_table[write.table].append(write)
    return [_union(table, together) for table, together in by_table.items()]


def _union(table: str, writes: list[TableWrite]) -> TableWrite:
    pinned = set(writes[0].pins).intersection(*(write.pins for write in writes))
    pins = {name: frozenset().union(*(write.pins[name] for write in writes)) for name in pinned}
    updates = [write.columns for write in writes if write.columns is not None]
    columns = frozenset().union(*updates) if len(updates) == len(writes) else None
    return TableWrite(table, narrow(pins), columns)


class _Noticing(Protocol):
    """A connection of one of our backends."""

    ledger: Ledger


def ledger_of(connection: BaseDatabaseWrapper) -> Ledger:
    """Return the connection's ledger."""
    return cast("_Noticing", connection).ledger


def wrote(
    model: type[Model],
    /,
    *,
    columns: Collection[str] | None = None,
    using: str = DEFAULT_DB_ALIAS,
    **pins: Any,
) -> None:
    """Say what raw SQL wrote in the model's own table, in the same transaction.

    ``pins`` name fields and the value, or collection of values, that every row concerned has there
    before *and* after. ``columns`` name the fields that an update changed; leave them out if rows
    came or went.

    :raises TransactionManagementError: outside a transaction.
    :raises WriteInQueryError: inside a query function.
    """
    if capture.recorder() is not None:
        raise WriteInQueryError
    connection = connections[using]
    if not connection.in_atomic_block and connection.get_autocommit():
        raise TransactionManagementError("Raw SQL that writes needs a transaction around it.")
    changed = None if columns is None else columns_of(model, columns)
    write = TableWrite(model._meta.db_table, pins_of(model, pins), changed)
    ledger_of(connection).add(write)


@contextmanager
def unnoticed(using: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """Let the ORM write inside without being noticed, in tables that no query function reads."""
    ledger = ledger_of(connections[using])
    ledger.paused += 1
    try:
        yield
    finally:
        ledger.paused -= 1


# --- once it has committed ----------------------------------------------------------------------

Listener = Callable[[Commit], None]

_listeners: list[Listener] = []


def on_commit(listener: Listener) -> Callable[[], None]:
    """Have the listener called with every commit of this process; return what ends that."""
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)


def hand_over(commit: Commit) -> None:
    """Tell the listeners. What fails in one of them is nothing to whoever committed."""
    for listener in tuple(_listeners):
        try:
            listener(commit)
        except Exception:  # the border between a writer and those who watch
            logger.exception("commit listener failed", extra={"action": "commit.listener"})


# --- as a row -----------------------------------------------------------------------------------

_Stored = tuple[str, dict[str, list[Any]], list[str] | None]

_encoder = msgspec.msgpack.Encoder(uuid_format="bytes")
_decoder = msgspec.msgpack.Decoder(list[_Stored])


def encode_writes(writes: Iterable[TableWrite]) -> bytes:
    """Return the writes as a change row keeps them."""
    return _encoder.encode([(write.table, dict(write.pins), write.columns) for write in writes])


def decode_writes(payload: bytes) -> tuple[TableWrite, ...]:
    """Return the writes of a change row."""
    return tuple(
        TableWrite(
            table,
            {name: frozenset(map(_restore, values)) for name, values in pins.items()},
            None if columns is None else frozenset(columns),
        )
        for table, pins, columns in _decoder.decode(payload)
    )


def _restore(value: Any) -> Value:
    return UUID(bytes=value) if isinstance(value, bytes) else value
