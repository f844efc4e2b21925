"""Writes: the outermost transaction, its retries, and answering a repeated request only once."""

import hashlib
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import msgspec
from django.db import IntegrityError, OperationalError, connection

from dust.livequery import changes, metrics
from dust.livequery.errors import (
    IdempotencyMismatchError,
    RequestRunningError,
    WriteConflictError,
)
from dust.livequery.transactions import (
    UNIQUE_VIOLATION,
    Isolation,
    is_conflict,
    is_sqlite_busy,
    sqlstate,
    write_transaction,
)

T = TypeVar("T")

TRIES = 20
"""How often a write is tried before its conflict is answered as one."""

TRIES_BEFORE_QUEUEING = 2
"""Conflicts after which a write waits its turn behind others of its name."""

_UNIQUE_VIOLATIONS_TAKEN_FOR_CONFLICTS = 2
_PACKED = b"\xc1"  # begins neither JSON nor MessagePack
_FIRST_BACKOFF_SECONDS = 0.002
_LONGEST_BACKOFF_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class RequestKey:
    """Names a request, so that sending it again runs nothing again.

    ``scope`` says whose key it is (a user and path, or a client session), ``fingerprint`` is a
    digest of what was asked: the same key with another fingerprint is a mistake of the client's.
    ``owner`` is whoever the answer may be about, by the ``key`` of their identity, and empty if it
    is about nobody: what is stored for an owner can be forgotten, see ``purge.forget_requests``.
    """

    scope: str
    key: str
    fingerprint: str
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Written(Generic[T]):
    """A write's answer. ``ts`` is above every timestamp issued here before it was committed."""

    value: T
    ts: int
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Phases:
    """What is told of each try of a write, in the thread that writes.

    ``begun`` is called first in its transaction, ``committing`` last: from then on the database may
    show what is written.
    """

    begun: Callable[[], None] = lambda: None
    committing: Callable[[], None] = lambda: None


UNTOLD = Phases()


def run_write(
    work: Callable[[], T],
    *,
    name: str,
    isolation: Isolation = Isolation.SERIALIZABLE,
    request: RequestKey | None = None,
    phases: Phases = UNTOLD,
) -> Written[T]:
    """Run ``work`` in a transaction of its own and return what it returned.

    ``work`` is run again as a whole if it loses a conflict, so it must do nothing that a rollback
    does not undo. After two conflicts it queues behind other writes of the same ``name``.
    With a ``request``, the answer (JSON-able builtins, or bytes in their place) is stored in the
    same transaction and given again, without running anything, to whoever repeats the request.

    :raises WriteConflictError: if it still conflicts after the last try.
    :raises IdempotencyMismatchError: if the request's key was used for something else.
    :raises RequestRunningError: if the same request is under way elsewhere.
    """
    unique_violations = 0
    for tries in range(1, TRIES + 1):
        try:
            with _turn(name, queue=tries > TRIES_BEFORE_QUEUEING):
                return _write_once(work, isolation, request, phases)
        except IntegrityError as exc:
            # A serializable transaction may meet a row that its snapshot does not show. The next
            # try sees it; a violation that is the work's own fault comes back the same.
            unique_violations += 1
            if not _may_be_a_race(exc, isolation, unique_violations):
                raise
        except OperationalError as exc:
            if is_sqlite_busy(exc):
                raise WriteConflictError from exc
            if not is_conflict(exc):
                raise
        metrics.write_retries.inc()
        _back_off(tries)
    raise WriteConflictError


def _write_once(
    work: Callable[[], T],
    isolation: Isolation,
    request: RequestKey | None,
    phases: Phases,
) -> Written[T]:
    with write_transaction(isolation):
        if request is None:
            phases.begun()
            value = work()
        else:
            claimed, answer = _claim(request)
            if not claimed:
                return Written(_restored(answer.response), answer.ts, replayed=True)
            phases.begun()
            value = work()
            _store(request, value)
        phases.committing()
    return Written(value, changes.clock())


@contextmanager
def _turn(name: str, *, queue: bool) -> Iterator[None]:
    """Hold the write's own lock from before its snapshot is taken until it has committed."""
    if not queue or connection.vendor != "postgresql":
        yield
        return
    lock = _lock_number("write", name)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [lock])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [lock])


def _may_be_a_race(error: IntegrityError, isolation: Isolation, seen: int) -> bool:
    return (
        isolation is Isolation.SERIALIZABLE
        and sqlstate(error) == UNIQUE_VIOLATION
        and seen <= _UNIQUE_VIOLATIONS_TAKEN_FOR_CONFLICTS
    )


def _back_off(tries: int) -> None:
    ceiling = min(_LONGEST_BACKOFF_SECONDS, _FIRST_BACKOFF_SECONDS * 2**tries)
    time.sleep(random.uniform(0, ceiling))  # noqa: S311 - spreads retries, guards nothing


@dataclass(frozen=True, slots=True)
class _Answer:
    fingerprint: str
    response: bytes
    ts: int


def _claim(request: RequestKey) -> tuple[bool, _Answer]:
    """Insert the request's row, or find the answer of the one that was there first.

    On PostgreSQL an insert would wait for a transaction that holds the same key, so the statement
    first tries for a lock on the key: without it, the request is running elsewhere.
    """
    asked = [request.scope, request.key, request.fingerprint, request.owner]
    fields: list[Any] = [*asked, datetime.now(UTC)]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            lock = _lock_number("request", f"{request.scope}\0{request.key}")
            cursor.execute(_CLAIM_POSTGRESQL, [*fields, lock])
        else:
            cursor.execute(_CLAIM_SQLITE, fields)
        if cursor.fetchone() is not None:
            return True, _Answer(request.fingerprint, b"", 0)
        cursor.execute(_FIND, [request.scope, request.key])
        row = cursor.fetchone()
    if row is None:
        raise RequestRunningError
    answer = _Answer(row[0], bytes(row[1]), row[2])
    if answer.fingerprint != request.fingerprint:
        raise IdempotencyMismatchError
    return False, answer


def _restored(response: bytes) -> Any:
    if response.startswith(_PACKED):
        return msgspec.msgpack.decode(response.removeprefix(_PACKED))
    return msgspec.json.decode(response)  # as earlier versions kept them


def _store(request: RequestKey, value: Any) -> None:
    with connection.cursor() as cursor:
        # Unlike JSON, this can say bytes, and NaN.
        response = _PACKED + msgspec.msgpack.encode(value)
        cursor.execute(_STORE, [response, changes.clock(), request.scope, request.key])


_CLAIM_POSTGRESQL = """
    INSERT INTO livequery_request (scope, key, fingerprint, owner, created_at)
    SELECT %s, %s, %s, %s, %s WHERE pg_try_advisory_xact_lock(%s)
    ON CONFLICT (scope, key) DO NOTHING RETURNING id
"""
_CLAIM_SQLITE = """
    INSERT INTO livequery_request (scope, key, fingerprint, owner, created_at)
    VALUES (%s, %s, %s, %s, %s) ON CONFLICT (scope, key) DO NOTHING RETURNING id
"""
_FIND = "SELECT fingerprint, response, ts FROM livequery_request WHERE scope = %s AND key = %s"
_STORE = "UPDATE livequery_request SET response = %s, ts = %s WHERE scope = %s AND key = %s"


def _lock_number(kind: str, name: str) -> int:
    """Return the 64-bit number that stands for a name among PostgreSQL's advisory locks."""
    digest = hashlib.blake2b(f"{kind}\0{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
