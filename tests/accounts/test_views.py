"""REST /api/v1/me/: what anybody, somebody new and somebody known get."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from accounts import rules
from accounts.models import Ban, Erasure, Tombstone, User
from accounts.serializers import AccountExport, MeChange
from accounts.services import bans
from dust import ids
from dust.identity import local_issuer
from dust.livequery.testing import run_jobs
from leaderboard.models import Entry
from tests.factories import UserFactory
from tests.rest import SOLO_3, restore_boards, submit, unspend_limits

ME = "/api/v1/me/"
EXPORT = f"{ME}export/"
pytestmark = pytest.mark.django_db(transaction=True)


def signed_in(client: Client, subject: str = "alice", **claims: Any) -> Client:
    token = local_issuer.issue(subject, now=datetime.now(UTC), ttl_seconds=60, **claims)
    client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return client


def change(client: Client, body: Any) -> Any:
    return client.patch(ME, body, content_type="application/json")


class TestGet:
    def test_answers_from_the_token_and_creates_nothing(self, client: Client) -> None:
        answer = signed_in(client, name="Alice").get(ME)

        assert (answer.status_code, answer.json()) == (
            200,
            {
                "id": None,
                "issuer": local_issuer.ISSUER,
                "subject": "alice",
                "username": "Alice",
                "avatar_url": "",
                "created_at": None,
                "ban": None,
            },
        )
        assert not User.objects.exists()

    def test_answers_from_the_row_once_there_is_one(self, client: Client) -> None:
        changed = change(signed_in(client), {"username": "Alice the Great"}).json()

        assert client.get(ME).json() == changed

    def test_needs_a_caller(self, client: Client) -> None:
        answer = client.get(ME)

        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
        assert set(answer.json()) == {"code", "message", "fields", "request_id"}
        assert answer.json()["code"] == "unauthenticated"

    @pytest.mark.parametrize("header", ["Bearer x", "Bearer", "Basic YTpi", "Bearer a.b.c", ""])
    def test_needs_a_good_token(self, client: Client, header: str) -> None:
        answer = client.get(ME, headers={"Authorization": header})

        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
        assert answer["WWW-Authenticate"] == 'Bearer error="invalid_token"'


class TestPatch:
    def test_creates_the_row_and_changes_it(self, client: Client) -> None:
        body = {"username": " Alice the Great ", "avatar_url": "https://img.example/a"}

        answer = change(signed_in(client), body)

        user = User.objects.get()
        assert (answer.status_code, answer.json()) == (
            200,
            {
                "id": ids.encode(User.TABLE_NUMBER, user.id),
                "issuer": local_issuer.ISSUER,
                "subject": "alice",
                "username": "Alice the Great",
                "avatar_url": "https://img.example/a",
                "created_at": user.created_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                "ban": None,
            },
        )
        assert (user.username, user.avatar_url) == ("Alice the Great", "https://img.example/a")

    def test_leaves_alone_what_is_not_named(self, client: Client) -> None:
        change(signed_in(client), {"username": "Ally", "avatar_url": "https://img.example/a"})

        answer = change(client, {"avatar_url": ""})

        assert (answer.json()["username"], answer.json()["avatar_url"]) == ("Ally", "")

    def test_dust_id_1_changes_the_caller_and_nobody_else(self, client: Client) -> None:
        change(signed_in(client, "bob"), {})
        change(signed_in(client, "alice"), {"username": "Mallory"})

        assert User.objects.get(subject="bob").username == "bob"

    @pytest.mark.parametrize(
        ("body", "field", "limit"),
        [
            ({"username": ""}, "username", ""),
            ({"username": "  "}, "username", ""),
            ({"username": "\u200b"}, "username", "64"),
            ({"username": "x" * 65}, "username", "64"),
            ({"username": None}, "username", ""),
            ({"username": ["x"]}, "username", ""),
            ({"username": 5}, "username", "string"),
            ({"username": 5.5}, "username", "string"),
            ({"username": True}, "username", "string"),
            ({"avatar_url": 5}, "avatar_url", "string"),
            ({"avatar_url": "javascript:alert(1)"}, "avatar_url", "http(s)"),
            ({"avatar_url": "https://x.example/" + "x" * 2031}, "avatar_url", "2048"),
            ({"subject": "user_admin"}, "subject", "Unknown"),
            ({"is_staff": True}, "is_staff", "Unknown"),
            ({"username": "fine", "id": "x"}, "id", "Unknown"),
        ],
    )
    def test_refuses_naming_field_and_limit(
        self, client: Client, body: dict[str, Any], field: str, limit: str
    ) -> None:
        answer = change(signed_in(client), body)

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
        [messages] = [answer.json()["fields"][field]]
        assert limit in messages[0]
        assert not User.objects.exists()

    def test_refuses_a_disabled_account(self, client: Client) -> None:
        change(signed_in(client), {})
        User.objects.update(is_active=False)

        answer = change(client, {"username": "Phoenix"})

        assert (answer.status_code, answer.json()["code"]) == (403, "account_disabled")
        assert User.objects.get().username == "alice"

    def test_needs_a_caller(self, client: Client) -> None:
        answer = change(client, {"username": "Nobody"})

        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        assert not User.objects.exists()

    def test_repeated_under_one_key_answers_as_the_first_time(self, client: Client) -> None:
        headers = {"Idempotency-Key": "7"}
        signed_in(client)
        first = client.patch(
            ME, {"username": "Ally"}, content_type="application/json", headers=headers
        )
        change(client, {"username": "Alison"})

        again = client.patch(
            ME, {"username": "Ally"}, content_type="application/json", headers=headers
        )

        assert again.json() == first.json()
        assert again["Idempotency-Replayed"] == "true"
        assert User.objects.get().username == "Alison"


class TestDelete:
    def test_refuses_the_account_from_then_on(self, client: Client) -> None:
        change(signed_in(client), {})
        user = User.objects.get()

        answer = client.delete(ME)

        assert answer.status_code == 202
        assert set(answer.json()) == {"deleted_at"}
        user.refresh_from_db()
        assert user.username == "Deleted archivist"
        for refused in (client.get(ME), change(client, {}), client.delete(ME), client.get(EXPORT)):
            assert (refused.status_code, refused.json()["code"]) == (403, "account_deleted")
        assert submit(client, "alice").json()["code"] == "account_deleted"
        assert User.objects.count() == 1

    def test_erases_by_jobs(self, client: Client) -> None:
        change(signed_in(client), {})
        client.delete(ME)

        run_jobs(now=datetime.now(UTC))

        assert Erasure.objects.get().finished_at

    def test_repeated_under_one_key_answers_as_the_first_time(self, client: Client) -> None:
        headers = {"Idempotency-Key": "7"}
        signed_in(client)
        first = client.delete(ME, headers=headers)

        again = client.delete(ME, headers=headers)

        assert (again.status_code, again.json()) == (202, first.json())

    def test_needs_a_caller(self, client: Client) -> None:
        assert client.delete(ME).status_code == 401
        assert not Tombstone.objects.exists()


class TestExport:
    @pytest.fixture(autouse=True)
    def _unspent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        unspend_limits(monkeypatch)

    def test_is_everything_as_a_file(self, client: Client) -> None:
        restore_boards()
        submit(client, "alice")

        answer = signed_in(client).get(EXPORT)

        assert answer.status_code == 200
        assert answer["Content-Type"] == "application/json"
        assert answer["Content-Disposition"] == 'attachment; filename="dust-export.json"'
        assert answer["Cache-Control"] == "no-store"
        found = json.loads(answer.getvalue())
        assert found["account"]["subject"] == "alice"
        assert len(found["parts"]["leaderboard_attempts"]) == 1
        assert AccountExport.read(found)

    def test_is_limited(self, client: Client) -> None:
        signed_in(client)
        for _ in range(rules.EXPORTS_PER_HOUR):
            assert client.get(EXPORT).getvalue()

        answer = client.get(EXPORT)

        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
        assert int(answer["Retry-After"]) > 0

    def test_needs_a_caller(self, client: Client) -> None:
        assert client.get(EXPORT).status_code == 401


class TestBanned:
    @pytest.fixture(autouse=True)
    def _banned(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        unspend_limits(monkeypatch)
        restore_boards()
        change(signed_in(client), {})
        now = datetime.now(UTC)
        bans.ban_user(
            User.objects.get(),
            reason="a bot",
            until=now + timedelta(days=1),
            by=UserFactory.create(username="moderator", staff=True),
            now=now,
        )

    def test_is_told_why_and_until_when(self, client: Client) -> None:
        ban = client.get(ME).json()["ban"]

        imposed = Ban.objects.get()
        assert imposed.until
        assert ban == {
            "reason": "a bot",
            "banned_at": imposed.banned_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "until": imposed.until.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }

    def test_takes_a_copy_and_leaves(self, client: Client) -> None:
        copy = json.loads(client.get(EXPORT).getvalue())

        assert copy["parts"]["bans"][0]["reason"] == "a bot"
        assert client.delete(ME).status_code == 202

    def test_does_nothing_else(self, client: Client) -> None:
        for refused in (
            change(client, {"username": "Phoenix"}),
            submit(client, "alice"),
            client.get(f"{SOLO_3}me/"),
            client.get(f"{SOLO_3}around/"),
        ):
            assert (refused.status_code, refused.json()["code"]) == (403, "account_banned")
        assert not Entry.objects.exists()

    def test_sees_what_everybody_sees(self, client: Client) -> None:
        assert client.get(SOLO_3).status_code == 200


class TestLimits:
    def test_are_the_same_in_rules_and_in_the_shape(self) -> None:
        fields: Any = MeChange().fields

        assert fields["username"].max_length == rules.USERNAME_MAX
        assert fields["avatar_url"].max_length == rules.AVATAR_URL_MAX
