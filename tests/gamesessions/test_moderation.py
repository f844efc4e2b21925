"""What moderators do to sessions."""

from datetime import datetime

import pytest
from django.contrib.admin.models import LogEntry

from accounts.models import User
from dust.livequery.testing import assert_live
from gamesessions.errors import (
    InvalidModerationError,
    SessionOverError,
    SessionRefereedError,
)
from gamesessions.models import GameSession, Save
from gamesessions.services import moderation
from tests.factories import GameSessionFactory, SaveFactory, UserFactory, identity_of


@pytest.fixture
def moderator(db: None) -> User:
    return UserFactory.create(username="moderator", staff=True)


@pytest.fixture
def save(db: None) -> Save:
    return SaveFactory.create(session__user__username="alice", session__score=700, score=300)


def void(session: GameSession, moderator: User, now: datetime, reason: str = "a bot") -> int:
    return moderation.void_sessions([session.id], reason=reason, moderator_id=moderator.id, now=now)


def restore(save: Save, moderator: User, now: datetime, reason: str = "asked for it") -> int:
    return moderation.restore_saves([save.id], reason=reason, moderator_id=moderator.id, now=now)


class TestVoid:
    def test_ends_a_game_that_is_played(self, moderator: User, now: datetime) -> None:
        session = GameSessionFactory.create()

        assert void(session, moderator, now, reason=" a bot ") == 1

        session.refresh_from_db()
        assert (session.status, session.ended_at) == ("abandoned", now)
        assert (session.voided_at, session.voided_reason) == (now, "a bot")

    def test_leaves_how_a_game_had_ended(self, moderator: User, now: datetime) -> None:
        session = GameSessionFactory.create(completed=True)

        void(session, moderator, now)

        session.refresh_from_db()
        assert (session.status, session.ended_at) == ("completed", session.started_at)
        assert session.voided_at == now

    def test_counts_and_logs_only_what_it_changed(self, moderator: User, now: datetime) -> None:
        session = GameSessionFactory.create(user__username="alice", score=1013)
        void(session, moderator, now)

        assert void(session, moderator, now, reason="really") == 0

        session.refresh_from_db()
        log = LogEntry.objects.get(user=moderator)
        assert session.voided_reason == "a bot"
        assert (log.get_change_message(), log.object_id) == ("Voided: a bot", str(session.id))
        assert log.object_repr == "1013 (active), begun 2026-03-01 12:00"

    def test_needs_a_reason(self, moderator: User, now: datetime) -> None:
        session = GameSessionFactory.create()

        with pytest.raises(InvalidModerationError):
            void(session, moderator, now, reason=" ")

        assert not GameSession.objects.filter(voided_at__isnull=False).exists()

    def test_can_be_a_servers_own_doing(self, db: None, now: datetime) -> None:
        session = GameSessionFactory.create()

        moderation.void_session(session, reason="impossible times", now=now)

        assert (session.status, session.voided_reason) == ("abandoned", "impossible times")

    @pytest.mark.django_db(transaction=True)
    def test_reaches_the_player(self, moderator: User, now: datetime) -> None:
        session = GameSessionFactory.create()

        with assert_live("gamesessions:active", caller=identity_of(session.user)):
            void(session, moderator, now)


class TestRestoreSaves:
    def test_goes_back_to_the_save(self, save: Save, moderator: User, now: datetime) -> None:
        assert restore(save, moderator, now) == 1

        session = GameSession.objects.get()
        assert (session.score, session.version, session.updated_at) == (300, 3, now)
        assert Save.objects.get(version=2).score == 700

    def test_is_logged_with_its_reason(self, save: Save, moderator: User, now: datetime) -> None:
        restore(save, moderator, now)

        log = LogEntry.objects.get(user=moderator)
        assert log.get_change_message() == "Version 1 restored: asked for it"
        assert log.object_id == str(save.session_id)

    def test_needs_a_reason(self, save: Save, moderator: User, now: datetime) -> None:
        with pytest.raises(InvalidModerationError):
            restore(save, moderator, now, reason="")

        assert GameSession.objects.get().score == 700

    def test_wants_one_save_of_each_session(
        self, save: Save, moderator: User, now: datetime
    ) -> None:
        GameSession.objects.update(version=3)
        other = SaveFactory.create(session=save.session, version=2)
        ids = [save.id, other.id]

        with pytest.raises(InvalidModerationError, match="one save"):
            moderation.restore_saves(ids, reason="both", moderator_id=moderator.id, now=now)

    def test_does_nothing_for_a_save_that_is_gone(
        self, save: Save, moderator: User, now: datetime
    ) -> None:
        Save.objects.all().delete()

        assert restore(save, moderator, now) == 0

    @pytest.mark.parametrize(
        ("changed", "error"),
        [
            ({"refereed": True}, SessionRefereedError),
            (
                {"status": "completed", "ended_at": datetime.fromisoformat("2026-03-01T12:00Z")},
                SessionOverError,
            ),
        ],
    )
    def test_refuses_what_cannot_be_played_on(
        self,
        save: Save,
        moderator: User,
        now: datetime,
        changed: dict[str, object],
        error: type[Exception],
    ) -> None:
        GameSession.objects.update(**changed)

        with pytest.raises(error):
            restore(save, moderator, now)

        assert not LogEntry.objects.exists()

    @pytest.mark.django_db(transaction=True)
    def test_reaches_the_player(self, save: Save, moderator: User, now: datetime) -> None:
        with assert_live("gamesessions:active", caller=identity_of(save.session.user)):
            restore(save, moderator, now)
