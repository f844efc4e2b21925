"""Convex values: what JSON says and what Python holds. Pure.

A *plain* value is None, a bool, a float, an int, a str or bytes, or a list or dict of plain values.
For some of them JSON has no word: 64-bit integers, bytes, and doubles that are no JSON numbers are
written as an object whose only field begins with ``$``. Every JSON number is a double.

Which ints of a result are 64-bit integers is said by its declared type, through a ``Shape``.
"""

import base64
import math
import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple

from dust.convex.int64 import Shape
from dust.errors import InvalidError

MAX_DEPTH: Final = 64
MAX_ELEMENTS: Final = 8_192
MAX_FIELDS: Final = 1_024
MAX_NAME_LENGTH: Final = 1_024
MAX_SIZE: Final = 16 * 2**20
"""How large the arguments of a call may be, or what it returns, by ``size``."""

_INT64: Final = struct.Struct("<q")
_DOUBLE: Final = struct.Struct("<d")
_EXACT: Final = 2**53
_FEW_NAMES: Final = 64


class ValuesError(InvalidError):
    """The value is not one that Convex has.

    The message begins with the place of what is wrong, such as ``args.items[3].name``.
    """

    code = "invalid_value"


class _RefusedError(Exception):
    """What is wrong; the place of it is put together on the way up."""

    place = ""


def decode(encoded: Any, *, name: str = "value") -> Any:
    """Return the plain value that decoded JSON stands for; its numbers are floats, all of them.

    ``name`` is what errors call the whole.

    :raises ValuesError: if it stands for none, or is beyond a limit.
    """
    try:
        return _READERS[type(encoded)](encoded, 0)
    except _RefusedError as exc:
        raise ValuesError(f"{name}{exc.place} {exc}") from exc


