"""The compilers for PostgreSQL."""

from django.db.backends.postgresql import compiler as postgresql
from django.db.models.sql.compiler import SQLAggregateCompiler

from dust.livequery.backends.reads import RecordingCompiler
from dust.livequery.backends.writes import (
    NoticingDeleteCompiler,
    NoticingInsertCompiler,
    NoticingUpdateCompiler,
)

SQLCompiler = postgresql.SQLCompiler
SQLDeleteCompiler = NoticingDeleteCompiler
SQLUpdateCompiler = NoticingUpdateCompiler

__all__ = [
    "RecordingSQLAggregateCompiler",
    "RecordingSQLCompiler",
    "SQLAggregateCompiler",
    "SQLCompiler",
    "SQLDeleteCompiler",
    "SQLInsertCompiler",
    "SQLUpdateCompiler",
]


class SQLInsertCompiler(NoticingInsertCompiler, postgresql.SQLInsertCompiler):
    """Inserts."""


class RecordingSQLCompiler(RecordingCompiler, postgresql.SQLCompiler):
    """Selects, in a query function."""


class RecordingSQLAggregateCompiler(RecordingCompiler, SQLAggregateCompiler):
    """Selects aggregates over a subquery, in a query function."""
