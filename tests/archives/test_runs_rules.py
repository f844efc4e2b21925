"""Which pages fit into a run, on which level it begins, and when its pages are over."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archives.errors import InvalidRunError
from archives.rules import checking, play, runs
from archives.rules.adapter import adapt
from archives.rules.content import ITEM_TEXT_MAX, MAX_ITEMS, NOTE_MAX, PageContent
from archives.rules.play import GRACE, PageState
from archives.rules.playable import is_winnable, make_playable, selectable, with_place_ids
from archives.rules.runs import Fate, Mode
from dust.errors import ConflictError
from tests.archives.documents import read_content, section
from tests.archives.variants import mark, variant


def page(sections: int = 2, *, cost: int = 1, text: str = "It is so.") -> PageContent:
    """Return a page of so many sections, of which the first is false."""
    made = [
        section(number, isTrue=number > 1, archiveCost=cost, text=text)
        for number in range(1, sections + 1)
    ]
    return read_content(sections=made).content


class TestCheckStart:
    @pytest.mark.parametrize(
        ("mode", "level", "begins_at"),
        [
            (Mode.LEVEL, 1, 1),
            (Mode.LEVEL, 10, 10),
            (Mode.QUICK, None, 1),
            (Mode.QUICK, 7, 1),
            (Mode.DEMO, None, 1),
        ],
    )
    def test_begins_on_the_level_that_is_played(
        self, mode: Mode, level: int | None, begins_at: int
    ) -> None:
        assert runs.check_start(mode, level) == begins_at

    @pytest.mark.parametrize("level", [-1, 0, 11])
    @pytest.mark.parametrize("mode", [Mode.LEVEL, Mode.QUICK])
    def test_knows_ten_levels(self, mode: Mode, level: int) -> None:
        with pytest.raises(InvalidRunError):
            runs.check_start(mode, level)


class TestFitting:
    def test_takes_pages_in_their_order(self) -> None:
        pages = [page(number) for number in (4, 2, 3)]

        assert runs.fitting(pages) == pages
        assert runs.fitting([]) == []

    def test_takes_no_more_than_a_board_counts(self) -> None:
        assert len(runs.fitting([page()] * 101)) == runs.MAX_PAGES == 100

    @pytest.mark.parametrize(("sections", "cost", "count"), [(101, 1, 5), (51, 1, 10), (51, 5, 9)])
    def test_takes_no_more_than_an_archive_holds(
        self, sections: int, cost: int, count: int
    ) -> None:
        """Energy bounds what can be archived, and so does what there is to choose."""
        taken = runs.fitting([page(sections, cost=cost)] * 20)

        assert len(taken) == count
        most = min(sections, (sections - 1) * cost)
        assert len(taken) * most <= MAX_ITEMS < (len(taken) + 1) * most

    def test_takes_no_more_bytes_than_it_may(self) -> None:
        large = page(3, text="x" * 400_000)

        assert len(runs.fitting([large] * 9)) == 3

    def test_asks_for_no_page_after_the_last(self) -> None:
        def pages() -> Any:
            yield page()
            yield page(200, cost=10, text="y" * 30_000)
            raise AssertionError("One too many was asked for.")

        assert len(runs.fitting(pages())) == 1


class TestOverAt:
    @pytest.mark.parametrize("frozen", [False, True])
    def test_is_the_first_moment_at_which_the_page_is_over(
        self, now: datetime, frozen: bool
    ) -> None:
        state = PageState(page=page(), level=1, started_at=now)
        if frozen:
            state = play.freeze(state, now=now + timedelta(seconds=5))

        over = runs.over_at(state)

        assert play.is_over(state, now=over)
        assert not play.is_over(state, now=over - datetime.resolution)
        assert over - play.deadline(state) == GRACE + datetime.resolution


class TestFates:
    def test_each_have_a_refusal_of_their_own(self) -> None:
        assert runs.OVER.keys() == set(Fate)
        assert len(set(runs.OVER.values())) == len(Fate)
        assert all(issubclass(each, ConflictError) for each in runs.OVER.values())


class TestPages:
    @given(
        content=st.text(max_size=300),
        snippets=st.lists(st.text(max_size=20), max_size=4),
        difficulty=st.integers(1, 10),
    )
    def test_of_a_run_can_be_stored_read_and_won_whatever_they_are_made_of(
        self, content: str, snippets: list[str], difficulty: int
    ) -> None:
        marks = [mark(snippet, explanation="e" * NOTE_MAX) for snippet in snippets]
        adapted = adapt(variant(content, marks, difficulty=difficulty))

        kept = with_place_ids(make_playable(adapted))
        stored = msgspec.json.encode(checking.plain(kept))
        read = msgspec.convert(msgspec.json.decode(stored), PageContent)

        assert read == kept
        assert is_winnable(read)
        assert all(len(each.id) <= runs.SECTION_PLACE_MAX for each in read.sections)
        assert all("\0" not in each.text[:ITEM_TEXT_MAX] for each in selectable(read))
