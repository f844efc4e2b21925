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

from dust.errors import DustError
from dust.livequery.capture import recording
from dust.livequery.context import Caller, MutationContext, QueryContext
from dust.livequery.readset import TableRead
from dust.livequery.registry import FunctionSpec
from dust.livequery.transactions import is_connection_lost, snapshot
from dust.livequery.writing import RequestKey, Written, run_write

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

    ``body`` is the value's JSON and ``version`` a digest of it (or of the error), equal on every
    process. Sockets that share a result share its encodings through ``shared``.
    """

    ok: bool
    value: Any
    body: bytes
    version: str
    error: DustError | None = None
    _encodings: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, value: Any) -> "Result":
        body = msgspec.json.encode(value)
        return cls(ok=True, value=value, body=body, version=_digest(b"value", body))

    @classmethod
    def failed(cls, error: DustError) -> "Result":
        told = msgspec.json.encode([error.code, error.message, error.data], enc_hook=str)
        return cls(ok=False, value=None, body=b"null", version=_digest(b"error", told), error=error)

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
    spec: FunctionSpec, args: msgspec.Struct, caller: Caller | None, *, now: datetime
) -> Outcome:
    """Run a query function in the snapshot that is open. Its errors are results like any other.

    :raises OperationalError: if the database went away meanwhile, which says nothing of the query.
    """
    started = time.perf_counter()
    context = QueryContext(spec.path, args, caller, now=now)
    with recording() as recorder:
        try:
            result = Result.of(spec.check_result(spec.handler(context, args)))
        except DustError as exc:
            result = Result.failed(exc)
        except Exception as exc:  # the border: told as "Server Error", logged whole
            if is_connection_lost():
                raise
            result = Result.failed(_unanticipated(spec, exc))
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
    before: Callable[[], None] = lambda: None,
) -> Written[Any]:
    """Run a mutation function in a transaction of its own; what it raises has left no trace.

    Each try begins with ``before``.
    """
    parsed = spec.parse(args)
    now, seed = now or datetime.now(UTC), secrets.token_bytes(16)

    def work() -> Any:
        before()
        context = MutationContext(spec.path, parsed, caller, now=now, seed=seed)
        return spec.check_result(spec.handler(context, parsed))

    return run_write(work, name=spec.path, isolation=spec.isolation, request=request)


def _unanticipated(spec: FunctionSpec, error: Exception) -> ServerError:
    request_id = secrets.token_hex(8)
    logger.error(
        "function failed",
        exc_info=error,
        extra={"action": "function.fail", "function": spec.path, "request_id": request_id},
    )
    return ServerError(request_id)


def _digest(kind: bytes, body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=12, person=kind).hexdigest()
