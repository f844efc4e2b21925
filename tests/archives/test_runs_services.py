"""Refereed runs: pages begin and end by the server's clock, and count as the rules say."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.errors import AccountBannedError
from accounts.models import User
from archives.errors import (
    EnergyLeftError,
    EnergyOverspentError,
    InvalidRunError,
    LifelineUsedError,
    NothingToPlayError,
    NothingToPurgeError,
    PageArchivedError,
    PageNotBegunError,
    PageNotOverError,
    PageTimedOutError,
    RunNotFoundError,
    RunOverError,
    SectionChosenTwiceError,
    SectionNotOnPageError,
    WrongPageError,
)
from archives.models import Archive, CachedContent, PageVariant, Run, RunPage
from archives.queries import places
from archives.queries import runs as showing
from archives.queries.places import Place
from archives.rules import play
from archives.rules import runs as rules
from archives.rules.play import FREEZE, GRACE, Lifeline
from archives.rules.playable import is_winnable
from archives.rules.runs import Mode
from archives.services import contents, run_ends, runs
from archives.services.runs import Use
from dust.errors import DustError
from dust.livequery.models import Job
from gamesessions.models import GameSession
from gamesessions.services import sessions
from leaderboard.models import Attempt, Entry
from tests.archives.playing import (
    FALSE,
    LEVEL,
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
    seed_contents,
    seed_level,
    seed_variant,
    start,
    truths,
)
from tests.rest import restore_boards

pytestmark = pytest.mark.django_db

MICROSECOND = timedelta.resolution
LUCK = Random(1)  # noqa: S311 - games, not secrets


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


@pytest.fixture(autouse=True)
def _boards(db: None) -> None:
    restore_boards()


@pytest.fixture
def place(now: datetime) -> Place:
    """A run of alice's that has just begun, on a level of two pages."""
    seed_level(now=now)
    return start(now=now)


def use(place: Place, lifeline: Lifeline, section_id: str | None = None, *, now: datetime) -> Place:
    asked = Use(page=place.run.page_number, lifeline=lifeline, section_id=section_id)
    return runs.use_lifeline(alice, place.run.session_id, asked, luck=LUCK, now=now)


def tick(place: Place, *, now: datetime) -> bool:
    return run_ends.tick(place.run.session_id, number=place.run.page_number, now=now)


