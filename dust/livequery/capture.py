"""What the running query function reads. The backends tell it here; no models are imported.

What they tell is sound only as far as it can be seen: a database function that reads tables, or a
view, hides them. Such reads are declared like raw SQL, with :func:`reading`.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import Model

from dust.livequery.columns import columns_of, pins_of
from dust.livequery.errors import RawSqlInQueryError
from dust.livequery.readset import Pins, TableRead

_recorder: ContextVar["Recorder | None"] = ContextVar("recorder", default=None)


@dataclass(slots=True)
class Statement:
    """What the SQL statement that is being compiled reads, all its subqueries included.

    The names (of columns, and of tables beside them) belong to the whole statement, because a
    subquery that refers to an outer table mentions that table's columns inside itself.
    """

    sources: list[tuple[str, Pins]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    is_opaque: bool = False

    def reads(self) -> Iterator[TableRead]:
        """Tell each table once for every way in which the statement is limited in it."""
        columns = None if self.is_opaque else frozenset(self.names)
        for table, pins in self.sources:
            yield TableRead(table, pins, columns)


class Recorder:
    """Collects the reads of one run of a query function, each of them once."""

    def __init__(self) -> None:
        self.reads: list[TableRead] = []
        self._seen: set[object] = set()
        self._statement: Statement | None = None
        self._trusted = 0
        self._declared = 0

    @property
    def may_use_cursors(self) -> bool:
        """Whether whoever asks for a cursor now is the ORM, or has declared what it reads."""
        return bool(self._trusted or self._declared)

    def add(self, read: TableRead) -> None:
        """Record a read, unless an equal one has been."""
        key = (read.table, frozenset(read.pins.items()), read.columns)
        if key not in self._seen:
            self._seen.add(key)
            self.reads.append(read)

    @contextmanager
    def compiling(self) -> Iterator[None]:
        """Collect what the SQL compiled inside reads; the outermost statement is then recorded.

        A statement or subquery that turns out to be empty whatever the rows say reads nothing.
        """
        outer = self._statement
        statement = self._statement = outer or Statement()
        before = len(statement.sources)
        try:
            yield
        except EmptyResultSet:
            del statement.sources[before:]
            raise
        finally:
            self._statement = outer
        if outer is None:
            for read in statement.reads():
                self.add(read)

    def source(self, table: str, pins: Pins) -> None:
        """Note a table that the statement reads and how it is limited in it."""
        if self._statement is not None:
            self._statement.sources.append((table, pins))

    def name(self, name: str) -> None:
        """Note a name that the statement mentions, most likely a column's."""
        if self._statement is not None:
            self._statement.names.add(name)

    def raw_sql(self) -> None:
        """Note that the statement contains raw SQL, which may read anything.

        :raises RawSqlInQueryError: if it was not declared what that reads.
        """
        if not self._declared:
            raise RawSqlInQueryError
        if self._statement is not None:
            self._statement.is_opaque = True

    @contextmanager
    def trusting(self) -> Iterator[None]:
        """Let cursors be opened: the ORM's, for statements that are recorded or read nothing."""
        self._trusted += 1
        try:
            yield
        finally:
            self._trusted -= 1

    @contextmanager
    def declaring(self, read: TableRead) -> Iterator[None]:
        """Let raw SQL run that reads this."""
        self.add(read)
        self._declared += 1
        try:
            yield
        finally:
            self._declared -= 1


def recorder() -> Recorder | None:
    """Return the recorder of the query function that is running, if one is."""
    return _recorder.get()


@contextmanager
def recording() -> Iterator[Recorder]:
    """Record every read inside. Writes and undeclared raw SQL are refused meanwhile.

    Inside another recording, the outer one learns of these reads too.
    """
    outer = _recorder.get()
    inner = Recorder()
    token = _recorder.set(inner)
    try:
        yield inner
    finally:
        _recorder.reset(token)
        if outer is not None:
            for read in inner.reads:
                outer.add(read)


@contextmanager
def plumbing() -> Iterator[None]:
    """Let statements through that read no rows: savepoints, the set-up of a connection."""
    recorder = _recorder.get()
    if recorder is None:
        yield
        return
    with recorder.trusting():
        yield


@contextmanager
def reading(
    model: type[Model], /, *, columns: Collection[str] | None = None, **pins: Any
) -> Iterator[None]:
    """Declare what the raw SQL inside reads of the model's own table; nest for several tables.

    ``pins`` name fields and the value, or collection of values, that the SQL is limited to.
    ``columns`` name every field that the SQL mentions (the pinned ones need not be repeated), and
    default to all.
    """
    recorder = _recorder.get()
    if recorder is None:
        yield
        return
    mentioned = None if columns is None else columns_of(model, {*columns, *pins})
    with recorder.declaring(TableRead(model._meta.db_table, pins_of(model, pins), mentioned)):
        yield
