"""The compilers of INSERT, UPDATE and DELETE: they tell the ledger which rows are written.

An insert shows its rows. An update or a delete shows conditions, which seldom tell one key from
another; so the rows are first read and locked, and the statement is then run for exactly these. It
is what the statement would have done at the moment of the reading, and no row that appears in
between can be written unnoticed. Of more than a hundred rows only the conditions are known.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.db import models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.constants import OnConflict
from django.db.models.sql.compiler import (
    SQLCompiler,
    SQLDeleteCompiler,
    SQLInsertCompiler,
    SQLUpdateCompiler,
)
from django.db.models.sql.query import Query
from django.db.models.sql.subqueries import DeleteQuery
from typing_extensions import override

from dust.livequery.backends.rows import differs, lock_rows, pks
from dust.livequery.backends.where import base_pins
from dust.livequery.changes import ledger_of
from dust.livequery.columns import AnyField, key_fields, known
from dust.livequery.readset import TableWrite, Value


def _is_noticed(compiler: SQLCompiler) -> bool:
    """Return whether it is neither the engine's own writing nor a migration's."""
    opts = compiler.query.get_meta()
    is_own = opts.app_label == "livequery" or opts.db_table == "django_migrations"
    return not is_own and not ledger_of(compiler.connection).paused


def _transaction(connection: BaseDatabaseWrapper) -> AbstractContextManager[None]:
    """Give a statement outside a transaction one of its own, for its change row to be part of."""
    if connection.in_atomic_block or not connection.get_autocommit():
        return nullcontext()
    return transaction.atomic(using=connection.alias)


def _pins(values: dict[Any, list[Any]]) -> dict[str, frozenset[Value]]:
    pins = {field.column: known(field, several) for field, several in values.items()}
    return {column: pinned for column, pinned in pins.items() if pinned is not None}


class NoticingInsertCompiler(SQLInsertCompiler):
    """Notes the rows that are inserted, or updated in place of being inserted."""

    query: Any
    _values: dict[AnyField, list[Any]]

    @override
    def execute_sql(self, returning_fields: Any = None) -> Any:  # type: ignore[override]
        if not _is_noticed(self):
            self._values = {}
            return super().execute_sql(returning_fields)
        self._values = {field: [] for field in key_fields(self.query.get_meta().model)}
        with _transaction(self.connection):
            rows = super().execute_sql(returning_fields)
            for position, field in enumerate(returning_fields or ()):
                self._values[field] = [row[position] for row in rows]
            ledger_of(self.connection).add(self._written(returning_fields or ()))
        return rows

    @override
    def pre_save_val(self, field: Any, obj: Any) -> Any:
        """Note the value on its way: asking the field a second time might give another."""
        value = super().pre_save_val(field, obj)
        if field in self._values:
            self._values[field].append(value)
        return value

    def _written(self, returned: Iterable[AnyField]) -> TableWrite:
        """Return what is known of the rows.

        A row that was updated instead had, besides what it conflicted in, values not known here;
        its primary key is returned.
        """
        opts = self.query.get_meta()
        sure = set(key_fields(opts.model)).intersection([*self.query.fields, *returned])
        if self.query.on_conflict == OnConflict.UPDATE:
            sure &= {*self.query.unique_fields, *set(opts.pk_fields).intersection(returned)}
        return TableWrite(opts.db_table, _pins({field: self._values[field] for field in sure}))


class NoticingUpdateCompiler(SQLUpdateCompiler):
    """Notes the rows that are updated, as they were and as they become."""

    query: Any
    _write: TableWrite | None = None

    @override
    def execute_sql(self, result_type: Any) -> Any:  # type: ignore[override]
        if not _is_noticed(self):
            return super().execute_sql(result_type)
        with _transaction(self.connection):
            count = super().execute_sql(result_type)
            if self._write is not None:
                ledger_of(self.connection).add(self._write)
        return count

    @override
    def pre_sql_setup(self) -> None:  # type: ignore[override]
        """Look ahead, as soon as Django has brought the conditions down to the one table."""
        super().pre_sql_setup()
        if self.query.values and _is_noticed(self):
            self._write = self._look_ahead()

    def _look_ahead(self) -> TableWrite | None:
        """Return what the update will do, if anything.

        If it finds few rows, it is limited to those.
        """
        model = self.query.get_meta().concrete_model
        assigned = {field: _prepared(field, value) for field, _, value in self.query.values}
        set_columns = {field.column for field in assigned}
        pins = {
            column: values
            for column, values in base_pins(self.query).items()
            if column not in set_columns
        }
        rows = lock_rows(self, assigned, no_key=True)
        if rows is None:
            return TableWrite(model._meta.db_table, pins, _columns(model, assigned))
        self.query.clear_where()
        self.query.add_filter("pk__in", pks(model, rows))
        changed = [
            field
            for field, value in assigned.items()
            if any(differs(row, field, value) for row in rows)
        ]
        rows = [
            row for row in rows if any(differs(row, field, assigned[field]) for field in changed)
        ]
        if not rows:
            return None
        images = {field: [row[field] for row in rows] for field in key_fields(model)}
        for field in assigned.keys() & images.keys():
            images[field].append(assigned[field])
        pins |= _pins(images)
        return TableWrite(model._meta.db_table, pins, _columns(model, changed))


def _prepared(field: AnyField, value: Any) -> Any:
    """Return the value that an update sets: of a model instance, what stands for it."""
    if hasattr(value, "prepare_database_save"):
        return value.prepare_database_save(field)
    return value


def _columns(model: type[models.Model], changed: Iterable[Any]) -> frozenset[str]:
    """Return the columns that change with these fields: the database may compute others of them."""
    generated = [field for field in model._meta.local_concrete_fields if field.generated]
    return frozenset(field.column for field in [*changed, *generated])


class NoticingDeleteCompiler(SQLDeleteCompiler):
    """Notes the rows that are deleted."""

    query: Any

    @override
    def execute_sql(self, *args: Any, **kwargs: Any) -> Any:
        if not _is_noticed(self):
            return super().execute_sql(*args, **kwargs)
        with _transaction(self.connection):
            write = self._look_ahead()
            if write is None:
                return 0
            count = super().execute_sql(*args, **kwargs)
            ledger_of(self.connection).add(write)
        return count

    def _look_ahead(self) -> TableWrite | None:
        """Return what the delete will do, if anything.

        If it finds few rows, it is limited to those.
        """
        model = self.query.get_meta().concrete_model
        if not self.single_alias:
            self._use(_in_one_table(self.query))
        pins = dict(base_pins(self.query))
        rows = lock_rows(self)
        if rows is None:
            return TableWrite(model._meta.db_table, pins)
        if not rows:
            return None
        found: Any = DeleteQuery(model)
        found.add_filter("pk__in", pks(model, rows))
        self._use(found)
        pins |= _pins({field: [row[field] for row in rows] for field in key_fields(model)})
        return TableWrite(model._meta.db_table, pins)

    def _use(self, query: DeleteQuery) -> None:
        self.query = query
        vars(self).pop("single_alias", None)  # it was told of the query before


def _in_one_table(query: Any) -> Any:
    """Return an equal query whose joins are in a subquery, as Django would run it."""
    inner = query.clone()
    inner.__class__ = Query
    inner.clear_select_clause()
    inner.select = (query.model._meta.pk.get_col(query.get_initial_alias()),)
    outer: Any = DeleteQuery(query.model)
    outer.add_filter("pk__in", inner)
    return outer
