"""What a client asks for in the query string of a socket's address."""

from typing import TypeVar
from urllib.parse import parse_qsl

import msgspec

from dust.livequery.errors import InvalidArgumentsError


class Options(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What can be asked for: here, nothing."""


AnyOptions = TypeVar("AnyOptions", bound=Options)


def parse_options(query: bytes, kind: type[AnyOptions]) -> AnyOptions:
    """Return what the query string asks for.

    :raises InvalidArgumentsError: if a value is wrong, unknown, or given twice.
    """
    given: dict[str, str] = {}
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name in given:
            raise InvalidArgumentsError(f"Give it once - at `$.{name}`")
        given[name] = value
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as exc:
        raise InvalidArgumentsError(str(exc)) from exc
