"""What functions answer, in the bytes that Convex clients read: encoded once for all of them."""

from functools import cache
from typing import Any

import msgspec

from dust.convex import codec, errors, values
from dust.convex.int64 import Shape, shape_of
from dust.convex.messages import Failure
from dust.convex.values import ValuesError
from dust.errors import DustError
from dust.livequery.execution import Result, ServerError, unanticipated
from dust.livequery.registry import find_any_function


def encode_value(path: str, value: Any, *, request_id: str | None = None) -> bytes:
    """Return what the function of that name has answered as JSON.

    :raises ServerError: if clients have no such value, which is the function's defect.
    """
    try:
        return msgspec.json.encode(values.encode(value, shape_for(path)))
    except ValuesError as exc:
        raise unanticipated(path, exc, request_id=request_id) from exc


def encode_result(path: str, result: Result) -> bytes:
    """Return what a modification says of the query of that name, but for its id."""
    return result.shared("convex", lambda result: _encode(path, result))


def describe(error: DustError, *, request_id: str | None = None) -> Failure:
    """Put an error in the words, and the data, that a caller is told."""
    message, data = errors.describe(error, request_id=request_id)
    if data is msgspec.UNSET:
        return Failure(message)
    return Failure(message, msgspec.json.encode(values.encode(data)))


@cache
def shape_for(path: str) -> Shape | None:
    """Return where 64-bit integers are in what the function of that name answers."""
    return shape_of(find_any_function(path, internal=True).returns_type)


def _encode(path: str, result: Result) -> bytes:
    error = result.error
    if error is None:
        try:
            value = encode_value(path, result.value)
            return codec.updated(value, log_lines=result.log_lines, journal=result.journal)
        except ServerError as exc:
            error = exc
    return codec.query_failed(describe(error), log_lines=result.log_lines)
