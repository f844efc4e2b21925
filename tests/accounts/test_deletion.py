"""Deleted accounts: refused and nameless at once, erased step by step, whatever comes between."""

import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import connection, transaction

from accounts import queries
from accounts.errors import AccountDeletedError, StaffAccountError
from accounts.models import Ban, Erasure, Tombstone, User
from accounts.services import bans, deletion, players
from dust.livequery.testing import Watch, assert_live, run_jobs
from dust.livequery.transactions import Isolation
from dust.livequery.writing import run_write
from gamesessions.services.moderation import void_sessions
from leaderboard.models import Entry
from leaderboard.queries.boards import get_top
from leaderboard.services import moderation
from tests.accounts.identities import alice, bob
from tests.accounts.waiting import wait_until_somebody_waits
from tests.dust.livequery import other_process
from tests.factories import EntryFactory, GameSessionFactory, UserFactory
from tests.rest import restore_boards

BOARD = "solo:3"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def user(transactional_db: None, now: datetime) -> User:
    restore_boards()
    made = players.ensure_user(alice, now=now)
    User.objects.filter(id=made.id).update(email="alice@example.com", announced_at=now)
    return made


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Register parts of so many batches each, in place of the project's; return what was called."""
    monkeypatch.setattr(deletion, "_parts", {})

    def register(**batches: int) -> list[str]:
        called: list[str] = []

        def erase(name: str, _key: UUID) -> bool:
            called.append(name)
            return called.count(name) >= batches[name]

        for name in batches:
            deletion.register_part(name, partial(erase, name))
        return called

    return register


def delete(now: datetime) -> None:
    run_write(
        lambda: deletion.delete_account(alice.issuer, alice.subject, at=now, now=now),
        name="tests.delete",
    )


class TestDeleteAccount:
    def test_makes_the_row_nameless_at_once(self, user: User, now: datetime) -> None:
        delete(now)

        user.refresh_from_db()
        assert (user.issuer, user.subject) == ("deleted", user.id.hex)
        assert (user.username, user.avatar_url, user.email) == ("Deleted archivist", "", "")
        assert user.announced_at is None

    def test_refuses_the_identity_at_once(self, user: User, now: datetime) -> None:
        delete(now)

        for refused in (
            lambda: queries.find_player_key(alice),
            lambda: queries.find_player(alice),
            lambda: queries.get_profile(alice),
            lambda: players.ensure_user(alice, now=now),
            lambda: players.ensure_user_key(alice, now=now),
        ):
            with pytest.raises(AccountDeletedError):
                refused()
        assert User.objects.count() == 1
        assert players.ensure_user(bob, now=now).username == "Bob"

    def test_refuses_also_who_never_played(self, now: datetime) -> None:
        delete(now)

        with pytest.raises(AccountDeletedError):
            players.ensure_user(alice, now=now)
        assert not User.objects.exists()
        assert not Erasure.objects.exists()
        assert Tombstone.objects.get().deleted_at == now

    def test_is_refused_the_second_time(self, user: User, now: datetime) -> None:
        delete(now)

        with pytest.raises(AccountDeletedError):
            delete(now)

        assert Erasure.objects.count() == 1

    def test_is_not_for_staff(self, now: datetime) -> None:
        root = UserFactory.create(username="root", staff=True)

        with pytest.raises(StaffAccountError):
            deletion.delete_account(root.issuer, root.subject, at=now, now=now)

    def test_reaches_open_boards_and_the_players_own_queries(
        self, user: User, now: datetime
    ) -> None:
        EntryFactory.create(user=user, board__key=BOARD)
        board = {"board": BOARD}
        elsewhere = Watch("leaderboard:top", {"board": "solo:4"})

        with (
            assert_live("leaderboard:top", board, bystanders=(elsewhere,)),
            assert_live("leaderboard:me", board, caller=alice),
        ):
            delete(now)

    def test_reaches_the_queries_of_who_never_played(self, now: datetime) -> None:
        restore_boards()
        others = Watch("leaderboard:me", {"board": "solo:4"}, caller=bob)

        with assert_live("leaderboard:me", {"board": BOARD}, caller=alice, bystanders=(others,)):
            delete(now)

    def test_leaves_entries_under_no_name(self, user: User, now: datetime) -> None:
        EntryFactory.create(user=user, board__key=BOARD, score=70)

        delete(now)
        run_jobs(now=now)

        [standing] = get_top(BOARD).standings
        assert (standing.rank, standing.score) == (1, 70)
        assert (standing.username, standing.avatar_url) == ("Deleted archivist", "")

    def test_does_not_bring_back_what_a_ban_took_away(self, user: User, now: datetime) -> None:
        EntryFactory.create(user=user, board__key=BOARD)
        moderator = UserFactory.create(username="moderator", staff=True)
        until = now + timedelta(hours=1)
        bans.ban_user(user, reason="a bot", until=until, by=moderator, now=now)

        delete(now)
        run_jobs(now=now)
        run_jobs(now=until)

        assert not Ban.objects.exists()
        assert Entry.objects.get().suspended


