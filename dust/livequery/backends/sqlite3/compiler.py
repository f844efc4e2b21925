"""The compilers for SQLite."""

from django.db.models.sql.compiler import SQLAggregateCompiler, SQLCompiler

from dust.livequery.backends.reads import RecordingCompiler
from dust.livequery.backends.writes import (
    NoticingDeleteCompiler,
    NoticingInsertCompiler,
    NoticingUpdateCompiler,
)

SQLDeleteCompiler = NoticingDeleteCompiler
SQLInsertCompiler = NoticingInsertCompiler
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


class RecordingSQLCompiler(RecordingCompiler):
    """Selects, in a query function."""


class RecordingSQLAggregateCompiler(RecordingCompiler, SQLAggregateCompiler):
    """Selects aggregates over a subquery, in a query function."""
