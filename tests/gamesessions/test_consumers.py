"""WebSocket /ws/session/: what its clients see, on the real engine and database."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from dust.livequery import runner
from dust.sockets import consumer
from tests.asyncapi import DescribedPeer, Sockets
from tests.gamesessions import saving
from tests.rest import token
from tests.sockets import Message, whole_server

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/ws/session/"


@pytest.fixture
async def sockets(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Sockets]:
    async with whole_server(monkeypatch):
        yield Sockets(URL, channel="session")


async def send(player: str, path: str = "", method: str = "POST", body: Any = None) -> Message:
    """Send a write by REST and return its answer."""
    sending = partial(saving.send, Client(), method, path, body or {}, player=player)
    answer = await runner.run(sending)
    assert answer.status_code in {200, 201}, answer.content
    found: Message = answer.json()
    return found


class TestActive:
    async def test_comes_at_once_and_after_each_change(self, sockets: Sockets) -> None:
        created = await send("alice")
        async with sockets.connect(token=token("alice")) as peer:
            welcome = await peer.receive()
            first = await peer.receive()
            await send("alice", f"{created['id']}/", "PATCH", {"version": 1, "score": 70})
            saved = await peer.receive()
            second = await send("alice")
            moved_on = await peer.receive()

        assert peer.subprotocol == "dust.v1"
        assert welcome == {"type": "welcome", "subject": "alice"}
        assert first["session"] == created
        assert (saved["session"]["score"], saved["session"]["version"]) == (70, 2)
        assert moved_on["session"]["id"] == second["id"]

    async def test_is_null_before_and_after_a_game(self, sockets: Sockets) -> None:
        async with sockets.connect(token=token("alice")) as peer:
            before = await peer.until("active")
            created = await send("alice")
            during = await peer.receive()
            await send("alice", f"{created['id']}/finish/", body={"version": 1})
            after = await peer.receive()

        assert (before["session"], after["session"]) == (None, None)
        assert during["session"]["id"] == created["id"]

    async def test_is_not_sent_for_another_player(self, sockets: Sockets) -> None:
        async with sockets.connect(token=token("alice")) as peer:
            await peer.until("active")
            await send("bob")
            await peer.silence()

    async def test_is_not_sent_again_for_a_state_alone_without_its_version(
        self, sockets: Sockets
    ) -> None:
        created = await send("alice")
        async with sockets.connect(token=token("alice")) as peer:
            first = await peer.until("active")
            body = {"version": 1, "state": {"long": "x" * 1000}}
            await send("alice", f"{created['id']}/", "PATCH", body)
            second = await peer.receive()

        assert "state" not in second["session"]
        assert second["session"]["version"] == first["session"]["version"] + 1

    async def test_is_taken_up_where_it_was_left(self, sockets: Sockets) -> None:
        await send("alice")
        async with sockets.connect(token=token("alice")) as peer:
            version = (await peer.until("active"))["version"]

        async with sockets.connect(f"{URL}?version={version}", token=token("alice")) as peer:
            resumed = await peer.until("unchanged")

        assert resumed == {"type": "unchanged", "what": "active", "version": version}

    async def test_ends_for_the_banned(self, sockets: Sockets) -> None:
        await send("alice")
        async with sockets.connect(token=token("alice")) as peer:
            await peer.until("active")
            await runner.run(partial(User.objects.update, is_banned=True))
            error = await peer.receive()

        assert (error["type"], error["code"]) == ("error", "account_banned")


class TestIdentity:
    async def test_can_come_in_the_first_message(self, sockets: Sockets) -> None:
        await send("alice")
        async with sockets.connect() as peer:
            await peer.silence()
            peer.say("hello", token=token("alice"))
            said = [await peer.receive(), await peer.receive()]

        assert [message["type"] for message in said] == ["welcome", "active"]
        assert said[1]["session"] is not None

    async def test_plat_a4_can_change(self, sockets: Sockets) -> None:
        await send("alice")
        async with sockets.connect(token=token("alice")) as peer:
            alices = await peer.until("active")
            peer.say("hello", token=token("bob"))
            bobs = await peer.until("active")

        assert alices["session"] is not None
        assert bobs["session"] is None

    async def test_is_needed(self, sockets: Sockets) -> None:
        async with sockets.connect() as peer:
            peer.say("hello")
            error = await peer.receive()
            closing = await peer.closing()

        assert error["code"] == "unauthenticated"
        assert closing == (4401, "Sign in to be shown this.")

    async def test_is_not_waited_for_without_end(
        self, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(consumer, "SIGN_IN_SECONDS", 0.01)
        async with sockets.connect() as peer:
            error = await peer.receive()
            closing = await peer.closing()

        assert (error["code"], closing[0]) == ("unauthenticated", 4401)

    async def test_is_not_proven_by_a_bad_token(
        self, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(consumer, "SIGN_IN_SECONDS", 0.2)
        async with sockets.connect(token="forged") as peer:
            refused = await peer.receive()
            late = await peer.receive()
            closing = await peer.closing()

        assert (refused["code"], late["code"]) == ("invalid_token", "unauthenticated")
        assert closing[0] == 4401

    async def test_plat_a4_ends_with_its_token(
        self, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(consumer, "LEEWAY_SECONDS", 0)
        async with sockets.connect(token=token("alice", ttl_seconds=1)) as peer:
            await peer.until("active")
            expired = await peer.until("error")
            signed_out = await peer.receive()
            closing = await peer.closing()

        assert (expired["code"], signed_out["code"]) == ("invalid_token", "unauthenticated")
        assert closing[0] == 4401

    async def test_plat_a4_can_be_given_up(self, sockets: Sockets) -> None:
        async with sockets.connect(token=token("alice")) as peer:
            await peer.until("active")
            peer.say("hello")
            error = await peer.until("error")
            closing = await peer.closing()

        assert (error["code"], closing[0]) == ("unauthenticated", 4401)


class TestDescription:
    async def test_is_true_of_every_message(
        self, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Every receive here and above has been checked; this one meets every kind."""
        monkeypatch.setattr(consumer, "PING_SECONDS", 0.01)
        async with sockets.connect(token=token("alice")) as peer:
            version = (await peer.until("active"))["version"]
            peer.say("ping")
            await peer.until("pong")
            await peer.until("ping")
            peer.say("watch")
            await peer.until("error")
        async with sockets.connect(f"{URL}?version={version}", token=token("alice")) as peer:
            await peer.until("unchanged")

        described = DescribedPeer.document["operations"]["session_send"]["messages"]
        assert sockets.seen == {each["$ref"].rpartition("/")[2] for each in described}
