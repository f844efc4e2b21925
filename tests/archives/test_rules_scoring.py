"""What solo play is worth."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from archives.errors import (
    EnergyLeftError,
    EnergyOverspentError,
    SectionChosenTwiceError,
    SectionNotOnPageError,
)
from archives.rules.adapter import adapt
from archives.rules.content import PageContent
from archives.rules.playable import energy_of, make_playable
from archives.rules.scoring import (
    Outcome,
    Standing,
    bound_sections,
    chosen_sections,
    score_archive,
    score_timeout,
    solo_bound,
)
from archives.rules.sections import text_section
from tests.archives.variants import mark, page, paragraph, variant

SECTION = text_section("s", "A section.")


def archive(truths: str, *, progress: float = 0.5, standing: Standing | None = None) -> Outcome:
    """Archive sections, a letter for each: ``t`` for a true one, ``f`` for a false one."""
    sections = [replace(SECTION, is_true=letter == "t") for letter in truths]
    return score_archive(standing or Standing(), sections, progress=progress)


def points(outcome: Outcome) -> list[int]:
    return [each.points for each in outcome.judged]


class TestArchive:
    def test_counts_each_section_more_than_the_one_before(self) -> None:
        outcome = archive("tttt")

        assert points(outcome) == [100, 125, 150, 175]
        assert outcome.points == 550
        assert outcome.standing == Standing(550, 4, 4, 4, 4, 1)

    def test_counts_in_the_order_of_choice(self) -> None:
        outcome = archive("ttft", progress=0.95)

        assert points(outcome) == [150, 188, -150, 150]
        assert outcome.standing == Standing(338, 1, 2, 4, 3, 1)
        assert [each.was_correct for each in outcome.judged] == [True, True, False, True]

    def test_goes_on_with_the_combo_of_the_page_before(self) -> None:
        outcome = archive("ttt", progress=1.0, standing=Standing(combo=4, best_combo=5))

        assert points(outcome) == [300, 338, 375]
        assert (outcome.points, outcome.standing.combo) == (1013, 7)
        assert outcome.standing.best_combo == 7

    def test_may_cost(self) -> None:
        assert archive("ff", standing=Standing(score=100)).standing.score == -200

    @pytest.mark.parametrize(
        ("progress", "is_clutch", "brought"),
        [(0.8999, False, 100), (0.9, True, 150), (1, True, 150)],
    )
    def test_is_clutch_from_nine_tenths_on(
        self, progress: float, is_clutch: bool, brought: int
    ) -> None:
        outcome = archive("t", progress=progress)

        assert (outcome.is_clutch, outcome.points) == (is_clutch, brought)

    def test_takes_as_much_for_a_lie_at_the_end_as_before(self) -> None:
        assert archive("f", progress=1.0).points == archive("f", progress=0.1).points == -150


class TestTimeout:
    @pytest.mark.parametrize(
        ("before", "after"), [(1000, 600), (400, 0), (399, 0), (0, 0), (-150, 0)]
    )
    def test_takes_400_but_not_below_zero(self, before: int, after: int) -> None:
        outcome = score_timeout(Standing(before, 6, 8, archived=4, correct=3, pages_completed=2))

        assert outcome.standing == Standing(after, 0, 8, 4, 3, 3)
        assert (outcome.judged, outcome.points) == ((), 0)


class TestAccuracy:
    @pytest.mark.parametrize(
        ("correct", "archived", "percent"),
        [(0, 0, 0), (0, 3, 0), (1, 3, 33), (2, 3, 67), (1, 8, 13), (5, 8, 63), (3, 3, 100)],
    )
    def test_is_a_share_with_halves_rounded_up(
        self, correct: int, archived: int, percent: int
    ) -> None:
        assert Standing(correct=correct, archived=archived).accuracy == percent


class TestSoloBound:
    @pytest.mark.parametrize(
        ("sections", "most"),
        [(0, 0), (1, 150), (2, 338), (3, 563), (20, 10_125 + 5), (40, 35_250 + 10)],
    )
    def test_is_the_sum_of_all_in_one_combo(self, sections: int, most: int) -> None:
        # 150 K + 18.75 K (K - 1) is before rounding, which gives half a point to every second one.
        assert solo_bound(sections) == most
        assert 0 <= most - (150 * sections + 18.75 * sections * (sections - 1)) <= sections / 4

    @given(
        pages=st.lists(st.tuples(st.text("tf", max_size=8), st.floats(0, 1)), max_size=8),
        lost=st.sets(st.integers(0, 7)),
    )
    def test_d3_is_never_passed(self, pages: list[tuple[str, float]], lost: set[int]) -> None:
        standing = Standing()
        for at, (truths, progress) in enumerate(pages):
            if at in lost:
                standing = score_timeout(standing).standing
            else:
                standing = archive(truths, progress=progress, standing=standing).standing

        assert standing.score <= solo_bound(sum(truths.count("t") for truths, _ in pages))

    def test_d3_is_reached(self) -> None:
        standing = Standing()
        for truths in ("ttt", "t", "tttttt"):
            standing = archive(truths, progress=1.0, standing=standing).standing

        assert standing.score == solo_bound(10)


class TestBoundSections:
    def test_are_those_that_browsers_let_players_choose_too(self) -> None:
        head = '<h2 data-element-id="x">A part</h2>'
        adapted = adapt(variant(page("a", "b", after=head), [mark(element_id="a")]))

        assert bound_sections(adapted) == 2

    def test_are_those_that_the_server_adds_too(self) -> None:
        marks = [mark(element_id="a"), mark(element_id="b")]

        assert bound_sections(adapt(variant(page("a", "b"), marks))) == 1


@pytest.fixture
def played() -> PageContent:
    """A page of three true sections, a false one and a headline."""
    head = '<h2 data-element-id="head">A part of it</h2>'
    content = page("a", "b", after=head) + page("c", "d")
    return make_playable(adapt(variant(content, [mark(element_id="b")])))


class TestChosenSections:
    def test_are_in_the_order_of_choice(self, played: PageContent) -> None:
        chosen = chosen_sections(played, ["d", "a", "c"])

        assert [section.id for section in chosen] == ["d", "a", "c"]

    def test_may_be_wrong(self, played: PageContent) -> None:
        chosen = chosen_sections(played, ["a", "b", "c"])

        assert [section.is_true for section in chosen] == [True, False, True]

    @pytest.mark.parametrize("key", ["x", "", "A", "head"])
    def test_dust_sc_2_are_on_the_page_and_cost_something(
        self, played: PageContent, key: str
    ) -> None:
        with pytest.raises(SectionNotOnPageError) as refusal:
            chosen_sections(played, ["a", key, "c"])

        assert list(refusal.value.fields) == ["section_ids.1"]

    def test_are_not_pictures(self) -> None:
        picture = replace(text_section("i", ""), image_src="https://e.x/a.png")
        adapted = adapt(variant(page("a", "b"), [mark(element_id="b")]))
        shown = replace(adapted, sections=[*adapted.sections, picture])

        with pytest.raises(SectionNotOnPageError):
            chosen_sections(shown, ["i"])
        assert energy_of(shown) == 1

    def test_are_not_purged(self, played: PageContent) -> None:
        with pytest.raises(SectionNotOnPageError) as refusal:
            chosen_sections(played, ["a", "b", "c"], purged={"b"})

        assert list(refusal.value.fields) == ["section_ids.1"]

    def test_are_chosen_once(self, played: PageContent) -> None:
        with pytest.raises(SectionChosenTwiceError) as refusal:
            chosen_sections(played, ["a", "c", "a"])

        assert list(refusal.value.fields) == ["section_ids.2"]

    @pytest.mark.parametrize("keys", [[], ["a"], ["a", "d"]])
    def test_dust_sc_1_spend_all_energy(self, played: PageContent, keys: list[str]) -> None:
        with pytest.raises(EnergyLeftError) as refusal:
            chosen_sections(played, keys)

        assert refusal.value.data == {"energy": 3, "left": 3 - len(keys)}

    def test_spend_no_more_energy_than_there_is(self, played: PageContent) -> None:
        with pytest.raises(EnergyOverspentError) as refusal:
            chosen_sections(played, ["a", "b", "c", "d"])

        assert refusal.value.data == {"energy": 3, "overspent": 1}

    def test_cost_what_they_say(self) -> None:
        content = adapt(variant(paragraph("a") + paragraph("b"), [mark(element_id="b")]))
        dear = replace(content, sections=[replace(content.sections[0], archive_cost=3.0)])

        assert energy_of(dear) == 3
        assert [section.id for section in chosen_sections(dear, ["a"])] == ["a"]
