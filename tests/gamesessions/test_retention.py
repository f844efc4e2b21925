"""What goes: old history, and all of a player who leaves."""

from datetime import datetime, timedelta

import msgspec
import pytest

from accounts.models import User
from accounts.services import deletion, exports
from dust.livequery.registry import Kind, find_function
from gamesessions import queries, rules
from gamesessions.models import GameSession, PlayEvent, Save
from gamesessions.services import retention
from tests.factories import GameSessionFactory, PlayEventFactory, SaveFactory, UserFactory

pytestmark = pytest.mark.django_db


def game(ended_at: datetime | None, user: User | None = None) -> GameSession:
    """Return a game with a save and two events."""
    user = user or UserFactory.create()
    session: GameSession = GameSessionFactory.create(
        user=user,
        version=2,
        status="completed" if ended_at else "active",
        ended_at=ended_at,
    )
    SaveFactory.create(session=session)
    PlayEventFactory.create_batch(2, session=session)
    return session


def sizes(session: GameSession) -> tuple[int, int]:
    return (
        Save.objects.filter(session=session).count(),
        PlayEvent.objects.filter(session=session).count(),
    )


class TestTrim:
    def test_d23_deletes_the_history_of_what_ended_long_ago(self, now: datetime) -> None:
        old = game(now - rules.HISTORY_KEPT - timedelta(seconds=1))
        recent = game(now - rules.HISTORY_KEPT + timedelta(seconds=1))
        played = game(None)

        assert retention.trim_sessions(now=now)

        assert [sizes(session) for session in (old, recent, played)] == [(0, 0), (1, 2), (1, 2)]

    def test_d23_leaves_the_session_and_marks_it(self, now: datetime) -> None:
        old, recent = game(now - timedelta(days=365)), game(now)
        GameSession.objects.update(state={"page": 3}, score=700)

        retention.trim_sessions(now=now)

        old.refresh_from_db()
        recent.refresh_from_db()
        assert (old.trimmed, old.status, old.score, old.state) == (True, "completed", 700, None)
        assert (recent.trimmed, recent.state) == (False, {"page": 3})

    def test_d23_takes_one_batch_at_a_time(
        self, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retention, "ROWS_AT_ONCE", 3)
        monkeypatch.setattr(retention, "SESSIONS_AT_ONCE", 2)
        for _ in range(5):
            game(now - timedelta(days=365))

        left = []
        while not retention.trim_sessions(now=now):
            left.append(PlayEvent.objects.count())

        assert left[0] == 7
        assert (PlayEvent.objects.count(), Save.objects.count()) == (0, 0)
        assert GameSession.objects.filter(trimmed=True).count() == 5

    def test_is_declared_as_a_job(self) -> None:
        spec = find_function("gamesessions:trim", kind=Kind.MUTATION, internal=True)

        assert spec.is_internal


class TestErasing:
    def test_leaves_nothing_of_the_player_and_all_of_the_others(
        self, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retention, "ROWS_AT_ONCE", 3)
        monkeypatch.setattr(retention, "SESSIONS_AT_ONCE", 2)
        alice = UserFactory.create(username="alice")
        for _ in range(3):
            game(now, alice)
        game(None, alice)
        others = game(None)

        calls = 1
        while not retention.erase_sessions(alice.id):
            calls += 1

        assert calls > 2
        assert list(GameSession.objects.all()) == [others]
        assert sizes(others) == (1, 2)

    def test_may_come_again(self) -> None:
        alice = UserFactory.create(username="alice")

        assert retention.erase_sessions(alice.id)

    def test_is_part_of_deleting_an_account(self) -> None:
        assert deletion._parts["gamesessions"] is retention.erase_sessions


class TestExport:
    def test_holds_everything_there_is(self, now: datetime) -> None:
        alice = UserFactory.create(username="alice")
        session = game(now, alice)
        GameSession.objects.update(state={"page": 3}, score=700)
        game(None)

        [found] = queries.export_sessions(alice.id)

        assert msgspec.json.decode(msgspec.json.encode(found)) | {"events": None} == {
            "id": session.public_id,
            "status": "completed",
            "refereed": False,
            "version": 2,
            "score": 700,
            "level": 1,
            "combo": 0,
            "pages_completed": 0,
            "accuracy": 0.0,
            "state": {"page": 3},
            "started_at": "2026-03-01T12:00:00Z",
            "updated_at": "2026-03-01T12:00:00Z",
            "ended_at": "2026-03-14T15:09:26Z",
            "voided_at": None,
            "voided_reason": "",
            "saves": [
                {
                    "version": 1,
                    "score": 0,
                    "level": 1,
                    "combo": 0,
                    "pages_completed": 0,
                    "accuracy": 0.0,
                    "state": None,
                    "saved_at": "2026-03-01T12:00:00Z",
                }
            ],
            "events": None,
        }
        assert [event["type"] for event in found["events"]] == ["page_started"] * 2

    def test_is_part_of_everything_that_is_held_about_somebody(self) -> None:
        assert exports._parts["sessions"] is queries.export_sessions
