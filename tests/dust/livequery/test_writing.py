"""Writes that run beside each other, and requests that come twice; with real threads."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest
from django.db import OperationalError, connection, connections, transaction

from dust.errors import ForbiddenError
from dust.livequery import changes, writing
from dust.livequery.changes import Commit
from dust.livequery.errors import (
    IdempotencyMismatchError,
    RequestRunningError,
    WriteConflictError,
)
from dust.livequery.execution import run_mutation
from dust.livequery.models import Request
from dust.livequery.registry import Kind, find_function
from dust.livequery.transactions import Isolation
from dust.livequery.writing import RequestKey, run_write
from tests.dust.livequery.writers import IS_POSTGRESQL
from tests.livequery_app.models import Entry, Player, Team

pytestmark = pytest.mark.django_db(transaction=True)

T = TypeVar("T")
THREADS = 16
ASK = RequestKey(scope="alice /entries/", key="k1", fingerprint="f1")


def in_threads(work: Callable[[int], T], times: int) -> list[T]:
    """Run the work so many times, on threads with connections of their own."""

    def closing(number: int) -> T:
        try:
            return work(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(closing, range(times)))


def mutate(path: str, **args: Any) -> Any:
    return run_mutation(find_function(path, kind=Kind.MUTATION), args, None).value


@pytest.fixture
def commits() -> Iterator[list[Commit]]:
    seen: list[Commit] = []
    stop = changes.on_commit(seen.append)
    yield seen
    stop()


class TestSerializableWrites:
    def test_a_hundred_increments_add_a_hundred(self) -> None:
        ann = Player.objects.create(name="ann")
        Entry.objects.create(board="hot", player=ann, score=0)

        answers = in_threads(lambda _: mutate("test:increment", name="hot"), 100)

        assert sorted(answers) == list(range(1, 101))
        assert Entry.objects.get(board="hot").score == 100

    def test_a_hundred_times_get_or_create_makes_one_row(self) -> None:
        in_threads(lambda _: mutate("test:ensureTeam", name="red"), 100)

        assert Team.objects.filter(motto="red").count() == 1

    def test_two_cannot_both_leave_because_the_other_stays(self) -> None:
        ann = Player.objects.create(name="ann")
        bob = Player.objects.create(name="bob")
        for _ in range(10):
            Entry.objects.all().delete()
            Entry.objects.create(board="ann", player=ann)
            Entry.objects.create(board="bob", player=bob)

            in_threads(lambda number: mutate("test:leave", name=["ann", "bob"][number]), 2)

            assert Entry.objects.filter(hidden=False).count() == 1

    def test_a_conflict_that_does_not_end_is_answered_as_one(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(writing, "_back_off", lambda _tries: None)
        tries = []

        def conflict() -> None:
            tries.append(1)
            error = OperationalError("could not serialize access")
            error.__cause__ = _SerializationError()
            raise error

        with pytest.raises(WriteConflictError) as answered:
            run_write(conflict, name="test")

        assert (answered.value.status, answered.value.code) == (503, "write_conflict")
        assert len(tries) == writing.TRIES

    def test_an_error_leaves_no_trace(self, commits: list[Commit]) -> None:
        with pytest.raises(ForbiddenError):
            mutate("test:failLate", name="red")

        assert not Team.objects.exists()
        assert commits == []

    def test_refuses_to_run_inside_another_transaction(self) -> None:
        with transaction.atomic(), pytest.raises(RuntimeError):
            run_write(lambda: None, name="test")


class _SerializationError(Exception):
    sqlstate = "40001"


class TestRequest:
    def test_runs_once_and_gets_the_first_answer_again(self, commits: list[Commit]) -> None:
        first = run_write(add_team, name="test", request=ASK)
        again = run_write(add_team, name="test", request=ASK)

        assert (first.value, first.replayed) == ({"teams": 1}, False)
        assert (again.value, again.replayed) == ({"teams": 1}, True)
        assert Team.objects.count() == 1
        assert len(commits) == 1
        assert again.ts < first.ts

    def test_of_two_at_once_one_runs(self) -> None:
        def ask(_: int) -> Any:
            try:
                return run_write(add_team, name="test", request=ASK).value
            except RequestRunningError:
                return "running"

        answers = in_threads(ask, THREADS)

        assert Team.objects.count() == 1
        assert {"teams": 1} in answers
        assert all(answer in ({"teams": 1}, "running") for answer in answers)

    def test_another_body_under_the_same_key_is_refused(self) -> None:
        run_write(add_team, name="test", request=ASK)

        with pytest.raises(IdempotencyMismatchError) as refused:
            run_write(add_team, name="test", request=RequestKey(ASK.scope, ASK.key, "f2"))

        assert refused.value.status == 422
        assert Team.objects.count() == 1

    def test_a_failure_is_not_stored(self) -> None:
        def fail() -> None:
            raise ForbiddenError

        with pytest.raises(ForbiddenError):
            run_write(fail, name="test", request=ASK)

        assert not Request.objects.exists()
        assert not run_write(add_team, name="test", request=ASK).replayed

    def test_the_same_key_of_somebody_else_is_another_request(self) -> None:
        run_write(add_team, name="test", request=ASK)
        run_write(add_team, name="test", request=RequestKey("bob /entries/", ASK.key, "f1"))

        assert Team.objects.count() == 2


def add_team() -> dict[str, int]:
    Team.objects.create(name=f"team {Team.objects.count()}")
    return {"teams": Team.objects.count()}


if IS_POSTGRESQL:

    class TestOnPostgresql:
        def test_is_isolated_as_asked(self) -> None:
            def level() -> str:
                with connection.cursor() as cursor:
                    cursor.execute("SHOW transaction_isolation")
                    return str(cursor.fetchone()[0])

            assert run_write(level, name="test").value == "serializable"
            relaxed = run_write(level, name="test", isolation=Isolation.READ_COMMITTED)
            assert relaxed.value == "read committed"
            assert level() == "read committed"

        def test_still_running_elsewhere_is_told_at_once(self) -> None:
            inside, done = threading.Event(), threading.Event()

            def slow() -> dict[str, int]:
                inside.set()
                done.wait(10)
                return add_team()

            def in_thread() -> None:
                try:
                    run_write(slow, name="test", request=ASK)
                finally:
                    connections.close_all()

            thread = threading.Thread(target=in_thread)
            thread.start()
            inside.wait(10)

            with pytest.raises(RequestRunningError):
                run_write(add_team, name="test", request=ASK)

            done.set()
            thread.join()
            assert run_write(add_team, name="test", request=ASK).replayed
