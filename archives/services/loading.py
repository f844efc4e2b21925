"""Files of content: read row by row, each kept or refused by itself."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

import msgspec
from django.db import IntegrityError

from archives.errors import InvalidContentError
from archives.rules import checking
from archives.rules import content as rules
from archives.services import contents
from archives.services.contents import Kept, Outcome
from dust.errors import DustError
from dust.jsonlines import read_lines

_PLURALS = {"pages": "page", "levels": "level", "variants": "variant", "contents": "content"}
_NAMES = ("key", "variantId", "levelId", "pageId")


@dataclass(frozen=True, slots=True)
class Row:
    """What a file holds at a place; ``share`` of the file is read by then, from 0 to 1.

    ``problem`` says why it is no row at all, and is empty if it may be one.
    """

    number: int
    share: float
    data: Any = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of a row. It was refused if there is no outcome; ``why`` says why."""

    number: int
    share: float
    what: str
    outcome: Outcome | None
    why: str = ""

    @property
    def line(self) -> str:
        """The result as a report has it."""
        return f"row {self.number}: {self.what}: {self.outcome or f'refused. {self.why}'}"


def load(file: IO[bytes], *, name: str, now: datetime) -> Iterator[Loaded]:
    """Keep every good row of a file and tell what became of each; run to its end, it is done.

    The file is JSON by the end of its name, or JSON lines. A row is written whole or not at all.

    :raises InvalidContentError: if the file is JSON of another kind.
    """
    rows = _json_rows(file) if name.lower().endswith(".json") else _lines(file)
    for row in rows:
        yield _load(row, now=now)


def _load(row: Row, *, now: datetime) -> Loaded:
    what = _name_of(row.data)
    try:
        if row.problem:
            raise InvalidContentError(row.problem)
        outcome = _keep(row.data, now=now).outcome
    except DustError as error:
        return Loaded(row.number, row.share, what, None, error.report)
    except IntegrityError:
        why = "Somebody else was writing it at the same time. Load it again."
        return Loaded(row.number, row.share, what, None, why)
    return Loaded(row.number, row.share, what, outcome)


def _keep(data: Any, *, now: datetime) -> Kept[Any]:
    fields = dict(data) if isinstance(data, dict) else {}
    kind = fields.pop("kind", None)
    if not isinstance(kind, str) or kind not in rules.ROWS:
        wanted = f"Must be one of {', '.join(rules.ROWS)}."
        raise InvalidContentError(fields={"kind": [wanted]})
    match checking.read(rules.ROWS[kind], fields):
        case rules.Page() as page:
            return contents.upsert_page(page, now=now)
        case rules.Level() as level:
            return contents.upsert_level(level, now=now)
        case rules.Variant() as variant:
            return contents.upsert_variant(variant, now=now)
        case content:
            assert isinstance(content, rules.Content)
            return contents.save_content(content, now=now)


def _name_of(data: Any) -> str:
    """Return what a report calls the row, whatever it is."""
    if not isinstance(data, dict):
        return "no object"
    key = next((data[name] for name in _NAMES if isinstance(data.get(name), str)), "without a name")
    return f"{str(data.get('kind'))[: rules.KEY_MAX]} {key[: rules.KEY_MAX]!r}"


def _lines(file: IO[bytes]) -> Iterator[Row]:
    size = max(1, file.seek(0, os.SEEK_END))
    file.seek(0)
    for line in read_lines(file):
        yield Row(line.number, file.tell() / size, line.data, line.problem)


def _json_rows(file: IO[bytes]) -> Iterator[Row]:
    try:
        whole = msgspec.json.decode(file.read(), type=dict[str, list[Any]])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as exc:
        raise InvalidContentError(f"The file is no JSON object of lists: {exc}.") from exc
    if unknown := sorted(whole.keys() - _PLURALS.keys()):
        raise InvalidContentError(fields={unknown[0][: rules.KEY_MAX]: ["Unknown field."]})
    count, number = sum(map(len, whole.values())), 0
    for plural, kind in _PLURALS.items():
        for data in whole.get(plural, ()):
            number += 1
            fields = {"kind": kind, **data} if isinstance(data, dict) else data
            yield Row(number, number / count, fields)
