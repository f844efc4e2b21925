"""The content that is shipped with the game: it is whole, and every page of it can be played."""

import hashlib
import html
import json
import re
from collections import Counter
from itertools import pairwise
from operator import itemgetter
from statistics import mean
from typing import Any
from urllib.parse import urlsplit

import pytest

from archives.rules import checking
from archives.rules.adapter import adapt
from archives.rules.content import KINDS, ROWS, Document, Page, PageContent, Variant
from archives.rules.playable import is_selectable, make_playable
from tests.house import source

Row = dict[str, Any]

CONTENT = source.ROOT / "archives" / "content"
PROJECT = "calgaryhacks2026"
CAPACITY = [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
MADE = [  # share of lies, subtlety, most lies on a page
    (0.05, 0.1, 1), (0.1, 0.194, 1), (0.15, 0.289, 2), (0.2, 0.383, 3), (0.25, 0.478, 4),
    (0.3, 0.572, 4), (0.35, 0.667, 5), (0.4, 0.761, 6), (0.45, 0.856, 7), (0.5, 0.95, 8),
]  # fmt: skip
READING_WORDS_PER_MINUTE = 230

DEMO = [  # key, kind, difficulty, seconds, sections, false ones
    ("demo-news-1", "news", 1, 55, 5, {"d1-s2", "d1-s5"}),
    ("demo-social-2", "social", 2, 50, 5, {"d2-s3"}),
    ("demo-blog-3", "blog", 4, 40, 6, {"d3-s3", "d3-s5"}),
    ("demo-wiki-4", "wiki", 5, 38, 6, {"d4-s3"}),
    ("demo-news-5", "news", 7, 25, 7, {"d5-s2", "d5-s5"}),
]
DIFFICULTIES = {"news": [1, 5, 7], "blog": [2, 5, 8], "social": [2, 4, 8], "wiki": [1, 5, 8]}
SECONDS = [(55, 60), (40, 40), (20, 25)]

ISSUES = {"falseReason", "sourceIssue", "dateIssue", "crossRefIssue", "emotionalLanguage"}
NODE = re.compile(r'<(\w+) data-element-id="(\w+)">(.*)</\1>')
SENTENCE = re.compile(r"(?<=[.!?])[\u201d\u2019)]?\s+")


def _rows(name: str) -> list[Row]:
    lines = (CONTENT / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def _of_kind(kind: str) -> list[Row]:
    return [row for row in PROJECT_ROWS if row["kind"] == kind]


def _document(row: Row) -> Document:
    fields = {name: value for name, value in row.items() if name != "kind"}
    document = checking.read(ROWS[row["kind"]], fields)
    checking.check(document)
    return document


def _variant(row: Row) -> Variant:
    document = _document(row)
    assert isinstance(document, Variant)
    return document


def _digest(text: str, length: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def _nodes(variant: Row) -> dict[str, tuple[str, str]]:
    """Return tag and text of the variant's elements, by their ids."""
    found = [NODE.fullmatch(line) for line in variant["alteredContent"].splitlines()]
    return {node[2]: (node[1], html.unescape(node[3])) for node in found if node}


def _false_ids(content: Row) -> set[str]:
    return {section["id"] for section in content["sections"] if not section["isTrue"]}


DEMO_ROWS = _rows("demo")
PROJECT_ROWS = _rows(PROJECT)
CONTENTS = [row["content"] for row in DEMO_ROWS]
CACHE = [row["content"] for row in DEMO_ROWS if not row["isDemo"]]
LEVELS, PAGES, VARIANTS = _of_kind("level"), _of_kind("page"), _of_kind("variant")
PAGE_OF = {page["pageId"]: page for page in PAGES}

each_content = pytest.mark.parametrize("content", CONTENTS, ids=lambda content: content["id"])
each_variant = pytest.mark.parametrize(
    "variant", VARIANTS, ids=lambda variant: PAGE_OF[variant["pageId"]]["url"]
)


class TestFiles:
    def test_are_in_the_package(self) -> None:
        files = {path.name for path in CONTENT.iterdir()}

        assert "archives" in source.PACKAGES
        assert files == {"demo.jsonl", f"{PROJECT}.jsonl"}

    def test_hold_only_what_the_rules_take(self) -> None:
        documents = [_document(row) for row in [*DEMO_ROWS, *PROJECT_ROWS]]

        assert len(documents) == len(DEMO) + 12 + 10 + 30 + 30

    def test_name_only_sites_that_nobody_can_own(self) -> None:
        hosts = [urlsplit(each["url"]).hostname for each in [*CONTENTS, *PAGES]]

        assert [host for host in hosts if not host or not host.endswith(".example")] == []

    def test_say_nothing_twice(self) -> None:
        texts = [section["text"] for content in CONTENTS for section in content["sections"]]
        texts += [text for variant in VARIANTS for _, text in _nodes(variant).values()]
        sentences = Counter(found for text in texts for found in SENTENCE.split(text))

        assert [found for found, n in sentences.items() if n > 1 and len(found) > 15] == []


class TestDemo:
    def test_is_these_pages_in_this_order(self) -> None:
        pages = [row["content"] for row in DEMO_ROWS if row["isDemo"]]
        facts = itemgetter("id", "contentType", "difficulty", "decayDuration")

        assert [(*facts(page), len(page["sections"]), _false_ids(page)) for page in pages] == DEMO

    def test_numbers_sections_by_page(self) -> None:
        for number, content in enumerate(CONTENTS[: len(DEMO)], 1):
            ids = [section["id"] for section in content["sections"]]

            assert ids == [f"d{number}-s{n}" for n in range(1, len(ids) + 1)]


class TestCache:
    @pytest.mark.parametrize("kind", KINDS)
    def test_has_an_easy_a_medium_and_a_hard_page_of_each_kind(self, kind: str) -> None:
        pages = [content for content in CACHE if content["contentType"] == kind]

        assert [page["difficulty"] for page in pages] == DIFFICULTIES[kind]
        for page, (least, most) in zip(pages, SECONDS, strict=True):
            assert least <= page["decayDuration"] <= most

    @pytest.mark.parametrize("content", CACHE, ids=lambda content: content["id"])
    def test_has_some_truth_and_some_lies_on_each_page(self, content: Row) -> None:
        ids = [section["id"] for section in content["sections"]]

        assert 4 <= len(ids) <= 7
        assert ids == [f"s{n}" for n in range(1, len(ids) + 1)]
        assert 1 <= len(_false_ids(content)) <= 3


class TestPlayablePage:
    def test_is_kept_under_its_own_id(self) -> None:
        assert [row["key"] for row in DEMO_ROWS] == [content["id"] for content in CONTENTS]
        assert len({content["id"] for content in CONTENTS}) == len(CONTENTS)

    @each_content
    def test_can_be_read_before_it_is_gone(self, content: Row) -> None:
        words = sum(len(section["text"].split()) for section in content["sections"])

        assert words <= READING_WORDS_PER_MINUTE * content["decayDuration"] / 60

    @each_content
    def test_says_why_the_false_is_false_and_nothing_of_the_rest(self, content: Row) -> None:
        for section in content["sections"]:
            notes = section.keys() & ISSUES

            assert ("falseReason" in notes) is not section["isTrue"]
            assert not (notes and section["isTrue"])
            assert all(section[name].strip() for name in notes)

    @each_content
    def test_decays_piece_by_piece(self, content: Row) -> None:
        orders = {section["decayOrder"] for section in content["sections"]}

        assert len(orders) >= 4
        assert {section["archiveCost"] for section in content["sections"]} == {1}

    @each_content
    def test_keeps_both_for_the_referee(self, content: Row) -> None:
        page = checking.read(PageContent, content)

        assert make_playable(page) == page


class TestLevels:
    def test_are_ten_and_grow(self) -> None:
        assert [level["difficulty"] for level in LEVELS] == list(range(1, 11))
        ids = [f"{PROJECT}_level_{number:02d}" for number in range(1, 11)]

        assert [level["levelId"] for level in LEVELS] == ids
        assert [len(level["pageIds"]) for level in LEVELS] == CAPACITY

    def test_say_how_they_were_made(self) -> None:
        made = itemgetter("fakeRate", "subtlety", "maxFakeSpans")

        assert [made(level["mutationParams"]) for level in LEVELS] == MADE

    def test_list_the_pages_of_their_variants(self) -> None:
        for level in LEVELS:
            mine = [each for each in VARIANTS if each["levelId"] == level["levelId"]]

            assert level["pageIds"] == sorted({each["pageId"] for each in mine})
            assert {each["difficulty"] for each in mine} == {level["difficulty"]}
            assert len(mine) == len(level["pageIds"])

    def test_have_more_lies_the_harder_they_are(self) -> None:
        lies = [
            [len(each["fakeMarks"]) for each in VARIANTS if each["levelId"] == level["levelId"]]
            for level in LEVELS
        ]

        assert all(mean(easier) <= mean(harder) for easier, harder in pairwise(lies))
        for level, counts in zip(LEVELS, lies, strict=True):
            assert max(counts) <= level["mutationParams"]["maxFakeSpans"]

    def test_have_pages_of_every_kind(self) -> None:
        kinds = Counter(adapt(_variant(each)).content_type for each in VARIANTS)

        assert set(kinds) == set(KINDS)
        assert min(kinds.values()) >= 6


class TestPages:
    def test_have_ids_that_follow_from_what_they_are(self) -> None:
        for page in PAGES:
            assert page["pageId"] == _digest(page["url"], 16)
            for index, each in enumerate(page["elements"]):
                what = f"{each['tag']}:{index}:{each['text'][:80]}"
                assert each["elementId"] == _digest(what, 12)

    def test_hold_their_elements_in_order(self) -> None:
        for page in PAGES:
            place = 0
            for each in page["elements"]:
                text = html.escape(each["text"], quote=False)
                place = page["html"].index(f"<{each['tag']}>{text}</{each['tag']}>", place) + 1

    def test_hold_nothing_that_could_be_drawn(self) -> None:
        for page in PAGES:
            assert (page["assets"], page["styles"]) == ([], [])
            assert {element["bbox"] for element in page["elements"]} == {None}
            assert not re.search(r"<script|<style|<img|\son\w+=", page["html"])


class TestVariants:
    def test_have_ids_of_their_own(self) -> None:
        ids = {variant["variantId"] for variant in VARIANTS}

        assert len(ids) == 30
        assert all(re.fullmatch(r"[0-9a-f]{16}", each) for each in ids)

    @each_variant
    def test_mark_each_lie_where_it_is_and_nowhere_else(self, variant: Row) -> None:
        nodes = _nodes(variant)
        for mark in variant["fakeMarks"]:
            snippet = mark["snippet"].lower()
            holders = [each for each, (_, text) in nodes.items() if snippet in text.lower()]

            assert holders == [mark["elementId"]]
            assert nodes[mark["elementId"]][1].count(mark["snippet"]) == 1
            assert mark["explanation"].strip()

    @each_variant
    def test_change_the_page_where_they_say_so_and_nowhere_else(self, variant: Row) -> None:
        marked = {mark["elementId"] for mark in variant["fakeMarks"]}
        elements = PAGE_OF[variant["pageId"]]["elements"]
        nodes = _nodes(variant)

        assert list(nodes) == [element["elementId"] for element in elements]
        for element in elements:
            tag, text = nodes[element["elementId"]]
            assert tag == element["tag"]
            assert (text != element["text"]) is (element["elementId"] in marked)

    @each_variant
    def test_become_pages_that_can_be_won(self, variant: Row) -> None:
        document, original = _variant(variant), _document(PAGE_OF[variant["pageId"]])
        assert isinstance(original, Page)
        for page in (adapt(document), adapt(document, original)):
            truths = [each.is_true for each in page.sections if is_selectable(each)]

            assert make_playable(page) == page
            assert len(page.sections) >= 4
            assert truths.count(True) >= 2
            assert truths.count(False) >= 1

    @each_variant
    def test_lose_nothing_on_the_way(self, variant: Row) -> None:
        title, *nodes = _nodes(variant).items()
        false = {mark["elementId"] for mark in variant["fakeMarks"]}
        page = adapt(_variant(variant))

        assert page.title == title[1][1]
        assert [(each.id, each.text) for each in page.sections] == [
            (element_id, text) for element_id, (_, text) in nodes
        ]
        assert {each.id for each in page.sections if not each.is_true} == false
