"""The functions: as Convex clients know them, and behind our own doors."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.errors import AccountBannedError
from accounts.models import User
from dust.errors import ForbiddenError, UnauthenticatedError
from dust.identity import Identity
from dust.ids import InvalidIdError, encode
from dust.livequery.context import Caller
from dust.livequery.crons import all_crons
from dust.livequery.errors import InvalidArgumentsError
from dust.livequery.execution import run_mutation, run_query, run_query_alone
from dust.livequery.models import Job, JobState
from dust.livequery.registry import Kind, find_function
from dust.livequery.testing import Watch, assert_live
from gamesessions.errors import (
    InvalidProgressError,
    SessionNotFoundError,
    SessionOverError,
    StaleSaveError,
)
from gamesessions.models import GameSession, Save
from gamesessions.services import retention
from tests.factories import ISSUER, GameSessionFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

alice = Identity(ISSUER, "alice")
bob = Identity(ISSUER, "bob")

PROGRESS: dict[str, Any] = {
    "score": 250.0,
    "level": 2.0,
    "combo": 3.0,
    "pagesCompleted": 2.0,
    "accuracy": 87.5,
}
RESULT: dict[str, Any] = {"finalScore": 900.0, "accuracy": 91.5, "level": 4.0}


def call(path: str, caller: Caller | None = alice, **args: Any) -> Any:
    spec = find_function(f"gameSessions:{path}", kind=Kind.MUTATION)
    return run_mutation(spec, args, caller).value


def ask(path: str, caller: Caller | None = alice, *, internal: bool = False) -> Any:
    result = run_query_alone(find_function(path, kind=Kind.QUERY, internal=internal), {}, caller)
    if result.error:
        raise result.error
    return result.value


def get_active(caller: Caller | None = alice) -> Any:
    return ask("gameSessions:getActive", caller)


@pytest.fixture
def session_id(transactional_db: None) -> str:
    created: str = call("create")
    return created


class TestCreate:
    def test_answers_the_id(self, transactional_db: None) -> None:
        session_id = call("create")

        assert session_id == GameSession.objects.get().public_id

    def test_abandons_the_game_before(self, session_id: str) -> None:
        second = call("create")

        statuses = {each.public_id: each.status for each in GameSession.objects.all()}
        assert statuses == {session_id: "abandoned", second: "active"}
        assert GameSession.objects.get(status="abandoned").ended_at is not None

    def test_is_not_for_nobody(self, transactional_db: None) -> None:
        with pytest.raises(UnauthenticatedError, match=r"^Must be logged in to play$"):
            call("create", None)

        assert not GameSession.objects.exists()

    def test_takes_nothing(self, transactional_db: None) -> None:
        with pytest.raises(InvalidArgumentsError):
            call("create", score=5)


class TestUpdate:
    def test_saves(self, session_id: str) -> None:
        assert call("update", sessionId=session_id, **PROGRESS) is None

        session = GameSession.objects.get()
        assert (session.score, session.level, session.combo) == (250, 2, 3)
        assert (session.pages_completed, session.accuracy) == (2, 87.5)
        assert Save.objects.get().version == 1

    def test_d6_is_for_the_owner_alone(self, session_id: str) -> None:
        with pytest.raises(ForbiddenError, match=r"^Not authorized$"):
            call("update", bob, sessionId=session_id, **PROGRESS)
        with pytest.raises(UnauthenticatedError, match=r"^Must be logged in to play$"):
            call("update", None, sessionId=session_id, **PROGRESS)

        assert GameSession.objects.get().score == 0
        assert not User.objects.filter(subject="bob").exists()

    def test_without_a_version_follows_whatever_is_there(self, session_id: str) -> None:
        for score in (500.0, 300.0):
            call("update", sessionId=session_id, **PROGRESS | {"score": score})

        assert GameSession.objects.get().score == 300
        assert list(Save.objects.order_by("version").values_list("score", flat=True)) == [0, 500]

    def test_with_a_version_follows_no_other(self, session_id: str) -> None:
        call("update", sessionId=session_id, version=1.0, **PROGRESS)

        with pytest.raises(StaleSaveError) as refusal:
            call("update", sessionId=session_id, version=1.0, **PROGRESS | {"score": 1.0})

        assert refusal.value.data == get_active()
        assert (refusal.value.data["version"], refusal.value.data["score"]) == (2.0, 250.0)

    def test_refuses_what_cannot_be(self, session_id: str) -> None:
        for wrong in (
            {"score": float("nan")},
            {"score": float("inf")},
            {"level": 0.0},
            {"level": 11.0},
            {"combo": -1.0},
            {"pagesCompleted": -1.0},
            {"accuracy": 100.5},
            {"accuracy": -1.0},
        ):
            with pytest.raises(InvalidProgressError):
                call("update", sessionId=session_id, **PROGRESS | wrong)

    def test_lets_no_page_become_undone(self, session_id: str) -> None:
        call("update", sessionId=session_id, **PROGRESS)

        with pytest.raises(InvalidProgressError):
            call("update", sessionId=session_id, **PROGRESS | {"pagesCompleted": 1.0})

    def test_takes_what_is_declared_alone(self, session_id: str) -> None:
        wrong: list[dict[str, Any]] = [
            {"combo": "3"},
            {"version": None},
            {"state": {}},
            {"userId": "alice"},
        ]
        for args in wrong:
            with pytest.raises(InvalidArgumentsError):
                call("update", **{"sessionId": session_id, **PROGRESS, **args})

    def test_of_a_game_that_is_over_is_refused(self, session_id: str) -> None:
        call("finish", sessionId=session_id, **RESULT)

        with pytest.raises(SessionOverError):
            call("update", sessionId=session_id, **PROGRESS)

    def test_needs_the_id_of_a_session(self, session_id: str) -> None:
        gone = GameSessionFactory.build()
        user = User.objects.get()

        with pytest.raises(InvalidIdError):
            call("update", sessionId=encode(User.TABLE_NUMBER, user.id), **PROGRESS)
        with pytest.raises(SessionNotFoundError):
            call("update", sessionId=gone.public_id, **PROGRESS)


class TestFinish:
    def test_completes(self, session_id: str) -> None:
        assert call("finish", sessionId=session_id, **RESULT) is None

        session = GameSession.objects.get()
        assert session.status == "completed"
        assert session.ended_at is not None
        assert (session.score, session.accuracy, session.level) == (900, 91.5, 4)

    def test_does_nothing_a_second_time(self, session_id: str) -> None:
        call("finish", sessionId=session_id, **RESULT)
        before = GameSession.objects.values().get()

        assert call("finish", sessionId=session_id, **RESULT | {"finalScore": 10.0**6}) is None

        assert GameSession.objects.values().get() == before

    def test_d6_is_for_the_owner_alone(self, session_id: str) -> None:
        with pytest.raises(ForbiddenError, match=r"^Not authorized$"):
            call("finish", bob, sessionId=session_id, **RESULT)
        with pytest.raises(UnauthenticatedError, match=r"^Must be logged in to play$"):
            call("finish", None, sessionId=session_id, **RESULT)

        assert GameSession.objects.get().status == "active"

    def test_refuses_what_cannot_be(self, session_id: str) -> None:
        for wrong in ({"finalScore": float("inf")}, {"level": 10.5}, {"accuracy": 101.0}):
            with pytest.raises(InvalidProgressError):
                call("finish", sessionId=session_id, **RESULT | wrong)


class TestGetActive:
    def test_is_a_document(self, now: datetime) -> None:
        user = UserFactory.create(username="alice")
        session = GameSessionFactory.create(
            user=user, started_at=now, score=-50, level=3, version=2, state={"much": "of it"}
        )

        assert get_active() == {
            "_id": session.public_id,
            "_creationTime": 1773500966000.0,
            "userId": "alice",
            "score": -50.0,
            "level": 3.0,
            "combo": 0.0,
            "pagesCompleted": 0.0,
            "accuracy": 0.0,
            "status": "active",
            "startedAt": 1773500966000.0,
            "version": 2.0,
        }

    def test_d28_is_the_newest(self, session_id: str) -> None:
        newest = call("create")

        assert get_active()["_id"] == newest

    def test_is_null_for_nobody_and_for_who_is_in_none(self, session_id: str) -> None:
        assert get_active(None) is None
        assert get_active(bob) is None

    def test_is_null_once_the_game_is_finished(self, session_id: str) -> None:
        with assert_live("gameSessions:getActive", caller=alice):
            call("finish", sessionId=session_id, **RESULT)

        assert get_active() is None

    def test_is_refused_to_the_banned_at_once(self, session_id: str) -> None:
        with assert_live("gameSessions:getActive", caller=alice):
            User.objects.update(is_banned=True)

        with pytest.raises(AccountBannedError):
            get_active()

    def test_depends_on_who_asks_and_on_nothing_else(self, session_id: str, now: datetime) -> None:
        spec = find_function("gameSessions:getActive", kind=Kind.QUERY)

        assert run_query(spec, spec.parse({}), alice, now=now).facts == {"signed in", "subject"}
        assert run_query(spec, spec.parse({}), None, now=now).facts == {"signed in"}

    def test_is_not_told_of_what_others_do(self, session_id: str) -> None:
        theirs = call("create", bob)
        watch = Watch("gameSessions:getActive", caller=alice)

        with assert_live("gamesessions:active", caller=bob, bystanders=(watch,)):
            call("update", bob, sessionId=theirs, **PROGRESS)


class TestActive:
    def test_has_the_shape_of_rest(self, now: datetime) -> None:
        user = UserFactory.create(username="alice")
        session = GameSessionFactory.create(user=user, started_at=now, score=700)

        assert ask("gamesessions:active", internal=True) == {
            "session": {
                "id": session.public_id,
                "status": "active",
                "refereed": False,
                "version": 1,
                "score": 700,
                "level": 1,
                "combo": 0,
                "pages_completed": 0,
                "accuracy": 0.0,
                "started_at": "2026-03-14T15:09:26.000000Z",
                "updated_at": "2026-03-14T15:09:26.000000Z",
                "ended_at": None,
                "voided_at": None,
            }
        }

    def test_is_null_for_who_is_in_no_game(self, transactional_db: None) -> None:
        assert ask("gamesessions:active", internal=True) == {"session": None}

    def test_is_refused_to_nobody(self, transactional_db: None) -> None:
        with pytest.raises(UnauthenticatedError):
            ask("gamesessions:active", None, internal=True)


class TestTrim:
    def test_is_declared_as_a_cron(self) -> None:
        assert "gamesessions:trim" in {cron.path for cron in all_crons()}

    def test_goes_on_as_long_as_there_is_more(
        self, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retention, "SESSIONS_AT_ONCE", 2)
        GameSessionFactory.create_batch(3, completed=True)
        GameSession.objects.update(ended_at=now - timedelta(days=10_000))
        spec = find_function("gamesessions:trim", kind=Kind.MUTATION, internal=True)

        run_mutation(spec, {}, None)
        [job] = Job.objects.all()
        run_mutation(spec, {}, None)

        assert (job.path, job.state) == ("gamesessions:trim", JobState.PENDING)
        assert Job.objects.count() == 1
        assert GameSession.objects.filter(trimmed=True).count() == 3
