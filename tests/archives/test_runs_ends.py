"""What moderators do to runs, and what becomes of them when their player leaves."""

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from accounts.services import deletion, exports
from archives.models import Archive, Run, RunPage
from archives.services import run_ends, run_trimming
from dust.livequery.testing import assert_live, run_jobs
from gamesessions.models import GameSession
from gamesessions.services import moderation
from leaderboard.models import Attempt, Entry
from tests.archives.playing import (
    TRUE,
    alice,
    archive,
    bob,
    go_on,
    here,
    play_through,
    run_of,
    seed_level,
    start,
)
from tests.factories import UserFactory
from tests.rest import restore_boards

pytestmark = pytest.mark.django_db

RUNS = "/admin/archives/run/"
WORSE = ["s1", "s2", "s3"]


@pytest.fixture(autouse=True)
def _level(db: None, now: datetime) -> None:
    restore_boards()
    seed_level(now=now)


@pytest.fixture
def moderator(client: Client) -> User:
    moderator = UserFactory.create(username="moderator", staff=True)
    client.force_login(moderator)
    return moderator


def void(run: Run, *, now: datetime) -> None:
    session = GameSession.objects.get(id=run.session_id)
    moderation.void_session(session, reason="a bot", now=now)


class TestVoid:
    def test_takes_the_result_off_the_board(self, now: datetime) -> None:
        run = play_through(now=now, pages=[TRUE, TRUE]).run

        void(run, now=now + timedelta(hours=1))

        assert not Entry.objects.exists()
        assert Attempt.objects.count() == 1
        assert (run_of(here(run.session_id)).status, Archive.objects.count()) == ("finished", 1)

    def test_leaves_the_next_best_of_the_player(self, now: datetime) -> None:
        worse = play_through(now=now, pages=[TRUE, WORSE]).run
        best = play_through(now=now + timedelta(hours=1), pages=[TRUE, TRUE]).run

        void(best, now=now + timedelta(hours=2))

        entry = Entry.objects.get()
        assert (entry.score, entry.achieved_at) == (500, worse.ended_at)
        assert entry.is_listed
        void(worse, now=now + timedelta(hours=2))
        assert not Entry.objects.exists()

    def test_leaves_a_result_of_another_run(self, now: datetime) -> None:
        better = play_through(now=now, pages=[TRUE, TRUE]).run
        worse = play_through(now=now + timedelta(hours=1), pages=[TRUE, WORSE]).run

        void(worse, now=now + timedelta(hours=2))

        assert Entry.objects.get().score == 975
        void(better, now=now + timedelta(hours=2))
        assert not Entry.objects.exists()

    def test_leaves_what_was_achieved_since(self, now: datetime) -> None:
        worse = play_through(now=now, pages=[TRUE, WORSE]).run
        play_through(now=now + timedelta(hours=1), pages=[TRUE, TRUE])

        void(worse, now=now + timedelta(hours=2))

        assert Entry.objects.get().score == 975

    def test_leaves_the_results_of_others(self, now: datetime) -> None:
        run = play_through(now=now, pages=[TRUE, TRUE]).run
        play_through(caller=bob, now=now, pages=[TRUE, TRUE])

        void(run, now=now + timedelta(hours=1))

        assert Entry.objects.get().user.subject == "bob"

    def test_lets_the_player_begin_anew(self, now: datetime) -> None:
        void(play_through(now=now, pages=[TRUE, TRUE]).run, now=now + timedelta(hours=1))

        play_through(now=now + timedelta(hours=2), pages=[TRUE, WORSE])

        entry = Entry.objects.get()
        assert entry.score == 500
        assert entry.is_listed

    def test_ends_a_run_that_is_played(self, now: datetime) -> None:
        place = archive(start(now=now), now=now)

        void(place.run, now=now + timedelta(minutes=1))

        after = here(place.run.session_id)
        assert (after.run.status, after.session.status) == ("abandoned", "abandoned")
        assert Archive.objects.get().total_items == 3
        assert not run_ends.tick(place.run.session_id, number=1, now=now + timedelta(days=1))

    @pytest.mark.django_db(transaction=True)
    def test_is_live_on_the_board(self, now: datetime) -> None:
        restore_boards()
        seed_level(now=now)
        run = play_through(now=now, pages=[TRUE, TRUE]).run

        with assert_live("leaderboard:top", {"board": "solo:3"}):
            void(run, now=now + timedelta(hours=1))


