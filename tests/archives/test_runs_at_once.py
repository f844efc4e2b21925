"""Players, their other clients and the clock, all at the same moment: each page counts once."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import hypothesis
import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from accounts.services import bans
from archives.errors import PageArchivedError, PageTimedOutError, RunOverError
from archives.models import Archive, Run, RunPage
from archives.queries.places import Place
from archives.rules.play import GRACE, Lifeline
from archives.rules.scoring import solo_bound
from archives.services import run_ends, runs
from archives.services.runs import Use
from dust.errors import DustError
from gamesessions.models import GameSession
from gamesessions.services import moderation, sessions
from leaderboard.models import Attempt, Entry, ScoreBound
from tests.archives.playing import (
    SECONDS,
    TRUE,
    alice,
    archive,
    go_on,
    here,
    play_through,
    seed_level,
    seed_variant,
    start,
)
from tests.at_once import all_at_once, write
from tests.factories import UserFactory
from tests.rest import restore_boards

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _level(transactional_db: None, now: datetime) -> None:
    restore_boards()
    seed_level(now=now)


@pytest.fixture
def place(now: datetime) -> Place:
    return write(lambda: start(now=now))


def has_counted_once(run_id: Any) -> None:
    """Make sure that what is stored of the run is what its pages add up to."""
    after = here(run_id)
    over = list(RunPage.objects.filter(run_id=run_id).exclude(fate="").order_by("number"))
    score = 0
    for page in over:
        score += page.points
    assert after.session.score == score
    assert after.session.pages_completed == len(over)
    assert after.run.archived == sum(len(page.archived) for page in over)
    assert Attempt.objects.count() == (after.run.status == "finished")
    assert after.run.is_over == after.session.is_over


class TestArchive:
    def test_counts_once_from_however_many_clients(self, place: Place, now: datetime) -> None:
        answers = all_at_once([lambda: archive(place, now=now)] * 6)

        assert sum(isinstance(answer, Place) for answer in answers) == 1
        assert sum(isinstance(answer, PageArchivedError) for answer in answers) == 5
        assert here(place.run.session_id).session.score == 375
        has_counted_once(place.run.session_id)

    def test_finishes_the_run_once(self, place: Place, now: datetime) -> None:
        second = write(lambda: go_on(archive(place, now=now), now=now))

        answers = all_at_once([lambda: archive(second, now=now)] * 6)

        assert sum(isinstance(answer, RunOverError) for answer in answers) == 5
        assert Entry.objects.get().score == 975
        assert Archive.objects.get().total_items == 6
        has_counted_once(place.run.session_id)

    @pytest.mark.parametrize("is_last", [False, True])
    def test_and_the_clock_settle_the_page_one_way_or_the_other(
        self, now: datetime, is_last: bool
    ) -> None:
        """The archive came in time, by its own clock; the job is run a moment later."""
        last = now + timedelta(seconds=SECONDS) + GRACE
        fates = set()

        for _ in range(6):
            Attempt.objects.all().delete()
            begun = write(lambda: start(now=now))
            if is_last:
                first = begun
                begun = write(lambda: go_on(archive(first, now=now), now=now))  # noqa: B023
            key, number = begun.run.session_id, begun.run.page_number
            played = begun
            late = last + timedelta(seconds=1)
            answers = all_at_once(
                [
                    lambda: archive(played, now=last),  # noqa: B023 - run at once
                    *[lambda: run_ends.tick(key, number=number, now=late)] * 3,  # noqa: B023
                ]
            )
            page = RunPage.objects.get(run_id=key, number=number)
            fates.add(page.fate)
            is_archived = page.fate == "archived"
            refusal = RunOverError if is_last else PageTimedOutError
            assert isinstance(answers[0], Place if is_archived else refusal)
            assert answers[1:].count(True) == (not is_archived)
            has_counted_once(key)

        assert fates <= {"archived", "timed_out"}

    def test_and_another_game_leave_one_that_is_played(self, place: Place, now: datetime) -> None:
        answers = all_at_once(
            [
                lambda: archive(place, now=now),
                lambda: start(now=now),
                lambda: sessions.create_session(alice, now=now),
                lambda: runs.finish_run(alice, place.run.session_id, now=now),
            ]
        )

        assert not any(isinstance(answer, DustError) for answer in answers[1:])
        assert isinstance(answers[0], Place | RunOverError)
        assert GameSession.objects.filter(status="active").count() == 1
        assert run_is_over(place)
        has_counted_once(place.run.session_id)

    def test_and_a_void_leave_nothing_on_the_board(self, place: Place, now: datetime) -> None:
        second = write(lambda: go_on(archive(place, now=now), now=now))

        all_at_once(
            [
                lambda: archive(second, now=now),
                lambda: moderation.void_session(second.session, reason="a bot", now=now),
            ]
        )

        assert run_is_over(place)
        assert not Entry.objects.exists()

    def test_and_the_voiding_of_an_earlier_run_leave_the_later_result(
        self, place: Place, now: datetime
    ) -> None:
        second = write(lambda: go_on(archive(place, now=now), now=now))
        write(lambda: archive(second, now=now))
        later = now + timedelta(hours=1)
        third = write(lambda: start(now=later))
        fourth = write(lambda: go_on(archive(third, now=later), now=later))

        all_at_once(
            [
                lambda: archive(fourth, ["s1", "s2", "s3"], now=later),
                lambda: moderation.void_session(second.session, reason="a bot", now=later),
            ]
        )

        entry = Entry.objects.get()
        assert (entry.score, entry.achieved_at) == (500, later)

    def test_does_not_stand_in_the_way_of_a_ban(self, place: Place, now: datetime) -> None:
        second = write(lambda: go_on(archive(place, now=now), now=now))
        user, moderator = second.session.user, UserFactory.create(username="m", staff=True)

        all_at_once(
            [
                lambda: archive(second, now=now),
                lambda: bans.ban_user(user, reason="a bot", until=None, by=moderator, now=now),
            ]
        )

        user.refresh_from_db()
        assert user.is_banned
        assert not Entry.objects.listed().exists()


def run_is_over(place: Place) -> bool:
    return here(place.run.session_id).run.is_over


class TestLifelines:
    def test_are_used_once(self, place: Place, now: datetime) -> None:
        use = Use(page=1, lifeline=Lifeline.FREEZE)

        answers = all_at_once(
            lambda at=number: runs.use_lifeline(  # type: ignore[misc]
                alice,
                place.run.session_id,
                use,
                luck=None,  # type: ignore[arg-type]
                now=now + timedelta(seconds=at),
            )
            for number in range(5)
        )

        assert sum(isinstance(answer, Place) for answer in answers) == 1


class TestStart:
    def test_leaves_one_run_that_is_played(self, now: datetime) -> None:
        answers = all_at_once([lambda: start(now=now)] * 5)

        assert all(isinstance(answer, Place) for answer in answers), answers
        assert Run.objects.filter(status="started").count() == 1
        assert Run.objects.filter(status="abandoned").count() == 4
        assert GameSession.objects.filter(status="active").count() == 1


MOVES = ("archive", "timeout", "next", "finish", "start", "get")


class TestAnything:
    @hypothesis.settings(
        max_examples=10,
        suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
    )
    @given(
        clients=st.lists(
            st.lists(st.sampled_from(MOVES), min_size=1, max_size=5), min_size=2, max_size=3
        )
    )
    def test_that_several_clients_do_adds_up(
        self, now: datetime, clients: Sequence[Sequence[str]]
    ) -> None:
        """Whatever they do and in whatever order it arrives, stored numbers fit the pages."""
        Run.objects.all().delete()
        GameSession.objects.all().delete()
        Attempt.objects.all().delete()
        place = write(lambda: start(now=now))
        key = place.run.session_id

        def client(moves: Sequence[str]) -> Callable[[], None]:
            def play() -> None:
                for turn, move in enumerate(moves):
                    do(move, key, now=now + timedelta(seconds=turn))

            return play

        with ThreadPoolExecutor(len(clients)) as pool:
            for done in [pool.submit(closing(client(moves))) for moves in clients]:
                done.result()

        has_counted_once(key)


def do(move: str, key: Any, *, now: datetime) -> None:
    """Make one move as a client does that knows what it has last seen."""
    number = here(key).run.page_number
    works: dict[str, Callable[[], Any]] = {
        "archive": lambda: runs.archive_page(alice, key, number=number, section_ids=TRUE, now=now),
        "timeout": lambda: run_ends.tick(key, number=number, now=now + timedelta(minutes=5)),
        "next": lambda: runs.begin_next_page(alice, key, number=number + 1, now=now),
        "finish": lambda: runs.finish_run(alice, key, now=now),
        "start": lambda: sessions.create_session(alice, now=now),
        "get": lambda: here(key),
    }
    with suppress(DustError):
        write(works[move])


def closing(work: Callable[[], None]) -> Callable[[], None]:
    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    return run


class TestBounds:
    def test_are_those_of_all_content_however_it_came(self, now: datetime) -> None:
        """Each writer sees what those before it wrote, and not what comes after."""
        seven_true = "abcdefgh"

        all_at_once(
            lambda number=page: seed_variant(number, keys=seven_true, now=now)  # type: ignore[misc]
            for page in range(10, 16)
        )

        bounds = ScoreBound.objects.filter(board_id="solo:3").order_by("-pages_completed")
        assert bounds[0].pages_completed == 8
        assert bounds[0].score == solo_bound(6 * 7 + 2 * 3)

    def test_do_not_hold_up_those_who_submit(self, now: datetime) -> None:
        answers = all_at_once(
            [
                lambda: play_through(now=now, pages=[TRUE, TRUE]),
                lambda: seed_variant(11, now=now),
                lambda: seed_variant(12, now=now),
            ]
        )

        assert not any(isinstance(answer, DustError) for answer in answers)
