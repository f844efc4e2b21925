"""Refereed runs are played: pages begin and end by the server's clock, and count as rules say."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from archives.errors import (
    EnergyLeftError,
    EnergyOverspentError,
    LifelineUsedError,
    NothingToPurgeError,
    PageArchivedError,
    PageNotBegunError,
    PageNotOverError,
    PageTimedOutError,
    RunNotFoundError,
    SectionChosenTwiceError,
    SectionNotOnPageError,
    WrongPageError,
)
from archives.models import Archive
from archives.queries import places
from archives.queries import runs as showing
from archives.queries.places import Place
from archives.rules import play
from archives.rules import runs as rules
from archives.rules.play import FREEZE, GRACE, Lifeline
from archives.services import runs
from dust.errors import DustError
from dust.livequery.models import Job
from gamesessions.models import GameSession
from leaderboard.models import Attempt, Entry
from tests.archives.playing import (
    FALSE,
    LUCK,
    MICROSECOND,
    SECONDS,
    TRUE,
    alice,
    archive,
    bob,
    go_on,
    here,
    page_of,
    play_through,
    run_of,
    seconds,
    seed_level,
    start,
    tick,
    use,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("boards")]


class TestArchive:
    def test_scores_the_sections_and_reveals_the_page(self, place: Place, now: datetime) -> None:
        late = now + seconds(20)

        after = archive(place, ["s3", "s2", "s1"], now=late)

        page, run, session = page_of(place), run_of(place), here(place.run.session_id).session
        assert (page.fate, page.ended_at, page.is_clutch) == ("archived", late, False)
        assert page.archived == [["s3", 100], ["s2", -150], ["s1", 100]]
        assert page.points == 50
        assert (run.status, run.best_combo, run.archived, run.correct) == ("playing", 1, 3, 2)
        assert (session.score, session.combo, session.pages_completed) == (50, 1, 1)
        assert (session.accuracy, session.status) == (67, "active")
        assert after.page == page

    def test_goes_on_with_the_combo_on_the_next_page(self, now: datetime) -> None:
        seed_level(now=now)

        place = play_through(now=now, pages=[TRUE, TRUE])

        session, run = place.session, run_of(place)
        assert session.score == sum([100, 125, 150, 175, 200, 225])
        assert (run.best_combo, session.combo, session.accuracy) == (6, 6, 100)

    @pytest.mark.parametrize(
        ("played", "is_clutch", "points"),
        [
            (0.9 * SECONDS - 0.001, False, [100, 125, 150]),
            (0.9 * SECONDS, True, [150, 188, 225]),
            (SECONDS, True, [150, 188, 225]),
        ],
    )
    def test_brings_more_when_it_is_late(
        self, place: Place, now: datetime, played: float, is_clutch: bool, points: list[int]
    ) -> None:
        archive(place, now=now + seconds(played))

        page = page_of(place)
        assert page.is_clutch is is_clutch
        assert [brought for _, brought in page.archived] == points

    def test_is_late_along_the_curve_of_the_level(self, now: datetime) -> None:
        """On level 7, whose pages last 80 seconds, 0.9 is reached after 0.9487 of them."""
        seed_level(7, now=now)
        early = archive(start(level=7, now=now), now=now + seconds(75.8))
        late = archive(start(level=7, now=now), now=now + seconds(76))

        assert (page_of(early).is_clutch, page_of(late).is_clutch) == (False, True)

    @pytest.mark.parametrize(
        ("sections", "refusal"),
        [
            ([], EnergyLeftError),
            (["s1", "s2"], EnergyLeftError),
            (["s1", "s2", "s3", "s4"], EnergyOverspentError),
            (["s1", "s1", "s3"], SectionChosenTwiceError),
            (["s1", "s3", "s9"], SectionNotOnPageError),
            (["s1", "s3", "a"], SectionNotOnPageError),
        ],
    )
    def test_is_refused_unless_the_energy_is_spent_on_sections_of_the_page(
        self, place: Place, now: datetime, sections: list[str], refusal: type[DustError]
    ) -> None:
        with pytest.raises(refusal):
            archive(place, sections, now=now)

        assert (page_of(place).fate, here(place.run.session_id).session.score) == ("", 0)

    def test_is_refused_when_it_is_late(self, place: Place, now: datetime) -> None:
        last = now + seconds(SECONDS) + GRACE

        with pytest.raises(PageTimedOutError):
            archive(place, now=last + MICROSECOND)

        assert archive(place, now=last).session.score == 150 + 188 + 225

    def test_is_refused_when_it_is_early(self, place: Place, now: datetime) -> None:
        for at in (now, now + seconds(5)):
            with pytest.raises(PageNotBegunError):
                runs.archive_page(alice, place.run.session_id, number=2, section_ids=TRUE, now=at)
            if at == now:
                archive(place, now=at)
        with pytest.raises(PageNotBegunError):
            archive(start(now=now), now=now - MICROSECOND)

    def test_is_refused_a_second_time(self, place: Place, now: datetime) -> None:
        archive(place, now=now)

        with pytest.raises(PageArchivedError):
            archive(place, FALSE * 3, now=now)

        go_on(place, now=now)
        with pytest.raises(PageArchivedError):
            runs.archive_page(alice, place.run.session_id, number=1, section_ids=TRUE, now=now)
        assert here(place.run.session_id).session.score == 375

    @pytest.mark.parametrize("number", [0, -1, 3, 100])
    def test_is_refused_for_a_page_that_the_run_has_not(
        self, place: Place, now: datetime, number: int
    ) -> None:
        with pytest.raises(WrongPageError) as refused:
            runs.archive_page(alice, place.run.session_id, number=number, section_ids=TRUE, now=now)

        assert refused.value.fields == {"page": ["The run is at page 1."]}

    def test_is_refused_to_everybody_else(self, place: Place, now: datetime) -> None:
        moves: list[Callable[[], Any]] = [
            lambda: archive(place, caller=bob, now=now),
            lambda: go_on(place, caller=bob, now=now),
            lambda: runs.finish_run(bob, place.run.session_id, now=now),
            lambda: runs.finish_run(alice, GameSession().id, now=now),
            lambda: showing.access_run(bob, place.run.session_id, now=now),
        ]

        for move in moves:
            with pytest.raises(RunNotFoundError):
                move()

    def test_takes_few_statements(
        self, place: Place, now: datetime, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        """Savepoints, the player, the run, then page, run and session with a look before each."""
        with django_assert_max_num_queries(16):
            archive(place, now=now)


class TestNextPage:
    def test_begins_when_the_player_asks_for_it(self, place: Place, now: datetime) -> None:
        archive(place, now=now)
        later = now + timedelta(minutes=50)

        place = go_on(place, now=later)

        assert place.page is not None
        assert (place.page.number, place.page.started_at) == (2, later)
        assert run_of(place).page_number == 2
        assert archive(place, now=later + seconds(SECONDS)).run.status == "finished"

    def test_is_the_same_however_often_it_is_asked_for(self, place: Place, now: datetime) -> None:
        archive(place, now=now)
        go_on(place, now=now)

        again = runs.begin_next_page(alice, place.run.session_id, number=2, now=now + seconds(30))

        assert again.page is not None
        assert again.page.started_at == now

    def test_waits_for_the_one_before(self, place: Place, now: datetime) -> None:
        with pytest.raises(PageNotOverError):
            go_on(place, now=now)

    @pytest.mark.parametrize("number", [0, 3, 99])
    def test_is_the_next_one(self, place: Place, now: datetime, number: int) -> None:
        archive(place, now=now)

        with pytest.raises(WrongPageError):
            runs.begin_next_page(alice, place.run.session_id, number=number, now=now)

    def test_is_waited_for_an_hour(self, place: Place, now: datetime) -> None:
        place = archive(place, now=now)

        assert not tick(place, now=now + rules.MOST_IDLE - MICROSECOND)
        assert tick(place, now=now + rules.MOST_IDLE)

        after = here(place.run.session_id)
        assert (after.run.status, after.session.status) == ("expired", "abandoned")
        assert Archive.objects.get().total_items == 3
        assert not Attempt.objects.exists()
        assert now + rules.MOST_IDLE in Job.objects.values_list("scheduled_at", flat=True)

    def test_climbs_with_the_pages_that_are_completed(self, now: datetime) -> None:
        seed_level(pages=5, now=now)
        place = start(now=now)
        levels = []

        for number in range(5):
            place = go_on(place, now=now) if number else place
            levels.append(place.page and place.page.level)
            place = archive(place, now=now)

        assert levels == [3, 3, 3, 4, 5]
        assert (place.session.level, Entry.objects.get().level) == (3, 3)


class TestLifelines:
    def test_verify_tells_the_truth_of_one_section(self, place: Place, now: datetime) -> None:
        use(place, Lifeline.VERIFY, "s2", now=now)

        shown = showing.access_run(alice, place.run.session_id, now=now)
        assert shown.page is not None
        assert shown.page.verified == showing.Truth(section_id="s2", is_true=False)

    @pytest.mark.parametrize("section", [None, "s9", "b"])
    def test_verify_needs_a_section_of_the_page(
        self, place: Place, now: datetime, section: str | None
    ) -> None:
        with pytest.raises(SectionNotOnPageError):
            use(place, Lifeline.VERIFY, section, now=now)

    def test_freeze_stops_the_clock_for_a_while(self, place: Place, now: datetime) -> None:
        use(place, Lifeline.FREEZE, now=now + seconds(100))
        end = now + seconds(SECONDS) + FREEZE

        assert not tick(place, now=now + seconds(SECONDS + 3))
        shown = showing.access_run(alice, place.run.session_id, now=now + seconds(SECONDS + 3))

        assert shown.page is not None
        assert (shown.page.deadline, shown.page.reveal) == (end, None)
        assert shown.page.frozen_until == now + seconds(100) + FREEZE
        assert end + GRACE + MICROSECOND in Job.objects.values_list("scheduled_at", flat=True)
        assert tick(place, now=end + GRACE + MICROSECOND)

    def test_freeze_counts_as_long_as_nothing_is_archived(
        self, place: Place, now: datetime
    ) -> None:
        """Of 107 seconds 96.3 must have passed; from the 96th on the page is frozen."""
        use(place, Lifeline.FREEZE, now=now + seconds(96))

        archive(place, now=now + seconds(100))

        assert not page_of(place).is_clutch
        assert page_of(place).thawed_at == now + seconds(100)

    def test_purge_takes_a_false_section_out(self, place: Place, now: datetime) -> None:
        use(place, Lifeline.PURGE, now=now)

        assert page_of(place).purged == "s2"
        with pytest.raises(SectionNotOnPageError):
            archive(place, ["s1", "s2", "s3"], now=now)
        with pytest.raises(SectionNotOnPageError):
            use(place, Lifeline.VERIFY, "s2", now=now)

    def test_purge_is_kept_where_there_is_nothing_to_purge(
        self, place: Place, now: datetime
    ) -> None:
        page = page_of(place)
        page.purged = "s2"
        state = places.state_of(page)

        with pytest.raises(LifelineUsedError):
            use_again(place, now=now)
        with pytest.raises(NothingToPurgeError):
            play.purge(replace(state, used=frozenset()), random=LUCK)

    def test_are_there_once_for_each_page(self, place: Place, now: datetime) -> None:
        for lifeline in Lifeline:
            use(place, lifeline, "s1", now=now)
            with pytest.raises(LifelineUsedError) as refused:
                use(place, lifeline, "s1", now=now)
            assert refused.value.data == {"lifeline": lifeline}
        place = go_on(archive(place, now=now), now=now)

        for lifeline in Lifeline:
            use(place, lifeline, "s1", now=now)

    def test_are_for_the_page_that_is_played(self, place: Place, now: datetime) -> None:
        archive(place, now=now)

        with pytest.raises(PageArchivedError):
            use(place, Lifeline.FREEZE, now=now)


def use_again(place: Place, *, now: datetime) -> None:
    for _ in range(2):
        use(place, Lifeline.PURGE, now=now)
