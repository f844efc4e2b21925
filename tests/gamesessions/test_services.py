"""Games begin, are saved, and are taken back."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.errors import AccountBannedError
from accounts.models import User
from dust.livequery.testing import Watch, assert_live
from gamesessions import rules
from gamesessions.errors import (
    InvalidProgressError,
    InvalidStateError,
    SaveNotFoundError,
    SessionNotFoundError,
    SessionOverError,
    SessionRefereedError,
    StaleSaveError,
)
from gamesessions.models import GameSession, Save
from gamesessions.rules import Progress, Status
from gamesessions.services import sessions
from tests.factories import GameSessionFactory, UserFactory
from tests.gamesessions.saving import STATE, alice, begin, bob, finish, history, save


@pytest.fixture
def session(db: None, now: datetime) -> GameSession:
    """A game of alice's, saved once."""
    return begin(now=now)


class TestCreateSession:
    def test_begins_at_the_beginning(self, db: None, now: datetime) -> None:
        created = sessions.create_session(alice, now=now)

        session = GameSession.objects.select_related("user").get()
        assert session == created
        assert (session.user.subject, session.status, session.refereed) == (
            "alice",
            "active",
            False,
        )
        assert session.progress == Progress(
            score=0, level=1, combo=0, pages_completed=0, accuracy=0
        )
        assert (session.version, session.state) == (1, None)
        assert (session.started_at, session.updated_at, session.ended_at) == (now, now, None)
        assert session.id.version == 7

    def test_abandons_the_game_that_was_played(self, session: GameSession, now: datetime) -> None:
        later = now + timedelta(hours=1)

        second = sessions.create_session(alice, now=later)

        session.refresh_from_db()
        assert (session.status, session.ended_at, session.score) == ("abandoned", later, 100)
        assert GameSession.objects.get(status=Status.ACTIVE) == second

    def test_leaves_what_had_ended_and_what_others_play(
        self, session: GameSession, now: datetime
    ) -> None:
        finish(session, now=now)
        others = sessions.create_session(bob, now=now)

        sessions.create_session(alice, now=now + timedelta(hours=1))

        session.refresh_from_db()
        others.refresh_from_db()
        assert (session.status, session.ended_at) == ("completed", now)
        assert others.status == "active"

    def test_may_be_one_that_the_server_plays(self, db: None, now: datetime) -> None:
        assert sessions.create_session(alice, now=now, refereed=True).refereed

    def test_is_not_for_the_banned(self, session: GameSession, now: datetime) -> None:
        User.objects.update(is_banned=True)

        with pytest.raises(AccountBannedError):
            sessions.create_session(alice, now=now)

        assert GameSession.objects.count() == 1

    @pytest.mark.django_db(transaction=True)
    def test_reaches_who_watches_and_nobody_else(self, session: GameSession, now: datetime) -> None:
        UserFactory.create(username="bob")
        other = Watch("gameSessions:getActive", caller=bob)

        with assert_live("gamesessions:active", caller=alice, bystanders=(other,)):
            sessions.create_session(alice, now=now)


