import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.core.management import call_command
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from dust.livequery import catchup
from dust.livequery.catchup import TRUSTED_SILENCE, ChangeReader, Snapshot
from dust.livequery.changes import Commit
from dust.livequery.clock import Clock, process_clock
from dust.livequery.models import Change
from dust.livequery.purge import CHANGES_KEPT
from dust.livequery.readset import EVERY_TABLE, TableWrite
from tests.dust.livequery.writers import IS_POSTGRESQL, WRITES, Writer, read
from tests.servers import Server, start_postgres

CHANGE_TABLE = """
    CREATE TABLE livequery_change (
        id bigint, xid xid8, origin text, seq bigint, ts bigint, payload bytea
    )
"""


@pytest.fixture
def alice(transactional_db: None) -> Iterator[Writer]:
    writer = Writer("alice")
    yield writer
    writer.close()


@pytest.fixture
def bob(transactional_db: None) -> Iterator[Writer]:
    writer = Writer("bob")
    yield writer
    writer.close()


@pytest.fixture
def reader(transactional_db: None) -> ChangeReader:
    """One that has read everything so far."""
    reader = ChangeReader()
    reader.mark_applied(read(reader))
    return reader


def is_unsure(commits: list[Commit]) -> bool:
    return [commit.writes for commit in commits] == [(TableWrite(EVERY_TABLE),)]


