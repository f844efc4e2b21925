"""Stored answers are given again to whoever is still let in, and go with the account."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from accounts.models import Erasure, User
from accounts.services import bans, deletion
from dust.identity import Identity, local_issuer
from dust.livequery import purge
from dust.livequery.models import Request
from dust.livequery.testing import run_jobs
from tests.factories import UserFactory
from tests.rest import bearer, restore_boards, submit, unspend_limits

ME = "/api/v1/me/"
SESSIONS = "/api/v1/sessions/"
KEY = {"Idempotency-Key": "of another request"}
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _fresh(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    restore_boards()
    unspend_limits(monkeypatch)


def rename(client: Client, player: str = "alice", key: str = "7") -> Any:
    """Change the player's name; the answer holds it."""
    headers = bearer(player) | {"Idempotency-Key": key}
    body = {"username": f"{player} the great"}
    return client.patch(ME, body, content_type="application/json", headers=headers)


def leave(client: Client) -> Any:
    return client.delete(ME, headers=bearer("alice") | KEY)


def ban(player: User, now: datetime) -> User:
    """Ban the player; return on whose word."""
    moderator: User = UserFactory.create(username="moderator", staff=True)
    until = now + timedelta(days=1)
    bans.ban_user(player, reason="a bot", until=until, by=moderator, now=now)
    return moderator


def holding(text: bytes) -> list[Request]:
    """Return the stored requests whose answers hold the text."""
    return [each for each in Request.objects.all() if text in bytes(each.response or b"")]


class TestReplay:
    def test_is_refused_like_anything_else_under_a_ban(self, client: Client) -> None:
        now = datetime.now(UTC)
        first = rename(client)
        moderator = ban(User.objects.get(), now)

        refused = rename(client)

        assert (refused.status_code, refused.json()["code"]) == (403, "account_banned")
        assert "Idempotency-Replayed" not in refused.headers
        alice = User.objects.get(subject="alice")
        bans.unban_user(alice, reason="not a bot", by=moderator, now=now)
        again = rename(client)
        assert (again.json(), again["Idempotency-Replayed"]) == (first.json(), "true")

    def test_is_refused_at_every_door(self, client: Client) -> None:
        headers = bearer("alice") | KEY

        def begin() -> Any:
            return client.post(SESSIONS, content_type="application/json", headers=headers)

        def play() -> Any:
            return submit(client, **KEY)

        assert [begin().status_code, play().status_code] == [201, 201]
        ban(User.objects.get(), datetime.now(UTC))

        refusals = {(each.status_code, each.json()["code"]) for each in (begin(), play())}

        assert refusals == {(403, "account_banned")}

    def test_is_refused_if_the_account_is_disabled(self, client: Client) -> None:
        rename(client)
        User.objects.update(is_active=False)

        refused = rename(client)

        assert (refused.status_code, refused.json()["code"]) == (403, "account_disabled")

    @pytest.mark.parametrize("is_erased", [False, True])
    def test_is_refused_once_the_account_is_deleted(
        self, client: Client, *, is_erased: bool
    ) -> None:
        rename(client)
        client.delete(ME, headers=bearer("alice"))
        if is_erased:
            run_jobs(now=datetime.now(UTC))

        refused = rename(client)

        assert (refused.status_code, refused.json()["code"]) == (403, "account_deleted")

    @pytest.mark.parametrize("is_erased", [False, True])
    def test_of_the_deletion_itself_is_answered(self, client: Client, *, is_erased: bool) -> None:
        rename(client)
        first = leave(client)
        if is_erased:
            run_jobs(now=datetime.now(UTC))

        again = leave(client)

        assert (again.status_code, again.json()) == (202, first.json())
        assert again["Idempotency-Replayed"] == "true"
        assert Erasure.objects.count() == 1


class TestErasing:
    def test_leaves_no_answer_that_names_the_player(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(purge, "_BATCH", 2)
        for number in range(5):
            rename(client, key=str(number))
        rename(client, "bob")
        first = leave(client)
        assert len(holding(b"alice the great")) == 5

        run_jobs(now=datetime.now(UTC))

        assert not holding(b"alice")
        assert len(holding(b"bob the great")) == 1
        assert len(holding(first.json()["deleted_at"].encode())) == 1
        assert Request.objects.count() == 2

    def test_forgets_under_which_name_they_were_stored(self, client: Client) -> None:
        rename(client)
        leave(client)
        assert Erasure.objects.get().owner == Identity(local_issuer.ISSUER, "alice").key

        run_jobs(now=datetime.now(UTC))

        erasure = Erasure.objects.get()
        assert (erasure.owner, erasure.finished_at is not None) == ("", True)
        assert deletion.erase_requests(erasure.user_id)
        assert Request.objects.count() == 1

    def test_lets_the_key_be_used_anew_by_whoever_comes_back(self, client: Client) -> None:
        before = rename(client)
        client.delete(ME, headers=bearer("alice"))
        now = datetime.now(UTC)
        run_jobs(now=now)
        with transaction.atomic():
            deletion.lift_tombstone(local_issuer.ISSUER, "alice", at=now + timedelta(hours=1))

        after = rename(client)

        assert (after.status_code, "Idempotency-Replayed" in after.headers) == (200, False)
        assert after.json()["id"] != before.json()["id"]
