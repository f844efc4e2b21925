"""The socket of Convex clients at the wire: who is at the other end, and how much it may ask."""

import asyncio
from datetime import UTC, datetime
from functools import partial

import pytest

from dust.convex import consumer, keys
from dust.identity import local_issuer, tokens
from dust.identity.errors import KeysError
from dust.identity.tokens import Verifier, verify_token
from dust.livequery import runner
from tests.dust.convex.frames import ALICE
from tests.dust.convex.syncing import SyncPeer, add
from tests.livequery_app.functions import begun, may_end
from tests.livequery_app.models import Entry, Player, Team
from tests.rest import token
from tests.sockets import PATIENCE_SECONDS, Message

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sync_engine")]

MINE = [{"name": "ann", "score": 1.0}]


@pytest.fixture
async def entries(sync_engine: object) -> None:
    def create() -> None:
        ann = Player.objects.create(name="ann")
        Entry.objects.create(board="alice", player=ann, score=1)

    await runner.run(create)


@pytest.fixture
async def key(sync_engine: object) -> str:
    issued = await runner.run(partial(keys.create, "a tool", now=datetime.now(UTC)))
    return issued.token


@pytest.mark.usefixtures("entries")
class TestIdentity:
    async def test_is_told_of_with_what_only_that_user_sees(self) -> None:
        async with SyncPeer() as peer:
            peer.authenticate(token("alice"))
            peer.modify(add(0, "test:mine"), add(1, "test:count"))
            await peer.until_shown(0, MINE)

        assert (peer.at["querySet"], peer.at["identity"]) == (1, 1)

    async def test_changes_what_is_shown_and_nothing_else(self) -> None:
        async with SyncPeer() as peer:
            peer.modify(add(0, "test:mine"), add(1, "test:count"))
            await peer.news()
            told = []
            for name in ("alice", "alice", "bob", None):
                peer.authenticate(name and token(name))
                told.append(await peer.news())

        changes = [[each["queryId"] for each in news["modifications"]] for news in told]
        assert changes == [[0], [], [0], []]
        assert [news["endVersion"]["identity"] for news in told] == [1, 2, 3, 4]
        assert peer.shown[0] == []

    @pytest.mark.parametrize(
        "bad", ["a.b.c", "", "x" * 100_000, "\0"], ids=["forged", "empty", "long", "not printable"]
    )
    async def test_that_is_not_proven_ends_the_connection(self, bad: str) -> None:
        async with SyncPeer() as peer:
            peer.authenticate(token("alice"))
            await peer.news()
            peer.authenticate(bad)
            error = await peer.receive()
            closing = await peer.closing()

        assert error == {
            "type": "AuthError",
            "error": error["error"],
            "baseVersion": 1,
            "authUpdateAttempted": True,
        }
        assert error["error"].startswith("The token is ")
        assert closing == (1000, "")

    async def test_that_is_over_before_it_begins_is_not_proven(self) -> None:
        async with SyncPeer() as peer:
            peer.authenticate(token("alice", ttl_seconds=-60))
            error = await peer.receive()

        assert (error["baseVersion"], error["authUpdateAttempted"]) == (0, True)
        assert error["error"] == "The token has expired."

    async def test_ends_with_its_token(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(consumer, "LEEWAY_SECONDS", -60)
        async with SyncPeer() as peer:
            peer.authenticate(token("alice", ttl_seconds=60))
            await peer.news()
            error = await peer.receive()
            closing = await peer.closing()

        assert error == {
            "type": "AuthError",
            "error": "The token has expired.",
            "baseVersion": 1,
            "authUpdateAttempted": False,
        }
        assert closing == (1000, "")

    @pytest.mark.parametrize("by", ["bob", "alice", None])
    async def test_that_another_has_followed_does_not_end(
        self, by: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(consumer, "LEEWAY_SECONDS", -60)
        other = by and token(by, ttl_seconds=3_600)
        if other is not None:  # then it is taken up at once, before the end of the one before
            verify_token(other, now=datetime.now(UTC))
        async with SyncPeer() as peer:
            peer.watch(0, "test:count")
            await peer.news()
            peer.authenticate(token("alice", ttl_seconds=60))
            peer.authenticate(other)
            while peer.at["identity"] < 2:
                await peer.news()
            await peer.silence()

    async def test_of_another_version_has_the_client_begin_anew(self) -> None:
        async with SyncPeer() as peer:
            peer.say("Authenticate", baseVersion=1, tokenType="None")

            assert await peer.closing() == (1011, "InternalServerError")

    async def test_that_nobody_can_vouch_for_now_has_the_client_come_back(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail() -> bytes:
            raise KeysError("away")

        verifier = Verifier([(local_issuer.PROVIDER, fail)])
        monkeypatch.setattr(tokens, "get_verifier", lambda: verifier)
        async with SyncPeer() as peer:
            peer.authenticate(token("alice"))

            assert await peer.closing() == (1011, "InternalServerError")


class TestAdmin:
    """PLAT-A7 on the socket."""

    async def test_may_call_internal_functions(self, key: str) -> None:
        async with SyncPeer() as peer:
            peer.authenticate(key, kind="Admin")
            peer.watch(0, "test:internal")
            peer.mutate(0, "test:note", {"name": "red"})
            response = await peer.until("MutationResponse")
            await peer.until_shown(0, 1.0)

        assert response["success"] is True
        assert await _motto() == "nobody"

    @pytest.mark.parametrize("name", ["impersonating", "acting_as"])
    async def test_may_act_as_somebody(self, key: str, name: str) -> None:
        async with SyncPeer() as peer:
            peer.authenticate(key, kind="Admin", **{name: ALICE})
            peer.mutate(0, "test:note", {"name": "red"})
            await peer.until("MutationResponse")

        assert await _motto() == "alice"

    async def test_is_one_no_longer_as_somebody_else(self, key: str) -> None:
        async with SyncPeer() as peer:
            peer.authenticate(key, kind="Admin")
            peer.authenticate(token("alice"))
            peer.mutate(0, "test:note", {"name": "red"})
            response = await peer.until("MutationResponse")

        assert response["result"] == "Could not find public function for 'test:note'."

    @pytest.mark.parametrize("change", [{"value": "prod:nobody|x"}, {"impersonating": {}}])
    async def test_that_is_not_proven_ends_the_connection(self, key: str, change: Message) -> None:
        async with SyncPeer() as peer:
            told = {"baseVersion": 0, "tokenType": "Admin", "value": key} | change
            peer.say("Authenticate", **told)
            error = await peer.receive()
            closing = await peer.closing()

        assert (error["type"], error["authUpdateAttempted"]) == ("AuthError", True)
        assert closing == (1000, "")


async def _motto() -> str:
    motto = await runner.run(lambda: Team.objects.get(name="red").motto)
    return motto.split()[0]


@pytest.mark.usefixtures("holding")
class TestLargeMessage:
    async def test_is_read_once_others_have_been_answered(
        self, key: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """So that what one client asks for cannot fill the memory."""
        monkeypatch.setattr(consumer, "MOST_LARGE_UNFINISHED", 1)
        text = "x" * 100_000
        async with SyncPeer() as peer, SyncPeer() as other:
            peer.authenticate(key, kind="Admin")
            await peer.news()
            peer.act(0, "test:hold", {})
            peer.watch(0, "test:echo", {"value": text})
            assert await asyncio.to_thread(begun.wait, PATIENCE_SECONDS)
            other.watch(0, "test:echo", {"value": text})
            await other.until_shown(0, text)
            assert peer.inbox_is_empty
            may_end.set()
            await peer.answer()
            await peer.until_shown(0, text)

    async def test_is_not_waited_for_by_a_connection_that_ends(
        self, key: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(consumer, "MOST_LARGE_UNFINISHED", 1)
        monkeypatch.setattr(consumer, "PING_SECONDS", 0.01)
        async with SyncPeer() as peer:
            peer.authenticate(key, kind="Admin")
            await peer.news()
            peer.act(0, "test:hold", {})
            peer.watch(0, "test:echo", {"value": "x" * 100_000})
            peer.stop_reading()
            assert peer.frames is not None
            await asyncio.wait_for(peer.frames.abandoned.wait(), PATIENCE_SECONDS)
            peer.read_on()
            closing = await peer.closing_after_the_rest()

        assert closing == (1013, "TooSlow")
