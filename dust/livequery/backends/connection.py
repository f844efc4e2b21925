"""What a connection adds to Django's: a ledger of writes, handed over with the commit."""

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.operations import BaseDatabaseOperations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models.sql.compiler import SQLCompiler
from typing_extensions import override

from dust.livequery import capture, changes
from dust.livequery.changes import Commit, Ledger, ledger_of
from dust.livequery.errors import RawSqlInQueryError, WriteInQueryError
from dust.livequery.readset import EVERY_TABLE, TableWrite

_CHANGES = "livequery_change"
_INSERT_CHANGE = "INSERT INTO livequery_change (origin, seq, ts, payload) VALUES (%s, %s, %s, %s)"
_RECORDING = {
    "SQLCompiler": "RecordingSQLCompiler",
    "SQLAggregateCompiler": "RecordingSQLAggregateCompiler",
}


if TYPE_CHECKING:

    class _Connection(BaseDatabaseWrapper):
        """What Django's connection has and its stubs do not mention."""

        def _cursor(self, name: str | None = None) -> Any: ...
        def _savepoint(self, sid: str) -> None: ...
        def _savepoint_rollback(self, sid: str) -> None: ...
        def _savepoint_commit(self, sid: str) -> None: ...
        def _rollback(self) -> None: ...
        def _commit(self) -> None: ...

else:
    _Connection = BaseDatabaseWrapper


class NoticingConnection(_Connection):
    """A connection whose commits carry a change row and are told to the listeners.

    A statement outside a transaction gets one of its own from the compilers.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ledger = Ledger()
        self.has_change_table = False

    @override
    def connect(self) -> None:
        self.ledger.clear()
        with capture.plumbing():
            super().connect()

    @override
    def _cursor(self, name: str | None = None) -> Any:
        recorder = capture.recorder()
        if recorder is not None and not recorder.may_use_cursors:
            raise RawSqlInQueryError
        return super()._cursor(name)

    @override
    def _savepoint(self, sid: str) -> None:
        with capture.plumbing():
            super()._savepoint(sid)
        self.ledger.mark(sid)

    @override
    def _savepoint_rollback(self, sid: str) -> None:
        with capture.plumbing():
            super()._savepoint_rollback(sid)
        self.ledger.fall_back(sid)

    @override
    def _savepoint_commit(self, sid: str) -> None:
        with capture.plumbing():
            super()._savepoint_commit(sid)
        self.ledger.release(sid)

    @override
    def _rollback(self) -> None:
        self.ledger.clear()
        super()._rollback()

    @override
    def _commit(self) -> None:
        writes = self.ledger.take()
        if not writes or self.connection is None:
            super()._commit()
            return
        commit = changes.stamp(writes)
        self._insert_change(commit)
        super()._commit()
        changes.hand_over(commit)

    def _insert_change(self, commit: Commit) -> None:
        """Write the change row, unless this database has not been migrated so far."""
        payload = changes.encode_writes(commit.writes)
        with self.cursor() as cursor:
            if not self.has_change_table:
                tables = self.introspection.table_names(cursor)
                self.has_change_table = _CHANGES in tables
            if self.has_change_table:
                cursor.execute(_INSERT_CHANGE, (commit.origin, commit.seq, commit.ts, payload))


class NoticingOperations(BaseDatabaseOperations):
    """Chooses the compilers. Outside query functions, reading goes through Django's own."""

    @override
    def compiler(self, compiler_name: str) -> type[SQLCompiler]:
        if capture.recorder() is not None:
            if compiler_name not in _RECORDING:
                raise WriteInQueryError
            compiler_name = _RECORDING[compiler_name]
        return super().compiler(compiler_name)

    @override
    def execute_sql_flush(self, sql_list: Any) -> None:
        with transaction.atomic(using=self.connection.alias):
            ledger_of(self.connection).add(TableWrite(EVERY_TABLE))
            super().execute_sql_flush(sql_list)


class NoticingSchemaEditor(BaseDatabaseSchemaEditor):
    """Notes that everything may have changed, in place of what a migration writes row by row."""

    @override
    def __enter__(self) -> Self:
        super().__enter__()
        ledger_of(self.connection).paused += 1
        return self

    @override
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        connection = cast("NoticingConnection", self.connection)
        connection.ledger.paused -= 1
        connection.has_change_table = False  # it may be what was migrated
        is_done = exc_type is None and not self.collect_sql
        if is_done and self.atomic_migration:
            connection.ledger.add(TableWrite(EVERY_TABLE))
        super().__exit__(exc_type, exc_value, traceback)
        if is_done and not self.atomic_migration:
            with transaction.atomic(using=connection.alias):
                connection.ledger.add(TableWrite(EVERY_TABLE))
