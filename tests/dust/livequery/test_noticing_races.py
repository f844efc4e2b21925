"""What is noticed while others write the same rows. SQLite, with one writer, has no races."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction

from dust.livequery.writing import run_write
from tests.livequery_app.models import Entry, Player, Team
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

        @pytest.mark.parametrize(
            "delete",
            [
                lambda found: found.delete(),  # which looks for what belongs to it before
                lambda found: found._raw_delete(DEFAULT_DB_ALIAS),
            ],
        )
        def test_to_delete_a_row_that_changes_its_key_meanwhile_tells_the_new_key(
            self, red: Side, delete: Callable[[Any], object]
        ) -> None:
            reads = reads_of(lambda: list(Entry.objects.filter(board="blue")))
            red.entry.seen_by.clear()
            found = Entry.objects.filter(pk=red.entry.pk)

            with other_session() as run, commits() as heard:
                with transaction.atomic():
                    found.update(board="blue")
                    deletion = run(lambda: delete(found))
                    wait_until_somebody_waits()
                deletion.result(PATIENCE_SECONDS)

            assert not found.exists()
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

        def test_lets_others_refer_to_a_row_that_is_being_updated(self, red: Side) -> None:
            def refer() -> None:
                with transaction.atomic(), connection.cursor() as cursor:
                    cursor.execute("SET LOCAL lock_timeout = '5s'")
                    Player.objects.create(name="new", team=red.team)

            with other_session() as run, transaction.atomic():
                Team.objects.filter(pk=red.team.pk).update(motto="new")
                run(refer).result(PATIENCE_SECONDS)

            assert red.team.players.filter(name="new").exists()

    @pytest.mark.django_db(transaction=True)
    class TestSessions:
        def test_each_tell_what_they_wrote_when_they_commit(self) -> None:
            def write() -> None:
                with transaction.atomic():
                    Team.objects.create(name="theirs")
                    with transaction.atomic():
                        Team.objects.create(name="undone by them")
                        transaction.set_rollback(True)

            with other_session() as run, commits() as heard, transaction.atomic():
                Team.objects.create(name="ours")
                savepoint = transaction.savepoint()
                Team.objects.create(name="undone by us")
                run(write).result(PATIENCE_SECONDS)
                transaction.savepoint_rollback(savepoint)
                Team.objects.create(name="ours too")

            told = [[write.pins["name"] for write in commit.writes] for commit in heard]
            assert told == [[{"theirs"}], [{"ours"}, {"ours too"}]]
            assert heard[0].ts < heard[1].ts

        def test_tell_nothing_of_a_try_that_lost_a_conflict(self) -> None:
            team = Team.objects.create(name="red")
            tries = iter(["lost", "won"])

            def write() -> None:
                motto = Team.objects.get(pk=team.pk).motto
                attempt = next(tries)
                if attempt == "lost":
                    with other_session() as run:
                        other = Team.objects.filter(pk=team.pk)
                        run(lambda: other.update(motto="theirs")).result(PATIENCE_SECONDS)
                Player.objects.create(name=attempt)
                Team.objects.filter(pk=team.pk).update(motto=f"{motto}, ours")

            with commits() as heard:
                run_write(write, name="test")

            players = [
                write.pins for commit in heard for write in commit.writes if "player" in write.table
            ]
            assert Team.objects.get().motto == "theirs, ours"
            assert len(heard) == 2
            assert players == [{"id": {Player.objects.get().pk}, "team_id": {None}}]
