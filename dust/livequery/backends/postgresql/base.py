"""The connection to PostgreSQL; Django finds it by its name."""

from django.db.backends.postgresql import base, operations, schema

from dust.livequery.backends.connection import (
    NoticingConnection,
    NoticingOperations,
    NoticingSchemaEditor,
)


class DatabaseOperations(NoticingOperations, operations.DatabaseOperations):
    """PostgreSQL's operations, with our compilers."""

    compiler_module = "dust.livequery.backends.postgresql.compiler"


class DatabaseSchemaEditor(NoticingSchemaEditor, schema.DatabaseSchemaEditor):
    """PostgreSQL's schema editor."""


class DatabaseWrapper(NoticingConnection, base.DatabaseWrapper):
    """A connection to PostgreSQL."""

    ops_class = DatabaseOperations
    SchemaEditorClass = DatabaseSchemaEditor
