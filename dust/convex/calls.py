"""A function called by HTTP: asked for in JSON, answered in the format that was asked for."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
from django.db import Error

from dust.convex import codec, values
from dust.convex.access import OK, Access
from dust.convex.encoding import shape_for
from dust.convex.errors import (
    BadConvexFunctionIdentifierError,
    BadFormatError,
    describe,
    is_defect,
)
from dust.convex.values import ValuesError
from dust.convex.versions import ClientVersion
from dust.errors import DustError
from dust.livequery import console, snapshots
from dust.livequery.engine import Engine
from dust.livequery.errors import (
    DatabaseLostError,
    InvalidArgumentsError,
    UnknownFunctionError,
    WriteConflictError,
)
from dust.livequery.execution import (
    Result,
    ServerError,
    run_mutation,
    run_query_alone,
    unanticipated,
)
from dust.livequery.registry import FunctionSpec, Kind, find_any_function, find_function

Write = Callable[..., Any]

_ENCODED: Final = "convex_encoded_json"
_CLEAN: Final = "json"
_FORMATS: Final[dict[str, Write]] = {
    _ENCODED: values.encode,
    "convex_json": values.encode,
    _CLEAN: values.clean,
    "convex_clean_json": values.clean,
    "export_json": values.export,
}
_FIRST_WITH_FORMATS: Final = {"npm": (1, 4, 1), "python": (0, 5, 0)}
"""The clients that ask for a format if they want another than ``json``; older ones want encoded."""


class Asked(msgspec.Struct):
    """Which function is to be called, with what, and how its answer is to be written."""

    path: str
    args: Any
    format: str | None = None


class AskedInPath(msgspec.Struct):
    """The same of a function whose name stands in the path of the request."""

    args: Any
    format: str | None = None


class AskedAt(Asked, kw_only=True):
    """A query, and the timestamp of the snapshot that it is to be answered from."""

    ts: str


class AskedTogether(msgspec.Struct):
    """Queries that are to be answered from one snapshot."""

    queries: list[Asked]


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered, as JSON."""

    body: Any
    status: int = OK


class Call:
    """One call, on behalf of somebody, of a function of that kind or, if None, of any.

    :raises BadConvexFunctionIdentifierError: if no function can have such a name.
    :raises BadFormatError: if there is no such format.
    """

    def __init__(
        self, asked: Asked, access: Access, *, kind: Kind | None, client: ClientVersion
    ) -> None:
        try:
            self.path = codec.canonical_path(asked.path)
        except codec.ProtocolError as exc:
            raise BadConvexFunctionIdentifierError(exc.message) from exc
        write = _FORMATS.get(asked.format or _default_format(client))
        if write is None:
            raise BadFormatError(f"The formats are {', '.join(_FORMATS)}.")
        self._write = write
        self._asked = asked
        self.access = access
        self._kind = kind

    def run(self) -> Answer | None:
        """Run a query or a mutation in this thread; None if it is an action, which is to ``act``.

        :raises WriteConflictError: if it lost to others too often.
        :raises DatabaseLostError: if the database went away; what became of a mutation is not
            known then.
        """
        with console.collecting() as lines:
            try:
                spec, args = self.look_up()
                if spec.kind is Kind.ACTION:
                    return None
                return self.succeeded(_run(spec, args, self.access), lines)
            except Exception as exc:  # noqa: BLE001 - the border: told, and logged if unanticipated
                return self.failed(exc, lines)

    async def act(self, engine: Engine) -> Answer:
        """Run an action."""
        access = self.access
        with console.collecting() as lines:
            try:
                _, args = self.look_up()
                value = await engine.act(
                    self.path,
                    args,
                    access.caller,
                    turn=asyncio.Semaphore(),
                    internal=access.is_admin,
                )
                return self.succeeded(value, lines)
            except Exception as exc:  # noqa: BLE001 - as above
                return self.failed(exc, lines)

    def look_up(self) -> tuple[FunctionSpec, dict[str, Any]]:
        """Return the function, and its arguments as plain values.

        :raises UnknownFunctionError: if there is none for whoever calls.
        :raises InvalidArgumentsError: if it is given anything but one object.
        :raises ValuesError: if one of the arguments is no value.
        """
        kind, access = self._kind, self.access
        if access.functions is not None and self.path not in access.functions:
            raise UnknownFunctionError(self.path, kind=kind and kind.value)
        if kind is None:
            spec = find_any_function(self.path, internal=access.is_admin)
        else:
            spec = find_function(self.path, kind=kind, internal=access.is_admin)
        args = self._asked.args
        if isinstance(args, list) and len(args) == 1:
            (args,) = args
        if not isinstance(args, dict):
            raise InvalidArgumentsError("A function takes one object of named arguments.")
        return spec, values.decode_arguments(args)

    def answered(self, result: Result) -> Answer:
        """Answer with the result of a query."""
        if result.error is not None:
            return self.failed(result.error, result.log_lines)
        return self.succeeded(result.value, result.log_lines)

    def succeeded(self, value: Any, lines: Sequence[str]) -> Answer:
        """Answer with what the function returned."""
        try:
            written = self._write(value, shape_for(self.path))
        except ValuesError as exc:
            return self.failed(unanticipated(self.path, exc), lines)
        return Answer(_with_lines({"status": "success", "value": written}, lines))

    def failed(self, error: Exception, lines: Sequence[str]) -> Answer:
        """Answer with why there is no value.

        :raises WriteConflictError: if that is it, which says nothing of the call.
        :raises DatabaseLostError: if that is it.
        """
        if isinstance(error, WriteConflictError | DatabaseLostError):
            raise error
        if not isinstance(error, DustError) or (
            is_defect(error) and not isinstance(error, ServerError)
        ):
            error = unanticipated(self.path, error)
        message, data = describe(error)
        told = {"status": "error", "errorMessage": message}
        if data is not msgspec.UNSET:
            told["errorData"] = self._write(data)
        return Answer(_with_lines(told, lines), self.access.failure_status)


def run_together(calls: Sequence[Call], access: Access, *, now: datetime) -> Answer:
    """Run queries in one snapshot."""
    answers: list[Answer | None] = []
    found = []
    for call in calls:
        try:
            found.append(call.look_up())
        except DustError as exc:
            answers.append(call.failed(exc, ()))
        else:
            answers.append(None)
    results = iter(snapshots.run_together(found, access.caller, now=now))
    return Answer(
        {
            "results": [
                (answer or call.answered(next(results))).body
                for call, answer in zip(calls, answers, strict=True)
            ]
        }
    )


def _run(spec: FunctionSpec, args: dict[str, Any], access: Access) -> Any:
    if spec.kind is Kind.MUTATION:
        return run_mutation(spec, args, access.caller).value
    try:
        result = run_query_alone(spec, args, access.caller)
    except Error as exc:
        raise DatabaseLostError from exc
    if result.error is not None:
        raise result.error
    return result.value


def _default_format(client: ClientVersion) -> str:
    is_old = client.number < _FIRST_WITH_FORMATS.get(client.name, (0, 0, 0))
    return _ENCODED if is_old else _CLEAN


def _with_lines(told: dict[str, Any], lines: Iterable[str]) -> dict[str, Any]:
    if shown := list(lines):
        told["logLines"] = shown
    return told
