"""A page's time, and the tools against it."""

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

import pytest

from archives.errors import LifelineUsedError, NothingToPurgeError, SectionNotOnPageError
from archives.rules import play
from archives.rules.adapter import adapt
from archives.rules.play import FREEZE, GRACE, Lifeline, PageState
from archives.rules.playable import make_playable
from tests.archives.variants import mark, page, variant

HEAD = '<h2 data-element-id="head">A part of it</h2>'


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def dice(seed: int = 1) -> Random:
    return Random(seed)  # noqa: S311 - players' dice


@pytest.fixture
def state(now: datetime) -> PageState:
    """A page of 120 seconds, on level 1: a headline, two true sections and two false ones."""
    marks = [mark(element_id="b"), mark(element_id="c")]
    content = page("a", "b", after=HEAD) + page("c", "d")
    played = make_playable(adapt(variant(content, marks, difficulty=1)))
    return PageState(page=played, level=1, started_at=now)


class TestProgress:
    @pytest.mark.parametrize(
        ("after", "progress"), [(-5, 0), (0, 0), (60, 0.5), (120, 1), (500, 1)]
    )
    def test_is_the_share_of_the_pages_time(
        self, state: PageState, now: datetime, after: float, progress: float
    ) -> None:
        assert play.progress(state, now=now + seconds(after)) == progress

    def test_follows_the_curve_of_the_runs_level(self, state: PageState, now: datetime) -> None:
        late = now + seconds(60)

        assert play.progress(replace(state, level=4), now=late) == 0.5
        assert play.progress(replace(state, level=7), now=late) == 0.25
        assert play.progress(replace(state, level=10), now=late) == 0.125


class TestDeadline:
    def test_is_when_the_pages_time_is_over(self, state: PageState, now: datetime) -> None:
        assert play.deadline(state) == now + seconds(120)
        assert not play.is_over(state, now=now + seconds(120) + GRACE)
        assert play.is_over(state, now=now + seconds(120.001) + GRACE)

    def test_comes_after_the_beginning(self, state: PageState, now: datetime) -> None:
        assert play.is_early(state, now=now - seconds(0.001))
        assert not play.is_early(state, now=now)


class TestFreeze:
    def test_stops_the_decay(self, state: PageState, now: datetime) -> None:
        frozen = play.freeze(state, now=now + seconds(30))

        assert play.progress(frozen, now=now + seconds(30)) == 0.25
        assert play.progress(frozen, now=now + seconds(40)) == 0.25
        assert play.deadline(frozen) == now + seconds(120) + FREEZE

    def test_ends_by_itself(self, state: PageState, now: datetime) -> None:
        frozen = play.freeze(state, now=now + seconds(30))

        assert play.progress(frozen, now=now + seconds(60) + FREEZE) == 0.5

    def test_ends_with_a_selection(self, state: PageState, now: datetime) -> None:
        thawed = play.thaw(play.freeze(state, now=now + seconds(30)), now=now + seconds(40))

        assert play.deadline(thawed) == now + seconds(130)
        assert play.progress(thawed, now=now + seconds(70)) == 0.5
        assert play.thaw(thawed, now=now + seconds(41)) == thawed

    def test_that_has_ended_is_not_longer_for_a_selection(
        self, state: PageState, now: datetime
    ) -> None:
        frozen = play.freeze(state, now=now)

        assert play.deadline(play.thaw(frozen, now=now + seconds(100))) == play.deadline(frozen)

    def test_is_not_ended_by_a_selection_where_there_is_none(
        self, state: PageState, now: datetime
    ) -> None:
        assert play.thaw(state, now=now) == state

    def test_does_not_count_before_it_began(self, state: PageState, now: datetime) -> None:
        frozen = play.freeze(state, now=now + seconds(60))

        assert play.progress(frozen, now=now + seconds(30)) == 0.25


class TestVerify:
    @pytest.mark.parametrize(("key", "is_true"), [("a", True), ("b", False)])
    def test_tells_the_truth(self, state: PageState, key: str, is_true: bool) -> None:
        after, told = play.verify(state, key)

        assert told is is_true
        assert after.used == {Lifeline.VERIFY}

    @pytest.mark.parametrize("key", ["x", "head"])
    def test_tells_it_of_what_can_be_chosen(self, state: PageState, key: str) -> None:
        with pytest.raises(SectionNotOnPageError):
            play.verify(state, key)


class TestPurge:
    def test_takes_any_false_section_away(self, state: PageState) -> None:
        purged = {play.purge(state, random=dice(seed))[1] for seed in range(20)}

        assert purged == {"b", "c"}

    def test_takes_none_twice_and_is_kept_if_there_is_none(self, state: PageState) -> None:
        gone = replace(state, purged=frozenset("bc"))

        with pytest.raises(NothingToPurgeError):
            play.purge(gone, random=dice())

        after, purged = play.purge(replace(state, purged=frozenset("b")), random=dice())
        assert (purged, set(after.purged)) == ("c", {"b", "c"})


class TestLifelines:
    def test_are_used_once_for_each_page(self, state: PageState, now: datetime) -> None:
        state, _ = play.verify(state, "a")
        state = play.freeze(state, now=now)
        state, _ = play.purge(state, random=dice())

        assert state.used == set(Lifeline)
        with pytest.raises(LifelineUsedError) as refusal:
            play.verify(state, "a")
        assert refusal.value.data == {"lifeline": "verify"}
        with pytest.raises(LifelineUsedError):
            play.freeze(state, now=now)
        with pytest.raises(LifelineUsedError):
            play.purge(state, random=dice())

    def test_do_not_tell_of_what_was_purged(self, state: PageState) -> None:
        state, purged = play.purge(state, random=dice())

        with pytest.raises(SectionNotOnPageError):
            play.verify(state, purged)
