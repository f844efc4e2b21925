"""What Clerk announces may come again, in any order, and be of users who are gone."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from pytest_django import Settings

from accounts.models import Tombstone, User
from dust.livequery.models import Request
from dust.livequery.testing import run_jobs
from tests.accounts.clerk import (
    ISSUER,
    SECRET,
    ada,
    clerk_user,
    count_of,
    created,
    deleted,
    event,
    send,
    updated,
)
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def configured(settings: Settings) -> None:
    settings.CLERK_WEBHOOK_SECRETS = [SECRET]
    settings.CLERK_ISSUER = ISSUER


class TestRepeats:
    def test_sv_wh_2_change_nothing(self, client: Client) -> None:
        send(client, created(), message_id="msg_once")
        User.objects.update(username="renamed since")
        before = count_of("dust_webhook_repeats_total")

        answer = send(client, created(), message_id="msg_once")

        assert (answer.status_code, ada().username) == (200, "renamed since")
        assert count_of("dust_webhook_repeats_total") == before + 1

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
    def test_sv_wh_6_of_a_user_is_begun_at_once_and_finished_by_jobs(self, client: Client) -> None:
        send(client, created())
        key = ada().id

        assert send(client, deleted()).status_code == 200

        left = User.objects.get(id=key)
        assert (left.username, left.email, left.issuer) == ("Deleted archivist", "", "deleted")
        run_jobs(now=datetime.now(UTC))
        assert left.erasure.finished_at

    @pytest.mark.parametrize("message", [deleted("user_stranger"), deleted()])
    def test_sv_wh_6_of_somebody_unknown_or_gone_is_no_failure(
        self, client: Client, message: Any
    ) -> None:
        send(client, deleted())

        assert send(client, message).status_code == 200

    def test_leaves_others_alone(self, client: Client) -> None:
        UserFactory.create(issuer="https://other.example", subject="user_ada", username="other")

        send(client, deleted())

        assert User.objects.get(subject="user_ada").username == "other"
