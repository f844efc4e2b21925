"""Games end: finished by their players or by the server, or left."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from dust.livequery.testing import assert_live
from gamesessions.errors import (
    InvalidProgressError,
    SessionNotFoundError,
    SessionOverError,
    SessionRefereedError,
    StaleSaveError,
)
from gamesessions.models import GameSession
from gamesessions.rules import Progress, Status
from gamesessions.services import moderation, sessions
from tests.gamesessions.saving import alice, begin, bob, finish, history, save


@pytest.fixture
def session(db: None, now: datetime) -> GameSession:
    """A game of alice's, saved once."""
    return begin(now=now)


class TestFinishSession:
    def test_saves_and_completes(self, session: GameSession, now: datetime) -> None:
        later = now + timedelta(minutes=5)

        finished = finish(
            session,
            based_on=2,
            progress=Progress(score=300, level=4, accuracy=91),
            state={"over": True},
            now=later,
        )

        session.refresh_from_db()
        assert finished == session
        assert (session.status, session.ended_at, session.updated_at) == ("completed", later, later)
        assert (session.score, session.level, session.accuracy) == (300, 4, 91)
        assert (session.pages_completed, session.state, session.version) == (1, {"over": True}, 3)

    def test_loses_no_save_that_was_acknowledged(self, session: GameSession, now: datetime) -> None:
        save(session, score=5000, now=now)

        finish(session, now=now)

        assert history(session) == [(1, 0), (2, 100), (3, 5000)]

    def test_does_nothing_a_second_time(self, session: GameSession, now: datetime) -> None:
        finish(session, progress=Progress(score=300), now=now)

        again = finish(
            session, based_on=2, progress=Progress(score=10**6), now=now + timedelta(days=1)
        )

        session.refresh_from_db()
        assert again == session
        assert (session.score, session.ended_at, session.version) == (300, now, 3)

    def test_refuses_to_follow_another_copy_than_the_present_one(
        self, session: GameSession, now: datetime
    ) -> None:
        with pytest.raises(StaleSaveError):
            finish(session, based_on=1, now=now)

        session.refresh_from_db()
        assert session.status == "active"

    def test_refuses_a_game_that_was_abandoned(self, session: GameSession, now: datetime) -> None:
        sessions.create_session(alice, now=now)

        with pytest.raises(SessionOverError):
            finish(session, now=now)

    def test_refuses_a_game_that_the_server_plays(self, db: None, now: datetime) -> None:
        session = sessions.create_session(alice, now=now, refereed=True)
        with pytest.raises(SessionRefereedError):
            finish(session, now=now)

        sessions.finish_refereed(session.id, progress=Progress(), now=now)

        with pytest.raises(SessionRefereedError):
            finish(session, now=now)

    def test_d6_refuses_the_session_of_somebody_else(
        self, session: GameSession, now: datetime
    ) -> None:
        with pytest.raises(SessionNotFoundError) as refusal:
            finish(session, bob, now=now)

        session.refresh_from_db()
        assert refusal.value.is_foreign
        assert session.status == "active"

    @pytest.mark.django_db(transaction=True)
    def test_reaches_who_watches(self, session: GameSession, now: datetime) -> None:
        with assert_live("gamesessions:active", caller=alice):
            finish(session, now=now)


class TestRefereed:
    @pytest.fixture
    def refereed(self, db: None, now: datetime) -> GameSession:
        return sessions.create_session(alice, now=now, refereed=True)

    def test_is_saved_by_the_server_without_a_history(
        self, refereed: GameSession, now: datetime
    ) -> None:
        sessions.save_refereed(refereed.id, progress=Progress(score=100, combo=1), now=now)
        sessions.save_refereed(refereed.id, progress=Progress(score=-50), state=[1], now=now)

        refereed.refresh_from_db()
        assert (refereed.score, refereed.combo, refereed.state) == (-50, 1, [1])
        assert refereed.version == 3
        assert history(refereed) == []

    def test_is_finished_by_the_server_once(self, refereed: GameSession, now: datetime) -> None:
        later = now + timedelta(minutes=2)
        sessions.finish_refereed(refereed.id, progress=Progress(score=550), now=later)

        sessions.finish_refereed(
            refereed.id, progress=Progress(score=1), now=later + timedelta(days=1)
        )

        refereed.refresh_from_db()
        assert (refereed.status, refereed.score, refereed.ended_at) == ("completed", 550, later)

    def test_may_be_given_up_by_the_server(self, refereed: GameSession, now: datetime) -> None:
        sessions.finish_refereed(refereed.id, progress=Progress(), status=Status.ABANDONED, now=now)

        refereed.refresh_from_db()
        assert (refereed.status, refereed.ended_at) == ("abandoned", now)

    def test_changes_no_more_once_it_is_over(self, refereed: GameSession, now: datetime) -> None:
        sessions.create_session(alice, now=now)

        with pytest.raises(SessionOverError):
            sessions.save_refereed(refereed.id, progress=Progress(score=1), now=now)
        with pytest.raises(SessionOverError):
            sessions.finish_refereed(refereed.id, progress=Progress(score=1), now=now)

    def test_is_nothing_that_a_client_keeps(self, session: GameSession, now: datetime) -> None:
        with pytest.raises(SessionNotFoundError):
            sessions.save_refereed(session.id, progress=Progress(score=1), now=now)

    def test_keeps_to_the_rules(self, refereed: GameSession, now: datetime) -> None:
        with pytest.raises(InvalidProgressError):
            sessions.save_refereed(refereed.id, progress=Progress(level=11), now=now)


class TestCutOff:
    @pytest.fixture
    def told(self, monkeypatch: pytest.MonkeyPatch) -> list[list[UUID]]:
        """What somebody who keeps more of sessions is told."""
        told: list[list[UUID]] = []
        monkeypatch.setattr(sessions, "_handlers", [])
        sessions.on_cut_off(lambda ids, _now: told.append(list(ids)))
        return told

    def test_is_told_of_what_a_new_game_abandons(
        self, session: GameSession, now: datetime, told: list[list[UUID]]
    ) -> None:
        second = sessions.create_session(alice, now=now)
        sessions.create_session(bob, now=now)
        finish(second, now=now)
        sessions.create_session(alice, now=now)

        assert told == [[session.id]]

    def test_is_told_of_what_is_voided(
        self, session: GameSession, now: datetime, told: list[list[UUID]]
    ) -> None:
        for _ in range(2):
            moderation.void_session(session, reason="a bot", now=now)

        assert [ids for ids in told if ids] == [[session.id]]
