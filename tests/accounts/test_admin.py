"""Users in the admin: found, renamed, disabled; staff added; identities left alone."""

from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User

pytestmark = pytest.mark.django_db
USERS = "/admin/accounts/user/"


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root", "correct horse battery"))
    return client


def make_players(count: int, *, start: int = 0) -> list[User]:
    return User.objects.bulk_create(
        User(issuer="https://clerk.example", subject=f"user_{n}", username=f"player {n}")
        for n in range(start, start + count)
    )


class TestChangeList:
    @pytest.mark.parametrize("query", ["player 7", "user_7"])
    def test_finds_by_name_and_subject(self, staff: Client, query: str) -> None:
        make_players(10)

        page = staff.get(USERS, {"q": query}).content.decode()

        assert "player 7" in page
        assert "player 8" not in page

    def test_filters_out_who_is_active(self, staff: Client) -> None:
        make_players(3)
        User.objects.filter(subject="user_1").update(is_active=False)

        page = staff.get(USERS, {"is_active__exact": "0"}).content.decode()

        assert "player 1" in page
        assert "player 2" not in page

    def test_costs_the_same_for_many(self, staff: Client) -> None:
        make_players(3)
        with CaptureQueriesContext(connection) as few:
            staff.get(USERS)
        make_players(50, start=3)

        with CaptureQueriesContext(connection) as many:
            staff.get(USERS)

        assert len(many) == len(few)


class TestChange:
    def _form(self, **changes: Any) -> dict[str, Any]:
        return {"username": "player 0", "avatar_url": "", "is_active": "on"} | changes

    def test_renames_and_disables(self, staff: Client) -> None:
        [player] = make_players(1)
        form = self._form(username="Renamed", is_active="")

        answer = staff.post(f"{USERS}{player.pk}/change/", form)

        player.refresh_from_db()
        assert answer.status_code == 302
        assert (player.username, player.is_active) == ("Renamed", False)

    def test_leaves_the_identity_alone(self, staff: Client) -> None:
        [player] = make_players(1)
        form = self._form(issuer="https://evil.example", subject="user_9", login="root2")

        staff.post(f"{USERS}{player.pk}/change/", form)

        player.refresh_from_db()
        assert (player.issuer, player.subject, player.login) == (
            "https://clerk.example",
            "user_0",
            None,
        )

    @pytest.mark.parametrize(
        "change", [{"username": ""}, {"avatar_url": "javascript:alert(1)"}, {"username": "x" * 65}]
    )
    def test_refuses_what_players_may_not_have(self, staff: Client, change: dict[str, str]) -> None:
        [player] = make_players(1)

        answer = staff.post(f"{USERS}{player.pk}/change/", self._form(**change))

        assert answer.status_code == 200
        assert "errorlist" in answer.content.decode()

    def test_is_shown(self, staff: Client) -> None:
        [player] = make_players(1)

        page = staff.get(f"{USERS}{player.pk}/change/").content.decode()

        assert "https://clerk.example" in page
        assert "user_0" in page


class TestAdd:
    def _form(self, **changes: Any) -> dict[str, Any]:
        password = "correct horse battery"
        form = {"login": "mod", "password1": password, "password2": password}
        return form | {"usable_password": "true"} | changes

    def test_makes_a_member_of_staff(self, staff: Client) -> None:
        answer = staff.post(f"{USERS}add/", self._form())

        user = User.objects.get(login="mod")
        assert answer.status_code == 302
        assert (user.issuer, user.subject, user.username) == ("local-staff", "mod", "mod")
        assert (user.is_staff, user.is_superuser) == (True, False)
        assert authenticate(username="mod", password="correct horse battery") == user

    def test_refuses_a_login_twice(self, staff: Client) -> None:
        answer = staff.post(f"{USERS}add/", self._form(login="root"))

        assert answer.status_code == 200
        assert "already exists" in answer.content.decode()

    def test_is_shown(self, staff: Client) -> None:
        assert 'name="login"' in staff.get(f"{USERS}add/").content.decode()


class TestSignIn:
    def test_is_by_login_and_password(self, client: Client) -> None:
        User.objects.create_superuser("root", "correct horse battery")

        answer = client.post(
            "/admin/login/", {"username": "root", "password": "correct horse battery"}
        )

        assert answer.status_code == 302
        assert client.get(USERS).status_code == 200
