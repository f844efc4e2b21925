"""Whatever a variant holds, it becomes a page that can be won, and that gives nothing away."""

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from archives.rules.adapter import adapt
from archives.rules.checking import plain, read
from archives.rules.content import MAX_SECTIONS, FactCheckData, PageContent
from archives.rules.playable import (
    energy_of,
    is_winnable,
    make_playable,
    redact,
    selectable,
    with_place_ids,
)
from archives.rules.scoring import (
    Standing,
    bound_sections,
    chosen_sections,
    score_archive,
    solo_bound,
)
from archives.rules.sections import is_image
from archives.rules.sources import LooseMark, LooseOriginal, LooseVariant, Source

# Elements that carry content, formatting, containers, and those that parsers stumble over.
_TAGS = (
    "h1 h2 h3 h6 p li blockquote figcaption cite time span pre code img b a ul div table tr td "
    "template select option svg math title script style textarea body head frameset br x-y"
)
TAGS = tuple(_TAGS.split())
WORDS = ("Share", "this.", "2", "A tower", "of 300 metres", "wiki", "shocking!", "1999", "“Why?”")
IDS = ("a", "b", "a__2", "html-0", "json-1", "", "s1", "é", "x" * 300)

words = st.one_of(
    st.sampled_from(WORDS),
    st.text(max_size=20),
    st.integers(1, 60).map(lambda count: "word " * count + "end. "),
)
texts = st.lists(words, max_size=4).map(" ".join)
attributes = st.dictionaries(
    st.sampled_from(["data-element-id", "src", "alt", "onclick", "DATA-ELEMENT-ID", "a b='"]),
    st.one_of(st.sampled_from(IDS), st.sampled_from(["javascript:x", "&quot;&lt", "\0"]), texts),
    max_size=3,
)


def _open(tag: str, given: dict[str, str]) -> str:
    return f"<{tag}" + "".join(f' {name}="{value}"' for name, value in given.items()) + ">"


markup = st.one_of(
    texts,
    st.builds(_open, st.sampled_from(TAGS), attributes),
    st.builds(_open, st.sampled_from(TAGS), attributes),
    st.sampled_from(TAGS).map("</{}>".format),
    st.builds(
        lambda tag, given, text: f"{_open(tag, given)}{text}</{tag}>",
        st.sampled_from(TAGS),
        attributes,
        texts,
    ),
    st.sampled_from(
        ["<!--", "-->", "<![CDATA[", "]]>", "<!doctype html>", "<?x", "&#0;", "</", "<"]
    ),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), texts),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=5,
)
items = st.one_of(
    values,
    st.dictionaries(
        st.sampled_from(["elementId", "type", "text", "src", "alt", "other"]),
        st.one_of(texts, st.sampled_from(IDS + TAGS), values),
    ),
)
contents = st.one_of(
    st.lists(markup, max_size=30).map("".join),
    st.lists(items, max_size=12).map(json.dumps),
    st.text(),
    st.integers(1, 400).map(lambda n: "".join(f"<h2>{i}</h2><p>{'x. ' * 90}" for i in range(n))),
)
marks = st.lists(
    st.builds(
        LooseMark,
        snippet=st.one_of(st.sampled_from(["", " ", "word", "TOWER"]), words),
        explanation=texts,
        element_id=st.one_of(st.just(UNSET), st.none(), st.sampled_from(IDS[:-1])),
    ),
    max_size=4,
)
variants = st.builds(
    LooseVariant,
    variant_id=st.text(min_size=1, max_size=16),
    difficulty=st.integers(1, 10).map(float),
    altered_content=contents,
    fake_marks=marks,
)
originals = st.none() | st.builds(
    LooseOriginal,
    title=st.none() | texts.map(lambda text: text[:1000]),
    url=st.none()
    | st.sampled_from(["", "https://e.x/blog/1", "gopher://e.x"])
    | st.text(max_size=9),
    captured_at=st.none() | st.sampled_from(["2026-03-14T15:09:26Z", "2026-02-30"]) | st.text(),
)

anything = given(st.builds(Source, variant=variants, original=originals))


def won(page: PageContent) -> list[str]:
    """Return what a player has to choose to win."""
    return [section.id for section in selectable(page) if section.is_true]


