"""The functions that clients may call, each under its public name.

An app's ``functions.py`` declares them with the decorators below; the engine and every door find
them here. Argument structs must forbid unknown fields, which is checked when they are declared;
only a function that says so by ``AnyArgs`` takes, and ignores, whatever it is given.
"""

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any, get_type_hints

import msgspec

from dust.limits import Limit
from dust.livequery.errors import InvalidArgumentsError, InvalidResultError, UnknownFunctionError
from dust.livequery.shapes import AnyArgs
from dust.livequery.transactions import Isolation

Handler = Callable[..., Any]
Decorator = Callable[[Handler], Handler]


class Kind(Enum):
    """What a function may do: read; read and write in one transaction; talk to the outside."""

    QUERY = "query"
    MUTATION = "mutation"
    ACTION = "action"


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """One declared function.

    ``is_internal`` functions can be called by server code only. ``isolation`` matters to mutations:
    one that is not serializable says why at its declaration. ``limit`` is how often somebody may
    call it, together with whatever else has the same limit.
    """

    path: str
    kind: Kind
    handler: Handler
    args_type: type[msgspec.Struct]
    returns_type: Any
    is_internal: bool = False
    isolation: Isolation = Isolation.SERIALIZABLE
    lease: "Lease | None" = None
    limit: Limit | None = None

    def parse(self, args: Mapping[str, Any]) -> msgspec.Struct:
        """Return the arguments in their declared type.

        :raises InvalidArgumentsError: if one is missing, unknown or of another type.
        """
        with suppress(msgspec.ValidationError):
            return msgspec.convert(_integral(args, negative_zero=-0.0), self.args_type)
        try:
            return msgspec.convert(_integral(args, negative_zero=0), self.args_type)
        except msgspec.ValidationError as exc:
            raise InvalidArgumentsError(f"{self.path}: {exc}") from exc

    def check_result(self, value: Any) -> Any:
        """Return the result as JSON-able builtins, but for bytes, which stay what they are.

        :raises InvalidResultError: if it is not of the declared type.
        """
        plain = msgspec.to_builtins(value, builtin_types=(bytes,))
        try:
            msgspec.convert(plain, self.returns_type)
        except msgspec.ValidationError as exc:
            raise InvalidResultError(f"{self.path}: {exc}") from exc
        return plain


@dataclass(frozen=True, slots=True)
class Lease:
    """What a query holds for its caller while any of the caller's sockets subscribes to it.

    ``key`` derives the lease's name from the arguments. ``acquired`` is called with (issuer,
    subject, key) when the first socket comes, ``released`` after the last has gone or its process
    has died. Each is called inside a write.
    """

    key: Callable[[Any], str]
    acquired: Callable[[str, str, str], None]
    released: Callable[[str, str, str], None]


_TOO_LARGE = 2.0**63

_functions: dict[str, FunctionSpec] = {}


def find_function(path: str, *, kind: Kind, internal: bool = False) -> FunctionSpec:
    """Return the function of that name and kind.

    :raises UnknownFunctionError: if there is none, or if it is internal and ``internal`` is false:
        to the outside the two cases look the same.
    """
    spec = _functions.get(path)
    if spec is None or spec.kind is not kind or (spec.is_internal and not internal):
        raise UnknownFunctionError(path, kind=kind.value)
    return spec


def find_any_function(path: str, *, internal: bool = False) -> FunctionSpec:
    """Return the function of that name, of whatever kind it is.

    :raises UnknownFunctionError: if there is none, or if it is internal and ``internal`` is false.
    """
    spec = _functions.get(path)
    if spec is None or (spec.is_internal and not internal):
        raise UnknownFunctionError(path)
    return spec


def find_job_function(path: str) -> FunctionSpec:
    """Return the mutation or action of that name, public or internal.

    :raises UnknownFunctionError: if there is none.
    """
    spec = _functions.get(path)
    if spec is None or spec.kind is Kind.QUERY:
        raise UnknownFunctionError(path, kind="mutation or action")
    return spec


def all_functions() -> Iterator[FunctionSpec]:
    """Yield every declared function in the order of its name."""
    yield from (_functions[path] for path in sorted(_functions))


def query(path: str, *, lease: Lease | None = None) -> Decorator:
    """Declare a public query: deterministic, read-only, live wherever it is subscribed to."""
    return _declare(path, Kind.QUERY, lease=lease)


def internal_query(path: str, *, lease: Lease | None = None) -> Decorator:
    """Declare a query that only server code may subscribe to or run."""
    return _declare(path, Kind.QUERY, is_internal=True, lease=lease)


def mutation(
    path: str, *, isolation: Isolation = Isolation.SERIALIZABLE, limit: Limit | None = None
) -> Decorator:
    """Declare a public mutation: one transaction, retried as a whole on conflict."""
    return _declare(path, Kind.MUTATION, isolation=isolation, limit=limit)


def internal_mutation(path: str, *, isolation: Isolation = Isolation.SERIALIZABLE) -> Decorator:
    """Declare a mutation that only server code may call."""
    return _declare(path, Kind.MUTATION, is_internal=True, isolation=isolation)


def action(path: str) -> Decorator:
    """Declare a public action: it may talk to the outside and holds no transaction."""
    return _declare(path, Kind.ACTION)


def internal_action(path: str) -> Decorator:
    """Declare an action that only server code may call."""
    return _declare(path, Kind.ACTION, is_internal=True)


def _declare(path: str, kind: Kind, **options: Any) -> Decorator:
    def decorate(handler: Handler) -> Handler:
        if path in _functions:
            raise TypeError(f"{path} is declared twice.")
        args_type, returns_type = _types_of(handler)
        _functions[path] = FunctionSpec(path, kind, handler, args_type, returns_type, **options)
        return handler

    return decorate


def _types_of(handler: Handler) -> tuple[type[msgspec.Struct], Any]:
    hints = get_type_hints(handler, include_extras=True)
    names = list(inspect.signature(handler).parameters)
    args_type = hints.get(names[1]) if len(names) == 2 else None
    if not (isinstance(args_type, type) and issubclass(args_type, msgspec.Struct)):
        raise TypeError(f"{handler.__qualname__} must take a context and an annotated Struct.")
    if args_type is not AnyArgs and not args_type.__struct_config__.forbid_unknown_fields:
        raise TypeError(f"{args_type.__qualname__} must forbid unknown fields.")
    if "return" not in hints:
        raise TypeError(f"{handler.__qualname__} must declare what it returns.")
    return args_type, hints["return"]


def _integral(value: Any, *, negative_zero: float) -> Any:
    """Turn whole floats into ints: clients whose only number is a double send 5 as 5.0.

    Those beyond 64 bits stay what they are: such ints can be neither stored nor sent. One of the
    others, -0.0, is no int's equal; whether it is meant as one, only the declared type tells.
    """
    match value:
        case float() if value.is_integer() and abs(value) < _TOO_LARGE:
            return int(value) or (negative_zero if math.copysign(1, value) < 0 else 0)
        case Mapping():
            return {
                key: _integral(item, negative_zero=negative_zero) for key, item in value.items()
            }
        case list() | tuple():
            return [_integral(item, negative_zero=negative_zero) for item in value]
        case _:
            return value