class TestStart:
    def test_begins_a_refereed_session_and_its_first_page(
        self, place: Place, now: datetime
    ) -> None:
        session, run = GameSession.objects.get(), Run.objects.get()
        assert (session.refereed, session.status, session.level) == (True, "active", LEVEL)
        assert (session.user.subject, session.score) == ("alice", 0)
        assert (run.session, run.mode, run.level, run.status) == (
            session,
            "level",
            LEVEL,
            "started",
        )
        assert (run.page_count, run.page_number, run.ended_at) == (2, 1, None)
        first, second = RunPage.objects.order_by("number")
        assert (first.started_at, first.level, first.fate) == (now, LEVEL, "")
        assert (second.started_at, second.level) == (None, None)
        assert place.page == first

    def test_copies_every_valid_variant_in_its_order(self, now: datetime) -> None:
        seed_level(pages=3, now=now)
        seed_variant(9, alteredContent="  ", now=now)
        seed_level(4, now=now)

        start(now=now)

        names = [page.content["id"] for page in RunPage.objects.order_by("number")]
        assert names == ["3-1", "3-2", "3-3"]

    def test_gives_sections_ids_that_tell_only_their_place(self, place: Place) -> None:
        page = page_of(place)

        assert [section["id"] for section in page.content["sections"]] == ["s1", "s2", "s3", "s4"]
        assert truths(page) == TRUE

    def test_makes_every_page_winnable_d27(self, now: datetime) -> None:
        seed_level(pages=0, now=now)
        seed_variant(1, alteredContent="<h1>All is well.</h1><img src='i.png'>", now=now)
        seed_variant(2, alteredContent="x", now=now)

        start(now=now)

        pages = [places.content_of(page) for page in RunPage.objects.all()]
        assert len(pages) == 2
        assert all(map(is_winnable, pages))

    @pytest.mark.parametrize("mode", Mode)
    def test_is_refused_if_there_is_nothing_to_play(self, now: datetime, mode: Mode) -> None:
        seed_level(4, now=now)
        seed_level(3, pages=0, now=now)
        level = LEVEL if mode is Mode.LEVEL else None

        with pytest.raises(NothingToPlayError):
            start(mode=mode, level=level, now=now)

        assert not GameSession.objects.exists()

    @pytest.mark.parametrize(
        ("mode", "level", "limit"),
        [
            (Mode.LEVEL, None, "Say which."),
            (Mode.LEVEL, 0, "Must be a whole number from 1 to 10."),
            (Mode.LEVEL, 11, "Must be a whole number from 1 to 10."),
            (Mode.QUICK, 11, "Must be a whole number from 1 to 10."),
            (Mode.DEMO, 1, "The demo has none."),
        ],
    )
    def test_is_refused_for_a_level_that_cannot_be(
        self, now: datetime, mode: Mode, level: int | None, limit: str
    ) -> None:
        with pytest.raises(InvalidRunError) as refused:
            start(mode=mode, level=level, now=now)

        assert refused.value.fields == {"level": [limit]}

    def test_abandons_the_run_before_and_keeps_what_was_archived_in_it(
        self, place: Place, now: datetime
    ) -> None:
        archive(place, now=now)

        second = start(now=now + seconds(60))

        first = here(place.run.session_id)
        assert (first.run.status, first.session.status) == ("abandoned", "abandoned")
        assert first.run.ended_at == now + seconds(60)
        assert Archive.objects.get().session_id == place.run.session_id
        assert run_of(second).status == "started"
        assert not Entry.objects.exists()

    def test_is_abandoned_for_any_other_game(self, place: Place, now: datetime) -> None:
        sessions.create_session(alice, now=now + seconds(1))

        assert run_of(place).status == "abandoned"
        with pytest.raises(RunOverError):
            archive(place, now=now + seconds(2))
        assert not Archive.objects.exists()

    def test_leaves_the_runs_of_others(self, place: Place, now: datetime) -> None:
        start(bob, now=now)

        assert run_of(place).status == "started"

    def test_is_not_for_the_banned(self, place: Place, now: datetime) -> None:
        User.objects.update(is_banned=True)

        with pytest.raises(AccountBannedError):
            start(now=now)
        with pytest.raises(AccountBannedError):
            archive(place, now=now)


class TestShortRuns:
    def test_of_the_demo_have_its_pages_in_order(self, now: datetime) -> None:
        seed_contents(6, is_demo=True, now=now)
        seed_contents(3, is_demo=False, now=now)

        place = start(mode=Mode.DEMO, level=None, now=now)

        names = [page.content["id"] for page in RunPage.objects.order_by("number")]
        assert names == [f"demo-1-{number}" for number in range(5)]
        assert (place.run.level, place.session.level) == (None, 1)

    def test_of_quick_play_have_five_pages_about_as_hard_and_none_twice(
        self, now: datetime
    ) -> None:
        seed_contents(9, is_demo=False, difficulty=6, now=now)
        seed_contents(9, is_demo=False, difficulty=1, now=now)
        seed_contents(2, is_demo=True, now=now)
        drawn = []

        for seed in range(4):
            place = start(mode=Mode.QUICK, level=5, seed=seed, now=now)
            pages = RunPage.objects.filter(run=place.run).order_by("number")
            drawn.append([page.content["id"] for page in pages])
            assert (place.run.level, place.session.level) == (5, 1)

        assert all(len(set(names)) == 5 for names in drawn)
        assert all(name.startswith("cached-6") for names in drawn for name in names)
        assert len({*map(tuple, drawn)}) > 1

    def test_of_quick_play_make_do_with_what_there_is(self, now: datetime) -> None:
        seed_contents(2, is_demo=False, now=now)

        assert start(mode=Mode.QUICK, level=None, now=now).run.page_count == 2

    @pytest.mark.parametrize("mode", [Mode.QUICK, Mode.DEMO])
    def test_d28_never_stand_on_a_board(self, now: datetime, mode: Mode) -> None:
        seed_contents(5, is_demo=mode is Mode.DEMO, now=now)

        place = start(mode=mode, level=None, now=now)
        levels = []
        for number in range(5):
            place = go_on(place, now=now) if number else place
            levels.append(place.page and place.page.level)
            place = archive(place, ["s1", "s3"], now=now)

        run, session = run_of(place), place.session
        assert (run.status, run.board_status) == ("finished", "")
        assert (session.status, session.level, session.pages_completed) == ("completed", 3, 5)
        assert levels == [1, 1, 1, 2, 3]
        assert Archive.objects.get().total_items == 10
        assert not Entry.objects.exists()
        assert not Attempt.objects.exists()


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


