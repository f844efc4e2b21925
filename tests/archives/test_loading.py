"""Files of content: good rows are kept, bad ones are reported by number."""

import json
from datetime import datetime
from io import BytesIO
from typing import Any

import pytest

from archives.errors import InvalidContentError
from archives.models import CachedContent, Level, Page, PageVariant
from archives.queries.documents import export_rows
from archives.services import contents, loading
from archives.services.loading import Loaded
from dust import jsonlines
from tests.archives import documents
from tests.archives.documents import read_variant

pytestmark = pytest.mark.django_db

ROWS: list[dict[str, Any]] = [
    {"kind": "page", **documents.page()},
    {"kind": "level", **documents.level()},
    {"kind": "variant", **documents.variant()},
    {"kind": "content", **documents.content()},
]
OUTCOMES = ["created"] * 4


def lines(*rows: Any) -> bytes:
    texts = (row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows)
    return b"\n".join(texts)


def load(file: bytes, *, now: datetime, name: str = "rows.jsonl") -> list[Loaded]:
    return list(loading.load(BytesIO(file), name=name, now=now))


def outcomes(loaded: list[Loaded]) -> list[str]:
    return [str(each.outcome) for each in loaded]


class TestLines:
    def test_are_kept_each_by_its_kind(self, now: datetime) -> None:
        loaded = load(lines(*ROWS), now=now)

        assert outcomes(loaded) == OUTCOMES
        assert [each.number for each in loaded] == [1, 2, 3, 4]
        assert [each.what for each in loaded] == [
            "page '9f86d081884c7d65'",
            "level 'desert_level_01'",
            "variant 'a1b2c3d4e5f60718'",
            "content 'demo-news-1'",
        ]
        kept = [kind.objects.count() for kind in (Page, Level, PageVariant, CachedContent)]
        assert kept == [1, 1, 1, 1]
        assert loaded[-1].share == 1

    def test_may_come_again(self, now: datetime) -> None:
        load(lines(*ROWS), now=now)

        assert outcomes(load(lines(*ROWS), now=now)) == ["unchanged"] * 4

    def test_may_be_blank(self, now: datetime) -> None:
        file = b"\n" + lines(ROWS[0]) + b"\r\n \n\n" + lines(ROWS[1]) + b"\n"

        loaded = load(file, now=now)

        assert [(each.number, str(each.outcome)) for each in loaded] == [
            (2, "created"),
            (5, "created"),
        ]

    @pytest.mark.parametrize(
        ("row", "line"),
        [
            (b"{", "row 2: no object: refused. It is no JSON: Input data was truncated."),
            (b"\xff", "row 2: no object: refused. It is no JSON"),
            (b"[" * 5000, "row 2: no object: refused. It is no JSON"),
            (b"[]", "row 2: no object: refused."),
            ({}, "row 2: None 'without a name': refused."),
            ({"kind": "poem"}, "kind: Must be one of page, level, variant, content."),
            ({"kind": ["page"]}, "kind: Must be one of page"),
            ({"kind": "level"}, "levelId: Missing."),
            (
                {"kind": "level", **documents.level(difficulty=11)},
                "difficulty: Expected float <= 10",
            ),
            (
                {"kind": "level", **documents.level(difficulty=11)},
                "row 2: level 'desert_level_01': refused. The content is not acceptable.",
            ),
            (
                {"kind": "variant", **documents.variant(projectId="swamp")},
                "A variant of this id belongs to another project.",
            ),
            (
                {"kind": "page", **documents.page(html="x" * 1024 * 1024)},
                "The document is too large. document: Must have at most 1048576 bytes",
            ),
        ],
    )
    def test_are_refused_one_by_one_for_a_reason(self, now: datetime, row: Any, line: str) -> None:
        loaded = load(lines(ROWS[2], row, ROWS[1]), now=now)

        assert outcomes(loaded) == ["created", "None", "created"]
        assert line in loaded[1].line

    def test_are_passed_over_if_they_are_far_too_long(
        self, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(jsonlines, "LONGEST_LINE_BYTES", 1000)
        long = lines({"kind": "page", **documents.page(html="x" * 5000)})

        loaded = load(lines(ROWS[1], long, ROWS[2], long), now=now)

        assert outcomes(loaded) == ["created", "None", "created", "None"]
        assert [each.number for each in loaded] == [1, 2, 3, 4]
        assert loaded[1].why == "It has more than 1000 bytes."

    def test_survive_somebody_who_writes_the_same(
        self, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def overlook(_variant: Any) -> PageVariant:
            return PageVariant()

        contents.upsert_variant(read_variant(), now=now)
        monkeypatch.setattr(contents, "_row_for", overlook)

        loaded = load(lines(ROWS[2], ROWS[1]), now=now)

        assert outcomes(loaded) == ["None", "created"]
        assert "at the same time" in loaded[0].why


class TestJson:
    def test_holds_lists_of_each_kind(self, now: datetime) -> None:
        whole = {
            "variants": [documents.variant(), {"kind": "page"}],
            "pages": [documents.page(), 5],
            "contents": [documents.content()],
        }

        loaded = load(json.dumps(whole).encode(), now=now, name="ROWS.JSON")

        assert outcomes(loaded) == ["created", "None", "created", "None", "created"]
        assert [each.number for each in loaded] == [1, 2, 3, 4, 5]
        assert [each.share for each in loaded] == [0.2, 0.4, 0.6, 0.8, 1]

    @pytest.mark.parametrize(
        "file", [b"", b"[]", b'{"pages": {}}', b'{"poems": []}', b"{" * 5000, b"\xff"]
    )
    def test_is_refused_if_it_is_anything_else(self, now: datetime, file: bytes) -> None:
        with pytest.raises(InvalidContentError):
            load(file, now=now, name="rows.json")

    def test_may_be_empty(self, now: datetime) -> None:
        assert load(b"{}", now=now, name="rows.json") == []


class TestRoundTrip:
    def test_brings_back_what_was_exported(self, now: datetime) -> None:
        load(lines(*ROWS), now=now)
        exported = list(export_rows())
        for kind in (Page, Level, PageVariant, CachedContent):
            kind.objects.all().delete()

        assert exported == ROWS
        assert outcomes(load(lines(*exported), now=now)) == OUTCOMES
        assert list(export_rows()) == ROWS
