"""Whom a socket speaks for: tokens in, and out when they end."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from dust.identity import Identity, InvalidTokenError, ProviderUnavailableError
from dust.identity.tokens import LEEWAY_SECONDS
from dust.sockets import consumer
from tests.dust.sockets.conftest import Connect, Verification
from tests.dust.sockets.toy import MakeBelieveEngine, ToyConsumer

WELCOME = {"type": "welcome", "subject": "alice"}
GOODBYE = {"type": "welcome", "subject": None}


def alice(*, seconds_left: float = 3600) -> Identity:
    expires_at = datetime.now(UTC) + timedelta(seconds=seconds_left)
    return Identity("https://issuer.test", "alice", expires_at=expires_at)


class TestSignIn:
    async def test_is_needed_by_nobody_who_watches(
        self, engine: MakeBelieveEngine, connect: Connect
    ) -> None:
        engine.show("thing", {"size": 1})
        async with connect() as peer:
            assert (await peer.receive())["type"] == "thing"
            assert engine.connections[0].caller is None

    async def test_by_message(
        self, engine: MakeBelieveEngine, connect: Connect, verification: Verification
    ) -> None:
        verification.decide(alice())
        async with connect() as peer:
            peer.say("hello", token="a.b.c")
            welcome = await peer.receive()
            caller = engine.connections[0].caller
            peer.say("hello")
            goodbye = await peer.receive()

        assert await verification.begun() == "a.b.c"
        assert welcome == WELCOME
        assert caller == alice()
        assert goodbye == GOODBYE
        assert engine.connections[0].caller is None

    async def test_by_subprotocol(
        self, engine: MakeBelieveEngine, connect: Connect, verification: Verification
    ) -> None:
        engine.show("thing", {"size": 1})
        async with connect(subprotocols=["dust.v1", "bearer.a.b.c"]) as peer:
            shown = await peer.receive()  # whoever it may be
            verification.decide(alice())
            welcome = await peer.receive()

        assert await verification.begun() == "a.b.c"
        assert shown["type"] == "thing"
        assert welcome == WELCOME

    async def test_with_a_token_seen_lately_needs_no_thread(
        self, connect: Connect, verification: Verification, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(consumer, "find_verified", lambda *_, **__: alice())
        async with connect() as peer:
            peer.say("hello", token="a.b.c")

            assert await peer.receive() == WELCOME

    @pytest.mark.parametrize(
        ("error", "code"),
        [
            (InvalidTokenError(), "invalid_token"),
            (ProviderUnavailableError(), "provider_unavailable"),
            (RuntimeError("boom"), "server_error"),
        ],
    )
    async def test_plat_a2_that_fails_changes_nothing(
        self,
        engine: MakeBelieveEngine,
        connect: Connect,
        verification: Verification,
        error: Exception,
        code: str,
    ) -> None:
        async with connect() as peer:
            verification.decide(alice())
            peer.say("hello", token="good")
            welcome = await peer.receive()
            verification.decide(error)
            peer.say("hello", token="bad")
            refusal = await peer.receive()
            await peer.silence()
            caller = engine.connections[0].caller

        assert welcome == WELCOME
        assert (refusal["type"], refusal["code"]) == ("error", code)
        assert caller == alice()

    @pytest.mark.parametrize("closing", ["the address is not valid", "it says it in binary"])
    async def test_is_too_late_once_the_socket_is_closed(
        self, connect: Connect, verification: Verification, closing: str
    ) -> None:
        is_valid = closing != "the address is not valid"
        offered = [] if is_valid else ["dust.v1", "bearer.a.b.c"]
        async with connect("/" if is_valid else "/?size=huge", subprotocols=offered) as peer:
            peer.say_bytes(b"{}")
            await peer.closing_after_the_rest()
            peer.say("hello", token="a.b.c")

        assert verification.is_idle


class TestWhileATokenIsVerified:
    async def test_messages_wait_for_their_turn(
        self, engine: MakeBelieveEngine, connect: Connect, verification: Verification
    ) -> None:
        engine.show("more", {})
        async with connect() as peer:
            peer.say("hello", token="first")
            peer.say("ping")
            peer.say("hello", token="second")
            peer.say("watch", what="more")
            await verification.begun()
            verification.decide(alice())
            answers = [await peer.receive(), await peer.receive()]
            await verification.begun()
            verification.decide(InvalidTokenError())
            answers += [await peer.receive(), await peer.receive()]

        assert [answer["type"] for answer in answers] == ["welcome", "pong", "error", "more"]

    async def test_news_do_not(
        self, engine: MakeBelieveEngine, connect: Connect, verification: Verification
    ) -> None:
        async with connect() as peer:
            peer.say("hello", token="a.b.c")
            await verification.begun()
            engine.show("thing", {"size": 1})

            assert (await peer.receive())["size"] == 1

    async def test_the_socket_can_end(
        self, engine: MakeBelieveEngine, connect: Connect, verification: Verification
    ) -> None:
        async with connect() as peer:
            peer.say("hello", token="a.b.c")
            await verification.begun()
            verifying = ToyConsumer.latest._verifying
        assert verifying is not None
        await asyncio.wait([verifying])

        assert verifying.cancelled()
        assert engine.connections[0].is_closed
        assert asyncio.all_tasks() == {asyncio.current_task()}

    async def test_only_so_much_is_held(self, connect: Connect, verification: Verification) -> None:
        async with connect() as peer:
            peer.say("hello", token="a.b.c")
            for _ in range(consumer.MOST_HELD + 1):
                peer.say("ping")

            assert (await peer.closing())[0] == 4029


class TestExpiry:
    async def test_plat_a4_signs_out_and_says_so(
        self, engine: MakeBelieveEngine, connect: Connect, verification: Verification
    ) -> None:
        verification.decide(alice(seconds_left=-LEEWAY_SECONDS))
        async with connect() as peer:
            peer.say("hello", token="a.b.c")
            said = [await peer.receive() for _ in range(3)]
            await peer.silence()

        error = {"type": "error", "code": "invalid_token", "message": "The token has expired."}
        assert said == [WELCOME, error, GOODBYE]
        assert engine.connections[0].caller is None

    async def test_plat_a4_is_put_off_by_a_fresher_token(
        self, engine: MakeBelieveEngine, connect: Connect, verification: Verification
    ) -> None:
        verification.decide(alice(seconds_left=60))
        verification.decide(alice(seconds_left=3600))
        async with connect() as peer:
            peer.say("hello", token="ending")
            await peer.receive()
            ending = ToyConsumer.latest._expiry_timer
            peer.say("hello", token="fresh")
            await peer.receive()
            fresh = ToyConsumer.latest._expiry_timer

            assert ending is not None
            assert fresh is not None
            assert ending.cancelled()
            assert not fresh.cancelled()
            left = ending.when() - asyncio.get_running_loop().time()
            assert left == pytest.approx(60 + LEEWAY_SECONDS, abs=2)
            assert fresh.when() - ending.when() == pytest.approx(3540, abs=2)
