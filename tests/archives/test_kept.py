"""Of what a player has done, so much is kept and no more (D23). Archives are never deleted."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from accounts.models import User
from archives.errors import NoRoomError
from archives.models import Archive, Run, RunPage
from archives.rules import content as rules
from archives.services import saving
from dust.livequery.testing import mutate, run_jobs
from dust.livequery.writing import run_write
from gamesessions import rules as session_rules
from gamesessions.errors import SessionNotFoundError
from gamesessions.models import GameSession
from gamesessions.services import retention
from leaderboard.models import Entry
from tests.accounts.waiting import wait_until_somebody_waits
from tests.archives.documents import item, read_items, snake
from tests.archives.playing import TRUE, play_through, run_of, seed_level, start
from tests.factories import GameSessionFactory, UserFactory, identity_of
from tests.rest import bearer, restore_boards, unspend_limits

pytestmark = pytest.mark.django_db

KEPT = 2
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_rules, "MAX_SESSIONS", KEPT)
    monkeypatch.setattr(rules, "MAX_ARCHIVES", KEPT)


@pytest.fixture
def alice(db: None) -> User:
    return UserFactory.create(username="alice")


def played(player: User, now: datetime) -> GameSession:
    session: GameSession = GameSessionFactory.create(
        user=player, status="abandoned", started_at=now, ended_at=now
    )
    return session


def save(session: GameSession, *items: Any, now: datetime) -> Archive:
    items = items or (item(),)
    caller = identity_of(session.user)
    return saving.save_archive(session.id, read_items(*items), caller=caller, now=now).archive


class TestGames:
    def test_d23_stay_as_long_as_an_archive_is_kept_of_them(
        self, alice: User, now: datetime
    ) -> None:
        games = [played(alice, now) for _ in range(KEPT + 3)]
        archive = save(games[1], now=now)

        assert retention.drop_sessions(since=now - HOUR) is None
        assert set(GameSession.objects.all()) == {games[1], *games[-KEPT:]}

        archive.delete()
        retention.drop_sessions(since=now - HOUR)
        assert set(GameSession.objects.all()) == set(games[-KEPT:])

    @pytest.mark.django_db(transaction=True)
    def test_d23_go_with_their_runs_and_pages(self, now: datetime) -> None:
        restore_boards()
        seed_level(now=now)
        finished = play_through(now=now, pages=[TRUE, TRUE]).run
        left = [start(now=now + number * timedelta(seconds=1)).run for number in range(1, 6)]

        run_jobs(now=now + HOUR)

        assert {run.pk for run in Run.objects.all()} == {
            finished.pk,
            *(run.pk for run in left[-KEPT:]),
        }
        assert RunPage.objects.values("run").distinct().count() == 1 + KEPT
        assert Archive.objects.get().session_id == finished.pk
        assert Entry.objects.get().score == 975

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("is_dropped_first", [True, False])
    def test_that_go_while_something_is_archived_of_them_go_or_stay_with_it(
        self, alice: User, now: datetime, is_dropped_first: bool
    ) -> None:
        """Whoever comes second sees what the first did: nothing is lost that was acknowledged."""
        if connection.vendor != "postgresql":
            return
        games = [played(alice, now) for _ in range(KEPT + 1)]

        def archive() -> bool:
            try:
                run_write(lambda: save(games[0], now=now), name="test")
            except SessionNotFoundError:
                return False
            finally:
                connection.close()
            return True

        with ThreadPoolExecutor(1) as pool:
            if is_dropped_first:
                with transaction.atomic():
                    retention.drop_sessions(since=now - HOUR)
                    archiving = pool.submit(archive)
                    wait_until_somebody_waits()
                is_archived = archiving.result(timeout=30)
            else:
                is_archived = pool.submit(archive).result(timeout=30)
                retention.drop_sessions(since=now - HOUR)

        assert is_archived is not is_dropped_first
        assert GameSession.objects.filter(id=games[0].id).exists() is is_archived
        assert Archive.objects.count() == is_archived


class TestArchives:
    def test_d23_beyond_the_limit_are_refused_which_is_named(
        self, alice: User, now: datetime
    ) -> None:
        kept = {save(played(alice, now), now=now) for _ in range(KEPT)}

        with pytest.raises(NoRoomError, match=f"You have {KEPT} archives"):
            save(played(alice, now), now=now)

        assert set(Archive.objects.all()) == kept

    def test_can_be_replaced_at_the_limit(self, alice: User, now: datetime) -> None:
        games = [played(alice, now) for _ in range(KEPT)]
        for game in games:
            save(game, now=now)

        again = save(games[0], item(), item(), now=now)

        assert (again.total_items, Archive.objects.count()) == (2, KEPT)

    def test_are_counted_for_each_player(self, alice: User, now: datetime) -> None:
        for player in (alice, UserFactory.create(username="bob")):
            for _ in range(KEPT):
                save(played(player, now), now=now)

        assert Archive.objects.count() == 2 * KEPT

    def test_can_be_kept_again_once_there_is_room(self, alice: User, now: datetime) -> None:
        archives = [save(played(alice, now), now=now) for _ in range(KEPT)]
        archives[0].delete()

        save(played(alice, now), now=now)

        assert Archive.objects.count() == KEPT

    @pytest.mark.django_db(transaction=True)
    def test_d23_are_refused_alike_by_every_door(
        self, client: Client, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        unspend_limits(monkeypatch)

        def post(path: str, **body: Any) -> Any:
            return client.post(
                f"/api/v1/{path}/", body, content_type="application/json", headers=bearer("alice")
            )

        begun = [post("sessions").json()["id"] for _ in range(KEPT + 1)]
        answers = [post("archives", session_id=key, items=[snake(item())]) for key in begun]
        player = identity_of(User.objects.get(subject="alice"))

        with pytest.raises(NoRoomError) as refused:
            mutate("archives:save", {"sessionId": begun[-1], "items": [item()]}, caller=player)

        assert [answer.status_code for answer in answers] == [201] * KEPT + [409]
        assert answers[-1].json()["code"] == refused.value.code == "no_room"
        assert answers[-1].json()["message"] == refused.value.message
        assert str(KEPT) in refused.value.message
        assert Archive.objects.count() == KEPT

    @pytest.mark.django_db(transaction=True)
    def test_d23_stand_in_the_way_of_no_result(self, now: datetime) -> None:
        restore_boards()
        seed_level(now=now)
        for number in range(KEPT):
            play_through(now=now + number * HOUR, pages=[["s1", "s2", "s3"], TRUE])

        last = play_through(now=now + KEPT * HOUR, pages=[TRUE, TRUE])

        assert run_of(last).status == "finished"
        assert Entry.objects.get().score == 975
        assert Archive.objects.count() == KEPT
