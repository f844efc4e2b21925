"""The one address for webhooks: what is let in, what it does, and in which order it may come."""

import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from prometheus_client import REGISTRY
from pytest_django import Settings

from accounts import rules
from accounts.models import Tombstone, User
from accounts.services import webhooks
from dust.livequery.models import Request
from dust.livequery.testing import Watch, assert_live, run_jobs
from tests.accounts.clerk import (
    ISSUER,
    SECRET,
    URL,
    clerk_user,
    created,
    deleted,
    event,
    headers_for,
    send,
    updated,
)
from tests.factories import EntryFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def configured(settings: Settings) -> None:
    settings.CLERK_WEBHOOK_SECRETS = [SECRET]
    settings.CLERK_ISSUER = ISSUER


def ada() -> User:
    return User.objects.get(issuer=ISSUER, subject="user_ada")


def count(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


class TestSignature:
    def test_of_the_published_vector_passes(self, client: Client, settings: Settings) -> None:
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


class TestEvents:
    def test_make_a_user(self, client: Client) -> None:
        assert send(client, created()).status_code == 200

        user = ada()
        assert (user.username, user.avatar_url) == ("ada", "https://img.clerk.com/ada")
        assert not user.has_usable_password()

    def test_sv_wh_5_take_the_primary_address(self, client: Client) -> None:
        send(client, created())
        assert ada().email == "ada@example.com"

        send(client, updated(primary_email_address_id="idn_1", updated_at=2000))
        assert ada().email == "old@example.com"

        send(client, updated(primary_email_address_id=None, updated_at=3000))
        assert ada().email == ""

    @pytest.mark.parametrize(
        ("changes", "name"),
        [
            ({"username": None}, "Ada"),
            ({"username": None, "first_name": None}, "Archivist"),
            ({"username": "ada@example.com", "first_name": None}, "Archivist"),
            ({"username": " a\u202eb "}, "ab"),
            ({"username": "x" * 100}, "x" * 64),
            ({"username": "\u0000", "first_name": "Ada\u0000"}, "Ada"),
        ],
    )
    def test_give_a_public_name(self, client: Client, changes: dict[str, Any], name: str) -> None:
        assert send(client, created(**changes)).status_code == 200

        assert ada().username == name

    def test_leave_a_name_alone_that_they_do_not_replace(self, client: Client) -> None:
        send(client, created())

        send(client, updated(username=None, first_name=None, image_url=None, updated_at=2000))

        assert (ada().username, ada().avatar_url) == ("ada", "https://img.clerk.com/ada")

    @pytest.mark.parametrize(
        "odd",
        [
            {"email_addresses": None},
            {"email_addresses": [None, {"id": "idn_2", "email_address": 7}]},
            {"email_addresses": [{"id": "idn_2", "email_address": "x" * 300 + "@example.com"}]},
            {"image_url": "javascript:alert(1)"},
            {"updated_at": None},
            {"updated_at": "yesterday"},
            {"updated_at": 1e300},
            {"surprise": {"nested": [1, 2, 3]}},
        ],
    )
    def test_sv_wh_3_may_be_incomplete_or_hold_more(
        self, client: Client, odd: dict[str, Any]
    ) -> None:
        assert send(client, created(**odd)).status_code == 200

        assert ada().username == "ada"

    @pytest.mark.parametrize("subject", [None, "", 7, "x" * 256, "a\u0000"])
    def test_are_refused_if_they_do_not_say_who(self, client: Client, subject: Any) -> None:
        assert send(client, created() | {"data": clerk_user(id=subject)}).status_code == 400
        assert send(client, created() | {"data": None}).status_code == 400

        assert not User.objects.exists()

    def test_are_filed_under_the_only_provider_where_clerk_is_not_named(
        self, client: Client, settings: Settings
    ) -> None:
        settings.CLERK_ISSUER = None

        send(client, created())

        assert User.objects.get().issuer == "http://localhost:8000/local-issuer"

    def test_reach_open_boards(self, client: Client) -> None:
        send(client, created())
        EntryFactory.create(user=ada(), board__key="solo:3")

        elsewhere = Watch("leaderboard:top", {"board": "solo:4"})
        with assert_live("leaderboard:top", {"board": "solo:3"}, bystanders=(elsewhere,)):
            send(client, updated(username="Countess", updated_at=2000))
        with assert_live("leaderboard:top", {"board": "solo:3"}):
            send(client, updated(username="Countess", image_url="", updated_at=3000))

    @pytest.mark.parametrize("kind", ["subscription.created", "user.invented", 7, None])
    def test_of_other_types_are_accepted_counted_and_logged(
        self, client: Client, caplog: pytest.LogCaptureFixture, kind: Any
    ) -> None:
        caplog.set_level(logging.INFO)
        before = count("dust_webhook_events_total", type="other")

        answer = send(client, event(kind, {"id": "x"}))

        assert (answer.status_code, answer.content) == (200, b"")
        assert count("dust_webhook_events_total", type="other") == before + 1
        assert "webhook of a type nobody asked for" in caplog.text
        assert not User.objects.exists()


class TestFanOut:
    @pytest.fixture
    def heard(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
        heard: list[Any] = []
        webhooks.on_event("paymentAttempt.updated", lambda event, now: heard.append((event, now)))
        yield heard
        del webhooks._handlers["paymentAttempt.updated"]

    def test_hands_an_event_to_all_who_asked_for_its_type(
        self, client: Client, heard: list[Any]
    ) -> None:
        webhooks.on_event("paymentAttempt.updated", lambda event, now: heard.append(now))
        payment = event("paymentAttempt.updated", {"payment_id": "p1"})

        assert send(client, payment).status_code == 200

        [(found, now), again] = heard
        assert (found, again) == (payment, now)

    def test_undoes_everything_if_one_fails_so_that_it_can_be_sent_again(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(event: Any, now: datetime) -> None:
            raise ZeroDivisionError

        client.raise_request_exception = False
        monkeypatch.setitem(
            webhooks._handlers, "user.created", [*webhooks._handlers["user.created"], fail]
        )

        failed = send(client, created(), message_id="msg_again")

        assert failed.status_code == 500
        assert b"ZeroDivision" not in failed.content
        assert not User.objects.exists()
        monkeypatch.undo()
        assert send(client, created(), message_id="msg_again").status_code == 200
        assert ada().username == "ada"


class TestRepeats:
    def test_sv_wh_2_change_nothing(self, client: Client) -> None:
        send(client, created(), message_id="msg_once")
        User.objects.update(username="renamed since")
        before = count("dust_webhook_repeats_total")

        answer = send(client, created(), message_id="msg_once")

        assert (answer.status_code, ada().username) == (200, "renamed since")
        assert count("dust_webhook_repeats_total") == before + 1

    def test_sv_wh_2_are_remembered_for_a_day_and_not_for_ever(
        self, client: Client, now: datetime
    ) -> None:
        with time_machine.travel(now, tick=False):
            send(client, created(), message_id="msg_once", at=now)

        run_jobs(now=now + timedelta(hours=28))
        assert Request.objects.filter(key="msg_once").exists()

        run_jobs(now=now + timedelta(days=30))
        assert not Request.objects.filter(key="msg_once").exists()

    if connection.vendor == "postgresql":  # SQLite has one writer at a time

        def test_sv_wh_2_at_once_are_taken_in_once(self, client: Client) -> None:
            threads = 6
            start = Barrier(threads)

            def deliver() -> int:
                start.wait(timeout=30)
                try:
                    return int(send(Client(), created(), message_id="msg_race").status_code)
                finally:
                    connection.close()

            with ThreadPoolExecutor(threads) as pool:
                statuses = {
                    each.result() for each in [pool.submit(deliver) for _ in range(threads)]
                }

            assert statuses <= {200, 409}
            assert User.objects.count() == 1


class TestOrder:
    def test_sv_wh_2_an_older_update_changes_nothing(self, client: Client) -> None:
        send(client, updated(username="new", updated_at=3000))

        answer = send(client, updated(username="old", updated_at=2000))

        assert (answer.status_code, ada().username) == (200, "new")

    def test_is_that_of_updates_made_in_the_same_moment(self, client: Client) -> None:
        send(client, created(updated_at=2000))
        send(client, updated(username="same moment", updated_at=2000))

        assert ada().username == "same moment"

    def test_of_events_without_a_time_of_their_own_is_that_of_sending(self, client: Client) -> None:
        send(client, updated(username="new", updated_at=3000))
        late = event("user.updated", clerk_user(username="old", updated_at=None), timestamp=2000)

        send(client, late)

        assert ada().username == "new"

    def test_an_update_before_the_creation_makes_the_user(self, client: Client) -> None:
        send(client, updated(username="new", updated_at=3000))
        send(client, created(username="old", updated_at=1000))

        assert ada().username == "new"

    @pytest.mark.parametrize(
        "late", [updated(updated_at=4000), updated(updated_at=9000), created(updated_at=4000)]
    )
    def test_what_comes_after_the_deletion_brings_nobody_back(
        self, client: Client, late: Any
    ) -> None:
        send(client, created())
        send(client, deleted(timestamp=5000))

        assert send(client, late).status_code == 200

        assert not User.objects.filter(subject="user_ada").exists()

    def test_a_new_creation_lifts_the_tombstone_for_somebody_new(self, client: Client) -> None:
        send(client, created())
        former = ada().id
        send(client, deleted(timestamp=5000))

        send(client, created(username="reborn", updated_at=6000))

        assert (ada().username, ada().id == former) == ("reborn", False)
        assert Tombstone.objects.get().lifted_at == datetime.fromtimestamp(6, UTC)

    def test_a_deletion_from_before_the_new_creation_changes_nothing(self, client: Client) -> None:
        send(client, created())
        send(client, deleted(timestamp=5000))
        send(client, created(updated_at=6000))

        send(client, deleted(timestamp=5500))

        assert ada().username == "ada"

    def test_the_creation_may_come_last_of_all(self, client: Client) -> None:
        send(client, deleted(timestamp=5000))
        send(client, created(updated_at=1000))

        assert not User.objects.filter(subject="user_ada").exists()


class TestDeletion:
    def test_of_a_user_is_begun_at_once_and_finished_by_jobs(self, client: Client) -> None:
        send(client, created())
        key = ada().id

        assert send(client, deleted()).status_code == 200

        left = User.objects.get(id=key)
        assert (left.username, left.email, left.issuer) == ("Deleted archivist", "", "deleted")
        run_jobs(now=datetime.now(UTC))
        assert left.erasure.finished_at

    @pytest.mark.parametrize("message", [deleted("user_stranger"), deleted()])
    def test_of_somebody_unknown_or_gone_is_no_failure(self, client: Client, message: Any) -> None:
        send(client, deleted())

        assert send(client, message).status_code == 200

    def test_leaves_others_alone(self, client: Client) -> None:
        UserFactory.create(issuer="https://other.example", subject="user_ada", username="other")

        send(client, deleted())

        assert User.objects.get(subject="user_ada").username == "other"
