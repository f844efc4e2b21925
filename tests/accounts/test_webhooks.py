"""The one address for webhooks: what is let in."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from pytest_django import Settings

from accounts import rules
from accounts.models import User
from dust.livequery.models import Request
from tests.accounts.clerk import ISSUER, SECRET, URL, ada, created, headers_for, send, updated

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def configured(settings: Settings) -> None:
    settings.CLERK_WEBHOOK_SECRETS = [SECRET]
    settings.CLERK_ISSUER = ISSUER


class TestSignature:
    def test_sv_wh_1_of_the_published_vector_passes(
        self, client: Client, settings: Settings
    ) -> None:
        settings.CLERK_WEBHOOK_SECRETS = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
        headers = {
            "svix-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "svix-timestamp": "1614265330",
            "svix-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        }

        with time_machine.travel(datetime.fromtimestamp(1614265330, UTC)):
            answer = client.post(URL, b'{"test": 2432232314}', "application/json", headers=headers)

        assert (answer.status_code, answer.content) == (200, b"")

    def test_may_be_one_of_several_and_by_any_of_the_secrets(
        self, client: Client, settings: Settings
    ) -> None:
        new = "whsec_bmV3IHNlY3JldCwgYWxzbyBnb29k"
        settings.CLERK_WEBHOOK_SECRETS = [new, SECRET]
        body = json.dumps(created()).encode()
        headers = headers_for(body)
        headers["svix-signature"] = f"v1,AAAA v2,BBBB {headers['svix-signature']}"

        assert client.post(URL, body, "application/json", headers=headers).status_code == 200
        assert send(client, updated(updated_at=2000), secret=new).status_code == 200

    def test_is_of_the_bytes_as_they_come(self, client: Client) -> None:
        body = b'{ "type":"user.created",\n "data": {"id": "user_ada", "username": "\xc3\xa9"} }'

        answer = client.post(URL, body, "application/json", headers=headers_for(body))

        assert answer.status_code == 200
        assert ada().username == "é"

    @pytest.mark.parametrize(
        "forged",
        [
            {"svix-signature": ""},
            {"svix-signature": "v1"},
            {"svix-signature": "v1,"},
            {"svix-signature": "v1,AAAA"},
            {"svix-signature": "v1,not base64 at all!"},
            {"svix-signature": "é"},
            {"svix-timestamp": "now"},
            {"svix-timestamp": "1e400"},
            {"svix-timestamp": "9" * 400},
            {"svix-timestamp": "NaN"},
            {"svix-timestamp": ""},
            {"svix-id": ""},
            {"svix-id": "msg_other"},
            {"svix-id": "x" * 300},
        ],
    )
    def test_sv_wh_1_that_is_wrong_is_answered_400_and_stores_nothing(
        self, client: Client, forged: dict[str, str]
    ) -> None:
        body = json.dumps(created()).encode()

        answer = client.post(URL, body, "application/json", headers=headers_for(body) | forged)

        self._is_refused(answer)

    @pytest.mark.parametrize("name", ["svix-id", "svix-timestamp", "svix-signature"])
    def test_sv_wh_1_that_is_incomplete_is_refused(self, client: Client, name: str) -> None:
        body = json.dumps(created()).encode()
        headers = headers_for(body)
        del headers[name]

        self._is_refused(client.post(URL, body, "application/json", headers=headers))

    @pytest.mark.parametrize("minutes", [-6, 6])
    def test_sv_wh_1_of_another_time_is_refused(self, client: Client, minutes: int) -> None:
        at = datetime.now(UTC) + timedelta(minutes=minutes)

        self._is_refused(send(client, created(), at=at))

    def test_sv_wh_1_of_another_body_or_secret_is_refused(self, client: Client) -> None:
        body = json.dumps(created()).encode()
        other = json.dumps(created(username="mallory")).encode()

        self._is_refused(client.post(URL, other, "application/json", headers=headers_for(body)))
        self._is_refused(send(client, created(), secret="whsec_YW5vdGhlciBzZWNyZXQgb2Ygb3VycyE="))

    def _is_refused(self, answer: Any) -> None:
        assert answer.status_code == 400
        assert answer.json()["code"] == "invalid_webhook"
        assert set(answer.json()) == {"code", "message", "fields", "request_id"}
        assert not answer.json()["fields"]
        assert not User.objects.exists()
        assert not Request.objects.exists()


class TestEndpoint:
    @pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "head", "options"])
    def test_sv_wh_7_takes_nothing_but_post(self, client: Client, method: str) -> None:
        answer = getattr(client, method)(URL)

        assert (answer.status_code, answer["Allow"]) == (405, "POST")

    def test_has_no_trailing_slash(self, client: Client) -> None:
        assert client.post(f"{URL}/").status_code == 404

    def test_sv_wh_7_takes_no_more_than_a_mebibyte(self, client: Client) -> None:
        room = rules.WEBHOOK_BODY_MAX - len(json.dumps(created(bio="")))

        assert send(client, created(bio="x" * room)).status_code == 200
        for size in (room + 1, 3 * room):
            answer = send(client, created(bio="x" * size))
            assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")

    @pytest.mark.parametrize(
        "body", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 100_000, b'{"type": "x", "data": NaN}']
    )
    def test_refuses_what_is_signed_and_no_event(self, client: Client, body: bytes) -> None:
        answer = client.post(URL, body, "application/json", headers=headers_for(body))

        assert answer.status_code == 400

    def test_says_that_it_is_not_configured_without_saying_how(
        self, client: Client, settings: Settings, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.CLERK_WEBHOOK_SECRETS = []

        answer = send(client, created())

        assert (answer.status_code, answer.json()["code"]) == (503, "webhooks_not_configured")
        assert "CLERK" not in answer.content.decode()
        [line] = [each for each in caplog.records if each.name == "accounts.services.webhooks"]
        assert "CLERK_WEBHOOK_SECRET" in line.message

    def test_needs_to_know_whose_users_it_is_told_of(
        self, client: Client, settings: Settings, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.CLERK_ISSUER = None
        settings.LOCAL_ISSUER = False

        answer = send(client, created())

        assert answer.status_code == 503
        assert "CLERK_JWT_ISSUER_DOMAIN" in caplog.text
        assert SECRET not in caplog.text

    def test_asks_for_no_cookie_and_no_form_token(self) -> None:
        strict = Client(enforce_csrf_checks=True)

        assert send(strict, created()).status_code == 200
