"""The rows that a statement is about to write, read and locked before it does."""

from collections.abc import Iterable
from typing import Any

from django.db import models
from django.db.models.sql.compiler import SQLCompiler
from django.db.models.sql.query import Query

from dust.livequery.columns import AnyField, is_expression, key_fields, kind, known

MOST_ROWS = 100
"""More rows than this are not read. Django's own batches are of this size."""

_COMPARED = {
    models.CharField,
    models.DateField,
    models.DateTimeField,
    models.DecimalField,
    models.DurationField,
    models.FloatField,
    models.TextField,
    models.TimeField,
}
"""Fields, beside those that can be pinned, whose equal values are the same to every reader."""

Row = dict[AnyField, Any]


def lock_rows(
    compiler: SQLCompiler, wanted: Iterable[AnyField] = (), *, no_key: bool = False
) -> list[Row] | None:
    """Read and lock the rows that a statement about one table finds; None if they are too many.

    A row holds the key fields, and the wanted ones that can be compared. What it says stays true
    until the transaction ends. SQLite has no row locks and needs none, with one writer at a time.
    """
    query: Any = Query(compiler.query.model)
    query.where = compiler.query.where.clone()
    opts = query.get_meta().concrete_model._meta
    comparable = [field for field in wanted if kind(field) or type(field) in _COMPARED]
    fields = list(dict.fromkeys([*opts.pk_fields, *key_fields(opts.model), *comparable]))
    alias = query.get_initial_alias()
    query.clear_ordering(force=True)
    query.default_cols = False
    query.select = tuple(field.get_col(alias) for field in fields)
    query.set_limits(high=MOST_ROWS + 1)
    query.select_for_update = True
    query.select_for_no_key_update = no_key
    reader = query.get_compiler(compiler.using, compiler.connection)
    rows = [dict(zip(fields, row, strict=True)) for row in reader.results_iter()]
    return rows if len(rows) <= MOST_ROWS else None


def pks(model: type[models.Model], rows: Iterable[Row]) -> list[Any]:
    """Return the primary keys, as ``pk__in`` takes them."""
    fields = model._meta.pk_fields
    if len(fields) == 1:
        return [row[fields[0]] for row in rows]
    return [tuple(row[field] for field in fields) for row in rows]


def differs(row: Row, field: AnyField, value: Any) -> bool:
    """Return whether the column would change, or might, if the value were assigned to it."""
    if field not in row or is_expression(value):
        return True
    before = row[field]
    if kind(field) is not None:
        values = known(field, [before, value])
        return values is None or len(values) > 1
    # Equal values of different types may be stored differently, and 0.0 equals -0.0.
    is_same = type(before) is type(value) and before == value
    return not is_same or (isinstance(value, float) and str(before) != str(value))
