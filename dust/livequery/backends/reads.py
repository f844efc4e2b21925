"""The compilers in use while a query function runs: they record what each statement reads."""

import re
from itertools import chain
from typing import Any

from django.db.models.expressions import RawSQL
from django.db.models.sql.compiler import SQLCompiler
from django.db.models.sql.where import ExtraWhere
from typing_extensions import override

from dust.livequery.backends.where import sources
from dust.livequery.capture import Recorder, recorder

_COLUMN = re.compile(r'\(?"[^"]+"\."(?P<name>[^"]+)"\)?')


class RecordingCompiler(SQLCompiler):
    """Compiles and runs a SELECT, or a part of one, for the recorder of the query function."""

    where: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        current = recorder()
        assert current is not None  # otherwise Django's own compiler is in use
        self.recorder: Recorder = current

    @override
    def as_sql(self, *args: Any, **kwargs: Any) -> Any:
        with self.recorder.compiling():
            return super().as_sql(*args, **kwargs)

    @override
    def execute_sql(self, *args: Any, **kwargs: Any) -> Any:
        with self.recorder.trusting():
            return super().execute_sql(*args, **kwargs)

    @override
    def get_from_clause(self) -> Any:
        """Record the tables: by now it is settled which are joined, how, and under what WHERE."""
        for table, pins in sources(self.query, self.where):
            self.recorder.source(table, pins)
        for source in self.query.alias_map.values():
            for name in chain.from_iterable(getattr(source, "join_cols", ())):
                self.recorder.name(name)
        if self.query.extra_tables:
            self.recorder.raw_sql()
        return super().get_from_clause()

    @override
    def quote_name_unless_alias(self, name: str) -> str:
        self.recorder.name(name)  # every column in the SQL comes by here
        return super().quote_name_unless_alias(name)

    @override
    def compile(self, node: Any) -> Any:
        if isinstance(node, RawSQL | ExtraWhere) and not self._is_column(node):
            self.recorder.raw_sql()
        return super().compile(node)

    def _is_column(self, node: RawSQL | ExtraWhere) -> bool:
        """Return whether the raw SQL only names a column, as in the ORM's own prefetching."""
        column = _COLUMN.fullmatch(node.sql) if isinstance(node, RawSQL) else None
        if column is not None:
            self.recorder.name(column["name"])
        return column is not None
