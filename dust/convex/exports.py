"""What ``npx convex export`` writes: a zip with a folder for each table.

In a folder, each line of ``documents.jsonl`` is a document, its values as the format
``export_json`` writes them. ``generated_schema.jsonl`` beside it tells 64-bit integers from
doubles; none of our tables has any, so it is left alone. The folder ``_tables`` lists the numbers
of tables, ``_storage`` holds files, ``_components`` what components keep.

Of a document's id, the table's number means nothing here: rows get ids with the numbers of our
tables. The 16 bytes that follow are handed on as the row's key, and so are the time it was made
and the fields. What an app keeps of the key, and how it finds by old ids what rows refer to, is
its own affair (see ``dust.moving``): players keep theirs, so their ids even stay the same text
where both tables have the same number. Rows that stand here in the order of their keys get new
ones, the same whenever they are imported.
"""

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from django.db import DataError, IntegrityError, transaction

from dust import ids
from dust.convex import values
from dust.errors import DustError, InvalidError
from dust.jsonlines import Line, read_lines
from dust.moving import Moved, Table, read_moment

_DOCUMENTS = "/documents.jsonl"
_LIST_OF_TABLES = "_tables"
# What reading a damaged, encrypted or strangely compressed zip raises.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
)


class InvalidExportError(InvalidError):
    """This is no export of a Convex deployment."""

    code = "invalid_export"


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a line: whether it changed anything, or the ``refusal`` that says why not."""

    number: int
    is_new: bool = False
    refusal: str = ""


class Export:
    """An open export."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        folders = [
            name.removesuffix(_DOCUMENTS)
            for name in archive.namelist()
            if name.endswith(_DOCUMENTS)
        ]
        self.tables = sorted({*folders} - {_LIST_OF_TABLES})

    def take(self, name: str, table: Table, *, issuer: str) -> Iterator[Taken]:
        """Hand over a table's documents one after the other and tell what became of each.

        :raises InvalidExportError: if the file cannot be read to its end.
        """
        for line in self._lines(name):
            yield _take(line, table, issuer)

    def _lines(self, name: str) -> Iterator[Line]:
        try:
            with self._archive.open(f"{name}{_DOCUMENTS}") as packed:
                yield from read_lines(packed)
        except _DAMAGE as exc:
            raise InvalidExportError(f"{name}{_DOCUMENTS} cannot be read on: {exc}.") from exc


@contextmanager
def open_export(path: Path) -> Iterator[Export]:
    """Open an export.

    :raises InvalidExportError: if the file cannot be read, or is none.
    """
    try:
        archive = zipfile.ZipFile(path)
    except OSError as exc:
        raise InvalidExportError(f"It cannot be read: {exc.strerror or exc}.") from exc
    except _DAMAGE as exc:
        raise InvalidExportError(f"It is no zip: {exc}.") from exc
    with archive:
        yield Export(archive)


def _take(line: Line, table: Table, issuer: str) -> Taken:
    try:
        moved = _read(line, table, issuer)
        with transaction.atomic():
            return Taken(line.number, is_new=table.take(moved))
    except DustError as error:
        return Taken(line.number, refusal=error.report)
    except (DataError, IntegrityError) as exc:  # as when somebody writes the same at once
        return Taken(line.number, refusal=f"The database refuses it: {str(exc).splitlines()[0]}.")


def _read(line: Line, table: Table, issuer: str) -> Moved[Any]:
    if line.problem:
        raise InvalidError(line.problem)
    fields = values.decode(line.data, name="document")
    if not isinstance(fields, dict):
        raise InvalidError("It is no object.")
    key, made_at = fields.pop("_id", None), fields.pop("_creationTime", None)
    if not isinstance(key, str) or not isinstance(made_at, float):
        raise InvalidError("It has no _id, or no _creationTime.")
    try:
        shaped = msgspec.convert(fields, table.shape)
    except msgspec.ValidationError as exc:
        raise InvalidError(f"{exc}.") from exc
    return Moved(ids.split(key)[1], read_moment("_creationTime", made_at), shaped, issuer)