class TestSaveSession:
    def test_replaces_the_copy_and_keeps_the_one_before(
        self, session: GameSession, now: datetime
    ) -> None:
        later = now + timedelta(minutes=1)

        saved = save(
            session,
            based_on=2,
            score=250.0,
            level=2,
            combo=3,
            pages_completed=2,
            accuracy=87.5,
            state=["new"],
            now=later,
        )

        session.refresh_from_db()
        assert saved.progress == session.progress
        assert session.progress == Progress(
            score=250, level=2, combo=3, pages_completed=2, accuracy=87.5
        )
        assert (session.version, session.state, session.updated_at) == (3, ["new"], later)
        kept = Save.objects.get(session=session, version=2)
        assert kept.progress == Progress(score=100, level=1, combo=0, pages_completed=1, accuracy=0)
        assert (kept.state, kept.saved_at) == (STATE, now)

    def test_leaves_what_is_not_given(self, session: GameSession, now: datetime) -> None:
        save(session, combo=5, now=now)

        session.refresh_from_db()
        assert (session.score, session.combo, session.state) == (100, 5, STATE)

    def test_can_empty_the_state(self, session: GameSession, now: datetime) -> None:
        save(session, state=None, now=now)

        session.refresh_from_db()
        assert session.state is None

    @pytest.mark.parametrize(
        "state", [{"b": 1, "a": 2}, 1e300, -0.0, 2**70, "\x01", "\u2028é🎲", [], 0.1 + 0.2, True]
    )
    def test_gives_the_state_back_as_it_was(
        self, session: GameSession, now: datetime, state: Any
    ) -> None:
        save(session, state=state, now=now)

        session.refresh_from_db()
        assert repr(session.state) == repr(state)

    @pytest.mark.parametrize("based_on", [1, 3])
    def test_refuses_to_follow_another_copy_than_the_present_one(
        self, session: GameSession, now: datetime, based_on: int
    ) -> None:
        with pytest.raises(StaleSaveError) as refusal:
            save(session, based_on=based_on, score=7, now=now)

        session.refresh_from_db()
        assert refusal.value.current == session
        assert refusal.value.current.state == STATE
        assert (session.score, session.version) == (100, 2)

    def test_follows_whatever_is_there_if_no_version_is_given(
        self, session: GameSession, now: datetime
    ) -> None:
        save(session, score=200, now=now)
        save(session, score=150, now=now)

        session.refresh_from_db()
        assert (session.score, session.version) == (150, 4)
        assert history(session) == [(1, 0), (2, 100), (3, 200)]

    def test_d23_drops_the_oldest_of_the_history(self, session: GameSession, now: datetime) -> None:
        for score in range(30):
            save(session, score=score, now=now)

        session.refresh_from_db()
        assert session.version == 32
        assert [version for version, _ in history(session)] == list(range(12, 32))

    @pytest.mark.parametrize(
        ("field", "value"),
        [("level", 11), ("combo", -1), ("accuracy", 100.1), ("score", float("nan"))],
    )
    def test_refuses_what_the_rules_refuse(
        self, session: GameSession, now: datetime, field: str, value: Any
    ) -> None:
        with pytest.raises(InvalidProgressError) as refusal:
            save(session, **{field: value}, now=now)

        assert list(refusal.value.fields) == [field]
        assert history(session) == [(1, 0)]

    def test_lets_no_page_become_undone(self, session: GameSession, now: datetime) -> None:
        with pytest.raises(InvalidProgressError):
            save(session, pages_completed=0, now=now)

    def test_refuses_a_state_that_is_too_long(self, session: GameSession, now: datetime) -> None:
        with pytest.raises(InvalidStateError):
            save(session, state="x" * rules.MAX_STATE_BYTES, now=now)

    def test_keeps_the_longest_state_there_may_be(
        self, session: GameSession, now: datetime
    ) -> None:
        longest = "é" * ((rules.MAX_STATE_BYTES - 2) // 2)

        assert save(session, state=longest, now=now).version == 3
        assert save(session, state=None, now=now).version == 4

    def test_d6_refuses_the_session_of_somebody_else(
        self, session: GameSession, now: datetime
    ) -> None:
        with pytest.raises(SessionNotFoundError) as refusal:
            save(session, caller=bob, score=1, now=now)

        session.refresh_from_db()
        assert refusal.value.is_foreign
        assert session.score == 100

    def test_refuses_what_is_not_there(self, session: GameSession, now: datetime) -> None:
        session.delete()
        gone = GameSession(id=GameSessionFactory.build().id)

        with pytest.raises(SessionNotFoundError) as refusal:
            save(gone, now=now)

        assert not refusal.value.is_foreign

    @pytest.mark.parametrize("end", ["completed", "abandoned"])
    def test_refuses_a_game_that_is_over(
        self, session: GameSession, now: datetime, end: str
    ) -> None:
        if end == "completed":
            finish(session, now=now)
        else:
            sessions.create_session(alice, now=now)

        with pytest.raises(SessionOverError):
            save(session, score=1, now=now)

    def test_refuses_a_game_that_the_server_plays(self, db: None, now: datetime) -> None:
        session = sessions.create_session(alice, now=now, refereed=True)

        with pytest.raises(SessionRefereedError):
            save(session, score=10**6, now=now)

    def test_is_not_for_the_banned(self, session: GameSession, now: datetime) -> None:
        User.objects.update(is_banned=True)

        with pytest.raises(AccountBannedError):
            save(session, score=1, now=now)

    def test_takes_no_more_statements_than_it_needs(
        self,
        session: GameSession,
        now: datetime,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        # The player, the session, its copy, and the session again: looked at, then written; around
        # it a savepoint.
        with django_assert_max_num_queries(7):
            save(session, score=1, now=now)

    @pytest.mark.django_db(transaction=True)
    def test_reaches_who_watches_and_nobody_else(self, session: GameSession, now: datetime) -> None:
        theirs = sessions.create_session(bob, now=now)
        other = Watch("gameSessions:getActive", caller=bob)

        with assert_live("gamesessions:active", caller=alice, bystanders=(other,)):
            save(session, score=101, now=now)

        assert theirs.status == "active"


class TestRestoreSave:
    def test_makes_a_former_copy_the_present_one(self, session: GameSession, now: datetime) -> None:
        save(session, score=200, pages_completed=4, state={"spoilt": True}, now=now)

        restored = sessions.restore_save(alice, session.id, version=2, based_on=3, now=now)

        session.refresh_from_db()
        assert (restored.version, session.version) == (4, 4)
        assert (session.score, session.pages_completed, session.state) == (100, 1, STATE)
        assert history(session) == [(1, 0), (2, 100), (3, 200)]

    def test_finds_the_oldest_of_the_history_too(self, session: GameSession, now: datetime) -> None:
        for score in range(25):
            save(session, score=score, now=now)
        oldest, score = history(session)[0]

        restored = sessions.restore_save(alice, session.id, version=oldest, based_on=None, now=now)

        assert restored.score == score
        assert len(history(session)) == rules.MAX_SAVES

    @pytest.mark.parametrize("version", [2, 99])
    def test_needs_a_former_copy(self, session: GameSession, now: datetime, version: int) -> None:
        with pytest.raises(SaveNotFoundError):
            sessions.restore_save(alice, session.id, version=version, based_on=None, now=now)

    def test_refuses_to_follow_another_copy_than_the_present_one(
        self, session: GameSession, now: datetime
    ) -> None:
        with pytest.raises(StaleSaveError):
            sessions.restore_save(alice, session.id, version=1, based_on=1, now=now)

    def test_refuses_a_game_that_is_over(self, session: GameSession, now: datetime) -> None:
        finish(session, now=now)

        with pytest.raises(SessionOverError):
            sessions.restore_save(alice, session.id, version=1, based_on=None, now=now)

    def test_d6_refuses_the_session_of_somebody_else(
        self, session: GameSession, now: datetime
    ) -> None:
        with pytest.raises(SessionNotFoundError):
            sessions.restore_save(bob, session.id, version=1, based_on=None, now=now)

    @pytest.mark.django_db(transaction=True)
    def test_reaches_who_watches(self, session: GameSession, now: datetime) -> None:
        with assert_live("gamesessions:active", caller=alice):
            sessions.restore_save(alice, session.id, version=1, based_on=None, now=now)