class TestAdapt:
    @anything
    def test_makes_a_page_of_anything(self, source: Source) -> None:
        page = adapt(source.variant, source.original)

        assert len(page.sections) >= 2
        assert len({section.id for section in page.sections}) == len(page.sections)
        assert all(section.text or is_image(section) for section in page.sections)
        assert {section.is_true for section in page.sections} != {True}
        assert adapt(source.variant, source.original) == page

    @anything
    def test_makes_what_can_be_stored_once_it_is_playable(self, source: Source) -> None:
        variant = replace(source.variant, variant_id="v1")  # which is not the page's to choose
        page = make_playable(adapt(variant, source.original))

        assert plain(read(PageContent, plain(page))) == plain(page)
        assert msgspec.json.encode(page)


class TestMakePlayable:
    """DUST-SC-1: whatever a page was made of, it can be won, and it can be lost."""

    @anything
    def test_d27_every_page_can_be_won(self, source: Source) -> None:
        page = with_place_ids(make_playable(adapt(source.variant, source.original)))

        chosen = chosen_sections(page, won(page))
        outcome = score_archive(Standing(), chosen, progress=0.5)

        assert is_winnable(page)
        assert sum(section.archive_cost for section in chosen) == energy_of(page) >= 1
        assert all(each.was_correct for each in outcome.judged)
        assert outcome.standing.accuracy == 100

    @anything
    def test_d27_every_page_can_be_lost(self, source: Source) -> None:
        page = make_playable(adapt(source.variant, source.original))

        assert any(not section.is_true for section in selectable(page))

    @anything
    def test_calls_nothing_true_or_false_that_was_not(self, source: Source) -> None:
        adapted = adapt(source.variant, source.original)
        page = make_playable(adapted)

        before = [(each.text, each.is_true) for each in adapted.sections]
        after = [(each.text, each.is_true) for each in page.sections]
        assert len(after) <= MAX_SECTIONS
        if len(before) <= MAX_SECTIONS - 2:
            assert after[: len(before)] == before
            assert len(after) <= len(before) + 2
        else:
            assert set(after[:-2]) <= set(before)

    @anything
    def test_d3_its_bound_covers_all_that_it_can_bring(self, source: Source) -> None:
        adapted = adapt(source.variant, source.original)
        page = make_playable(adapted)

        best = score_archive(Standing(), chosen_sections(page, won(page)), progress=1.0)

        assert best.points <= solo_bound(bound_sections(adapted))

    @anything
    def test_is_done_once(self, source: Source) -> None:
        page = make_playable(adapt(source.variant, source.original))

        assert make_playable(page) == page


def other_truths(page: PageContent, *, flips: int, hint: str) -> PageContent:
    """Return a page that differs in truth alone, and in what follows from it."""
    changes: dict[str, Any] = {"false_reason": hint, "source_issue": True, "date_issue": hint}
    sections = [
        replace(section, is_true=not section.is_true, **changes) if flips >> at & 1 else section
        for at, section in enumerate(page.sections)
    ]
    hints = FactCheckData(
        source_credibility=1,
        date_accuracy=False,
        emotional_language_score=2,
        cross_reference_hits=[hint],
        author_history=hint,
    )
    return replace(page, sections=sections, fact_check_data=hints)


class TestRedact:
    @given(variants, st.integers(min_value=0), st.text(max_size=9))
    def test_d20_shows_the_same_whatever_is_true(
        self, variant: LooseVariant, flips: int, hint: str
    ) -> None:
        page = make_playable(adapt(variant))

        shown = msgspec.to_builtins(redact(page))

        assert msgspec.to_builtins(redact(other_truths(page, flips=flips, hint=hint))) == shown

    @anything
    def test_d20_shows_nothing_but_the_page(self, source: Source) -> None:
        shown = msgspec.to_builtins(redact(make_playable(adapt(source.variant))))

        assert shown.keys() == {
            *("id", "title", "contentType", "author", "date", "url"),
            *("difficulty", "decayDuration", "sections"),
        }
        named = set().union(*(section.keys() for section in shown["sections"]))
        least = {"id", "text", "category", "decayOrder", "archiveCost"}
        assert least <= named <= least | {"imageSrc", "imageAlt"}
