"""The connection to SQLite; Django finds it by its name."""

from typing import TYPE_CHECKING

from django.db.backends.sqlite3 import base, operations, schema
from typing_extensions import override

from dust.livequery import capture
from dust.livequery.backends.connection import (
    NoticingConnection,
    NoticingOperations,
    NoticingSchemaEditor,
)


class DatabaseOperations(NoticingOperations, operations.DatabaseOperations):
    """SQLite's operations, with our compilers."""

    compiler_module = "dust.livequery.backends.sqlite3.compiler"


class DatabaseSchemaEditor(NoticingSchemaEditor, schema.DatabaseSchemaEditor):
    """SQLite's schema editor."""


if TYPE_CHECKING:

    class _Connection(base.DatabaseWrapper):
        """What Django's connection has and its stubs do not mention."""

        def _start_transaction_under_autocommit(self) -> None: ...

else:
    _Connection = base.DatabaseWrapper


class DatabaseWrapper(NoticingConnection, _Connection):
    """A connection to SQLite."""

    ops_class = DatabaseOperations
    SchemaEditorClass = DatabaseSchemaEditor

    @override
    def _start_transaction_under_autocommit(self) -> None:
        with capture.plumbing():
            super()._start_transaction_under_autocommit()
