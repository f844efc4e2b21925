"""What documents may look like: every limit, from both sides."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from archives.errors import DocumentTooLargeError, InvalidContentError
from archives.rules import checking
from archives.rules import content as rules
from archives.rules.content import ROWS, Document, Items, Level, Page, Variant
from tests.archives import documents
from tests.archives.documents import Json, item, mark, section

Made = Callable[..., Json]

DOCUMENTS: dict[str, Made] = {
    "page": documents.page,
    "level": documents.level,
    "variant": documents.variant,
    "content": documents.content,
}


def take(kind: type[Document], data: Any) -> Document:
    """Read and check, as everything does that is kept."""
    document = checking.read(kind, data)
    checking.check(document)
    return document


def refusal(kind: type[Document], data: Any) -> dict[str, list[str]]:
    with pytest.raises(InvalidContentError) as refused:
        take(kind, data)
    return refused.value.fields


class TestDocuments:
    @pytest.mark.parametrize("kind", ROWS)
    def test_come_out_as_they_went_in(self, kind: str) -> None:
        document = DOCUMENTS[kind]()

        assert checking.plain(take(ROWS[kind], document)) == document

    def test_keep_what_is_null_apart_from_what_is_absent(self) -> None:
        kept = checking.plain(take(Page, documents.page()))["elements"]

        assert kept[0]["src"] is None
        assert "src" not in kept[1]

    @pytest.mark.parametrize("kind", ROWS)
    def test_need_all_their_fields_and_no_other(self, kind: str) -> None:
        document = DOCUMENTS[kind]()

        for name in document:
            without = {key: value for key, value in document.items() if key != name}
            assert refusal(ROWS[kind], without) == {name: ["Missing."]}
            assert list(refusal(ROWS[kind], document | {name: None})) == [name]
        assert refusal(ROWS[kind], document | {"_id": "x"}) == {"_id": ["Unknown field."]}
        assert "document" in refusal(ROWS[kind], [document])

    def test_name_what_is_wrong_however_deep_it_is(self) -> None:
        page = documents.page(elements=[{"elementId": "e", "tag": "p"}, {"elementId": "f"}])
        bare = documents.content(sections=[section(1), section(2) | {"mood": "sad"}])

        assert refusal(Page, page) == {"elements.1.tag": ["Missing."]}
        assert refusal(ROWS["content"], bare) == {"content.sections.1.mood": ["Unknown field."]}

    def test_take_whole_numbers_as_floats_and_floats_as_whole_numbers(self) -> None:
        level = documents.level(
            difficulty=3.0, mutationParams={"fakeRate": 1, "maxFakeSpans": 4.0, "subtlety": 0}
        )

        kept = checking.plain(take(Level, level))

        assert kept["difficulty"] == 3
        assert isinstance(kept["difficulty"], int)
        assert kept["mutationParams"] == {"fakeRate": 1, "maxFakeSpans": 4, "subtlety": 0}

    def test_hold_no_text_that_a_database_could_not(self) -> None:
        assert list(refusal(Page, documents.page(html="a\0b"))) == ["html"]
        nested = documents.variant(fakeMarks=[mark(explanation="\0")])
        assert list(refusal(Variant, nested)) == ["fakeMarks.0.explanation"]
        for half in (
            {"html": "half a pair: \ud83d"},
            {"\ud83d": "as a name"},
            {"elements": [{"elementId": "e", "tag": "p", "\ud83d": None}]},
        ):
            assert refusal(Page, documents.page(**half)) == {}

    def test_may_spell_out_what_they_may_not_hold(self) -> None:
        take(Page, documents.page(html="\\u0000"))

    def test_may_say_anything_that_browsers_would_obey(self) -> None:
        page = documents.page(html="<script>alert(1)</script>", url="javascript:alert(1)")

        assert checking.plain(take(Page, page)) == page


LONGEST = "k" * rules.KEY_MAX

MARK_LIMITS: list[tuple[Json, Json, str]] = [
    ({"snippet": "a"}, {"snippet": ""}, "fakeMarks.0.snippet"),
    ({"snippet": " a "}, {"snippet": " \n\t"}, "fakeMarks.0.snippet"),
    ({"snippet": "s" * 4000}, {"snippet": "s" * 4001}, "fakeMarks.0.snippet"),
    ({"explanation": ""}, {"explanation": "e" * 4001}, "fakeMarks.0.explanation"),
    ({"elementId": None}, {"elementId": "e" * 257}, "fakeMarks.0.elementId"),
    ({"kind": "MISLEADING"}, {"kind": "TRUE"}, "fakeMarks.0.kind"),
]
LIMITS: list[tuple[str, Json, Json, str]] = [
    # kind, what is still good, what no longer is, the field that is named
    ("page", {"pageId": LONGEST}, {"pageId": LONGEST + "k"}, "pageId"),
    ("page", {"projectId": LONGEST}, {"projectId": ""}, "projectId"),
    ("page", {"pageId": "a.b_c:d~e@f+g-h"}, {"pageId": "-a"}, "pageId"),
    ("page", {"pageId": "0"}, {"pageId": ".."}, "pageId"),
    ("page", {"pageId": "A"}, {"pageId": "a\n"}, "pageId"),
    *(("page", {"pageId": "a"}, {"pageId": f"a{other}"}, "pageId") for other in " /<\"'?#%ü\0"),
    ("page", {"url": "u" * 2048}, {"url": "u" * 2049}, "url"),
    ("page", {"title": ""}, {"title": "t" * 1001}, "title"),
    ("page", {"capturedAt": "2026-02-15T01:02:03Z"}, {"capturedAt": "yesterday"}, "capturedAt"),
    ("page", {"tags": ["t" * 256] * 100}, {"tags": [""] * 101}, "tags"),
    ("page", {"tags": [""]}, {"tags": ["t" * 257]}, "tags.0"),
    ("page", {"styles": ["s"] * 1024}, {"styles": ["s"] * 1025}, "styles"),
    ("page", {"assets": [{"src": "s"}] * 8192}, {"assets": [{"src": "s"}] * 8193}, "assets"),
    (
        "page",
        {"elements": [{"elementId": "", "tag": "p"}] * 8192},
        {"elements": [{"elementId": "", "tag": "p"}] * 8193},
        "elements",
    ),
    (
        "page",
        {
            "elements": [
                {
                    "elementId": "e",
                    "tag": "p",
                    "bbox": dict.fromkeys(("x", "y", "width", "height"), -1e9),
                }
            ]
        },
        {
            "elements": [
                {
                    "elementId": "e",
                    "tag": "p",
                    "bbox": dict.fromkeys(("x", "y", "width", "height"), math.nan),
                }
            ]
        },
        "elements.0.bbox.x",
    ),
    ("level", {"difficulty": 1}, {"difficulty": 0}, "difficulty"),
    ("level", {"difficulty": 10}, {"difficulty": 11}, "difficulty"),
    ("level", {"difficulty": 5.0}, {"difficulty": 5.5}, "difficulty"),
    ("level", {"difficulty": 5}, {"difficulty": "5"}, "difficulty"),
    ("level", {"difficulty": 5}, {"difficulty": True}, "difficulty"),
    ("level", {"pageIds": ["p"] * 500}, {"pageIds": ["p"] * 501}, "pageIds"),
    ("level", {"pageIds": []}, {"pageIds": ["p", "p "]}, "pageIds.1"),
    ("level", {"levelId": LONGEST}, {"levelId": "a\nb"}, "levelId"),
    *(
        ("level", {"mutationParams": {name: good}}, {"mutationParams": {name: bad}}, path)
        for name, path, good, bad in [
            ("fakeRate", "mutationParams.fakeRate", 0, -0.001),
            ("fakeRate", "mutationParams.fakeRate", 1, 1.001),
            ("fakeRate", "mutationParams.fakeRate", 0.5, math.nan),
            ("subtlety", "mutationParams.subtlety", 0, -0.001),
            ("subtlety", "mutationParams.subtlety", 1, math.inf),
            ("maxFakeSpans", "mutationParams.maxFakeSpans", 1, 0),
            ("maxFakeSpans", "mutationParams.maxFakeSpans", 8192, 8193),
            ("maxFakeSpans", "mutationParams.maxFakeSpans", 2, 1.5),
        ]
    ),
    ("variant", {"variantId": LONGEST}, {"variantId": "\u202eabc"}, "variantId"),
    ("variant", {"levelId": LONGEST}, {"levelId": ""}, "levelId"),
    ("variant", {"pageId": LONGEST}, {"pageId": LONGEST + "k"}, "pageId"),
    ("variant", {"difficulty": 10}, {"difficulty": 10.5}, "difficulty"),
    ("variant", {"alteredContent": ""}, {"alteredContent": 5}, "alteredContent"),
    ("variant", {"fakeMarks": [mark()]}, {"fakeMarks": []}, "fakeMarks"),
    ("variant", {"fakeMarks": [mark()] * 64}, {"fakeMarks": [mark()] * 65}, "fakeMarks"),
    *(
        ("variant", {"fakeMarks": [mark(**good)]}, {"fakeMarks": [mark(**bad)]}, path)
        for good, bad, path in MARK_LIMITS
    ),
    ("content", {"key": LONGEST}, {"key": ""}, "key"),
    ("content", {"isDemo": True}, {"isDemo": 1}, "isDemo"),
    ("content", {"contentType": "social"}, {"contentType": "poem"}, "content.contentType"),
    ("content", {"difficulty": 10}, {"difficulty": 11}, "content.difficulty"),
    ("content", {"decayDuration": 1}, {"decayDuration": 0.5}, "content.decayDuration"),
    ("content", {"decayDuration": 3600}, {"decayDuration": 3601}, "content.decayDuration"),
    ("content", {"title": "t"}, {"title": ""}, "content.title"),
    ("content", {"author": ""}, {"author": "a" * 257}, "content.author"),
    (
        "content",
        {"sections": [section(1, isTrue=False), *map(section, range(2, 201))]},
        {"sections": [section(1, isTrue=False), *map(section, range(2, 202))]},
        "content.sections",
    ),
    (
        "content",
        {"sections": [section(1), section(2, isTrue=False)]},
        {"sections": [section(1), section(1, isTrue=False)]},
        "content.sections",
    ),
]


class TestLimits:
    @pytest.mark.parametrize(("kind", "good", "bad", "field"), LIMITS)
    def test_are_where_they_are_said_to_be(
        self, kind: str, good: Json, bad: Json, field: str
    ) -> None:
        take(ROWS[kind], DOCUMENTS[kind](**good))

        assert list(refusal(ROWS[kind], DOCUMENTS[kind](**bad))) == [field]

    @pytest.mark.parametrize(
        "changed",
        [
            {"decayOrder": 0},
            {"decayOrder": 6},
            {"decayOrder": 2.5},
            {"archiveCost": -1},
            {"archiveCost": 11},
            {"id": ""},
            {"category": "gossip"},
            {"isTrue": "yes"},
            {"falseReason": "f" * 4001},
        ],
    )
    def test_hold_for_every_section(self, changed: Json) -> None:
        sections = [section(1), section(2, isTrue=False), section(3, **changed)]

        [field] = refusal(ROWS["content"], documents.content(sections=sections))

        assert field == f"content.sections.2.{next(iter(changed))}"

    @pytest.mark.parametrize(
        "sections",
        [
            [section(1), section(2)],
            [section(1, isTrue=False)],
            [section(1), section(2, isTrue=False, archiveCost=0)],
            [section(1, isTrue=False), section(2, imageSrc="https://example.com/i.png")],
        ],
        ids=["nothing false", "nothing true", "the lie is free", "the truth is a picture"],
    )
    def test_leave_no_page_that_cannot_be_won(self, sections: list[Json]) -> None:
        assert list(refusal(ROWS["content"], documents.content(sections=sections))) == [
            "content.sections"
        ]

    @pytest.mark.parametrize(
        ("items", "field"),
        [
            ([item()] * 501, "items"),
            ([item(), item(sectionText="t" * 2001)], "items.1.sectionText"),
            ([item(contentType="poem")], "items.0.contentType"),
            ([item(level=0)], "items.0.level"),
            ([item(level=11)], "items.0.level"),
            ([item(wasCorrect=None)], "items.0.wasCorrect"),
        ],
    )
    def test_hold_for_what_is_archived(self, items: list[Json], field: str) -> None:
        take(Items, {"items": [item(sectionText="\u4e2d" * 2000)] * 500})
        take(Items, {"items": []})

        assert list(refusal(Items, {"items": items})) == [field]


class TestSize:
    @pytest.mark.parametrize(("kind", "field"), [("page", "html"), ("variant", "alteredContent")])
    def test_of_a_document_is_at_most_a_mebibyte_of_json(self, kind: str, field: str) -> None:
        document = DOCUMENTS[kind]()
        short = 1024 * 1024 - checking.check(checking.read(ROWS[kind], document))
        grown = {**document, field: document[field] + "x" * short}

        assert checking.check(checking.read(ROWS[kind], grown)) == 1024 * 1024
        with pytest.raises(DocumentTooLargeError) as refused:
            take(ROWS[kind], {**grown, field: grown[field] + "x"})

        assert (refused.value.status, refused.value.code) == (413, "document_too_large")
        assert refused.value.fields == {
            "document": ["Must have at most 1048576 bytes as JSON; it has 1048577."]
        }

    def test_of_a_playable_page_is_at_most_a_quarter_of_that(self) -> None:
        def content_of(length: int) -> Document:
            sections = [section(1, text="x" * length), section(2, isTrue=False)]
            return checking.read(ROWS["content"], documents.content(sections=sections))

        length = 256 * 1024 - checking.check(content_of(0))

        assert checking.check(content_of(length)) == 256 * 1024
        with pytest.raises(DocumentTooLargeError) as refused:
            checking.check(content_of(length + 1))
        assert list(refused.value.fields) == ["content"]

    def test_counts_bytes_and_not_characters(self) -> None:
        ascii_size = checking.check(documents.read_page(html="a" * 1000))

        assert checking.check(documents.read_page(html="\u4e2d" * 1000)) == ascii_size + 2000


class TestPlayability:
    @pytest.mark.parametrize("text", ["", " ", "\n\t", "\u00a0", "\ufeff", " \ufeff "])
    def test_is_not_where_there_is_nothing(self, text: str) -> None:
        assert not checking.is_playable(text)

    @pytest.mark.parametrize("text", ["a", " <p></p>", "[]"])
    def test_is_where_there_is_something(self, text: str) -> None:
        assert checking.is_playable(text)


class TestNames:
    @pytest.mark.parametrize(
        ("path", "shown"),
        [
            ("pageIds", "page_ids"),
            ("elements.3.elementId", "elements.3.element_id"),
            ("mutationParams.maxFakeSpans", "mutation_params.max_fake_spans"),
            ("document", "document"),
        ],
    )
    def test_are_written_as_rest_does(self, path: str, shown: str) -> None:
        assert checking.snake(path) == shown
