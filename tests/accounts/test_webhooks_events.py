"""What Clerk announces, and what comes of it."""

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from accounts.services import webhooks
from dust.livequery.testing import Watch, assert_live
from tests.accounts.clerk import (
    ISSUER,
    SECRET,
    ada,
    clerk_user,
    count_of,
    created,
    event,
    send,
    updated,
)
from tests.factories import EntryFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def configured(settings: Settings) -> None:
    settings.CLERK_WEBHOOK_SECRETS = [SECRET]
    settings.CLERK_ISSUER = ISSUER


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
        before = count_of("dust_webhook_events_total", type="other")

        answer = send(client, event(kind, {"id": "x"}))

        assert (answer.status_code, answer.content) == (200, b"")
        assert count_of("dust_webhook_events_total", type="other") == before + 1
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

    def test_sv_wh_1_undoes_everything_if_one_fails_so_that_it_can_be_sent_again(
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
