"""What is noticed while others write the same rows. SQLite, with one writer, has no races."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, connections, transaction

from tests.livequery_app.models import Entry
from tests.livequery_app.noticing import Side, commits, is_touched, reads_of

PATIENCE_SECONDS = 30


@contextmanager
def other_session() -> Iterator[Callable[[Callable[[], Any]], Future[Any]]]:
    """Lend a thread that has a connection of its own."""
    with ThreadPoolExecutor(1) as thread:
        try:
            yield thread.submit
        finally:
            thread.submit(connections.close_all).result(PATIENCE_SECONDS)


@contextmanager
def just_before(verb: str, happens: Callable[[], object]) -> Iterator[None]:
    """Let something happen between the moment a statement is ready and the moment it runs."""
    pending = [happens]

    def run(execute: Any, sql: str, *args: Any) -> Any:
        if pending and sql.startswith(verb):
            pending.pop()()
        return execute(sql, *args)

    with connection.execute_wrapper(run):
        yield
    assert not pending


def wait_until_somebody_waits() -> None:
    """Return once a transaction waits for the lock of another."""
    with connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return


if connection.vendor == "postgresql":

    @pytest.mark.django_db(transaction=True)
    class TestRace:
        @pytest.fixture
        def red(self) -> Side:
            return Side.create("red")

        @pytest.mark.parametrize(
            ("verb", "write"),
            [
                ("UPDATE", lambda: Entry.objects.filter(board="red").update(score=70)),
                ("DELETE", lambda: Entry.objects.filter(board="red").delete()),
            ],
        )
        def test_with_a_row_that_appears_meanwhile_is_won_by_the_row(
            self, red: Side, verb: str, write: Callable[[], Any]
        ) -> None:
            def appear() -> None:
                with other_session() as run:
                    run(lambda: Entry.objects.create(board="red", player=red.fan, score=1)).result()

            with commits() as heard, just_before(verb, appear):
                write()

            assert Entry.objects.get(board="red", player=red.fan).score == 1
            assert heard[-1].writes[-1].pins["player_id"] == {red.captain.pk}

        def test_for_a_row_that_changes_its_key_meanwhile_tells_the_new_key(
            self, red: Side
        ) -> None:
            reads = reads_of(lambda: list(Entry.objects.filter(board="blue")))
            found = Entry.objects.filter(pk__in=Entry.objects.filter(board="red").values("pk"))

            with other_session() as run, commits() as heard:
                with transaction.atomic():
                    Entry.objects.filter(pk=red.entry.pk).update(board="blue", score=2)
                    update = run(lambda: found.update(score=70))
                    wait_until_somebody_waits()
                assert update.result(PATIENCE_SECONDS) == 1

            assert Entry.objects.get(board="blue").score == 70
            assert len(heard) == 2
            assert is_touched(reads, heard[1].writes)

        def test_for_a_row_that_no_longer_meets_the_condition_writes_nothing(
            self, red: Side
        ) -> None:
            with other_session() as run, commits() as heard:
                with transaction.atomic():
                    Entry.objects.filter(pk=red.entry.pk).update(board="blue")
                    update = run(lambda: Entry.objects.filter(board="red").update(score=70))
                    wait_until_somebody_waits()
                assert update.result(PATIENCE_SECONDS) == 0

            assert Entry.objects.get(board="blue").score == 1
            assert len(heard) == 1
