"""Which columns can be pinned, and the one form in which their values are compared.

A column qualifies if Python finds two of its canonical values equal exactly where the database
does. So only Django's own field classes count, never a subclass that may store something else, and
no text under a collation of its own.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import models
from django.db.models.expressions import F

from dust.livequery.readset import MAX_PIN_VALUES, Pins, Value

if TYPE_CHECKING:
    AnyField = models.Field[Any, Any]
else:
    AnyField = models.Field  # takes no brackets before the settings are loaded

_KINDS: dict[type, type] = {
    **dict.fromkeys(
        (
            models.AutoField,
            models.BigAutoField,
            models.SmallAutoField,
            models.IntegerField,
            models.BigIntegerField,
            models.SmallIntegerField,
            models.PositiveIntegerField,
            models.PositiveBigIntegerField,
            models.PositiveSmallIntegerField,
        ),
        int,
    ),
    **dict.fromkeys(
        (
            models.CharField,
            models.EmailField,
            models.SlugField,
            models.TextField,
            models.URLField,
        ),
        str,
    ),
    models.BooleanField: bool,
    models.UUIDField: UUID,
}

_PLAIN: dict[type, Callable[[Any], Value]] = {
    int: int,
    str: str.__str__,  # of an enumeration's member: its text, not its name
    bool: bool,
    UUID: lambda value: UUID(int=value.int),
}


def column_of(field: AnyField) -> str:
    """Return the name of the field's column."""
    assert field.column is not None
    return field.column


def kind(field: AnyField) -> type | None:
    """Return the Python type of the column's canonical values; None if it cannot be pinned."""
    scalar = _scalar(field)
    return None if scalar is None else _KINDS[type(scalar)]


def known(field: AnyField, values: Iterable[Any]) -> frozenset[Value] | None:
    """Return the values in canonical form; None if the column or one of them cannot be told.

    More values than are worth pinning count as unknown too.
    """
    scalar = _scalar(field)
    if scalar is None:
        return None
    plain = _PLAIN[_KINDS[type(scalar)]]
    longest = scalar.max_length
    found: set[Value] = set()
    for value in values:
        if is_expression(value):
            return None
        try:
            python = scalar.to_python(value)
        except ValidationError:
            return None
        if isinstance(python, str) and longest is not None and len(python) > longest:
            return None  # PostgreSQL cuts surplus spaces off
        found.add(None if python is None else plain(python))
        if len(found) > MAX_PIN_VALUES:
            return None
    return frozenset(found)


def is_expression(value: Any) -> bool:
    """Return whether the database computes the value."""
    return hasattr(value, "resolve_expression") or hasattr(value, "as_sql")


def _scalar(field: AnyField) -> AnyField | None:
    """Return the field whose values the column holds: its own, or those of a foreign key's end."""
    while type(field) in {models.ForeignKey, models.OneToOneField}:
        field = field.target_field  # type: ignore[attr-defined]
    if type(field) not in _KINDS or getattr(field, "db_collation", None):
        return None
    return field


@lru_cache(maxsize=1024)
def key_fields(model: type[models.Model]) -> tuple[AnyField, ...]:
    """Return the fields by which rows of the model's own table are told apart.

    These are what reads are likely to be limited by: the primary key, foreign keys, and whatever
    is unique or indexed.
    """
    opts: Any = model._meta.concrete_model._meta  # type: ignore[union-attr]
    names = {field.name for field in opts.pk_fields}
    names.update(*opts.unique_together)
    for index in [*opts.indexes, *opts.constraints]:
        names.update(getattr(index, "fields", ()))
        for expression in getattr(index, "expressions", ()):
            names.update(_names_in(expression))
    return tuple(
        field
        for field in opts.local_concrete_fields
        if kind(field) is not None
        and (field.name in names or field.is_relation or field.unique or field.db_index)
    )


def _names_in(expression: Any) -> set[str]:
    parts = expression.flatten() if hasattr(expression, "flatten") else [expression]
    return {part.name for part in parts if isinstance(part, F)}  # type: ignore[attr-defined]


def pins_of(model: type[models.Model], values: Mapping[str, Any]) -> Pins:
    """Translate field names and values (each one value or a collection) into pins.

    A collection that is too large to be worth it becomes none.

    :raises FieldDoesNotExist: if the model's own table has no such field.
    :raises TypeError: if the column cannot be pinned to the value.
    """
    pins = {}
    for name, given in values.items():
        field = _own_field(model, name)
        is_one = isinstance(given, str | bytes) or not isinstance(given, Collection)
        several = [given] if is_one else given
        if len(several) > MAX_PIN_VALUES:
            continue
        pinned = known(field, several)
        if pinned is None:
            raise TypeError(f"{model._meta.label}.{name} cannot be pinned to {given!r}.")
        pins[column_of(field)] = pinned
    return pins


def columns_of(model: type[models.Model], names: Iterable[str]) -> frozenset[str]:
    """Translate field names into column names.

    :raises FieldDoesNotExist: if the model's own table has no such field.
    """
    return frozenset(column_of(_own_field(model, name)) for name in names)


def _own_field(model: type[models.Model], name: str) -> AnyField:
    field = model._meta.pk if name == "pk" else model._meta.get_field(name)
    opts = model._meta.concrete_model._meta  # type: ignore[union-attr]
    if field not in opts.local_concrete_fields:
        raise FieldDoesNotExist(f"{opts.db_table} has no column for {name!r}.")
    return field  # type: ignore[return-value]
