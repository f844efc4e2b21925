"""What players archive: one archive for each session, each its player's own."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from pytest_django import DjangoAssertNumQueries

from accounts.errors import AccountBannedError
from accounts.models import User
from accounts.services import deletion, exports
from archives.errors import ArchiveNotFoundError, InvalidContentError
from archives.models import Archive
from archives.queries import archives as reading
from archives.rules import content as rules
from archives.services import saving
from dust.ids import InvalidIdError
from dust.livequery.writing import run_write
from gamesessions.errors import SessionNotFoundError
from gamesessions.models import GameSession
from tests.archives.documents import item, read_items
from tests.factories import GameSessionFactory, UserFactory, identity_of

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def alice(db: None) -> User:
    return UserFactory.create(username="alice")


@pytest.fixture
def bob(db: None) -> User:
    return UserFactory.create(username="bob")


@pytest.fixture
def session(alice: User) -> GameSession:
    return GameSessionFactory.create(user=alice)


def save(session: GameSession, *items: Any, by: User, now: datetime) -> saving.Saved:
    return saving.save_archive(session.id, read_items(*items), caller=identity_of(by), now=now)


def save_several(user: User, count: int, *, now: datetime) -> list[Archive]:
    """Save an archive of one item in each of several sessions."""
    sessions = [GameSessionFactory.create(user=user, completed=True) for _ in range(count)]
    return [save(each, item(), by=user, now=now).archive for each in sessions]


class TestSave:
    def test_keeps_what_was_archived_and_counts_it(
        self, session: GameSession, alice: User, now: datetime
    ) -> None:
        saved = save(session, item(), item(wasCorrect=False), item(), by=alice, now=now)

        row = Archive.objects.get()
        assert saved.is_new
        assert row == saved.archive
        assert (row.user, row.session) == (alice, session)
        assert row.items == [item(), item(wasCorrect=False), item()]
        assert (row.total_items, row.correct_items) == (3, 2)
        assert (row.created_at, row.saved_at) == (now, now)

    def test_replaces_what_was_kept_of_the_session(
        self, session: GameSession, alice: User, now: datetime
    ) -> None:
        first = save(session, item(), item(), by=alice, now=now)

        again = save(session, item(level=5), by=alice, now=now + DAY)

        row = Archive.objects.get()
        assert (again.is_new, row.id) == (False, first.archive.id)
        assert (row.total_items, row.items) == (1, [item(level=5)])
        assert (row.created_at, row.saved_at) == (now, now + DAY)

    def test_keeps_an_archive_of_nothing(
        self, session: GameSession, alice: User, now: datetime
    ) -> None:
        assert save(session, by=alice, now=now).archive.total_items == 0

    def test_d7_refuses_a_session_of_somebody_else(
        self, session: GameSession, bob: User, now: datetime
    ) -> None:
        with pytest.raises(SessionNotFoundError) as refused:
            save(session, item(), by=bob, now=now)

        assert refused.value.is_foreign
        assert not Archive.objects.exists()

    def test_d7_leaves_the_archive_of_somebody_else(
        self, session: GameSession, alice: User, bob: User, now: datetime
    ) -> None:
        save(session, item(), by=alice, now=now)

        with pytest.raises(SessionNotFoundError):
            save(session, item(level=9), by=bob, now=now)

        assert Archive.objects.get().items == [item()]

    def test_refuses_a_session_that_is_not_there(self, alice: User, now: datetime) -> None:
        with pytest.raises(SessionNotFoundError) as refused:
            save(GameSession(), item(), by=alice, now=now)

        assert not refused.value.is_foreign

    def test_refuses_items_that_break_a_rule(
        self, session: GameSession, alice: User, now: datetime
    ) -> None:
        with pytest.raises(InvalidContentError) as refused:
            save(session, item(), item(sectionText="a\0b"), by=alice, now=now)

        assert list(refused.value.fields) == ["items.1.sectionText"]
        assert not Archive.objects.exists()

    def test_refuses_the_banned(self, session: GameSession, alice: User, now: datetime) -> None:
        User.objects.update(is_banned=True)

        with pytest.raises(AccountBannedError):
            save(session, item(), by=alice, now=now)

    @pytest.mark.django_db(transaction=True)
    def test_keeps_one_archive_however_many_are_sent_at_once(
        self, session: GameSession, alice: User, now: datetime
    ) -> None:
        def send(number: int) -> bool:
            items = [item()] * number
            try:
                return run_write(
                    lambda: save(session, *items, by=alice, now=now).is_new, name="test"
                ).value
            finally:
                connection.close()

        with ThreadPoolExecutor(4) as pool:
            outcomes = list(pool.map(send, range(1, 13)))

        archive = Archive.objects.get()
        assert outcomes.count(True) == 1
        assert archive.total_items == len(archive.items)


class TestDatabase:
    @pytest.mark.parametrize(
        "values", [{"total_items": 501}, {"total_items": -1}, {"correct_items": 2}]
    )
    def test_refuses_what_is_out_of_bounds(
        self, session: GameSession, alice: User, now: datetime, values: dict[str, int]
    ) -> None:
        save(session, item(), by=alice, now=now)

        with pytest.raises(IntegrityError), transaction.atomic():
            Archive.objects.update(**values)

    def test_refuses_a_second_of_a_session(
        self, session: GameSession, alice: User, now: datetime
    ) -> None:
        row = save(session, item(), by=alice, now=now).archive
        row.pk = Archive().pk

        with pytest.raises(IntegrityError), transaction.atomic():
            row.save(force_insert=True)


class TestList:
    def test_is_of_ones_own_newest_first(
        self,
        alice: User,
        bob: User,
        now: datetime,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        mine = save_several(alice, 5, now=now)
        save_several(bob, 2, now=now)
        caller = identity_of(alice)

        with django_assert_num_queries(2) as queries:
            first = reading.list_archives(caller, limit=3)
        second = reading.list_archives(caller, limit=3, cursor=first.next_cursor)

        assert [*first.archives, *second.archives] == mine[::-1]
        assert second.next_cursor is None
        assert '."items"' not in " ".join(query["sql"] for query in queries)

    def test_goes_on_where_it_was_whatever_has_come_since(self, alice: User, now: datetime) -> None:
        mine = save_several(alice, 3, now=now)
        caller = identity_of(alice)
        first = reading.list_archives(caller, limit=2)
        save_several(alice, 1, now=now + DAY)

        second = reading.list_archives(caller, limit=2, cursor=first.next_cursor)

        assert second.archives == [mine[0]]

    def test_is_empty_for_who_has_not_played(self) -> None:
        caller = identity_of(UserFactory.build(username="nobody yet"))

        assert reading.list_archives(caller).archives == []
        assert reading.get_totals(caller) == reading.Totals(0, 0, 0)
        assert list(reading.export_own(caller)) == []

    def test_refuses_cursors_that_it_has_not_given_out(self, alice: User) -> None:
        with pytest.raises(InvalidIdError):
            reading.list_archives(identity_of(alice), cursor="x")

    def test_is_whole_for_functions_and_bounded_d23(
        self, alice: User, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mine = save_several(alice, 4, now=now)
        caller = identity_of(alice)

        assert reading.list_whole(caller) == mine[::-1]
        assert reading.list_whole(None) == []
        monkeypatch.setattr(rules, "MAX_LISTED", 3)
        assert reading.list_whole(caller) == mine[:0:-1]
        monkeypatch.setattr(rules, "MAX_LISTED_BYTES", mine[0].size)
        assert reading.list_whole(caller) == [mine[3]]


class TestAccess:
    def test_is_to_ones_own(self, alice: User, bob: User, now: datetime) -> None:
        [archive] = save_several(alice, 1, now=now)

        assert reading.access_archive(identity_of(alice), archive.id).items == [item()]
        with pytest.raises(ArchiveNotFoundError):
            reading.access_archive(identity_of(bob), archive.id)

    @pytest.mark.parametrize(
        "look", [reading.list_archives, reading.list_whole, reading.get_totals, reading.export_own]
    )
    def test_ends_with_a_ban(self, alice: User, look: Any) -> None:
        User.objects.update(is_banned=True)

        with pytest.raises(AccountBannedError):
            look(identity_of(alice))


class TestTotals:
    def test_are_counted_without_looking_at_items(
        self,
        session: GameSession,
        alice: User,
        now: datetime,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        save(session, item(), item(wasCorrect=False), by=alice, now=now)
        save_several(alice, 2, now=now)

        with django_assert_num_queries(2) as queries:
            totals = reading.get_totals(identity_of(alice))

        assert totals == reading.Totals(archives=3, items=4, correct_items=3)
        assert '."items"' not in " ".join(query["sql"] for query in queries)


class TestExport:
    def test_holds_everything_the_oldest_first(
        self, alice: User, bob: User, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reading, "_EXPORTED_AT_ONCE", 2)
        mine = save_several(alice, 5, now=now)
        save_several(bob, 1, now=now)

        rows = list(reading.export_rows(alice.id))

        assert [row["id"] for row in rows] == [each.public_id for each in mine]
        assert rows[0] == {
            "id": mine[0].public_id,
            "session_id": mine[0].session_public_id,
            "total_items": 1,
            "correct_items": 1,
            "saved_at": now,
            "items": [item()],
        }

    def test_is_read_a_little_at_a_time(
        self, alice: User, now: datetime, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        save_several(alice, 12, now=now)
        rows: Iterator[Archive] = reading.export_archives(alice.id)

        with django_assert_num_queries(1):
            next(rows)
        with django_assert_num_queries(2):
            assert len(list(rows)) == 11

    def test_is_part_of_what_is_held_about_a_player(self) -> None:
        assert exports._parts["archives"] is reading.export_rows


class TestErase:
    def test_deletes_a_batch_at_a_time(
        self, alice: User, bob: User, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(saving, "_ERASED_AT_ONCE", 2)
        save_several(alice, 5, now=now)
        theirs = save_several(bob, 1, now=now)

        steps = [saving.erase_archives(alice.id) for _ in range(4)]

        assert steps == [False, False, True, True]
        assert list(Archive.objects.all()) == theirs

    def test_is_part_of_deleting_an_account(self) -> None:
        assert deletion._parts["archives"] is saving.erase_archives
