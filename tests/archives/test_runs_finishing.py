"""Refereed runs are over: by their last page, by the player, or by the clock."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from archives.errors import PageTimedOutError, RunOverError
from archives.models import Archive, Run, RunPage
from archives.queries import runs as showing
from archives.queries.places import Place
from archives.rules import runs as rules
from archives.rules.play import GRACE, Lifeline
from archives.services import run_ends, runs
from dust.livequery.models import Job
from gamesessions.models import GameSession
from leaderboard.models import Attempt, Entry
from tests.archives.playing import (
    LEVEL,
    MICROSECOND,
    SECONDS,
    TRUE,
    alice,
    archive,
    go_on,
    here,
    page_of,
    play_through,
    run_of,
    seconds,
    seed_level,
    tick,
    use,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("boards")]


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
