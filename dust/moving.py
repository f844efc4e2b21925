"""What comes along when a team moves here from another deployment, table by table.

Each app says which tables it takes rows of. Whoever can read what the other deployment has written
hands them over, one table after the other in the order in which apps have registered them: rows
refer to rows of tables before their own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

import msgspec

from dust.errors import InvalidError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

S = TypeVar("S", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Moved(Generic[S]):
    """A row as it was where it comes from.

    ``issuer`` is whose tokens the people have whom ``fields`` name by their subject.
    """

    key: UUID
    made_at: datetime
    fields: S
    issuer: str


Take = Callable[[Moved[Any]], bool]


class Table(NamedTuple):
    """What the fields of its rows are, and who takes them."""

    shape: type[msgspec.Struct]
    take: Take


_tables: dict[str, Table] = {}


def register_table(name: str, shape: type[msgspec.Struct], take: Take) -> None:
    """Have ``take`` add what a row holds, and return whether that changed anything.

    Called in a transaction of its own, READ COMMITTED, with a row that may be here already. It
    raises a ``DustError`` if the row cannot be taken.

    :raises ValueError: if the name is taken.
    """
    if name in _tables:
        raise ValueError(f"There is a table named {name} already.")
    _tables[name] = Table(shape, take)


def tables() -> Mapping[str, Table]:
    """Return the tables that are taken, by name."""
    return MappingProxyType(_tables)


def read_moment(field: str, milliseconds: float) -> datetime:
    """Return the moment so long after the epoch.

    :raises InvalidError: if it is none that can be kept; the field is named.
    """
    try:
        moment = _EPOCH + timedelta(milliseconds=milliseconds)
    except (ValueError, OverflowError):
        moment = None
    if moment is None or moment < _EPOCH:
        raise InvalidError(fields={field: ["Must be a time in milliseconds since 1970."]})
    return moment
