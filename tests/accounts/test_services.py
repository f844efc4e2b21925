"""Players come to be exactly once, and change only what they may."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Barrier
from typing import Any

import msgspec
import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from accounts import queries
from accounts.errors import AccountDisabledError
from accounts.models import User
from accounts.services import players
from dust.errors import InvalidError
from dust.identity import Identity
from dust.livequery.context import QueryContext
from dust.livequery.registry import internal_query
from dust.livequery.testing import Watch, assert_live
from dust.livequery.transactions import Isolation
from dust.livequery.writing import run_write
from tests.accounts.identities import alice, bob

THREADS = 20
BOB = Watch("tests/accounts:me_elsewhere", caller=bob)


class NoArgs(msgspec.Struct, forbid_unknown_fields=True):
    pass


@internal_query("tests/accounts:me")
@internal_query("tests/accounts:me_elsewhere")
def me(ctx: QueryContext, args: NoArgs) -> list[str] | None:
    user = queries.find_user(ctx.identity)
    return None if user is None else [user.username, user.avatar_url]


class TestEnsureUser:
    @pytest.mark.django_db
    def test_dust_id_2_makes_the_row_from_the_token(self, now: datetime) -> None:
        user = players.ensure_user(alice, now=now)

        user.refresh_from_db()
        assert (user.issuer, user.subject) == (alice.issuer, alice.subject)
        assert (user.username, user.avatar_url) == ("alice", "https://img.clerk.com/a")
        assert (user.created_at, user.id.version) == (now, 7)
        assert not user.is_staff
        assert not user.has_usable_password()

    @pytest.mark.django_db
    def test_leaves_the_row_as_it_is_afterwards(
        self, now: datetime, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        first = players.ensure_user(alice, now=now)
        players.update_profile(first, username="Alice the Great")
        renamed = Identity(alice.issuer, alice.subject, {"nickname": "somebody"})

        with django_assert_num_queries(2):
            second = players.ensure_user(renamed, now=now)

        assert (second.id, second.username) == (first.id, "Alice the Great")
        assert User.objects.count() == 1

    @pytest.mark.django_db
    def test_refuses_who_was_disabled(self, now: datetime) -> None:
        players.ensure_user(alice, now=now)
        User.objects.update(is_active=False)

        with pytest.raises(AccountDisabledError):
            players.ensure_user(alice, now=now)

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("isolation", Isolation)
    def test_dust_id_2_makes_one_row_for_many_first_writes_at_once(
        self, now: datetime, isolation: Isolation
    ) -> None:
        start = Barrier(THREADS)

        def first_write() -> Any:
            start.wait(timeout=30)
            try:
                return run_write(
                    lambda: players.ensure_user(alice, now=now).id,
                    name="tests.first_write",
                    isolation=isolation,
                ).value
            finally:
                connection.close()

        with ThreadPoolExecutor(THREADS) as pool:
            writes = [pool.submit(first_write) for _ in range(THREADS)]
            ids = {write.result(timeout=60) for write in writes}

        assert ids == {User.objects.get().id}

    @pytest.mark.django_db(transaction=True)
    def test_is_noticed_by_the_caller_and_nobody_else(self, now: datetime) -> None:
        with assert_live("tests/accounts:me", caller=alice, bystanders=(BOB,)):
            run_write(lambda: players.ensure_user(alice, now=now), name="tests")


class TestUpdateProfile:
    @pytest.fixture
    def user(self, db: None, now: datetime) -> User:
        return players.ensure_user(alice, now=now)

    def test_changes_what_is_given(self, user: User) -> None:
        players.update_profile(user, username=" Alice\x00 the Great ")
        players.update_profile(user, avatar_url="")

        user.refresh_from_db()
        assert (user.username, user.avatar_url) == ("Alice the Great", "")

    @pytest.mark.parametrize(
        "change",
        [
            {"username": " "},
            {"username": "x" * 65},
            {"avatar_url": "javascript:alert(1)"},
            {"username": "fine", "avatar_url": "ftp://x"},
        ],
    )
    def test_refuses_what_breaks_a_rule_and_changes_nothing(
        self, user: User, change: dict[str, str]
    ) -> None:
        with pytest.raises(InvalidError) as refusal:
            players.update_profile(user, **change)

        assert list(refusal.value.fields) == [list(change)[-1]]
        user.refresh_from_db()
        assert (user.username, user.avatar_url) == ("alice", "https://img.clerk.com/a")

    def test_writes_nothing_if_nothing_changes(
        self, user: User, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        with django_assert_num_queries(0):
            players.update_profile(user, username="alice ")

    @pytest.mark.django_db(transaction=True)
    def test_reaches_who_watches(self, now: datetime) -> None:
        user = players.ensure_user(alice, now=now)

        with assert_live("tests/accounts:me", caller=alice, bystanders=(BOB,)):
            players.update_profile(user, username="Alice the Great")
