"""A native WebSocket as its peer sees it, on our own server and on any other."""

import asyncio
from typing import Any

import pytest

from dust.errors import ForbiddenError, NotFoundError
from dust.livequery.execution import ServerError
from dust.sockets import consumer
from dust.sockets.outbox import PlainOutbox
from tests.dust.sockets.conftest import Connect
from tests.dust.sockets.toy import MakeBelieveEngine, ToyConsumer, ToyOptions
from tests.sockets import PATIENCE_SECONDS, Peer


class TestOpening:
    async def test_shows_the_present_and_then_every_change(
        self, engine: MakeBelieveEngine, connect: Connect
    ) -> None:
        first = engine.show("thing", {"size": 1})
        async with connect() as peer:
            shown = await peer.receive()
            second = engine.show("thing", {"size": 2})
            changed = await peer.receive()
            engine.show("thing", {"size": 2})
            await peer.silence()

        assert shown == {"type": "thing", "version": first.version, "size": 1}
        assert changed == {"type": "thing", "version": second.version, "size": 2}

    async def test_shows_what_has_nothing_in_it(
        self, engine: MakeBelieveEngine, connect: Connect
    ) -> None:
        result = engine.show("thing", {})
        async with connect() as peer:
            assert await peer.receive() == {"type": "thing", "version": result.version}

    @pytest.mark.parametrize(
        ("offered", "selected"),
        [
            ([], None),
            (["dust.v1"], "dust.v1"),
            (["bearer.a.b.c", "dust.v1"], "dust.v1"),
            (["bearer.a.b.c"], None),
            (["dust.v2"], None),
        ],
    )
    async def test_never_selects_a_token(
        self, connect: Connect, offered: list[str], selected: str | None
    ) -> None:
        async with connect(subprotocols=offered) as peer:
            assert peer.subprotocol == selected

    async def test_takes_up_where_the_client_is(
        self, engine: MakeBelieveEngine, connect: Connect
    ) -> None:
        result = engine.show("thing", {"size": 1})
        async with connect(f"/?version={result.version}") as peer:
            resumed = await peer.receive()
            engine.show("thing", {"size": 2})
            changed = await peer.receive()
            engine.show("thing", {"size": 1})
            back = await peer.receive()

        assert resumed == {"type": "unchanged", "what": "thing", "version": result.version}
        assert changed["size"] == 2
        assert back["size"] == 1

    async def test_sends_the_present_for_a_version_that_is_past(
        self, engine: MakeBelieveEngine, connect: Connect
    ) -> None:
        past = engine.show("thing", {"size": 1})
        engine.show("thing", {"size": 2})
        async with connect(f"/?version={past.version}") as peer:
            assert (await peer.receive())["size"] == 2

    @pytest.mark.parametrize(
        ("query", "fault"),
        [
            ("size=huge", "at `$.size`"),
            ("size=", "at `$.size`"),
            ("size=1&size=2", "Give it once - at `$.size`"),
            ("version=&version=", "Give it once - at `$.version`"),
            ("weight=1", "unknown field `weight`"),
            ("weight", "unknown field `weight`"),
            ("Size=1", "unknown field `Size`"),
        ],
    )
    async def test_refuses_an_address_that_is_not_valid(
        self, engine: MakeBelieveEngine, connect: Connect, query: str, fault: str
    ) -> None:
        async with connect(f"/?{query}") as peer:
            error = await peer.receive()
            code, _reason = await peer.closing()

        assert (error["type"], error["code"]) == ("error", "invalid_arguments")
        assert fault in error["message"]
        assert code == 4400
        assert engine.connections[0].is_closed

    async def test_takes_all_that_may_be_asked_for_at_once(
        self, engine: MakeBelieveEngine, connect: Connect
    ) -> None:
        result = engine.show("thing", {"size": 1})
        async with connect(f"/?size=2&broken=false&version={result.version}") as peer:
            resumed = await peer.receive()

        assert resumed["type"] == "unchanged"
        assert ToyConsumer.latest.options == ToyOptions(version=result.version, size=2)

    async def test_that_fails_closes_the_socket_for_now(
        self, connect: Connect, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with connect("/?broken=true") as peer:
            error = await peer.receive()
            code, _reason = await peer.closing()

        assert error["code"] == "server_error"
        assert "broken" not in error["message"]
        assert code == 4011
        assert [record.exc_text for record in caplog.records if record.exc_text] != []


class TestWatching:
    async def test_more_is_shown_and_no_longer_shown_on_request(
        self, engine: MakeBelieveEngine, connect: Connect
    ) -> None:
        engine.show("more", {"size": 1})
        async with connect() as peer:
            peer.say("watch", what="more")
            more = await peer.receive()
            peer.say("watch", what="more")
            again = await peer.receive()
            engine.show("more", {"size": 2})
            changed = await peer.receive()
            await peer.silence()
            peer.say("unwatch", what="more")
            await peer.silence()
            engine.show("more", {"size": 3})
            await peer.silence()

        assert more == again
        assert changed["size"] == 2
        assert (more["type"], more["size"]) == ("more", 1)

    async def test_refused_leaves_what_was_watched(
        self, engine: MakeBelieveEngine, connect: Connect
    ) -> None:
        async with connect() as peer:
            peer.say("watch", what="thing", wrong=True)
            error = await peer.receive()
            engine.show("thing", {"size": 1})
            shown = await peer.receive()

        assert error["code"] == "invalid_arguments"
        assert shown["size"] == 1

    async def test_survives_a_query_that_fails(
        self, engine: MakeBelieveEngine, connect: Connect
    ) -> None:
        engine.show("thing", ForbiddenError(data={"until": 5}))
        async with connect() as peer:
            error = await peer.receive()
            engine.show("thing", ServerError("a request id"))
            worse = await peer.receive()
            engine.show("thing", {"size": 1})
            shown = await peer.receive()

        told = {"type": "error", "code": "forbidden", "message": "Not authorized."}
        assert error == {**told, "what": "thing", "data": {"until": 5}}
        assert worse["request_id"] == "a request id"
        assert shown["size"] == 1

    async def test_nothing_that_there_is_closes_the_socket(
        self, engine: MakeBelieveEngine, connect: Connect
    ) -> None:
        engine.show("thing", NotFoundError())
        async with connect() as peer:
            error = await peer.receive()
            closing = await peer.closing()
            engine.show("thing", {"size": 1})

        assert error["code"] == "not_found"
        assert closing == (4404, "There is nothing here.")
        assert engine.connections[0].is_closed

    async def test_the_same_shares_the_bytes(
        self, engine: MakeBelieveEngine, connect: Connect
    ) -> None:
        async with connect() as alice, connect() as bob:
            result = engine.show("thing", {"size": 1})
            shown = await alice.receive(), await bob.receive()

        assert shown[0] == shown[1]
        assert len(result._encodings) == 1


class TestMessages:
    async def test_are_answered(self, connect: Connect) -> None:
        async with connect() as peer:
            peer.say("pong")
            peer.say("ping")

            assert await peer.receive() == {"type": "pong"}

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "nonsense",
            "[]",
            "{}",
            '{"type":"shout"}',
            '{"type":"ping","extra":1}',
            '{"type":"hello","token":5}',
            '{"type":"watch"}',
            '{"type":"thing","version":"x"}',
            "[" * 20_000,
            '{"type":"ping","' + "x" * 20_000 + '":1}',
            '"\ud800"',
        ],
    )
    async def test_that_are_not_understood_are_refused_and_the_socket_lives(
        self, connect: Connect, text: str
    ) -> None:
        async with connect() as peer:
            peer.say_text(text)
            error = await peer.receive()
            await peer.silence()

        assert (error["type"], error["code"]) == ("error", "invalid_message")
        assert len(error["message"]) <= 200

    async def test_that_fail_are_answered_with_the_reason(self, connect: Connect) -> None:
        async with connect() as peer:
            peer.say("fail", is_anticipated=True)
            error = await peer.receive()
            await peer.silence()

        message = "The request conflicts with the present state."
        expected = {"type": "error", "code": "conflict", "message": message}
        assert error == {**expected, "data": {"by": "rules"}}

    async def test_that_fail_unexpectedly_are_answered_with_no_more_than_an_id(
        self, connect: Connect, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with connect() as peer:
            peer.say("fail", is_anticipated=False)
            error = await peer.receive()
            await peer.silence()

        [record] = [record for record in caplog.records if record.exc_text]
        assert "boom" in str(record.exc_text)
        assert error == {
            "type": "error",
            "code": "server_error",
            "message": "Server Error",
            "request_id": record.request_id,  # type: ignore[attr-defined]
        }

    async def test_in_binary_close_the_socket(self, connect: Connect) -> None:
        async with connect() as peer:
            peer.say_bytes(b'{"type":"ping"}')

            assert (await peer.closing())[0] == 4003

    async def test_too_many_close_the_socket(
        self, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(consumer, "MESSAGES_PER_WINDOW", 3)
        async with connect() as peer:
            for _ in range(4):
                peer.say("ping")
            for _ in range(3):
                await peer.receive()

            assert await peer.closing() == (4029, "Too many messages.")

    async def test_over_a_longer_time_are_not_too_many(
        self, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(consumer, "MESSAGES_PER_WINDOW", 3)
        monkeypatch.setattr(consumer, "WINDOW_SECONDS", 0.0)
        async with connect() as peer:
            for _ in range(10):
                await peer.silence()


class TestPeer:
    @pytest.mark.parametrize("error", [RuntimeError("There is no route."), None])
    async def test_fails_where_it_is_never_accepted(self, error: Exception | None) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            if error is not None:
                raise error

        with pytest.raises(AssertionError) as failure:
            async with asyncio.timeout(PATIENCE_SECONDS), Peer(application):
                pass

        assert failure.value.__cause__ is error


class TestEnd:
    async def test_leaves_nothing_behind(self, engine: MakeBelieveEngine, connect: Connect) -> None:
        async with connect() as peer:
            await peer.silence()

        assert engine.connections[0].is_closed
        assert engine.connections[0].watched == {}
        assert asyncio.all_tasks() == {asyncio.current_task()}

    async def test_of_a_peer_that_has_gone_is_no_failure(self) -> None:
        async def send(message: Any) -> None:
            raise OSError("gone")

        drained: list[None] = []
        outbox = PlainOutbox(send, lambda: drained.append(None))

        outbox.send(b"first")
        await outbox._task
        outbox.send(b"second")

        assert outbox.writable
        assert outbox._waiting.empty()
        assert drained == []