class TestFinish:
    def test_comes_with_the_last_page_and_writes_everything(self, now: datetime) -> None:
        seed_level(now=now)

        place = play_through(now=now, pages=[TRUE, ["s1", "s2", "s3"]])

        end = now + seconds(20)
        session, run = GameSession.objects.get(), Run.objects.get()
        assert (session.status, session.ended_at, session.level) == ("completed", end, LEVEL)
        assert (run.status, run.ended_at, run.board_status) == ("finished", end, "created")
        entry = Entry.objects.get()
        assert (entry.board_id, entry.source, entry.achieved_at) == ("solo:3", "refereed", end)
        score = 100 + 125 + 150 + 175 - 150 + 100
        assert (entry.score, session.score) == (score, score)
        assert (entry.accuracy, entry.level, entry.pages_completed) == (83, LEVEL, 2)
        kept = Archive.objects.get()
        assert (kept.session, kept.total_items, kept.correct_items) == (session, 6, 5)
        assert [item["wasCorrect"] for item in kept.items] == [True, True, True, True, False, True]
        assert {item["level"] for item in kept.items} == {LEVEL}
        assert kept.items[0]["sectionText"].startswith("This paragraph says")
        assert place.run == run

    def test_enters_the_board_once(self, now: datetime) -> None:
        seed_level(now=now)
        place = play_through(now=now, pages=[TRUE, TRUE])

        for _ in range(2):
            runs.finish_run(alice, place.run.session_id, now=now + seconds(60))
        tick(place, now=now + timedelta(days=1))

        assert Attempt.objects.count() == 1
        assert run_of(place).ended_at == now + seconds(20)

    def test_leaves_a_better_result(self, now: datetime) -> None:
        seed_level(now=now)
        play_through(now=now, pages=[TRUE, TRUE])

        worse = play_through(now=now + seconds(60), pages=[TRUE, ["s1", "s2", "s3"]])

        assert run_of(worse).board_status == "unchanged"
        assert Entry.objects.get().score == 975

    def test_before_the_last_page_abandons_the_run(self, place: Place, now: datetime) -> None:
        archive(place, now=now)

        runs.finish_run(alice, place.run.session_id, now=now + seconds(3))

        after = here(place.run.session_id)
        assert (after.run.status, after.session.status) == ("abandoned", "abandoned")
        assert (after.session.score, after.session.ended_at) == (375, now + seconds(3))
        assert Archive.objects.get().total_items == 3
        assert not Attempt.objects.exists()

    def test_refuses_everything_that_comes_after(self, now: datetime) -> None:
        seed_level(now=now)
        place = play_through(now=now, pages=[TRUE, TRUE])

        for move in (archive, go_on):
            with pytest.raises(RunOverError):
                move(place, now=now)
        with pytest.raises(RunOverError):
            use(place, Lifeline.PURGE, now=now)


