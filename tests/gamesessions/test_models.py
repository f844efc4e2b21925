"""The database itself refuses what the rules refuse."""

from typing import Any

import pytest
from django.core import serializers
from django.db import IntegrityError, connection, transaction
from django.db.utils import DataError

from gamesessions import rules
from gamesessions.models import GameSession, PlayEvent, Save
from tests.factories import GameSessionFactory, PlayEventFactory, SaveFactory

pytestmark = pytest.mark.django_db

WRONG_COPIES: list[dict[str, Any]] = [
    {"version": 0},
    {"score": rules.MAX_SCORE + 1},
    {"score": rules.MIN_SCORE - 1},
    {"level": 0},
    {"level": 11},
    {"combo": -1},
    {"pages_completed": -1},
    {"accuracy": -0.1},
    {"accuracy": 100.1},
    {"state": "é" * (rules.MAX_STATE_BYTES // 2)},
]


def refuses(rows: Any, changed: dict[str, Any]) -> bool:
    try:
        with transaction.atomic():
            rows.update(**changed)
    except (IntegrityError, DataError):
        return True
    return False


class TestGameSession:
    @pytest.mark.parametrize(
        "wrong",
        [
            *WRONG_COPIES,
            {"status": "paused"},
            {"status": "completed"},
            {"status": "active", "ended_at": "2026-03-01T12:00:00Z"},
            {"voided_at": "2026-03-01T12:00:00Z"},
            {"voided_reason": "a bot"},
            {"voided_at": "2026-03-01T12:00:00Z", "voided_reason": "a bot"},
        ],
        ids=str,
    )
    def test_is_always_within_the_limits(self, wrong: dict[str, Any]) -> None:
        GameSessionFactory.create()

        assert refuses(GameSession.objects, wrong)

    def test_is_one_at_a_time(self) -> None:
        session = GameSessionFactory.create()
        GameSessionFactory.create(user=session.user, abandoned=True)

        with pytest.raises(IntegrityError), transaction.atomic():
            GameSessionFactory.create(user=session.user)

    @pytest.mark.parametrize("state", [{"b": [1.5, None]}, "null", None, 1e300])
    def test_keeps_the_state_as_json(self, state: Any) -> None:
        session = GameSessionFactory.create(state=state)

        with connection.cursor() as cursor:
            cursor.execute("SELECT state FROM gamesessions_gamesession")
            [text] = cursor.fetchone()

        assert text == {"null": '"null"', None: "null", 1e300: "1e300"}.get(
            state if not isinstance(state, dict) else 0, '{"b":[1.5,null]}'
        )
        session.refresh_from_db()
        assert session.state == state

    @pytest.mark.parametrize("state", [{"b": [1.5, None]}, "text", None, [7], True])
    def test_comes_back_from_a_fixture(self, state: Any) -> None:
        session = GameSessionFactory.create(state=state)
        [fixture] = serializers.deserialize("json", serializers.serialize("json", [session]))
        GameSession.objects.update(state="other")

        fixture.save()

        session.refresh_from_db()
        assert session.state == state


class TestSave:
    @pytest.mark.parametrize("wrong", WRONG_COPIES, ids=str)
    def test_is_always_within_the_limits(self, wrong: dict[str, Any]) -> None:
        SaveFactory.create()

        assert refuses(Save.objects, wrong)

    def test_is_one_of_each_version(self) -> None:
        save = SaveFactory.create()

        with pytest.raises(IntegrityError), transaction.atomic():
            SaveFactory.create(session=save.session)


class TestPlayEvent:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"client_id": ""},
            {"client_id": "x" * (rules.MAX_CLIENT_ID_LENGTH + 1)},
            {"type": "page_eaten"},
            {"data": "x" * rules.MAX_EVENT_BYTES},
        ],
        ids=lambda wrong: next(iter(wrong)),
    )
    def test_is_always_within_the_limits(self, wrong: dict[str, Any]) -> None:
        PlayEventFactory.create()

        assert refuses(PlayEvent.objects, wrong)

    def test_counts_once_in_a_session(self) -> None:
        event = PlayEventFactory.create()
        PlayEventFactory.create(client_id=event.client_id)

        with pytest.raises(IntegrityError), transaction.atomic():
            PlayEventFactory.create(session=event.session, client_id=event.client_id)
