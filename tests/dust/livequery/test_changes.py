import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, models, transaction
from django.test.utils import isolate_apps
from hypothesis import given
from hypothesis import strategies as st

from dust.livequery import changes
from dust.livequery.changes import (
    MOST_WRITES,
    Commit,
    Ledger,
    decode_writes,
    encode_writes,
    ledger_of,
    merge,
    unnoticed,
    wrote,
)
from dust.livequery.models import Change, LeaseRow
from dust.livequery.readset import EVERY_TABLE, TableRead, TableWrite, touches
from tests.livequery_app.models import Entry, Player, Team
from tests.livequery_app.noticing import commits, writes_of

TEAM = "livequery_app_team"
EVERYTHING = (TableWrite(EVERY_TABLE),)


def named(name: str) -> TableWrite:
    return TableWrite("t", {"name": frozenset({name})})


@pytest.fixture
def heard() -> Iterator[list[Commit]]:
    with commits() as heard:
        yield heard


def rows() -> list[tuple[Any, ...]]:
    return list(Change.objects.order_by("id").values_list("origin", "seq", "ts", "payload"))


@pytest.mark.django_db(transaction=True)
class TestCommit:
    def test_hands_over_one_commit_and_leaves_one_row(self, heard: list[Commit]) -> None:
        before = rows()

        with transaction.atomic():
            Team.objects.create(name="red")
            Team.objects.create(name="blue")
            assert heard == []

        (commit,) = heard
        ((origin, seq, ts, payload),) = rows()[len(before) :]
        assert [write.pins["name"] for write in commit.writes] == [{"red"}, {"blue"}]
        assert commit == Commit(origin, seq, ts, decode_writes(bytes(payload)))
        assert commit.origin == changes.ORIGIN

    def test_is_a_statement_outside_a_transaction(self, heard: list[Commit]) -> None:
        red = Team.objects.create(name="red")
        red.motto = "new"
        red.save()
        red.delete()

        assert [[write.columns for write in commit.writes] for commit in heard] == [
            [None],
            [{"motto"}],
            [None],
        ]
        assert [commit.seq - heard[0].seq for commit in heard] == [0, 1, 2]

    def test_is_stamped_by_the_clock(
        self, heard: list[Commit], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(changes, "clock", lambda: 42)

        Team.objects.create(name="red")

        assert [commit.ts for commit in heard] == [42]

    @pytest.mark.parametrize(
        "write",
        [
            lambda: None,
            lambda: Team.objects.update(motto="nobody's"),
            lambda: Team.objects.all().delete(),
            lambda: Team.objects.filter(pk__in=[]).update(motto="new"),
            lambda: LeaseRow.objects.create(expires_at="2026-03-14T00:00Z"),
            lambda: list(Team.objects.all()),
        ],
    )
    def test_of_nothing_is_none(self, write: Callable[[], Any], heard: list[Commit]) -> None:
        before = rows()

        with transaction.atomic():
            write()

        assert heard == []
        assert rows() == before

    def test_is_not_made_by_a_rollback(self, heard: list[Commit]) -> None:
        before = rows()

        with transaction.atomic():
            Team.objects.create(name="red")
            transaction.set_rollback(True)
        with transaction.atomic():
            pass

        assert heard == []
        assert rows() == before

    def test_is_not_made_if_the_database_refuses_it(self, heard: list[Commit]) -> None:
        before = rows()

        with pytest.raises(IntegrityError), transaction.atomic():
            Player.objects.create(name="a", team_id=404)  # found out when it commits

        assert heard == []
        assert rows() == before

    def test_leaves_out_what_a_savepoint_undid(self, heard: list[Commit]) -> None:
        with transaction.atomic():
            Team.objects.create(name="kept")
            with transaction.atomic():
                Team.objects.create(name="undone")
                with transaction.atomic():
                    Team.objects.create(name="undone with it")
                transaction.set_rollback(True)
            with transaction.atomic():
                Team.objects.create(name="kept too")
            savepoint = transaction.savepoint()
            Team.objects.create(name="undone by hand")
            transaction.savepoint_rollback(savepoint)
            Team.objects.create(name="kept at last")

        (commit,) = heard
        assert [write.pins["name"] for write in commit.writes] == [
            {"kept"},
            {"kept too"},
            {"kept at last"},
        ]

    def test_does_not_hear_of_a_transaction_that_lost_its_connection(
        self, heard: list[Commit]
    ) -> None:
        with transaction.atomic():
            Team.objects.create(name="red")
            connection.close()
        Team.objects.create(name="blue")

        assert [[write.pins["name"] for write in commit.writes] for commit in heard] == [[{"blue"}]]

    def test_by_hand_is_one(self, heard: list[Commit]) -> None:
        transaction.set_autocommit(False)
        try:
            Team.objects.create(name="red")
            transaction.rollback()
            Team.objects.create(name="blue")
            transaction.commit()
        finally:
            transaction.set_autocommit(True)

        assert [[write.pins["name"] for write in commit.writes] for commit in heard] == [[{"blue"}]]

    def test_survives_a_listener_that_does_not(
        self, heard: list[Commit], caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(commit: Commit) -> None:
            raise ZeroDivisionError

        stop = changes.on_commit(fail)
        with commits() as after:
            Team.objects.create(name="red")
            stop()
            Team.objects.create(name="blue")

        assert [record.message for record in caplog.records] == ["commit listener failed"]
        assert len(heard) == len(after) == Team.objects.count() == 2

    def test_of_very_many_writes_is_merged(self, heard: list[Commit]) -> None:
        red = Team.objects.create(name="red")
        with transaction.atomic():
            for number in range(MOST_WRITES + 1):
                wrote(Player, pk=UUID(int=number), team=red.pk)

        assert heard[-1].writes == (
            TableWrite("livequery_app_player", {"team_id": frozenset({red.pk})}),
        )


@pytest.mark.django_db(transaction=True)
class TestEverything:
    def test_is_written_by_a_flush(self, heard: list[Commit]) -> None:
        call_command("flush", interactive=False, verbosity=0)

        assert heard[0].writes == EVERYTHING
        assert decode_writes(bytes(rows()[0][-1])) == EVERYTHING

    @isolate_apps("tests.livequery_app")
    def test_is_written_by_a_migration_and_nothing_else(self, heard: list[Commit]) -> None:
        class Extra(models.Model):
            class Meta:
                app_label = "livequery_app"

        with connection.schema_editor() as editor:
            editor.create_model(Extra)
            Team.objects.create(name="red")
        with connection.schema_editor(atomic=False) as editor:
            editor.delete_model(Extra)
        with connection.schema_editor(collect_sql=True) as editor:
            editor.create_model(Extra)

        assert [commit.writes for commit in heard] == [EVERYTHING, EVERYTHING]

    def test_is_not_written_by_a_migration_that_fails(self, heard: list[Commit]) -> None:
        with pytest.raises(ZeroDivisionError), connection.schema_editor():
            raise ZeroDivisionError

        assert heard == []
        assert ledger_of(connection).paused == 0

    def test_may_come_before_there_is_a_table_of_changes(
        self, heard: list[Commit], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = rows()
        with monkeypatch.context() as patch:
            patch.setattr(connection.introspection, "table_names", lambda cursor: [])
            with connection.schema_editor():
                pass
        assert rows() == before

        Team.objects.create(name="red")

        assert [commit.writes == EVERYTHING for commit in heard] == [True, False]
        assert len(rows()) == len(before) + 1


@pytest.mark.django_db(transaction=True)
class TestUnnoticed:
    def test_is_what_is_written_inside(self, heard: list[Commit]) -> None:
        with unnoticed():
            Team.objects.create(name="red")
            Team.objects.update(motto="new")
            Team.objects.all().delete()

        assert heard == []


@pytest.mark.django_db
class TestWrote:
    def test_says_what_raw_sql_wrote(self) -> None:
        writes = writes_of(
            lambda: wrote(Entry, columns=["score", "player"], board=["x", "y"], player=UUID(int=1))
        )

        assert writes == (
            TableWrite(
                "livequery_app_entry",
                {"board": frozenset({"x", "y"}), "player_id": frozenset({UUID(int=1)})},
                frozenset({"score", "player_id"}),
            ),
        )

    def test_may_say_no_more_than_the_table(self) -> None:
        assert writes_of(lambda: wrote(Team)) == (TableWrite(TEAM),)

    @pytest.mark.django_db(transaction=True)
    def test_needs_a_transaction(self) -> None:
        with pytest.raises(transaction.TransactionManagementError):
            wrote(Team)


class TestLedger:
    def test_keeps_equal_writes_once(self) -> None:
        ledger = Ledger()

        for _ in range(3):
            ledger.add(named("a"))

        assert ledger.take() == (named("a"),)
        assert ledger.take() == ()

    def test_forgets_with_a_savepoint_and_what_was_inside(self) -> None:
        ledger = Ledger()
        ledger.add(named("a"))
        ledger.mark("one")
        ledger.add(named("b"))
        ledger.mark("two")
        ledger.add(named("c"))

        ledger.fall_back("one")
        ledger.add(named("d"))
        ledger.release("one")

        assert ledger.take() == (named("a"), named("d"))

    def test_takes_open_savepoints_along(self) -> None:
        ledger = Ledger()
        for name in ("one", "two"):
            ledger.mark(name)
            ledger.add(named(name))

        assert ledger.take() == (named("one"), named("two"))

    def test_says_everything_alone(self) -> None:
        ledger = Ledger()
        ledger.add(named("a"))
        ledger.add(TableWrite(EVERY_TABLE))

        assert ledger.take() == EVERYTHING

    def test_never_holds_many_writes(self) -> None:
        ledger = Ledger()

        for number in range(3 * MOST_WRITES):
            ledger.add(named(str(number)))

        assert len(ledger.take()) <= MOST_WRITES


values = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from("abc") | st.uuids()
pins = st.dictionaries(st.sampled_from("pqr"), st.frozensets(values, min_size=1, max_size=4))
columns = st.none() | st.frozensets(st.sampled_from("pqrs"))
tables = st.sampled_from("tu")
table_writes = st.builds(TableWrite, tables, pins, columns)
table_reads = st.builds(TableRead, tables, pins, columns)


class TestMerge:
    @given(st.lists(table_writes, min_size=1), table_reads)
    def test_says_no_less_than_all_together(
        self, writes: list[TableWrite], read: TableRead
    ) -> None:
        merged = merge(writes)

        assert len({write.table for write in merged}) == len(merged)
        if any(touches(write, read) for write in writes):
            assert any(touches(write, read) for write in merged)


class TestEncoding:
    @given(st.lists(table_writes))
    def test_loses_nothing(self, writes: list[TableWrite]) -> None:
        decoded = decode_writes(encode_writes(writes))

        assert decoded == tuple(writes)


class TestOrigin:
    def test_names_one_process(self) -> None:
        program = """if True:
            import os
            from dust.livequery import changes

            def say():
                print(changes.ORIGIN, changes.stamp(()).seq, flush=True)

            say()
            say()
            if os.fork() == 0:
                say()
                os._exit(0)
            os.wait()
        """

        said = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )

        (parent, first), (same, second), (child, anew) = map(str.split, said.stdout.splitlines())
        assert (parent, first, second, anew) == (same, "1", "2", "1")
        assert parent != child
        assert len(parent) == len(child) == 16