class TestAdmin:
    def test_voids_runs_for_a_reason(self, client: Client, moderator: User, now: datetime) -> None:
        run = play_through(now=now, pages=[TRUE, TRUE]).run
        form: dict[str, Any] = {"action": "void", "_selected_action": [str(run.pk)]}

        refused = client.post(RUNS, {**form, "reason": ""}, follow=True).content.decode()
        done = client.post(RUNS, {**form, "reason": "a bot"}, follow=True).content.decode()

        assert "needs a reason" in refused
        assert "Runs voided: 1." in done
        session = GameSession.objects.get()
        assert (session.voided_reason, session.status) == ("a bot", "completed")
        assert not Entry.objects.exists()
        logged = LogEntry.objects.get()
        assert (logged.user_id, logged.change_message) == (moderator.id, "Voided: a bot")

    def test_is_for_those_who_may_void_sessions(self, client: Client, now: datetime) -> None:
        helper = UserFactory.create(username="helper", staff=True, is_superuser=False)
        helper.user_permissions.add(Permission.objects.get(codename="view_run"))
        client.force_login(helper)
        run = play_through(now=now, pages=[TRUE, TRUE]).run

        listed = client.get(RUNS)
        form: dict[str, Any] = {"action": "void", "_selected_action": [str(run.pk)], "reason": "x"}
        client.post(RUNS, form)

        assert listed.status_code == 200
        assert "Void, for a reason" not in listed.content.decode()
        assert Entry.objects.exists()

    def test_changes_and_deletes_nothing(
        self, client: Client, moderator: User, now: datetime
    ) -> None:
        run = start(now=now).run
        page = client.get(f"{RUNS}{run.pk}/change/").content.decode()

        assert "<input" not in page.split('id="run_form"')[1].split("</form>")[0].replace(
            '<input type="hidden"', ""
        )
        assert client.post(f"{RUNS}{run.pk}/delete/", {"post": "yes"}).status_code == 403
        assert client.get(f"{RUNS}add/").status_code == 403
        assert Run.objects.count() == 1

    def test_finds_the_runs_of_a_player(
        self, client: Client, moderator: User, now: datetime
    ) -> None:
        run = start(now=now).run
        other = start(bob, now=now).run

        found = client.get(f"{RUNS}?q=alice").content.decode()

        assert (str(run.pk) in found, str(other.pk) in found) == (True, False)

    def test_takes_as_many_statements_for_many_runs_as_for_one(
        self, client: Client, moderator: User, now: datetime
    ) -> None:
        start(now=now)
        counts = []
        for _ in range(2):
            with CaptureQueriesContext(
                connection,
            ) as queries:
                client.get(RUNS)
            counts.append(len(queries))
            for _ in range(4):
                start(now=now)

        assert counts[0] == counts[1]


class TestLeaving:
    def test_erases_every_run(self, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(run_trimming, "RUNS_AT_ONCE", 2)
        begun = [start(now=now + timedelta(hours=hour)) for hour in range(3)]
        kept = start(bob, now=now)
        user_id = begun[0].session.user_id

        steps = [run_trimming.erase_runs(user_id) for _ in range(3)]

        assert steps == [False, True, True]
        assert list(Run.objects.all()) == [kept.run]
        assert set(RunPage.objects.values_list("run", flat=True)) == {kept.run.pk}

    @pytest.mark.django_db(transaction=True)
    def test_erases_runs_with_the_account(self, now: datetime) -> None:
        restore_boards()
        seed_level(now=now)
        play_through(now=now, pages=[TRUE, TRUE])
        place = archive(start(now=now), now=now)
        user = place.session.user

        deletion.delete_account(user.issuer, user.subject, at=now, now=datetime.now(UTC))
        early = run_ends.tick(place.run.session_id, number=1, now=now + timedelta(days=1))
        run_jobs(now=datetime.now(UTC) + timedelta(minutes=1))

        assert not early
        for model in (Run, RunPage, Archive, GameSession):
            assert not model.objects.exists()
        assert Entry.objects.get().score == 975

    def test_takes_a_copy_of_every_run_along(self, now: datetime) -> None:
        play_through(now=now, pages=[TRUE, WORSE])
        start(now=now + timedelta(hours=1))
        start(bob, now=now)
        out = io.BytesIO()

        exports.write_export(alice, out, now=now)

        first, second = json.loads(out.getvalue())["parts"]["runs"]
        assert (first["status"], first["level"], first["board_status"]) == (
            "finished",
            3,
            "created",
        )
        assert [page["points"] for page in first["pages"]] == [375, 125]
        assert first["pages"][1]["archived"] == [["s1", 175], ["s2", -150], ["s3", 100]]
        assert (second["status"], len(second["pages"])) == ("started", 1)
        assert "content" not in first["pages"][0]

    def test_stops_nothing_that_others_play(self, now: datetime) -> None:
        place = go_on(archive(start(bob, now=now), caller=bob, now=now), caller=bob, now=now)
        run_trimming.erase_runs(UserFactory.create(username="carol").id)

        assert archive(place, caller=bob, now=now).run.status == "finished"


class TestTrimming:
    def test_takes_some_runs_at_a_time(
        self, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(run_trimming, "RUNS_AT_ONCE", 2)
        for hour in range(4):
            start(now=now + timedelta(hours=hour))
        later = now + timedelta(days=8)

        steps = [run_trimming.trim_runs(now=later) for _ in range(2)]

        assert steps == [False, True]
        assert Run.objects.filter(trimmed=True).count() == 3
        assert RunPage.objects.count() == 2
