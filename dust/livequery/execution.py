"""One run of one declared function: arguments in, a checked and encoded result out."""

import hashlib
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
from django.db import Error

from dust import limits
from dust.errors import DustError
from dust.livequery import console
from dust.livequery.capture import recording
from dust.livequery.context import Caller, MutationContext, QueryContext
from dust.livequery.errors import DatabaseLostError
from dust.livequery.readset import TableRead
from dust.livequery.registry import FunctionSpec
from dust.livequery.replays import check_replay
from dust.livequery.transactions import is_connection_lost, snapshot
from dust.livequery.writing import UNTOLD, Phases, RequestKey, Written, run_write

logger = logging.getLogger(__name__)


class ServerError(DustError):
    """Server Error.

    What a caller is told of a failure that nobody anticipated; the log has the rest under the
    request id.
    """

    code = "server_error"
    status = 500

    def __init__(self, request_id: str) -> None:
        super().__init__("Server Error")
        self.request_id = request_id


@dataclass(slots=True, eq=False)
class Result:
    """What a query answered: a value, or an error.

    ``version`` is a digest of what it says, equal on every process. ``log_lines`` are what the
    function logged, ``journal`` what its next run is to begin with. Sockets that share a result
    share its encodings through ``shared``.
    """

    ok: bool
    value: Any
    version: str
    error: DustError | None = None
    log_lines: tuple[str, ...] = ()
    journal: str | None = None
    _encodings: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def of(
        cls, value: Any, *, log_lines: tuple[str, ...] = (), journal: str | None = None
    ) -> "Result":
        version = _digest(b"value", log_lines, msgspec.msgpack.encode(value))
        return cls(ok=True, value=value, version=version, log_lines=log_lines, journal=journal)

    @classmethod
    def failed(cls, error: DustError, *, log_lines: tuple[str, ...] = ()) -> "Result":
        told = msgspec.json.encode([error.code, error.message, error.data], enc_hook=str)
        version = _digest(b"error", log_lines, told)
        return cls(ok=False, value=None, version=version, error=error, log_lines=log_lines)

    @property
    def body(self) -> bytes:
        """The value as JSON, made anew each time."""
        return msgspec.json.encode(self.value)

    def shared(self, key: str, build: Callable[["Result"], bytes]) -> bytes:
        """Return the encoding named ``key``, built once however many sockets ask for it."""
        encoding = self._encodings.get(key)
        if encoding is None:
            encoding = self._encodings[key] = build(self)
        return encoding


@dataclass(frozen=True, slots=True)
class Outcome:
    """A query's result and everything it depends on."""

    result: Result
    reads: tuple[TableRead, ...]
    facts: frozenset[str]
    seconds: float


def run_query(
    spec: FunctionSpec,
    args: msgspec.Struct,
    caller: Caller | None,
    *,
    now: datetime,
    journal: str | None = None,
) -> Outcome:
    """Run a query function in the snapshot that is open. Its errors are results like any other.

    :raises OperationalError: if the database went away meanwhile, which says nothing of the query.
    """
    started = time.perf_counter()
    context = QueryContext(spec.path, args, caller, now=now, journal=journal)
    with recording() as recorder, console.collecting() as lines:
        try:
            value = spec.check_result(spec.handler(context, args))
            result = Result.of(value, log_lines=tuple(lines), journal=context.journal)
        except DustError as exc:
            result = Result.failed(exc, log_lines=tuple(lines))
        except Exception as exc:  # the border: told as "Server Error", logged whole
            if is_connection_lost(exc):
                raise
            result = Result.failed(unanticipated(spec.path, exc), log_lines=tuple(lines))
    seconds = time.perf_counter() - started
    return Outcome(result, tuple(recorder.reads), frozenset(context.facts), seconds)


def run_query_alone(
    spec: FunctionSpec,
    args: Mapping[str, Any],
    caller: Caller | None,
    *,
    now: datetime | None = None,
) -> Result:
    """Run a query once, in a snapshot of its own."""
    parsed = spec.parse(args)
    with snapshot():
        return run_query(spec, parsed, caller, now=now or datetime.now(UTC)).result


def run_mutation(
    spec: FunctionSpec,
    args: Mapping[str, Any],
    caller: Caller | None,
    request: RequestKey | None = None,
    *,
    now: datetime | None = None,
    phases: Phases = UNTOLD,
) -> Written[Any]:
    """Run a mutation function in a transaction of its own; what it raises has left no trace.

    The function's limit is spent once for a call, and not at all for a repeated request, nor by
    nobody.

    :raises DustError: if it fails; or if it has been answered before, and whoever calls is refused
        by now.
    :raises DatabaseLostError: if the database went away meanwhile, perhaps having committed it.
    """
    parsed = spec.parse(args)
    now, seed = now or datetime.now(UTC), secrets.token_bytes(16)

    def work() -> Any:
        lines.clear()  # of a try that has left no trace
        context = MutationContext(spec.path, parsed, caller, now=now, seed=seed)
        return spec.check_result(spec.handler(context, parsed))

    if spec.limit is not None and caller is not None:
        work = limits.limited(work, spec.limit, caller.key)
    try:
        with console.collecting() as lines:
            written = run_write(
                work, name=spec.path, isolation=spec.isolation, request=request, phases=phases
            )
        if written.replayed and caller is not None:
            check_replay(caller)
    except Error as exc:
        if is_connection_lost(exc):
            raise DatabaseLostError from exc
        raise
    return written


def unanticipated(path: str, error: Exception, *, request_id: str | None = None) -> ServerError:
    """Log a failure that nobody anticipated whole, and return what a caller is told of it."""
    request_id = request_id or secrets.token_hex(8)
    logger.error(
        "function failed",
        exc_info=error,
        extra={"action": "function.fail", "function": path, "request_id": request_id},
    )
    return ServerError(request_id)


def _digest(kind: bytes, log_lines: tuple[str, ...], body: bytes) -> str:
    digest = hashlib.blake2b(body, digest_size=12, person=kind)
    for line in log_lines:
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()