def decode_arguments(encoded: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call as plain values.

    :raises ValuesError: if one of them is none, or they are too large.
    """
    arguments = decode(encoded, name="args")
    if not isinstance(arguments, dict):
        raise ValuesError("args must be an object of named arguments.")
    if (actual := size(arguments)) > MAX_SIZE:
        raise ValuesError(f"args are too large (actual: {actual} bytes, limit: {MAX_SIZE}).")
    return arguments


def encode(value: Any, shape: Shape | None = None, *, name: str = "value") -> Any:
    """Return the JSON-able form of a plain value, objects with their fields in order.

    Ints become doubles, except where the shape has 64-bit integers; none is rounded.

    :raises ValuesError: if clients have no such value, or it is beyond a limit.
    """
    return _written(value, _ENCODED, shape, name)


def clean(value: Any, shape: Shape | None = None, *, name: str = "value") -> Any:
    """Return, JSON-able, what the format ``json`` shows: easy to read, but no way back.

    :raises ValuesError: as ``encode`` does.
    """
    return _written(value, _CLEAN, shape, name)


def export(value: Any, shape: Shape | None = None, *, name: str = "value") -> Any:
    """Return, JSON-able, what the format ``export_json`` shows: 64-bit integers bare.

    :raises ValuesError: as ``encode`` does.
    """
    return _written(value, _EXPORTED, shape, name)


def size(value: Any) -> int:
    """Return how many bytes a plain value counts for."""
    match value:
        case None | bool():
            return 1
        case int() | float():
            return 9
        case str():
            return 2 + len(value.encode())
        case bytes():
            return 2 + len(value)
        case list():
            return 2 + sum(map(size, value))
        case _:
            return 2 + sum(len(name) + 1 + size(item) for name, item in value.items())


def to_base64(data: bytes) -> str:
    """Return the bytes in standard base64, padded."""
    return base64.b64encode(data).decode()


def from_base64(text: str) -> bytes:
    """Return the bytes that ``to_base64`` would give this text for.

    :raises ValueError: if there are none.
    """
    data = base64.b64decode(text, validate=True)
    if to_base64(data) != text:
        raise ValueError("This base64 has bits to spare that are not zero.")
    return data


# What holds both ways.


def _check_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _RefusedError(f"is nested too deeply: at most {MAX_DEPTH} levels.")


def _check_length(value: list[Any] | tuple[Any, ...]) -> None:
    if len(value) > MAX_ELEMENTS:
        raise _RefusedError(f"has {len(value)} elements: at most {MAX_ELEMENTS}.")


def _in_order(names: tuple[Any, ...]) -> tuple[str, ...]:
    """Return the names of an object's fields sorted, if all of them may be names."""
    if len(names) > MAX_FIELDS:
        raise _RefusedError(f"has {len(names)} fields: at most {MAX_FIELDS}.")
    for name in names:
        if not isinstance(name, str):
            raise _RefusedError(f"has a field whose name is no text: {name!a}.")
        if len(name) > MAX_NAME_LENGTH:
            raise _RefusedError(
                f"has a field name of {len(name)} characters: at most {MAX_NAME_LENGTH}."
            )
        if not (name.isascii() and name.isprintable()):
            raise _RefusedError(f"has a field name that is not printable ASCII: {name!a}.")
        if name.startswith("$"):
            raise _RefusedError(f"has a field name that begins with $: {name!a}.")
    return tuple(sorted(names))


# The rows of a result have the same names over and over.
_few_in_order = lru_cache(maxsize=256)(_in_order)


def _checked_text(text: str, *_: Any) -> str:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as exc:
            raise _RefusedError("is not valid Unicode.") from exc
    return text


def _same(value: Any, *_: Any) -> Any:
    return value


def _is_special(number: float) -> bool:
    return not math.isfinite(number) or (number == 0 and math.copysign(1, number) < 0)


# From JSON. Each reader takes what is encoded, and how deep inside it is.


def _read_number(encoded: float, _depth: int) -> float:
    try:
        number = float(encoded)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _RefusedError("is not a finite number.")
    return number


def _read_array(encoded: list[Any], depth: int) -> list[Any]:
    _check_depth(depth + 1)
    _check_length(encoded)
    read: list[Any] = []
    try:
        for item in encoded:
            read.append(_READERS[type(item)](item, depth + 1))  # noqa: PERF401  # errors count it
    except _RefusedError as exc:
        exc.place = f"[{len(read)}]{exc.place}"
        raise
    return read


def _read_object(encoded: dict[str, Any], depth: int) -> Any:
    if len(encoded) == 1 and (marker := next(iter(encoded))) in _MARKED:
        return _MARKED[marker](encoded[marker])
    _check_depth(depth + 1)
    _in_order(tuple(encoded))
    read, name = {}, ""
    try:
        for name, item in encoded.items():
            read[name] = _READERS[type(item)](item, depth + 1)
    except _RefusedError as exc:
        exc.place = f".{name}{exc.place}"
        raise
    return read


def _read_int64(encoded: Any) -> int:
    return int(_unpacked(_INT64, encoded))


def _read_special(encoded: Any) -> float:
    number = float(_unpacked(_DOUBLE, encoded))
    if not _is_special(number):
        raise _RefusedError("is a $float that JSON has a number for.")
    return number


def _unpacked(packed: struct.Struct, encoded: Any) -> Any:
    data = _read_bytes(encoded)
    if len(data) != packed.size:
        raise _RefusedError(f"has {len(data)} bytes instead of {packed.size}.")
    return packed.unpack(data)[0]


def _read_bytes(encoded: Any) -> bytes:
    try:
        return from_base64(encoded)
    except (TypeError, ValueError) as exc:
        raise _RefusedError("is not in padded base64.") from exc


_MARKED: Final[dict[str, Callable[[Any], Any]]] = {
    "$integer": _read_int64,
    "$float": _read_special,
    "$bytes": _read_bytes,
}
_READERS: Final[dict[type, Callable[[Any, int], Any]]] = {
    type(None): _same,
    bool: _same,
    int: _read_number,
    float: _read_number,
    str: _checked_text,
    list: _read_array,
    dict: _read_object,
}


# To JSON. Each writer takes the value, the format, the value's shape, and how deep inside it is.


class _Format(NamedTuple):
    """How a format writes what JSON has no word for."""

    int64: Callable[[int], Any]
    special: Callable[[float], Any]
    data: Callable[[bytes], Any]


def _marked_int64(value: int) -> dict[str, str]:
    return {"$integer": to_base64(_INT64.pack(value))}


def _marked_special(value: float) -> dict[str, str]:
    return {"$float": to_base64(_DOUBLE.pack(value))}


def _marked_bytes(value: bytes) -> dict[str, str]:
    return {"$bytes": to_base64(value)}


def _spelled_special(value: float) -> float | str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


_ENCODED: Final = _Format(_marked_int64, _marked_special, _marked_bytes)
_CLEAN: Final = _Format(str, _spelled_special, to_base64)
_EXPORTED: Final = _Format(int, _marked_special, _marked_bytes)


def _written(value: Any, form: _Format, shape: Shape | None, name: str) -> Any:
    try:
        return _write(value, form, shape, 0)
    except _RefusedError as exc:
        raise ValuesError(f"{name}{exc.place} {exc}") from exc


def _write(value: Any, form: _Format, shape: Shape | None, depth: int) -> Any:
    writer = _WRITERS.get(type(value))
    if writer is None:
        raise _RefusedError(f"is a Python {type(value).__name__}, which clients have no value for.")
    return writer(value, form, shape and shape.of(value), depth)


def _write_int(value: int, form: _Format, shape: Shape | None, _depth: int) -> Any:
    if shape is not None:
        return form.int64(value)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if number != value:
        raise _RefusedError("is an integer that no double can hold. Declare it Int64.")
    return number


def _write_float(value: float, form: _Format, *_: Any) -> Any:
    return form.special(value) if _is_special(value) else value


def _write_bytes(value: bytes, form: _Format, *_: Any) -> Any:
    return form.data(value)


def _write_array(
    value: list[Any] | tuple[Any, ...], form: _Format, shape: Shape | None, depth: int
) -> list[Any]:
    _check_depth(depth + 1)
    _check_length(value)
    rest = shape and shape.rest
    written: list[Any] = []
    try:
        for item in value:
            written.append(_write(item, form, rest, depth + 1))  # noqa: PERF401  # errors count it
    except _RefusedError as exc:
        exc.place = f"[{len(written)}]{exc.place}"
        raise
    return written


def _write_object(
    value: dict[str, Any], form: _Format, shape: Shape | None, depth: int
) -> dict[str, Any]:
    _check_depth(depth + 1)
    order = _few_in_order if len(value) <= _FEW_NAMES else _in_order
    names = order(tuple(value))
    written: dict[str, Any] = {}
    name = ""
    try:
        for name in names:
            item, inner = value[name], shape and shape.at(name)
            # Most fields of most results, without the calls that would double their time.
            if type(item) is str and item.isascii():
                written[name] = item
            elif type(item) is int and inner is None and -_EXACT <= item <= _EXACT:
                written[name] = item + 0.0
            else:
                written[name] = _write(item, form, inner, depth + 1)
    except _RefusedError as exc:
        exc.place = f".{name}{exc.place}"
        raise
    return written


_WRITERS: Final[dict[type, Callable[..., Any]]] = {
    type(None): _same,
    bool: _same,
    int: _write_int,
    float: _write_float,
    str: _checked_text,
    bytes: _write_bytes,
    list: _write_array,
    tuple: _write_array,
    dict: _write_object,
}