class TestTimeout:
    def test_costs_and_ends_the_page(self, place: Place, now: datetime) -> None:
        place = go_on(archive(place, now=now), now=now)
        over = now + seconds(SECONDS) + GRACE + MICROSECOND

        assert not tick(place, now=over - MICROSECOND)
        assert tick(place, now=over + seconds(1))

        after = here(place.run.session_id)
        assert after.page is not None
        assert (after.page.fate, after.page.points) == ("timed_out", -375)
        assert after.page.ended_at == over - MICROSECOND
        assert (after.session.score, after.session.combo, after.run.best_combo) == (0, 0, 3)
        assert (after.session.pages_completed, after.session.accuracy) == (2, 100)
        assert (after.run.status, after.session.status) == ("finished", "completed")
        assert Entry.objects.get().score == 0
        assert Archive.objects.get().total_items == 3

    def test_happens_once(self, place: Place, now: datetime) -> None:
        for hour in range(1, 3):
            tick(place, now=now + seconds(600 * hour))

        session = here(place.run.session_id).session
        assert (session.pages_completed, session.score) == (1, 0)
        assert Run.objects.get().status == "playing"

    def test_is_scheduled(self, place: Place, now: datetime) -> None:
        job = Job.objects.get()

        assert job.path == run_ends.TICK
        assert job.scheduled_at == now + seconds(SECONDS) + GRACE + MICROSECOND

    def test_is_seen_before_anybody_has_noted_it(self, place: Place, now: datetime) -> None:
        late = now + seconds(SECONDS + 60)

        shown = showing.access_run(alice, place.run.session_id, now=late)
        tick(place, now=late)

        stored = showing.find_run(alice, place.run.session_id)
        assert shown.page is not None
        assert shown.page.reveal is not None
        assert shown.page.reveal.fate == "timed_out"
        assert (shown.next_page, shown.pages_completed) == (2, 1)
        assert stored == replace_status(shown)

    def test_is_noted_by_the_next_move(self, place: Place, now: datetime) -> None:
        late = now + seconds(SECONDS + 60)

        with pytest.raises(PageTimedOutError):
            archive(place, now=late)
        with pytest.raises(PageTimedOutError):
            use(place, Lifeline.PURGE, now=late)
        place = go_on(place, now=late)

        assert (place.run.page_number, place.session.pages_completed) == (2, 1)
        assert RunPage.objects.get(number=1).fate == "timed_out"

    def test_finishes_the_run_if_it_is_left_on_its_last_page(
        self, place: Place, now: datetime
    ) -> None:
        place = go_on(archive(place, now=now), now=now)

        place = runs.finish_run(alice, place.run.session_id, now=now + seconds(600))

        assert (place.run.status, place.session.score) == ("finished", 0)
        assert Entry.objects.get().pages_completed == 2

    def test_does_not_touch_another_page(self, place: Place, now: datetime) -> None:
        place = go_on(archive(place, now=now), now=now + seconds(SECONDS))
        late = now + seconds(SECONDS + 10)

        assert not run_ends.tick(place.run.session_id, number=1, now=late)
        assert not run_ends.tick(GameSession().id, number=1, now=late)

        assert page_of(place).fate == ""


def replace_status(shown: showing.ShownRun) -> showing.ShownRun:
    """Return the run as it is once the first end of a page has been noted."""
    return replace(shown, status=rules.Status.PLAYING)


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


class TestContent:
    def test_of_a_run_stays_what_it_was(self, place: Place, now: datetime) -> None:
        before = showing.access_run(alice, place.run.session_id, now=now)

        seed_variant(1, keys="b", now=now + seconds(1))
        seed_variant(2, keys="ab", now=now + seconds(1))
        contents.delete_rows(PageVariant.objects.all())
        CachedContent.objects.all().delete()

        assert showing.access_run(alice, place.run.session_id, now=now) == before
        place = go_on(archive(place, now=now), now=now)
        assert archive(place, now=now).run.status == "finished"

    def test_is_bounded_by_what_one_archive_can_hold(self, now: datetime) -> None:
        many = "acdefghijklmnopqrstuvwxyzACDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        seed_level(pages=12, keys=f"{many}b", now=now)

        place = start(now=now)

        assert place.run.page_count == 500 // len(many)

    def test_is_at_most_a_hundred_pages(
        self, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rules, "MAX_PAGES", 3)
        seed_level(pages=4, keys="ab", now=now)

        assert start(now=now).run.page_count == 3

    def test_has_at_most_so_many_bytes(
        self, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seed_level(pages=4, now=now)
        start(now=now)
        size = RunPage.objects.values_list("size", flat=True)[0]
        monkeypatch.setattr(rules, "MAX_PAGES_BYTES", 2 * size + 100)

        assert start(now=now).run.page_count == 2