class TestUnseen:
    def test_is_what_others_have_committed(
        self, reader: ChangeReader, alice: Writer, bob: Writer
    ) -> None:
        commits = [alice.write(), bob.write(), alice.write()]

        assert read(reader) == commits

    def test_is_nothing_twice(self, reader: ChangeReader, alice: Writer) -> None:
        alice.write()
        reader.mark_applied(read(reader))

        assert read(reader) == []

    def test_is_not_what_was_rolled_back(self, reader: ChangeReader, alice: Writer) -> None:
        alice.begin()
        alice.roll_back()
        second = alice.write()

        assert read(reader) == [second]

    def test_is_not_what_a_hint_told_of_before(
        self, reader: ChangeReader, alice: Writer, bob: Writer
    ) -> None:
        hinted, other = alice.write(), bob.write()
        reader.mark_applied([hinted])

        assert read(reader) == [other]

    def test_stays_until_it_is_marked_as_applied(
        self, reader: ChangeReader, alice: Writer, bob: Writer
    ) -> None:
        first, second = alice.write(), bob.write()
        lost_with_its_cycle = read(reader)
        reader.mark_applied([second])
        third = alice.write()

        again = read(reader)
        reader.mark_applied(again)

        assert lost_with_its_cycle == [first, second]
        assert again == [first, third]
        assert read(reader) == []

    def test_is_everything_at_first(self, alice: Writer) -> None:
        alice.write()
        reader = ChangeReader()

        first = read(reader)
        reader.mark_applied(first)

        assert is_unsure(first)
        assert read(reader) == []

    def test_is_everything_until_that_is_applied(self, transactional_db: None) -> None:
        reader = ChangeReader()
        read(reader)

        assert is_unsure(read(reader))

    def test_is_everything_where_there_is_too_much(
        self, reader: ChangeReader, alice: Writer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(catchup, "MOST_UNSEEN", 2)
        few = [alice.write(), alice.write()]

        found_few = read(reader)
        reader.mark_applied(found_few)
        many = [alice.write(), alice.write(), alice.write()]
        found_many = read(reader)

        assert found_few == few
        assert len(many) > 2
        assert is_unsure(found_many)

    def test_is_everything_where_a_row_makes_no_sense(
        self, reader: ChangeReader, alice: Writer
    ) -> None:
        Change.objects.create(origin="from the future", seq=1, ts=1, payload=b"\xc1")

        assert is_unsure(read(reader))

    def test_is_everything_where_a_row_went_while_it_was_read(
        self, reader: ChangeReader, alice: Writer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        alice.write()
        monkeypatch.setattr(catchup, "_LOAD", catchup._LOAD.replace("WHERE", "WHERE 1 = 0 AND"))

        assert is_unsure(read(reader))

    def test_is_found_without_a_transaction_too(self, reader: ChangeReader, alice: Writer) -> None:
        commit = alice.write()

        assert reader.unseen() == [commit]

    def test_is_everything_after_rows_may_have_been_purged(
        self, reader: ChangeReader, alice: Writer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        alice.write()
        alice.write()
        Change.objects.filter(seq=1).delete()
        monkeypatch.setattr(catchup, "TRUSTED_SILENCE", timedelta(0))

        assert is_unsure(read(reader))

    def test_is_trusted_for_less_time_than_rows_are_kept(self) -> None:
        assert TRUSTED_SILENCE <= CHANGES_KEPT / 2

    def test_is_not_disturbed_by_the_purge_of_what_was_read(
        self, reader: ChangeReader, alice: Writer
    ) -> None:
        alice.write()
        reader.mark_applied(read(reader))
        Change.objects.all().delete()
        second = alice.write()

        assert read(reader) == [second]

    def test_is_everything_after_a_flush(self, reader: ChangeReader, alice: Writer) -> None:
        alice.write()
        call_command("flush", interactive=False, verbosity=0)

        assert any(is_unsure([commit]) for commit in read(reader))


if IS_POSTGRESQL:

    class TestUnseenBesideOpenTransactions:
        def test_is_in_the_order_of_commits(
            self, reader: ChangeReader, alice: Writer, bob: Writer
        ) -> None:
            late = alice.begin()
            early = bob.write()

            first = read(reader)
            reader.mark_applied(first)
            alice.commit()

            assert first == [early]
            assert read(reader) == [late]

        def test_is_nothing_twice_however_long_one_stays_open(
            self,
            reader: ChangeReader,
            alice: Writer,
            bob: Writer,
            monkeypatch: pytest.MonkeyPatch,
        ) -> None:
            monkeypatch.setattr(catchup, "REMEMBERED", 0)
            late = alice.begin()
            bob.write()
            reader.mark_applied(read(reader))

            meanwhile = read(reader)
            alice.commit()

            assert meanwhile == []
            assert read(reader) == [late]

    class TestCrashedServer:
        """Its count of transactions may have gone back, though it was never stopped."""

        @pytest.fixture
        def server(
            self, monkeypatch: pytest.MonkeyPatch
        ) -> Iterator[tuple[Server, BaseDatabaseWrapper]]:
            with start_postgres() as server:
                address = urlsplit(server.url)
                own = connections["default"].copy()
                own.settings_dict.update(
                    NAME=address.path[1:], HOST=address.hostname, PORT=address.port
                )
                with own.cursor() as cursor:
                    cursor.execute(CHANGE_TABLE)
                monkeypatch.setattr(catchup, "connection", own)
                yield server, own
                own.close()

        @pytest.mark.django_db
        def test_is_not_trusted(self, server: tuple[Server, BaseDatabaseWrapper]) -> None:
            postgres, own = server
            reader = ChangeReader()
            reader.mark_applied(reader.unseen())
            before = reader.unseen()

            crash(postgres)
            own.close()

            assert before == []
            assert is_unsure(reader.unseen())


def crash(server: Server) -> None:
    """Kill a connection's process, which makes the server start all over."""
    with psycopg.connect(server.url) as victim, psycopg.connect(server.url) as witness:
        os.kill(victim.info.backend_pid, signal.SIGKILL)
        with pytest.raises(psycopg.OperationalError):
            witness.execute("SELECT pg_sleep(30)")
    server.wait_until_ready_again()


class TestMarkApplied:
    def test_tells_what_is_new(self, reader: ChangeReader, alice: Writer, bob: Writer) -> None:
        first, second = alice.write(), bob.write()
        reader.mark_applied([first])

        assert reader.mark_applied([first, second, second]) == [second]

    def test_forgets_the_oldest(
        self, reader: ChangeReader, alice: Writer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(catchup, "REMEMBERED", 2)
        commits = [alice.write() for _ in range(3)]
        reader.mark_applied(commits)

        assert reader.mark_applied(commits) == commits[:1]

    def test_lifts_this_processs_clock_above_the_commit(
        self, reader: ChangeReader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("dust.livequery.clock._clock", Clock())  # one without a reserve
        ahead = process_clock().issue() + 10**9

        reader.mark_applied([Commit("alice", 1, ahead, WRITES)])

        assert process_clock().issue() > ahead


class TestSnapshot:
    now = Snapshot.parse("server", 1_000.0, "10:20:10,15")

    def test_follows_one_of_the_same_server(self) -> None:
        later = Snapshot.parse("server", 1_001.0, "12:20:12")

        assert later.follows(self.now)

    @pytest.mark.parametrize(
        "change",
        [
            {"server": "another"},
            {"xmin": 9},
            {"xmax": 19},
            {"seconds": 1_001.0 + TRUSTED_SILENCE.total_seconds()},
        ],
        ids=["restarted server", "older transactions", "fewer transactions", "long silence"],
    )
    def test_does_not_follow(self, change: dict[str, Any]) -> None:
        assert not replace(self.now, **change).follows(self.now)
