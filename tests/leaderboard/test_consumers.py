"""WebSocket /ws/leaderboard/{board}/: what its clients see, on the real engine and database."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from accounts.services import bans
from dust.livequery import runner
from dust.sockets import consumer
from leaderboard.models import Entry
from leaderboard.services import moderation
from tests.asyncapi import DescribedPeer, Sockets
from tests.factories import EntryFactory, UserFactory
from tests.rest import bearer, restore_boards, token
from tests.sockets import Message, running_engine, whole_server

pytestmark = pytest.mark.django_db(transaction=True)

SOLO_3 = "/ws/leaderboard/solo:3/"
COOP = "/ws/leaderboard/coop/"


@pytest.fixture
async def sockets(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Sockets]:
    await runner.run(restore_boards)
    async with whole_server(monkeypatch):
        yield Sockets(SOLO_3, channel="leaderboard")


async def submit(player: str, score: int, *, board: str = "solo:3") -> None:
    """Submit a result by REST."""
    play = {"score": score, "accuracy": 90, "level": 3, "pages_completed": 2}
    url = f"/api/v1/leaderboards/{board}/entries/"
    post = partial(Client().post, url, play, "application/json", headers=bearer(player))
    answer = await runner.run(post)
    assert answer.status_code in {200, 201}, answer.content


def shown(message: Message) -> list[tuple[int, str, int]]:
    return [(each["rank"], each["username"], each["score"]) for each in message["results"]]


class TestTop:
    async def test_comes_at_once_and_after_each_submit(self, sockets: Sockets) -> None:
        await submit("alice", 10)
        async with sockets.connect() as bob, sockets.connect() as carol:
            before = [await bob.receive(), await carol.receive()]
            await submit("dave", 20)
            after = [await bob.receive(), await carol.receive()]

        assert before[0] == before[1]
        assert shown(before[0]) == [(1, "alice", 10)]
        assert after[0] == after[1]
        assert shown(after[0]) == [(1, "dave", 20), (2, "alice", 10)]

    async def test_says_everything_of_an_entry(self, sockets: Sockets) -> None:
        user = await runner.run(partial(UserFactory.create, username="alice"))
        entry = await runner.run(partial(EntryFactory.create, user=user))
        async with sockets.connect() as peer:
            top = await peer.receive()

        [found] = top["results"]
        assert found.pop("id") != str(entry.id)
        assert found == {
            "rank": 1,
            "username": "alice",
            "avatar_url": "",
            "score": 1000,
            "accuracy": 90.0,
            "level": 3,
            "pages_completed": 5,
            "source": "claimed",
            "achieved_at": "2026-03-01T12:00:00.000000Z",
        }
        assert top["next_cursor"] is None

    async def test_is_not_sent_for_another_board(self, sockets: Sockets) -> None:
        async with sockets.connect() as solo, sockets.connect(COOP) as coop:
            await solo.receive()
            await coop.receive()
            await submit("alice", 10, board="coop")
            await coop.receive()
            await solo.silence()

    async def test_changes_with_an_entry_that_is_hidden(self, sockets: Sockets) -> None:
        await submit("alice", 10)
        moderator = await runner.run(partial(UserFactory.create, username="mod", staff=True))
        entry = await runner.run(Entry.objects.get)
        async with sockets.connect() as peer:
            await peer.receive()
            await runner.run(
                partial(
                    moderation.hide_entries, [entry.id], reason="cheat", moderator_id=moderator.id
                )
            )
            top = await peer.receive()

        assert top["results"] == []

    async def test_changes_with_the_name_of_a_player_on_it_and_no_other(
        self, sockets: Sockets
    ) -> None:
        await submit("alice", 10)
        await submit("bob", 10, board="coop")
        async with sockets.connect() as peer:
            await peer.receive()
            await runner.run(partial(User.objects.filter(username="bob").update, username="rob"))
            await runner.run(partial(User.objects.filter(username="alice").update, username="eve"))
            top = await peer.receive()

        assert shown(top) == [(1, "eve", 10)]

    async def test_is_as_long_as_asked_for(self, sockets: Sockets) -> None:
        await submit("alice", 10)
        await submit("bob", 20)
        async with sockets.connect(f"{SOLO_3}?limit=1") as peer:
            top = await peer.receive()

        assert shown(top) == [(1, "bob", 20)]
        assert top["next_cursor"]

    @pytest.mark.parametrize(
        "query",
        ["limit=0", "limit=101", "limit=ten", "limit=1.5", "limit=-1", "limit=3&limit=3", "top=3"],
    )
    async def test_is_refused_in_impossible_lengths(self, sockets: Sockets, query: str) -> None:
        async with sockets.connect(f"{SOLO_3}?{query}") as peer:
            error = await peer.receive()
            closing = await peer.closing()

        assert error["code"] == "invalid_arguments"
        assert closing[0] == 4400

    @pytest.mark.parametrize("board", ["solo:11", "nowhere", "solo%3A3", "%F0%9F%8E%B2"])
    async def test_of_no_board_closes_the_socket(self, sockets: Sockets, board: str) -> None:
        async with sockets.connect(f"/ws/leaderboard/{board}/") as peer:
            error = await peer.receive()
            closing = await peer.closing()

        assert (error["code"], error["what"]) == ("board_not_found", "top")
        assert closing[0] == 4404

    async def test_is_taken_up_by_another_process(
        self, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await submit("alice", 10)
        async with sockets.connect() as peer:
            version = (await peer.receive())["version"]
        async with running_engine(monkeypatch):
            async with sockets.connect(f"{SOLO_3}?version={version}") as peer:
                resumed = await peer.receive()
                await submit("bob", 20)
                changed = await peer.receive()
            async with sockets.connect(f"{SOLO_3}?version={version}") as peer:
                present = await peer.receive()

        assert resumed == {"type": "unchanged", "what": "top", "version": version}
        assert shown(changed) == [(1, "bob", 20), (2, "alice", 10)]
        assert present == changed


class TestMe:
    async def test_is_whom_the_token_is_for(self, sockets: Sockets) -> None:
        await submit("alice", 10)
        async with sockets.connect(token=token("alice")) as peer:
            said = [await peer.receive(), await peer.receive()]
            peer.say("watch_me")
            first = await peer.receive()
            await submit("bob", 20)
            second = await peer.until("me")

        assert peer.subprotocol == "dust.v1"
        assert {message.get("subject") for message in said} == {"alice", None}
        assert (first["entry"]["rank"], first["entry"]["username"]) == (1, "alice")
        assert second["entry"]["rank"] == 2

    async def test_plat_a4_follows_who_is_signed_in(self, sockets: Sockets) -> None:
        await submit("alice", 10)
        await submit("bob", 20)
        async with sockets.connect() as peer:
            await peer.receive()
            peer.say("watch_me")
            nobody = await peer.receive()
            ranks = []
            for player in ("alice", "bob", "carol"):
                peer.say("hello", token=token(player))
                await peer.until("welcome")
                me = await peer.until("me")
                ranks.append(me["entry"] and me["entry"]["rank"])

        assert nobody["entry"] is None
        assert ranks == [2, 1, None]

    async def test_is_taken_up_and_put_away(self, sockets: Sockets) -> None:
        await submit("alice", 10)
        async with sockets.connect(token=token("alice")) as peer:
            await peer.until("welcome")
            peer.say("watch_me")
            version = (await peer.until("me"))["version"]
            peer.say("watch_me", version=version)
            resumed = await peer.until("unchanged")
            peer.say("unwatch", what="me")
            await submit("alice", 20)
            top = await peer.receive()
            await peer.silence()

        assert resumed == {"type": "unchanged", "what": "me", "version": version}
        assert shown(top) == [(1, "alice", 20)]


class TestRefusal:
    async def test_reaches_open_sockets_within_a_second_and_ends_with_the_ban(
        self, sockets: Sockets
    ) -> None:
        await submit("alice", 10)
        alice = await runner.run(User.objects.get)
        moderator = await runner.run(partial(UserFactory.create, username="mod", staff=True))
        said: dict[str, Any] = {"by": moderator, "now": datetime.now(UTC)}
        async with sockets.connect(token=token("alice")) as peer:
            peer.say("watch_me")
            await peer.until("me")
            async with asyncio.timeout(1):
                await runner.run(partial(bans.ban_user, alice, reason="a bot", until=None, **said))
                refused = await peer.until("error")
            await runner.run(partial(bans.unban_user, alice, reason="no bot", **said))
            me = await peer.until("me")

        assert (refused["code"], refused["what"]) == ("account_banned", "me")
        assert me["entry"]["rank"] == 1

    async def test_is_told_to_a_deleted_player_too(self, sockets: Sockets) -> None:
        await submit("alice", 10)
        async with sockets.connect(token=token("alice")) as peer:
            peer.say("watch_me")
            await peer.until("me")
            delete = partial(Client().delete, "/api/v1/me/", headers=bearer("alice"))
            assert (await runner.run(delete)).status_code == 202
            refused = await peer.until("error")

        assert refused["code"] == "account_deleted"


class TestAround:
    async def test_is_so_many_on_each_side(self, sockets: Sockets) -> None:
        for score, player in enumerate(["eve", "dave", "carol", "bob", "alice"]):
            await submit(player, score)
        async with sockets.connect(token=token("carol")) as peer:
            await peer.until("welcome")
            peer.say("watch_around", radius=1)
            narrow = await peer.until("around")
            peer.say("watch_around", version=narrow["version"])
            wide = await peer.until("around")
            await submit("eve", 10)
            moved = await peer.until("around")

        names = [[each["username"] for each in message["results"]] for message in (narrow, wide)]
        assert names == [["bob", "carol", "dave"], ["alice", "bob", "carol", "dave", "eve"]]
        assert moved["results"][0]["username"] == "eve"

    @pytest.mark.parametrize("radius", [0, 51, "5", 1.5])
    async def test_is_refused_in_impossible_widths(self, sockets: Sockets, radius: Any) -> None:
        async with sockets.connect() as peer:
            await peer.receive()
            peer.say("watch_around", radius=radius)
            error = await peer.receive()
            await peer.silence()

        assert error["code"] == "invalid_message"
        assert "$.radius" in error["message"]


class TestDescription:
    async def test_is_true_of_every_message(
        self, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Every receive here and above has been checked; this one meets every kind."""
        monkeypatch.setattr(consumer, "PING_SECONDS", 0.01)
        await submit("alice", 10)
        async with sockets.connect() as peer:
            version = (await peer.until("top"))["version"]
            for kind in ("ping", "pong", "hello", "watch_me", "watch_around"):
                peer.say(kind)
            await peer.until("pong")
            await peer.until("around")
            await peer.until("ping")
            peer.say("unwatch", what="top")
            await peer.until("error")
        async with sockets.connect(f"{SOLO_3}?version={version}") as peer:
            await peer.until("unchanged")

        described = DescribedPeer.document["operations"]["leaderboard_send"]["messages"]
        assert sockets.seen == {each["$ref"].rpartition("/")[2] for each in described}
