"""What Convex clients call of accounts, and what only the server may."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings

from accounts.models import User
from accounts.services import players
from dust import ids
from dust.errors import DustError, ForbiddenError
from dust.identity import Identity
from dust.livequery.errors import InvalidArgumentsError, UnknownFunctionError
from dust.livequery.execution import run_mutation, run_query_alone
from dust.livequery.registry import Kind, find_function
from dust.livequery.testing import Watch, assert_live
from tests.accounts.clerk import clerk_user
from tests.accounts.identities import CLERK, alice, bob, namesake
from tests.factories import EntryFactory
from tests.rest import restore_boards

pytestmark = pytest.mark.django_db(transaction=True)
PROFILE = {"username": "Alice", "avatarUrl": "https://img.clerk.com/new"}


@pytest.fixture(autouse=True)
def configured(settings: Settings) -> None:
    settings.CLERK_ISSUER = CLERK


def query(path: str, args: dict[str, Any], caller: Identity | None) -> Any:
    result = run_query_alone(find_function(path, kind=Kind.QUERY), args, caller)
    if result.error:
        raise result.error
    return result.value


def mutate(path: str, args: dict[str, Any], caller: Identity | None = None) -> Any:
    spec = find_function(path, kind=Kind.MUTATION, internal=caller is None)
    return run_mutation(spec, args, caller).value


class TestHealthCheck:
    def test_is_ok(self) -> None:
        assert query("healthCheck:get", {}, None) == "OK"

    def test_takes_anything(self) -> None:
        assert query("healthCheck:get", {"deep": {"er": [1, None]}, "n": 1.5}, alice) == "OK"


class TestSync:
    def sync(self, caller: Identity | None, clerk_id: str = "user_alice", **changes: str) -> Any:
        spec = find_function("users:sync", kind=Kind.MUTATION)
        return run_mutation(spec, {"clerkId": clerk_id} | PROFILE | changes, caller).value

    def test_makes_the_caller_and_returns_their_id(self) -> None:
        returned = self.sync(alice)

        user = User.objects.get()
        assert ids.decode(returned, User.TABLE_NUMBER) == user.id
        assert (user.issuer, user.subject) == (CLERK, "user_alice")
        assert (user.username, user.avatar_url) == ("Alice", "https://img.clerk.com/new")

    def test_again_changes_the_same_row(self) -> None:
        first = self.sync(alice)

        assert self.sync(alice, username="Ally") == first
        assert User.objects.get().username == "Ally"

    def test_at_once_makes_one_row(self) -> None:
        start = Barrier(6)

        def sync(_: int) -> Any:
            start.wait(timeout=30)
            try:
                return self.sync(alice)
            finally:
                connection.close()

        with ThreadPoolExecutor(6) as pool:
            returned = set(pool.map(sync, range(6)))

        assert returned == {ids.encode(User.TABLE_NUMBER, User.objects.get().id)}

    def test_d4_of_somebody_else_is_refused(self, now: datetime) -> None:
        """DUST-ID-1: a subject in the arguments is a claim."""
        players.ensure_user(bob, now=now)

        with pytest.raises(ForbiddenError, match=r"^Not authorized$"):
            self.sync(alice, clerk_id="user_bob", username="Mallory")

        assert User.objects.get().username == "Bob"

    def test_d4_by_nobody_writes_nothing(self) -> None:
        with pytest.raises(ForbiddenError, match=r"^Not authorized$"):
            self.sync(None)

        assert not User.objects.exists()

    def test_of_one_subject_at_two_issuers_makes_two_people(self) -> None:
        assert self.sync(alice) != self.sync(namesake)

        assert User.objects.count() == 2

    @pytest.mark.parametrize(
        ("changes", "name", "avatar_url"),
        [
            ({"username": "x" * 5000}, "x" * 64, PROFILE["avatarUrl"]),
            ({"username": " Al\u202eice "}, "Alice", PROFILE["avatarUrl"]),
            ({"username": "  "}, "alice", PROFILE["avatarUrl"]),
            ({"username": "alice@example.com"}, "alice", PROFILE["avatarUrl"]),
            ({"avatarUrl": ""}, "Alice", ""),
            ({"avatarUrl": "javascript:alert(1)"}, "Alice", ""),
            ({"avatarUrl": "https://img.example/" + "x" * 3000}, "Alice", ""),
        ],
    )
    def test_makes_fit_what_does_not(
        self, changes: dict[str, str], name: str, avatar_url: str
    ) -> None:
        self.sync(alice, **changes)

        user = User.objects.get()
        assert (user.username, user.avatar_url) == (name, avatar_url)

    @pytest.mark.parametrize("args", [{}, {"clerkId": "user_alice"}, {"clerkId": 7} | PROFILE])
    def test_needs_its_arguments(self, args: dict[str, Any]) -> None:
        with pytest.raises(InvalidArgumentsError):
            mutate("users:sync", args, alice)

    def test_reaches_the_callers_boards_and_no_others(self, now: datetime) -> None:
        restore_boards()
        user = players.ensure_user(alice, now=now)
        EntryFactory.create(user=user, board__key="solo:3")
        elsewhere = Watch("leaderboard:top", {"board": "solo:4"})

        with assert_live("leaderboard:top", {"board": "solo:3"}, bystanders=(elsewhere,)):
            self.sync(alice)

    @pytest.mark.parametrize(
        ("change", "code"),
        [({"is_banned": True}, "account_banned"), ({"is_active": False}, "account_disabled")],
    )
    @pytest.mark.parametrize("name", ["sync", "current", "get"])
    def test_is_refused_to_whoever_is_kept_out(
        self, now: datetime, change: dict[str, bool], code: str, name: str
    ) -> None:
        players.ensure_user(alice, now=now)
        User.objects.update(**change)

        attempt: Callable[[], Any] = {
            "sync": partial(self.sync, alice),
            "current": partial(query, "users:current", {}, alice),
            "get": partial(query, "users:getByClerkId", {"clerkId": "user_alice"}, alice),
        }[name]

        with pytest.raises(DustError) as refusal:
            attempt()

        assert refusal.value.code == code


class TestGetByClerkId:
    def find(self, clerk_id: str, caller: Identity | None) -> Any:
        return query("users:getByClerkId", {"clerkId": clerk_id}, caller)

    def test_shows_what_is_public(self, now: datetime) -> None:
        user = players.ensure_user(alice, now=now)
        User.objects.update(email="alice@example.com")

        assert self.find("user_alice", bob) == {
            "_id": ids.encode(User.TABLE_NUMBER, user.id),
            "_creationTime": now.timestamp() * 1000,
            "clerkId": "user_alice",
            "username": "alice",
            "avatarUrl": "https://img.clerk.com/a",
            "createdAt": now.timestamp() * 1000,
        }

    def test_is_null_for_who_is_not_there(self) -> None:
        assert self.find("user_nobody", bob) is None

    def test_dust_cp_1_is_null_for_nobody(self, now: datetime) -> None:
        players.ensure_user(alice, now=now)

        assert self.find("user_alice", None) is None

    def test_looks_at_clerks_users_only(self, now: datetime) -> None:
        players.ensure_user(namesake, now=now)

        assert self.find("user_alice", namesake) is None

    def test_looks_at_the_only_provider_where_clerk_is_not_configured(
        self, now: datetime, settings: Settings
    ) -> None:
        settings.CLERK_ISSUER = None
        local = Identity("http://localhost:8000/local-issuer", "alice", {})
        players.ensure_user(local, now=now)

        assert self.find("alice", bob)["clerkId"] == "alice"

    def test_is_live(self, now: datetime) -> None:
        user = players.ensure_user(alice, now=now)
        players.ensure_user(bob, now=now)
        others = (Watch("users:getByClerkId", {"clerkId": "user_bob"}, caller=bob),)

        with assert_live(
            "users:getByClerkId", {"clerkId": "user_alice"}, caller=bob, bystanders=others
        ):
            players.update_profile(user, username="Ally")


class TestCurrent:
    def test_shows_the_caller(self, now: datetime) -> None:
        players.ensure_user(alice, now=now)

        assert query("users:current", {}, alice)["clerkId"] == "user_alice"

    def test_is_null_for_nobody_and_before_the_first_write(self) -> None:
        assert query("users:current", {}, None) is None
        assert query("users:current", {}, alice) is None

    def test_is_live(self, now: datetime) -> None:
        with assert_live("users:current", caller=alice, bystanders=(Watch("users:current"),)):
            players.ensure_user(alice, now=now)


class TestFromClerk:
    @pytest.mark.parametrize("name", ["users:upsertFromClerk", "users:deleteFromClerk"])
    def test_is_for_the_server_alone(self, name: str) -> None:
        with pytest.raises(UnknownFunctionError):
            find_function(name, kind=Kind.MUTATION)

    def test_makes_and_changes_and_deletes_a_user(self) -> None:
        first = mutate("users:upsertFromClerk", {"data": clerk_user()})
        again = mutate("users:upsertFromClerk", {"data": clerk_user(username="x", updated_at=2000)})
        stale = mutate("users:upsertFromClerk", {"data": clerk_user()})

        user = User.objects.get()
        assert (ids.decode(first, User.TABLE_NUMBER), again, stale) == (user.id, first, None)
        assert (user.username, user.email) == ("x", "ada@example.com")
        assert mutate("users:deleteFromClerk", {"clerkUserId": "user_ada"}) is None
        assert mutate("users:deleteFromClerk", {"clerkUserId": "user_ada"}) is None
        assert not User.objects.filter(subject="user_ada").exists()
