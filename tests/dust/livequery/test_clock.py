from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from dust.livequery.clock import (
    BLOCK,
    MARGIN,
    MOST_AHEAD,
    Clock,
    ClockExhaustedError,
    process_clock,
)
from dust.livequery.models import Change

NOON = 1_800_000_000 * 10**9
HOUR = 3_600 * 10**9


class Wall:
    """A wall clock that shows what it is told to show."""

    def __init__(self, shows: int = NOON) -> None:
        self.shows = shows

    def __call__(self) -> int:
        return self.shows


def high_water() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT high_water FROM livequery_clock")
        (found,) = cursor.fetchone()
    return int(found)


class TestIssue:
    def test_shows_the_wall_clock(self) -> None:
        wall = Wall()
        clock = Clock(wall=wall)

        first = clock.issue()
        wall.shows += 5
        second = clock.issue()

        assert (first, second) == (NOON, NOON + 5)

    def test_counts_on_while_the_wall_clock_stands_or_goes_back(self) -> None:
        wall = Wall()
        clock = Clock(wall=wall)

        first = clock.issue()
        second = clock.issue()
        wall.shows -= HOUR
        third = clock.issue()

        assert (second, third) == (first + 1, first + 2)

    def test_never_repeats_itself_to_threads(self) -> None:
        clock = Clock(wall=Wall())

        def take(_: int) -> list[int]:
            return [clock.issue() for _ in range(500)]

        with ThreadPoolExecutor(8) as pool:
            taken = list(pool.map(take, range(8)))

        assert all(own == sorted(own) for own in taken)
        assert len({ts for own in taken for ts in own}) == 8 * 500

    def test_is_the_processs_own(self) -> None:
        assert process_clock().issue() < process_clock().issue()


class TestObserve:
    @pytest.mark.parametrize("ahead", [1, MOST_AHEAD])
    def test_puts_the_clock_above_what_others_have_issued(self, ahead: int) -> None:
        clock = Clock(wall=Wall())

        needs_top_up = clock.observe(NOON + ahead)

        assert not needs_top_up
        assert clock.issue() == NOON + ahead + 1

    def test_ignores_what_is_past(self) -> None:
        clock = Clock(wall=Wall())
        before = clock.issue()

        clock.observe(NOON - HOUR)

        assert clock.issue() == before + 1

    def test_does_not_believe_the_far_future(self) -> None:
        clock = Clock(wall=Wall())

        needs_top_up = clock.observe(NOON + MOST_AHEAD + 1)

        assert not needs_top_up
        assert clock.issue() == NOON

    @given(st.lists(st.one_of(st.none(), st.integers(NOON - HOUR, NOON + HOUR))))
    def test_only_ever_moves_the_clock_forward_and_never_past_the_limit(
        self, steps: list[int | None]
    ) -> None:
        clock = Clock(wall=Wall())
        newest = clock.issue()

        for step in steps:
            if step is None:
                newest, before = clock.issue(), newest
                assert newest > before
            else:
                clock.observe(step)

        assert newest <= NOON + MOST_AHEAD + len(steps)


@pytest.mark.django_db(transaction=True)
class TestReserve:
    def test_is_written_before_anything_is_issued_from_it(self) -> None:
        clock = Clock(wall=Wall())

        clock.top_up()

        assert high_water() == NOON + BLOCK
        assert clock.issue() == NOON

    def test_starts_above_all_that_an_earlier_process_issued(self) -> None:
        earlier = Clock(wall=Wall())
        earlier.top_up()
        newest = earlier.issue()

        restarted = Clock(wall=Wall(NOON - HOUR))
        restarted.top_up()

        assert restarted.issue() > newest
        assert restarted.issue() > high_water() - BLOCK

    def test_starts_above_what_a_process_without_a_reserve_wrote(self) -> None:
        Change.objects.create(origin="aaaa", seq=1, ts=NOON, payload=b"")

        clock = Clock(wall=Wall(NOON - HOUR))
        clock.top_up()

        assert clock.issue() > NOON
        assert high_water() > NOON

    def test_is_not_taken_again_while_half_of_it_is_left(self) -> None:
        wall = Wall()
        clock = Clock(wall=wall)
        clock.top_up()

        wall.shows += BLOCK // 2 - 1
        clock.top_up()
        kept = high_water()
        wall.shows += 1
        clock.top_up()

        assert kept == NOON + BLOCK
        assert high_water() == wall.shows + BLOCK

    def test_is_never_exceeded_however_late_the_next_is(self) -> None:
        wall = Wall()
        clock = Clock(wall=wall)
        clock.top_up()

        wall.shows += HOUR
        late = [clock.issue() for _ in range(3)]
        clock.top_up()

        first = NOON + BLOCK - MARGIN
        assert late == [first, first + 1, first + 2]
        assert clock.issue() == wall.shows

    def test_is_refused_beyond_its_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("dust.livequery.clock.MARGIN", 2)
        wall = Wall()
        clock = Clock(wall=wall)
        clock.top_up()
        wall.shows += HOUR
        last = [clock.issue() for _ in range(3)][-1]

        with pytest.raises(ClockExhaustedError):
            clock.issue()

        assert last == high_water()

    def test_needs_no_database_inside_a_transaction_that_writes(self) -> None:
        wall = Wall()
        clock = Clock(wall=wall)
        clock.top_up()
        wall.shows += HOUR

        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("UPDATE livequery_clock SET high_water = high_water")
            issued = clock.issue()

        assert issued <= high_water()

    def test_is_raised_for_what_was_observed_beyond_it(self) -> None:
        clock = Clock(wall=Wall())
        clock.top_up()
        seen = NOON + BLOCK + 1

        needs_top_up = clock.observe(seen)
        before = clock.issue()
        clock.top_up()

        assert needs_top_up
        assert before < seen < clock.issue() <= high_water()

    def test_of_one_process_does_not_push_another_forward(self) -> None:
        wall = Wall()
        clocks = [Clock(wall=wall) for _ in range(5)]

        for clock in clocks:
            clock.top_up()
        wall.shows += BLOCK
        for clock in clocks:
            clock.top_up()

        assert high_water() == wall.shows + BLOCK
        assert clocks[0].issue() == wall.shows

    def test_taken_at_every_start_of_a_process_that_keeps_dying_does_not_run_away(self) -> None:
        for _ in range(20):
            Clock(wall=Wall()).top_up()

        assert high_water() <= NOON + BLOCK + 20 * MARGIN
