"""The functions of runs: live where they show something, run by the scheduler where time is up."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from archives.errors import (
    InvalidRunError,
    RunNotFoundError,
    RunOverError,
    SectionNotOnPageError,
)
from archives.models import Archive, Run, RunPage
from archives.queries.places import Place
from archives.rules import runs as rules
from archives.rules.play import FREEZE, GRACE, Lifeline
from archives.services import runs
from archives.services.runs import Use
from dust import ids
from dust.errors import DustError, UnauthenticatedError
from dust.identity import Identity
from dust.ids import InvalidIdError
from dust.livequery.errors import InvalidArgumentsError
from dust.livequery.execution import run_mutation, run_query_alone
from dust.livequery.models import Job
from dust.livequery.registry import Kind, find_function
from dust.livequery.testing import Watch, assert_live, run_jobs
from gamesessions.models import GameSession
from gamesessions.services import moderation
from leaderboard.models import Entry, ScoreBound
from tests.archives.playing import (
    LUCK,
    PROJECT,
    SECONDS,
    TRUE,
    alice,
    archive,
    bob,
    go_on,
    here,
    seed_contents,
    seed_level,
    seed_variant,
    start,
)
from tests.archives.variants import page
from tests.rest import restore_boards

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _level(transactional_db: None, now: datetime) -> None:
    restore_boards()
    seed_level(now=now)


@pytest.fixture
def place(now: datetime) -> Place:
    return start(now=now)


def call(path: str, caller: Identity | None = alice, *, now: datetime, **args: Any) -> Any:
    """Run a mutation, as a client of Convex would."""
    return run_mutation(find_function(path, kind=Kind.MUTATION), args, caller, now=now).value


def ask(path: str, caller: Identity | None = alice, **args: Any) -> Any:
    """Run a query, likewise."""
    result = run_query_alone(find_function(path, kind=Kind.QUERY), args, caller)
    if result.error is not None:
        raise result.error
    return result.value


class TestPlaying:
    def test_goes_from_the_start_to_the_board(self, now: datetime) -> None:
        run = call("runs:start", mode="level", level=3.0, now=now)
        which = {"runId": run["_id"]}
        verified = call(
            "runs:lifeline", **which, page=1, lifeline="verify", sectionId="s2", now=now
        )
        first = call("runs:archive", **which, page=1.0, sectionIds=TRUE, now=now)
        second = call("runs:next", **which, page=2, now=now)
        last = call("runs:archive", **which, page=2, sectionIds=TRUE, now=now)

        row = Run.objects.get()
        millis = now.timestamp() * 1000
        assert run["_id"] == ids.encode(Run.TABLE_NUMBER, row.session_id)
        assert (run["_creationTime"], run["startedAt"], run["endedAt"]) == (millis, millis, None)
        assert run["page"]["deadline"] == millis + SECONDS * 1000
        assert verified["page"]["verified"] == {
            "sectionId": "s2",
            "isTrue": False,
            "reason": None,
            "points": None,
        }
        assert first["page"]["reveal"]["points"] == 375
        assert (second["page"]["number"], second["page"]["reveal"]) == (2, None)
        assert (last["status"], last["boardStatus"], last["score"]) == ("finished", "created", 975)
        assert call("runs:finish", **which, now=now) == last == ask("runs:get", **which)
        assert Entry.objects.get().score == 975

    def test_dust_sc_2_gives_nothing_for_what_costs_nothing(self, now: datetime) -> None:
        head = '<h2 data-element-id="head">A part of it</h2>'
        seed_level(4, pages=0, now=now)
        on_it: dict[str, Any] = {"levelId": f"{PROJECT}_level_04", "difficulty": 4}
        seed_variant(1, alteredContent=page("a", "b", after=head) + page("c"), **on_it, now=now)
        run = call("runs:start", mode="level", level=4, now=now)
        which = {"runId": run["_id"], "page": 1}

        costs = [each["archiveCost"] for each in run["page"]["content"]["sections"]]
        with pytest.raises(SectionNotOnPageError):
            call("runs:archive", **which, sectionIds=["s1", "s3", "s4"], now=now)
        over = call("runs:archive", **which, sectionIds=["s1", "s4"], now=now)

        assert (costs, run["page"]["energy"]) == ([1, 1, 0, 1], 2)
        assert (over["status"], over["score"]) == ("finished", 100 + 125)

    def test_takes_luck_from_the_call(self, now: datetime) -> None:
        seed_contents(9, is_demo=False, now=now)

        drawn = {
            call("runs:start", mode="quick", now=now)["page"]["content"]["title"] for _ in range(8)
        }

        assert len(drawn) > 1

    def test_is_not_open_to_nobody(self, place: Place, now: datetime) -> None:
        which = {"runId": place.run.public_id}
        calls: dict[str, Any] = {
            "runs:start": {"mode": "demo"},
            "runs:lifeline": {**which, "page": 1, "lifeline": "purge"},
            "runs:archive": {**which, "page": 1, "sectionIds": TRUE},
            "runs:next": {**which, "page": 2},
            "runs:finish": which,
        }

        for path, args in calls.items():
            with pytest.raises(UnauthenticatedError):
                call(path, None, **args, now=now)
            if path != "runs:start":
                with pytest.raises(RunNotFoundError):
                    call(path, bob, **args, now=now)

    @pytest.mark.parametrize(
        ("args", "refusal"),
        [
            ({"mode": "level"}, InvalidRunError),
            ({"mode": "level", "level": 0}, InvalidRunError),
            ({"mode": "level", "level": 2.5}, InvalidArgumentsError),
            ({"mode": "all"}, InvalidArgumentsError),
            ({"mode": "demo", "score": 1}, InvalidArgumentsError),
        ],
    )
    def test_refuses_what_cannot_be_played(
        self, now: datetime, args: Any, refusal: type[DustError]
    ) -> None:
        with pytest.raises(refusal):
            call("runs:start", **args, now=now)

        assert not GameSession.objects.exists()


class TestShowing:
    def test_is_for_the_player_alone(self, place: Place) -> None:
        which: dict[str, Any] = {"runId": place.run.public_id}

        assert ask("runs:get", **which)["status"] == "started"
        assert ask("runs:get", bob, **which) is None
        assert ask("runs:get", None, **which) is None
        assert ask("runs:getActive")["_id"] == place.run.public_id
        assert ask("runs:getActive", bob) is None
        assert ask("runs:getActive", None) is None
        with pytest.raises(InvalidIdError):
            ask("runs:get", runId=place.session.public_id)

    def test_goes_by_what_is_stored_and_by_no_clock(self, place: Place) -> None:
        """The run began long before this test does: its page is over, but nobody has noted it."""
        shown = ask("runs:get", runId=place.run.public_id)

        assert shown["page"]["reveal"] is None

    @pytest.mark.parametrize("query", ["runs:get", "runs:getActive"])
    def test_is_live(self, place: Place, now: datetime, query: str) -> None:
        key = place.run.session_id
        args = {"runId": place.run.public_id} if query == "runs:get" else {}
        purge = Use(page=1, lifeline=Lifeline.PURGE)
        moves: list[Callable[[], Any]] = [
            lambda: runs.use_lifeline(alice, key, purge, luck=LUCK, now=now),
            lambda: archive(here(key), now=now),
            lambda: go_on(here(key), now=now),
            lambda: run_jobs(now=now + timedelta(minutes=10)),
        ]

        for move in moves:
            with assert_live(query, args, caller=alice):
                move()
        assert Run.objects.get().status == "finished"

    def test_is_live_when_a_moderator_voids_the_session(self, place: Place, now: datetime) -> None:
        with assert_live("runs:get", {"runId": place.run.public_id}, caller=alice):
            moderation.void_session(place.session, reason="a bot", now=now)

    def test_is_run_again_for_its_own_run_alone(self, place: Place, now: datetime) -> None:
        others = start(bob, now=now)
        watch = {"runId": place.run.public_id}

        with assert_live(
            "runs:getActive", {}, caller=bob, bystanders=(Watch("runs:get", watch, alice),)
        ):
            archive(others, caller=bob, now=now)


class TestJobs:
    def test_end_a_page_whose_player_is_gone(self, place: Place, now: datetime) -> None:
        over = now + timedelta(seconds=SECONDS) + GRACE

        run_jobs(now=over)
        early = here(place.run.session_id).page
        run_jobs(now=over + timedelta(seconds=1))

        after = here(place.run.session_id)
        assert early is not None
        assert after.page is not None
        assert (early.fate, after.page.fate) == ("", "timed_out")
        assert (after.session.pages_completed, after.session.status) == (1, "active")

    def test_wait_for_a_frozen_page(self, place: Place, now: datetime) -> None:
        use = Use(page=1, lifeline=Lifeline.FREEZE)
        runs.use_lifeline(alice, place.run.session_id, use, luck=LUCK, now=now)
        over = now + timedelta(seconds=SECONDS) + GRACE

        run_jobs(now=over + FREEZE)
        frozen = here(place.run.session_id).page
        run_jobs(now=over + FREEZE + timedelta(seconds=1))

        after = here(place.run.session_id).page
        assert frozen is not None
        assert after is not None
        assert (frozen.fate, after.fate) == ("", "timed_out")

    def test_end_a_run_that_nobody_comes_back_to(self, place: Place, now: datetime) -> None:
        archive(place, now=now)

        run_jobs(now=now + rules.MOST_IDLE)

        after = here(place.run.session_id)
        assert (after.run.status, after.session.status) == ("expired", "abandoned")
        assert Archive.objects.count() == 1
        assert not Job.objects.filter(state="failed").exists()

    def test_finish_a_run_left_on_its_last_page(self, place: Place, now: datetime) -> None:
        go_on(archive(place, now=now), now=now)

        with assert_live("leaderboard:top", {"board": "solo:3"}):
            run_jobs(now=now + timedelta(minutes=5))

        assert here(place.run.session_id).run.status == "finished"
        assert Entry.objects.get().pages_completed == 2

    def test_do_nothing_to_a_run_that_went_on(self, place: Place, now: datetime) -> None:
        go_on(archive(place, now=now), now=now + timedelta(minutes=3))

        run_jobs(now=now + timedelta(minutes=4))

        after = here(place.run.session_id)
        assert after.page is not None
        assert (after.run.status, after.page.fate) == ("playing", "")

    def test_take_pages_away_some_days_after_the_end(self, place: Place, now: datetime) -> None:
        runs.finish_run(alice, place.run.session_id, now=now)
        started = start(bob, now=now)

        run_jobs(now=now + rules.PAGES_KEPT)
        kept = RunPage.objects.count()
        run_jobs(now=now + rules.PAGES_KEPT + timedelta(hours=2))
        run_jobs(now=now + rules.PAGES_KEPT + timedelta(hours=4))

        assert kept == 4
        assert list(RunPage.objects.values_list("run", flat=True)) == [started.run.pk] * 2
        assert list(Run.objects.order_by("trimmed").values_list("trimmed", flat=True)) == [
            False,
            True,
        ]
        with pytest.raises(RunOverError):
            archive(place, now=now)

    def test_bound_claims_by_the_content_of_another_project(
        self, now: datetime, settings: Any
    ) -> None:
        settings.DUST_PROJECT = "nobody's"
        run_jobs(now=datetime.now(UTC))
        run_jobs(now=datetime.now(UTC) + timedelta(hours=2))

        assert not ScoreBound.objects.exists()
