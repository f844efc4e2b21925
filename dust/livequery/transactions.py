"""The two kinds of transaction that the engine opens, on both databases, and how they can fail."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection, connections, transaction
from psycopg import IsolationLevel
from psycopg.pq import TransactionStatus

SERIALIZATION_FAILURE = "40001"
DEADLOCK_DETECTED = "40P01"
UNIQUE_VIOLATION = "23505"
_CUT_OFF = ("08", "57P")  # by the network, or by whoever stops a server or a connection
_SQLITE_BUSY = 5


class Isolation(Enum):
    """What a write may assume of others that run beside it. SQLite serializes every write."""

    SERIALIZABLE = IsolationLevel.SERIALIZABLE
    READ_COMMITTED = IsolationLevel.READ_COMMITTED


@contextmanager
def write_transaction(isolation: Isolation) -> Iterator[None]:
    """Open the outermost transaction of a write.

    :raises RuntimeError: if a transaction is already open.
    """
    if connection.vendor != "postgresql":
        with transaction.atomic(durable=True):
            yield
        return
    with _psycopg_options(isolation.value, read_only=None), transaction.atomic(durable=True):
        yield


@contextmanager
def snapshot() -> Iterator[None]:
    """Let everything inside read one state of the database, and nothing write to it.

    Inside a transaction that is already open (a test's) it only joins that one.
    """
    if connection.in_atomic_block:
        yield
    elif connection.vendor == "postgresql":
        with (
            _psycopg_options(IsolationLevel.REPEATABLE_READ, read_only=True),
            transaction.atomic(),
        ):
            yield
    else:
        with _sqlite_reader(), transaction.atomic():
            yield


def is_snapshot_spoilt() -> bool:
    """Return whether an error has made the open snapshot useless for anything that would follow."""
    if connection.vendor != "postgresql" or connection.connection is None:
        return connection.needs_rollback
    status = connection.connection.info.transaction_status
    return connection.needs_rollback or status in {
        TransactionStatus.INERROR,
        TransactionStatus.UNKNOWN,
    }


def is_connection_lost(error: Exception) -> bool:
    """Return whether an error came up because this thread's connection has gone away.

    The error itself is looked at too: leaving the outermost block may have opened another one.
    """
    if connection.vendor != "postgresql":
        return False
    raw = connection.connection
    return raw is None or raw.closed or _is_cut_off(error)


def _is_cut_off(error: Exception) -> bool:
    state = sqlstate(error)
    return isinstance(error.__cause__, psycopg.OperationalError) and (
        state is None or state.startswith(_CUT_OFF)
    )


@contextmanager
def _psycopg_options(isolation: IsolationLevel, *, read_only: bool | None) -> Iterator[None]:
    """Have psycopg begin its next transaction so; it costs no statement of its own."""
    connection.ensure_connection()
    raw = connection.connection
    raw.isolation_level = isolation
    raw.read_only = read_only
    try:
        yield
    finally:
        if not raw.closed:
            raw.isolation_level = None
            raw.read_only = None


@contextmanager
def _sqlite_reader() -> Iterator[None]:
    """Begin deferred, since an immediate transaction would keep writers out, and refuse writes."""
    connection.ensure_connection()
    settings: Any = connections[DEFAULT_DB_ALIAS]  # its stubs lack the mode
    mode = settings.transaction_mode
    connection.connection.execute("PRAGMA query_only = ON")
    settings.transaction_mode = "DEFERRED"
    try:
        yield
    finally:
        settings.transaction_mode = mode
        connection.connection.execute("PRAGMA query_only = OFF")


def sqlstate(error: Exception) -> str | None:
    """Return PostgreSQL's code for the error, None where there is none."""
    return getattr(error.__cause__, "sqlstate", None)


def is_conflict(error: DatabaseError) -> bool:
    """Return whether the transaction lost against another and may simply be tried again."""
    return sqlstate(error) in {SERIALIZATION_FAILURE, DEADLOCK_DETECTED}


def is_sqlite_busy(error: DatabaseError) -> bool:
    """Return whether SQLite's write lock was not to be had within the lock timeout."""
    return getattr(error.__cause__, "sqlite_errorcode", 0) & 0xFF == _SQLITE_BUSY
