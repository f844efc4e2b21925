"""What a query read, what a commit wrote, and whether the one can change the other. Pure.

A read or a write names one table and *pins* some of its columns: it says that every row concerned
has one of a few values there. Leaving a pin out is always safe, it only makes the statement wider.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

Value = str | int | bool | UUID | None
"""A column's value in canonical form: equal in Python exactly where the database finds it equal."""

Pins = Mapping[str, frozenset[Value]]

EVERY_TABLE = "*"
"""The table name of a write that may have changed anything (a flush, a migration)."""

MAX_PIN_VALUES = 256
"""A pin on more values than this is dropped, which widens the statement."""


@dataclass(frozen=True, slots=True)
class TableRead:
    """Rows of one table that a result depends on.

    ``columns`` are those whose change can change the result: returned, filtered, joined or
    ordered by. ``None`` means all of them.
    """

    table: str
    pins: Pins = field(default_factory=dict)
    columns: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class TableWrite:
    """Rows of one table that a commit changed.

    ``pins`` hold each affected row's values both before and after the write. ``columns`` are those
    that an update changed; ``None`` means that rows came or went, or that nothing is known.
    """

    table: str
    pins: Pins = field(default_factory=dict)
    columns: frozenset[str] | None = None


def touches(write: TableWrite, read: TableRead) -> bool:
    """Return whether the write can change what the read saw.

    It cannot if the tables differ, if both pin some column to values that have nothing in common,
    or if the write changed only columns that the read does not depend on. Otherwise it might.
    """
    if write.table == EVERY_TABLE:
        return True
    if write.table != read.table:
        return False
    if (
        write.columns is not None
        and read.columns is not None
        and write.columns.isdisjoint(read.columns)
    ):
        return False
    return not any(
        column in read.pins and values.isdisjoint(read.pins[column])
        for column, values in write.pins.items()
    )


def narrow(pins: Mapping[str, frozenset[Value]]) -> Pins:
    """Return the pins without those that hold too many values to be worth matching."""
    return {column: values for column, values in pins.items() if len(values) <= MAX_PIN_VALUES}
