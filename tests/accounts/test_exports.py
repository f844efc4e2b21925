"""A player's copy of everything that is held about them."""

import json
from collections.abc import Iterator
from datetime import datetime
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest
from typing_extensions import override

from accounts.errors import AccountDeletedError
from accounts.models import User
from accounts.services import bans, deletion, exports, players
from dust.livequery.transactions import snapshot
from tests.accounts.identities import alice, bob
from tests.factories import AttemptFactory, EntryFactory, UserFactory
from tests.rest import restore_boards

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def user(transactional_db: None, now: datetime) -> User:
    restore_boards()
    return players.ensure_user(alice, now=now)


def export(now: datetime) -> Any:
    out = BytesIO()
    with snapshot():
        exports.write_export(alice, out, now=now)
    return json.loads(out.getvalue())


class TestWriteExport:
    def test_holds_the_account_and_every_part(self, user: User, now: datetime) -> None:
        User.objects.update(email="alice@example.com")
        moderator = UserFactory.create(username="moderator", staff=True)
        EntryFactory.create(user=user, board__key="solo:3", score=70)
        for score in (50, 70):
            AttemptFactory.create(user=user, board__key="solo:3", score=score)
        bans.ban_user(user, reason="a bot", until=None, by=moderator, now=now)

        found = export(now)

        assert found["exported_at"] == "2026-03-14T15:09:26Z"
        assert found["account"]["email"] == "alice@example.com"
        assert (found["account"]["subject"], found["account"]["is_banned"]) == ("user_alice", True)
        [ban] = found["parts"]["bans"]
        assert (ban["reason"], ban["banned_at"]) == ("a bot", "2026-03-14T15:09:26Z")
        [entry] = found["parts"]["leaderboard_entries"]
        assert (entry["board"], entry["score"], entry["hidden"]) == ("solo:3", 70, False)
        assert [each["score"] for each in found["parts"]["leaderboard_attempts"]] == [50, 70]

    def test_holds_nothing_of_others(self, user: User, now: datetime) -> None:
        players.ensure_user(bob, now=now)
        EntryFactory.create(user__username="carol", board__key="solo:3")

        text = json.dumps(export(now))

        assert "carol" not in text
        assert "user_bob" not in text

    def test_of_who_has_no_row_is_empty(self, now: datetime) -> None:
        found = export(now)

        assert found["account"] is None
        assert set(found["parts"]) >= {"bans", "leaderboard_entries"}
        assert not any(found["parts"].values())

    def test_is_not_for_deleted_accounts(self, user: User, now: datetime) -> None:
        deletion.delete_account(alice.issuer, alice.subject, at=now, now=now)

        with pytest.raises(AccountDeletedError):
            export(now)

    def test_keeps_one_row_in_memory_at_a_time(
        self, user: User, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        unwritten = most = 0

        class Out(BytesIO):
            @override
            def write(self, data: Any) -> int:
                nonlocal unwritten
                unwritten -= b'"number"' in data
                return len(data)

        def rows(_key: UUID) -> Iterator[dict[str, Any]]:
            nonlocal unwritten, most
            for number in range(1000):
                unwritten += 1
                most = max(most, unwritten)
                yield {"number": number}

        monkeypatch.setitem(exports._parts, "many", rows)
        with snapshot():
            exports.write_export(alice, Out(), now=now)

        assert (most, unwritten) == (1, 0)

    def test_cannot_have_two_parts_of_one_name(self) -> None:
        with pytest.raises(ValueError, match="bans"):
            exports.register_part("bans", exports.export_bans)
