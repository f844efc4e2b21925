"""REST /api/v1/me/: what anybody, somebody new and somebody known get."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from accounts import rules
from accounts.models import User
from accounts.serializers import MeChange
from dust import ids
from dust.identity import local_issuer

ME = "/api/v1/me/"
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
            },
        )
        assert (user.username, user.avatar_url) == ("Alice the Great", "https://img.example/a")

    def test_leaves_alone_what_is_not_named(self, client: Client) -> None:
        change(signed_in(client), {"username": "Ally", "avatar_url": "https://img.example/a"})

        answer = change(client, {"avatar_url": ""})

        assert (answer.json()["username"], answer.json()["avatar_url"]) == ("Ally", "")

    def test_changes_the_caller_and_nobody_else(self, client: Client) -> None:
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


class TestLimits:
    def test_are_the_same_in_rules_and_in_the_shape(self) -> None:
        fields: Any = MeChange().fields

        assert fields["username"].max_length == rules.USERNAME_MAX
        assert fields["avatar_url"].max_length == rules.AVATAR_URL_MAX
