"""Who somebody is, with and without a row."""

from datetime import datetime

import pytest

from accounts import queries
from accounts.errors import UserNotFoundError
from accounts.queries import Profile
from accounts.services import players
from dust.errors import UnauthenticatedError
from tests.accounts.identities import CLERK, alice, bob, namesake

pytestmark = pytest.mark.django_db


class TestFindUser:
    def test_tells_people_apart_by_issuer_and_subject(self, now: datetime) -> None:
        users = {who: players.ensure_user(who, now=now) for who in (alice, bob, namesake)}

        assert {who: queries.find_user(who) for who in (alice, bob, namesake)} == users
        assert len({user.id for user in users.values()}) == 3

    def test_finds_nobody_before_their_first_write(self) -> None:
        assert queries.find_user(alice) is None

    def test_finds_nobody_signed_out(self) -> None:
        assert queries.find_user(None) is None


class TestGetUser:
    def test_returns_the_row(self, now: datetime) -> None:
        user = players.ensure_user(alice, now=now)

        assert queries.get_user(alice) == user

    def test_needs_a_row(self) -> None:
        with pytest.raises(UserNotFoundError):
            queries.get_user(alice)

    def test_needs_a_caller(self) -> None:
        with pytest.raises(UnauthenticatedError):
            queries.get_user(None)


class TestGetProfile:
    def test_is_read_from_the_token_until_there_is_a_row(self) -> None:
        assert queries.get_profile(alice) == Profile(
            id=None,
            issuer=CLERK,
            subject="user_alice",
            username="alice",
            avatar_url="https://img.clerk.com/a",
            created_at=None,
        )
        assert queries.find_user(alice) is None

    def test_is_read_from_the_row_once_there_is_one(self, now: datetime) -> None:
        user = players.ensure_user(alice, now=now)
        players.update_profile(user, username="Alice the Great")

        profile = queries.get_profile(alice)

        assert (profile.id, profile.username, profile.created_at) == (
            user.id,
            "Alice the Great",
            now,
        )
