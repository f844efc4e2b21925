"""However much somebody plays, so many of their games are kept and no more (D23)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from dust.livequery.testing import run_jobs
from gamesessions import rules
from gamesessions.models import GameSession, PlayEvent, Save
from gamesessions.services import retention, sessions
from tests.factories import (
    GameSessionFactory,
    PlayEventFactory,
    SaveFactory,
    UserFactory,
    identity_of,
)

MINUTE = timedelta(minutes=1)
KEPT = 3


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MAX_SESSIONS", KEPT)


@pytest.fixture
def alice(db: None) -> User:
    return UserFactory.create(username="alice")


def play(player: User, count: int, now: datetime, **changed: Any) -> list[GameSession]:
    """Return so many games of the player's that have ended one after the other until now."""
    moments = [now - number * MINUTE for number in reversed(range(count))]
    return [
        GameSessionFactory.create(
            user=player, status="abandoned", started_at=moment, ended_at=moment, **changed
        )
        for moment in moments
    ]


def left(player: User) -> Sequence[GameSession]:
    return list(GameSession.objects.filter(user=player).order_by("id"))


def drop_all(since: datetime) -> int:
    """Return how many batches it took."""
    batches, following = 1, retention.drop_sessions(since=since)
    while following is not None:
        batches, following = batches + 1, retention.drop_sessions(since=following)
    return batches


class TestDropSessions:
    def test_d23_keeps_the_newest_of_each_player(self, alice: User, now: datetime) -> None:
        bob = UserFactory.create(username="bob")
        hers, his = play(alice, 7, now), play(bob, 2, now)

        assert drop_all(now - timedelta(hours=1)) == 1

        assert left(alice) == hers[-KEPT:]
        assert left(bob) == his

    def test_d23_takes_all_that_goes_with_a_game(self, alice: User, now: datetime) -> None:
        games = play(alice, KEPT + 2, now, version=2)
        for game in games:
            SaveFactory.create(session=game)
            PlayEventFactory.create_batch(2, session=game)

        drop_all(now - timedelta(hours=1))

        assert (Save.objects.count(), PlayEvent.objects.count()) == (KEPT, 2 * KEPT)

    def test_leaves_the_game_that_is_played(self, alice: User, now: datetime) -> None:
        played = GameSessionFactory.create(user=alice)
        games = play(alice, KEPT, now)

        drop_all(now - timedelta(hours=1))

        assert left(alice) == [played, *games]

    def test_looks_at_those_who_have_ended_a_game_lately(self, alice: User, now: datetime) -> None:
        play(alice, KEPT + 2, now)

        drop_all(now)
        assert len(left(alice)) == KEPT + 2

        play(alice, 1, now + MINUTE)
        drop_all(now)
        assert len(left(alice)) == KEPT

    def test_d23_takes_one_batch_at_a_time(
        self, alice: User, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retention, "DROPPED_AT_ONCE", 2)
        monkeypatch.setattr(retention, "ROWS_AT_ONCE", 3)
        games = play(alice, KEPT + 5, now)
        PlayEventFactory.create_batch(4, session=games[0])

        counts = []
        while retention.drop_sessions(since=now - timedelta(hours=1)) is not None:
            counts.append(len(left(alice)))

        assert counts == [6, 4, 4]
        assert len(left(alice)) == KEPT
        assert not PlayEvent.objects.exists()

    def test_d23_looks_at_a_batch_of_players_at_a_time(
        self, alice: User, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retention, "SESSIONS_AT_ONCE", 2)
        players = [alice, *UserFactory.create_batch(4)]
        for number, player in enumerate(players):
            play(player, KEPT + 1, now + timedelta(seconds=number))

        assert drop_all(now - timedelta(hours=1)) > 1

        assert {len(left(player)) for player in players} == {KEPT}

    @pytest.mark.django_db(transaction=True)
    def test_d23_is_a_job(
        self, alice: User, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retention, "DROPPED_AT_ONCE", 2)
        games = play(alice, KEPT + 5, now)

        run_jobs(now=now)

        assert left(alice) == games[-KEPT:]

    @pytest.mark.django_db(transaction=True)
    def test_d23_bounds_whoever_begins_games_without_end(self, alice: User, now: datetime) -> None:
        for hour in range(3):
            for minute in range(20):
                begun_at = now + timedelta(hours=hour, minutes=minute)
                sessions.create_session(identity_of(alice), now=begun_at)
            run_jobs(now=now + timedelta(hours=hour, minutes=59))

            assert len(left(alice)) == KEPT

    def test_costs_the_same_however_many_have_long_ended(
        self, alice: User, now: datetime, django_assert_max_num_queries: Any
    ) -> None:
        for _ in range(3):
            play(UserFactory.create(), KEPT, now - timedelta(days=1))
        play(alice, KEPT + 1, now)

        with django_assert_max_num_queries(30):
            drop_all(now - timedelta(hours=1))