class TestErasing:
    def test_goes_through_all_parts_a_batch_at_a_time(
        self, user: User, now: datetime, parts: Callable[..., list[str]]
    ) -> None:
        called = parts(account=1, sessions=2, archives=3)
        delete(now)

        steps = run_jobs(now=now)

        assert called == [*["archives"] * 3, *["sessions"] * 2, "account"]
        assert steps >= 6
        assert Erasure.objects.get().finished_at == now

    def test_does_each_batch_in_a_transaction_of_its_own(
        self, user: User, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        transactions: list[Any] = []

        def erase(_key: UUID) -> bool:
            with connection.cursor() as cursor:
                if connection.vendor == "postgresql":
                    cursor.execute("SELECT pg_current_xact_id()::text")
                    transactions.append(cursor.fetchone()[0])
                else:
                    transactions.append(len(transactions))
            return len(transactions) == 3

        monkeypatch.setattr(deletion, "_parts", {"archives": erase})
        delete(now)

        run_jobs(now=now)

        assert len(set(transactions)) == 3

    def test_undoes_a_batch_that_fails_and_takes_it_up_again(
        self, user: User, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        EntryFactory.create(user=user, board__key=BOARD)
        is_broken = True

        def erase(key: UUID) -> bool:
            Entry.objects.filter(user_id=key).delete()
            if is_broken:
                raise ZeroDivisionError
            return True

        monkeypatch.setattr(deletion, "_parts", {"entries": erase})
        delete(now)
        run_jobs(now=now)
        assert Entry.objects.exists()
        is_broken = False

        run_jobs(now=now + timedelta(minutes=9))
        assert Entry.objects.exists()
        run_jobs(now=now + timedelta(minutes=30))

        assert not Entry.objects.exists()
        assert Erasure.objects.get().finished_at

    def test_goes_on_where_it_was_if_a_part_is_gone(
        self, user: User, now: datetime, parts: Callable[..., list[str]]
    ) -> None:
        called = parts(account=1, sessions=1)
        delete(now)
        Erasure.objects.update(part="removed in this version")

        run_jobs(now=now)

        assert called == ["sessions", "account"]

    def test_is_not_taken_up_again_once_finished(self, user: User, now: datetime) -> None:
        delete(now)
        run_jobs(now=now)

        assert deletion.resume_erasures(now=now + timedelta(days=1)) == 0
        assert deletion.erase_next(Erasure.objects.get().id, now=now)

    def test_outlives_a_process_killed_between_batches(
        self, user: User, now: datetime, parts: Callable[..., list[str]]
    ) -> None:
        delete(now)

        killed = subprocess.run(
            [sys.executable, "-m", "tests.accounts.killed_half_way", now.isoformat()],
            cwd=other_process.ROOT,
            env=other_process.environment(redis_url=None),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert Erasure.objects.get().part == "second"
        called = parts(second=1, first=1)
        run_jobs(now=now + timedelta(minutes=1))
        assert called == ["second"]
        assert Erasure.objects.get().finished_at

    def test_takes_the_name_out_of_the_admins_log(self, user: User, now: datetime) -> None:
        moderator = UserFactory.create(username="moderator", staff=True)
        entries = [EntryFactory.create(user=user, board__key=key) for key in (BOARD, "solo:4")]
        game = GameSessionFactory.create(user=user)
        by: Any = {"moderator_id": moderator.id}
        moderation.hide_entries([entry.id for entry in entries], reason="odd", **by)
        moderation.delete_entries([entries[0].id], reason="odd", **by)
        void_sessions([game.id], reason="odd", now=now, **by)
        assert not LogEntry.objects.filter(object_repr__contains="alice").exists()
        for row in (entries[1], game):  # lines as they were written once
            LogEntry.objects.log_actions(moderator.id, [row], CHANGE)
            LogEntry.objects.filter(object_id=str(row.id)).update(object_repr=f"alice: {row}")
        bans.ban_user(user, reason="a bot", until=None, by=moderator, now=now)
        others = GameSessionFactory.create(user__username="bob")
        void_sessions([others.id], reason="odd", now=now, **by)

        delete(now)
        run_jobs(now=now)

        assert LogEntry.objects.count() == 8
        assert not LogEntry.objects.filter(object_repr__contains="alice").exists()
        assert LogEntry.objects.get(object_id=str(others.id)).object_repr == str(others)

    def test_cannot_have_two_parts_of_one_name(self) -> None:
        with pytest.raises(ValueError, match="account"):
            deletion.register_part("account", lambda _key: True)


class TestDeletePlayer:
    def test_is_in_the_admins_log_without_the_name(self, user: User, now: datetime) -> None:
        moderator = UserFactory.create(username="moderator", staff=True)

        deletion.delete_player(user, reason="asked for it", by=moderator, now=now)

        line = LogEntry.objects.get()
        assert (line.object_id, line.object_repr) == (str(user.id), "Deleted archivist")
        assert line.change_message == "Account deleted: asked for it"
        again = User.objects.get(id=user.id)
        with pytest.raises(AccountDeletedError):
            deletion.delete_player(again, reason="asked for it", by=moderator, now=now)


class TestRaces:
    """On PostgreSQL others write while an account is deleted; SQLite has one writer at a time."""

    __test__ = connection.vendor == "postgresql"

    @pytest.mark.parametrize("isolation", Isolation)
    @pytest.mark.parametrize("has_played", [True, False])
    def test_a_write_that_meets_a_deletion_is_refused(
        self, now: datetime, isolation: Isolation, *, has_played: bool
    ) -> None:
        if has_played:
            players.ensure_user(alice, now=now)

        def delete_meanwhile() -> Future[Any]:
            deletion.delete_account(alice.issuer, alice.subject, at=now, now=now)
            writing = pool.submit(_first_write, now, isolation)
            wait_until_somebody_waits()
            return writing

        with ThreadPoolExecutor(1) as pool:
            writing = run_write(delete_meanwhile, name="tests.delete").value
            with pytest.raises(AccountDeletedError):
                writing.result(timeout=30)

        assert not User.objects.filter(issuer=alice.issuer).exists()

    @pytest.mark.parametrize("has_played", [True, False])
    def test_a_deletion_that_meets_a_write_finds_what_it_wrote(
        self, now: datetime, *, has_played: bool
    ) -> None:
        restore_boards()
        if has_played:
            players.ensure_user(alice, now=now)

        with ThreadPoolExecutor(1) as pool:
            with transaction.atomic():
                key = players.ensure_user_key(alice, now=now)
                deleting = pool.submit(_delete_elsewhere, now)
                wait_until_somebody_waits()
                EntryFactory.create(user=User.objects.get(id=key), board__key=BOARD)
            deleting.result(timeout=30)

        assert Entry.objects.get().user.username == "Deleted archivist"
        assert Erasure.objects.get().user_id == key


def _first_write(now: datetime, isolation: Isolation) -> Any:
    try:
        write = lambda: players.ensure_user_key(alice, now=now)  # noqa: E731
        return run_write(write, name="tests.first", isolation=isolation).value
    finally:
        connection.close()


def _delete_elsewhere(now: datetime) -> None:
    try:
        delete(now)
    finally:
        connection.close()
