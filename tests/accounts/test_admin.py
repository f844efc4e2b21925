"""Users in the admin: found, renamed, disabled; staff added; identities left alone."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.auth import authenticate
from django.contrib.auth.models import Permission
from django.db import connection
from django.db.models import Q
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Ban, Erasure, Tombstone, User
from accounts.services import bans, deletion
from dust import ids

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


class TestSearch:
    @pytest.mark.parametrize("query", ["ADA", "user_ada", "ada@example.com", "ID"])
    def test_finds_by_what_is_known_of_somebody(self, staff: Client, query: str) -> None:
        make_players(3)
        ada = User.objects.create(
            issuer="https://clerk.example",
            subject="user_ada",
            username="Ada L.",
            email="ada@example.com",
        )
        query = ids.encode(User.TABLE_NUMBER, ada.id) if query == "ID" else query

        page = staff.get(USERS, {"q": query}).content.decode()

        assert "Ada L." in page
        assert "player 1" not in page

    if connection.vendor == "postgresql":  # SQLite holds a laptop's players

        def test_uses_an_index_for_each(self) -> None:
            make_players(3)
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL enable_seqscan = off")
            found = Q(username__istartswith="play") | Q(subject="x") | Q(email="x") | Q(login="x")

            plan = User.objects.filter(found).explain()

            for index in ("name_start", "subject", "email"):
                assert f"accounts_user_{index}" in plan
            assert "Seq Scan" not in plan


class TestModeration:
    @pytest.fixture
    def player(self) -> User:
        [player] = make_players(1)
        return player

    def act(self, staff: Client, action: str, player: User, **form: str) -> str:
        form |= {"action": action, "_selected_action": str(player.pk)}
        answer = staff.post(USERS, form, follow=True)
        player.refresh_from_db()
        return answer.content.decode()

    def test_bans_until_a_time_and_lets_in_again(self, staff: Client, player: User) -> None:
        page = self.act(staff, "ban", player, reason="a bot", until="2126-01-02T03:04")

        ban = Ban.objects.get()
        assert "Users banned: 1." in page
        assert player.is_banned
        assert (ban.reason, ban.until) == ("a bot", datetime(2126, 1, 2, 3, 4, tzinfo=UTC))
        assert ban.banned_by
        assert ban.banned_by.login == "root"
        told = staff.get(f"{USERS}{player.pk}/change/").content.decode()
        assert "until 2126-01-02 03:04, by root: a bot" in told

        assert "Users let in again: 1." in self.act(staff, "unban", player, reason="no bot")
        told = staff.get(f"{USERS}{player.pk}/change/").content.decode()
        assert "by root: no bot" in told
        assert [line.get_change_message() for line in LogEntry.objects.order_by("id")] == [
            "Banned until 2126-01-02 03:04 UTC: a bot",
            "No longer banned: no bot",
        ]

    def test_bans_for_good(self, staff: Client, player: User) -> None:
        self.act(staff, "ban", player, reason="a bot", until="")

        assert Ban.objects.get().until is None

    @pytest.mark.parametrize(
        ("form", "said"),
        [
            ({"reason": "", "until": ""}, "reason: Must be 1 to 200"),
            ({"reason": "a bot", "until": "soon"}, "until: Must be a date"),
            ({"reason": "a bot", "until": "2126-13-45T00:00"}, "until: Must be a date"),
            ({"reason": "a bot", "until": "2020-01-01T00:00"}, "until: Must be in the future"),
        ],
    )
    def test_says_what_is_wrong_with_a_ban(
        self, staff: Client, player: User, form: dict[str, str], said: str
    ) -> None:
        assert said in self.act(staff, "ban", player, **form)

        assert not player.is_banned

    def test_bans_all_or_nobody(self, staff: Client, player: User) -> None:
        root = User.objects.get(login="root")
        form = {"action": "ban", "_selected_action": [player.pk, root.pk], "reason": "a bot"}

        page = staff.post(USERS, form, follow=True).content.decode()

        assert "Staff who sign in with a password" in page
        assert not Ban.objects.exists()

    def test_deletes_the_account(self, staff: Client, player: User) -> None:
        assert "reason: Must be" in self.act(staff, "delete_accounts", player, reason=" ")
        page = self.act(staff, "delete_accounts", player, reason="asked for it")

        assert "Users deleted: 1." in page
        assert player.username == "Deleted archivist"
        line = LogEntry.objects.get()
        assert (line.action_flag, line.object_repr) == (DELETION, "Deleted archivist")

    def test_never_deletes_a_row(self, staff: Client, player: User) -> None:
        path = f"{USERS}{player.pk}/delete/"

        assert staff.post(path, {"post": "yes"}).status_code == 403
        page = staff.get(USERS).content.decode()
        assert 'value="delete_selected"' not in page
        assert "deletelink" not in staff.get(f"{USERS}{player.pk}/change/").content.decode()


class TestRights:
    @pytest.fixture
    def moderator(self, client: Client) -> Client:
        user = User(is_active=True)
        user.become_staff("mod")
        user.save()
        names = ("view_user", "change_user", "add_user")
        user.user_permissions.set(Permission.objects.filter(codename__in=names))
        client.force_login(user)
        return client

    def test_of_others_are_not_a_moderators_to_give(self, moderator: Client) -> None:
        [player] = make_players(1)
        form = {"username": "x", "is_active": "on", "is_staff": "on", "is_superuser": "on"}

        answer = moderator.post(f"{USERS}{player.pk}/change/", form)

        player.refresh_from_db()
        assert (answer.status_code, player.username) == (302, "x")
        assert not player.is_staff
        assert not player.is_superuser

    def test_leave_staff_alone(self, moderator: Client) -> None:
        root = User.objects.create_superuser("root", "correct horse battery")
        password = {"password1": "x" * 20, "password2": "x" * 20, "usable_password": "true"}

        assert moderator.post(f"{USERS}{root.pk}/password/", password).status_code == 403
        assert moderator.post(f"{USERS}{root.pk}/change/", {"username": "x"}).status_code == 403
        assert moderator.get(f"{USERS}add/").status_code == 403
        assert authenticate(username="root", password="correct horse battery")

    def test_let_a_moderator_ban_and_not_delete(self, moderator: Client) -> None:
        make_players(1)

        page = moderator.get(USERS).content.decode()

        assert 'value="ban"' in page
        assert 'value="delete_accounts"' not in page


class TestOtherPages:
    @pytest.mark.parametrize("name", ["ban", "tombstone", "erasure"])
    def test_are_looked_at(self, staff: Client, name: str) -> None:
        now = datetime(2026, 3, 14, tzinfo=UTC)
        player, gone = make_players(2)
        root = User.objects.get(login="root")
        bans.ban_user(player, reason="a bot", until=None, by=root, now=now)
        deletion.delete_player(gone, reason="asked for it", by=root, now=now)

        pages = f"/admin/accounts/{name}/"
        rows: dict[str, Any] = {
            "ban": Ban.objects.get(),
            "tombstone": Tombstone.objects.get(),
            "erasure": Erasure.objects.get(),
        }
        page = f"{pages}{rows[name].pk}/"

        assert f"{page}change/" in staff.get(pages).content.decode()
        assert staff.get(f"{page}change/").status_code == 200
        assert staff.get(pages, {"q": "user_1"}).status_code == 200
        assert staff.get(f"{pages}add/").status_code == 403
        assert staff.post(f"{page}delete/").status_code == 403


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
