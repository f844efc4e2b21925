"""The socket of Convex clients at the wire, on the real engine and database: what is watched."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import pytest
from channels.routing import URLRouter
from django.urls import re_path

from dust import asgi
from dust.convex import codec, consumer
from dust.convex.codec import CHUNK_BYTES
from dust.convex.consumer import SyncConsumer
from dust.livequery import runner
from tests.dust.convex.syncing import NPM, SyncPeer, add, remove
from tests.livequery_app.models import Entry, Player, Team
from tests.sockets import PATIENCE_SECONDS, Message

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sync_engine")]

PYTHON = (b"convex-client", b"python-0.8.1")


async def create_team(name: str) -> None:
    await runner.run(partial(Team.objects.create, name=name))


class TestHandshake:
    @pytest.mark.parametrize(
        ("url", "headers"),
        [
            (NPM, ()),
            ("/api/1.31.7-alpha.0/sync", ()),
            ("/deployments/mine/api/1.48.0/sync", ()),
            ("/api/sync", (PYTHON,)),
            ("/api/sync", ((b"convex-client", b"something-else"),)),
            ("/api/sync", ()),
            ("/api/0.1.0/sync", (PYTHON,)),
        ],
    )
    async def test_welcomes_clients_wherever_they_look_for_it(self, url: str, headers: Any) -> None:
        async with SyncPeer(url, headers=headers) as peer:
            peer.watch(0, "test:count")

            await peer.until_shown(0, 0.0)

        assert peer.subprotocol is None

    @pytest.mark.parametrize(
        ("url", "headers"),
        [
            ("/api/0.19.1/sync", []),
            ("/api/latest/sync", []),
            ("/api/1.48.0/sync", [(b"convex-client", b"npm-0.19.0")]),
            ("/api/sync", [(b"convex-client", b"python-0.0.2")]),
        ],
    )
    async def test_refuses_clients_that_are_too_old(self, url: str, headers: Any) -> None:
        extensions: Message = {"websocket.http.response": {}}

        start, body = await _handshake(url, headers=headers, extensions=extensions)
        (close,) = await _handshake(url, headers=headers)

        assert (start["type"], start["status"]) == ("websocket.http.response.start", 400)
        assert b'"code":"ClientVersionUnsupported"' in body["body"]
        assert close["type"] == "websocket.close"


async def _handshake(path: str, **scope: Any) -> list[Message]:
    """Ask for a connection that will not come about; return what is sent."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    application: Any = URLRouter(asgi._socket_routes)
    await application({"type": "websocket", "path": path, **scope}, receive, send)
    return sent


class TestQuerySet:
    async def test_is_answered_whole_in_one_transition(self) -> None:
        await create_team("red")
        async with SyncPeer() as peer:
            peer.modify(
                add(0, "test:count"),
                add(1, "test:players", {"name": "red"}),
                add(2, "test:nothing"),
                add(3, "test:players", {"name": 7.0}),
                add(4, "test:echo", {"value": {"$unknown": "x"}}),
                add(5, "test:internal"),
            )
            transition = await peer.news()

        assert sorted(change["queryId"] for change in transition["modifications"]) == [*range(6)]
        assert transition["startVersion"]["ts"] == "AAAAAAAAAAA="
        assert (peer.at["querySet"], peer.at["identity"]) == (1, 0)
        assert (peer.shown[0], peer.shown[1]) == (1.0, [])
        assert peer.shown[2] == "Could not find public function for 'test:nothing'."
        assert peer.shown[3].startswith("ArgumentValidationError: ")
        assert peer.shown[4].startswith("args.value has a field name that begins with $")
        assert peer.shown[5] == "Could not find public function for 'test:internal'."

    async def test_is_told_of_every_change_and_of_nothing_else(self) -> None:
        async with SyncPeer() as peer:
            peer.modify(add(0, "test:count"), add(1, "test:players", {"name": "red"}))
            await peer.news()
            await create_team("red")
            transition = await peer.news()
            await peer.silence()

        (change,) = transition["modifications"]
        assert change == {
            "type": "QueryUpdated",
            "queryId": 0,
            "value": 1.0,
            "logLines": [],
            "journal": None,
        }

    async def test_can_shrink_and_grow(self) -> None:
        async with SyncPeer() as peer:
            peer.modify(add(0, "test:count"), add(1, "test:nothing"))
            await peer.news()
            peer.modify(remove(0), remove(1), add(2, "test.js:count"))
            transition = await peer.news()
            peer.watch(0, "test:count")
            await peer.news()

        gone = [{"type": "QueryRemoved", "queryId": query_id} for query_id in (0, 1)]
        assert [each for each in transition["modifications"] if each in gone] == gone
        assert sorted(peer.shown) == [0, 2]
        assert peer.at["querySet"] == 3

    async def test_of_another_version_ends_the_connection(self) -> None:
        async with SyncPeer() as peer:
            peer.modify()
            await peer.news()
            peer.say("ModifyQuerySet", baseVersion=5, newVersion=6, modifications=[])
            error = await peer.fatal()

        assert error == "BaseVersionMismatch: the query set is at 1, not at 5."

    async def test_that_makes_no_sense_has_the_client_begin_anew(self) -> None:
        async with SyncPeer() as peer:
            peer.modify(remove(3))

            assert await peer.closing() == (1011, "InternalServerError")

    async def test_with_a_result_that_clients_have_no_value_for_lives_on(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with SyncPeer() as peer:
            peer.modify(add(0, "test:strange"), add(1, "test:count"))
            await peer.news()
            await create_team("red")
            await peer.until_shown(1, 1.0)

        (record,) = caplog.records
        assert peer.shown[0] == f"[Request ID: {record.request_id}] Server Error"  # type: ignore[attr-defined]


class TestJournal:
    async def test_takes_a_page_up_where_another_connection_has_left_it(self) -> None:
        await score(5, 3, 1)
        opts = {"numItems": 2.0, "cursor": None}
        page = "test:page", {"name": "solo", "paginationOpts": opts}
        async with SyncPeer() as first:
            first.watch(0, *page)
            (told,) = (await first.news())["modifications"]
        await score(4, 2)

        async with SyncPeer() as again, SyncPeer() as other:
            again.watch(0, *page, journal=told["journal"])
            other.watch(0, *page, journal=None)
            await again.news()
            await other.news()

        assert again.shown[0]["page"] == [5.0, 4.0, 3.0]
        assert again.shown[0]["continueCursor"] == told["value"]["continueCursor"]
        assert other.shown[0]["page"] == [5.0, 4.0]


async def score(*scores: int) -> None:
    def create() -> None:
        for number in scores:
            player = Player.objects.create(name=str(number))
            Entry.objects.create(board="solo", player=player, score=number)

    await runner.run(create)


class TestClock:
    async def test_never_goes_back_behind_what_a_client_has_seen(self) -> None:
        seen = int((datetime.now(UTC) + timedelta(seconds=30)).timestamp() * 1e9)
        async with SyncPeer(is_silent=True) as peer:
            peer.connect(maxObservedTimestamp=codec.encode_ts(seen))
            peer.watch(0, "test:count")
            await peer.news()

        assert codec.decode_ts(peer.at["ts"]) > seen

    async def test_is_told_with_the_clients_own(self) -> None:
        async with SyncPeer(is_silent=True) as peer:
            peer.connect(clientTs=0.0)
            peer.modify()
            first = await peer.news()
            peer.modify()
            second = await peer.news()

        assert first["clientClockSkew"] < -1_700_000_000_000
        assert first["serverTs"] == codec.decode_ts(first["endVersion"]["ts"])
        assert "serverTs" not in second


class TestMessages:
    @pytest.mark.parametrize(
        ("said", "error"),
        [
            ("{", "truncated"),
            ("[]", "Expected `object`"),
            ('{"type":"Hello"}', "Invalid value 'Hello'"),
            ('{"type":"Connect","sessionId":5,"connectionCount":0}', "Expected `str`"),
            ('{"type":"ModifyQuerySet","baseVersion":0.5}', "Expected `int`"),
            ("[" * 100_000, ""),
        ],
    )
    async def test_that_nobody_understands_end_the_connection(self, said: str, error: str) -> None:
        async with SyncPeer(is_silent=True) as peer:
            peer.say_text(said)

            assert error in await peer.fatal()

    async def test_are_text(self) -> None:
        async with SyncPeer() as peer:
            peer.say_bytes(b'{"type":"Event"}')

            assert await peer.fatal() == "Messages are text, not binary."

    async def test_begin_with_who_it_is(self) -> None:
        async with SyncPeer(is_silent=True) as peer:
            peer.say("Event", eventType="ClientConnect", event=[])
            peer.modify()

            assert await peer.fatal() == "The first message must be Connect."

    async def test_after_the_end_are_of_no_account(self) -> None:
        async with SyncPeer() as peer:
            peer.connect()
            peer.say_text("{")
            peer.modify()
            error = await peer.fatal()
            assert peer.inbox_is_empty

        assert error == "Connect was sent twice."


class TestLongTransition:
    @pytest.mark.parametrize(
        ("url", "headers", "joins"),
        [
            ("/api/1.28.0/sync", (), True),
            ("/api/1.27.9/sync", (), False),
            ("/api/sync", (PYTHON,), False),
        ],
    )
    async def test_comes_in_parts_to_whoever_can_join_them(
        self, url: str, headers: Any, joins: bool
    ) -> None:
        text = "€" * (CHUNK_BYTES // 3)
        async with SyncPeer(url, headers=headers) as peer:
            peer.watch(0, "test:echo", {"value": text[:1000]})
            short = await peer.receive()
            peer.watch(1, "test:echo", {"value": text})
            first = await peer.receive()
            parts = [first, await peer.receive()] if joins else []

        assert short["type"] == "Transition"
        if not joins:
            assert peer.shown[1] == text
            return
        assert [part["type"] for part in parts] == ["TransitionChunk"] * 2
        assert [part["partNumber"] for part in parts] == [0, 1]
        assert {part["totalParts"] for part in parts} == {2}
        assert len({part["transitionId"] for part in parts}) == 1
        joined = msgspec.json.decode("".join(part["chunk"] for part in parts))
        assert joined["modifications"][0]["value"] == text


@pytest.mark.parametrize("has_frames", [True, False], ids=["our server", "another server"])
class TestSilence:
    async def test_is_broken_by_a_ping(
        self, has_frames: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(consumer, "PING_SECONDS", 0.01)
        async with SyncPeer(has_frames=has_frames) as peer:
            assert await peer.receive() == {"type": "Ping"}
            assert await peer.receive() == {"type": "Ping"}

    async def test_lasts_no_longer_than_it_may(self, has_frames: bool) -> None:
        socket: Any = SyncConsumer()
        async with SyncPeer(routes=[re_path("", socket)], has_frames=has_frames) as peer:
            peer.modify()
            await peer.news()
            socket._ping()  # too early

            assert peer.inbox_is_empty
            due = socket._last_sent + consumer.PING_SECONDS
            assert socket._ping_timer.when() == pytest.approx(due, abs=1)


class TestSlowReader:
    async def test_is_spared_what_is_not_the_newest(self) -> None:
        async with SyncPeer() as slow, SyncPeer() as quick:
            for peer in (slow, quick):
                peer.watch(0, "test:count")
                await peer.until_shown(0, 0.0)
            slow.stop_reading()
            for number in range(1, 5):
                await create_team(str(number))
                await quick.until_shown(0, float(number))
            slow.read_on()
            told = [await slow.news() for _ in range(2)]
            await slow.silence()

        assert [each["modifications"][0]["value"] for each in told] == [1.0, 4.0]

    async def test_is_asked_nothing_more_until_it_has_taken_what_there_is(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """So that what one client is owed cannot fill the memory."""
        monkeypatch.setattr(consumer, "MOST_UNSENT_BYTES", 100)
        async with SyncPeer() as slow, SyncPeer() as other:
            slow.stop_reading()
            slow.modify()
            slow.mutate(0, "test:addTeam", {"name": "red"})
            other.mutate(0, "test:addTeam", {"name": "blue"})
            await other.answer()
            slow.read_on()
            await slow.news()
            response = await slow.answer()

        assert response["result"] == 2.0

    async def test_that_has_gone_is_waited_for_no_longer(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(consumer, "MOST_UNSENT_BYTES", 100)
        monkeypatch.setattr(consumer, "PING_SECONDS", 0.01)
        async with SyncPeer() as peer:
            assert peer.frames is not None
            peer.stop_reading()
            peer.modify()
            peer.modify()
            await runner.run(Team.objects.count)
            peer.frames.drop()

    async def test_may_take_its_time(self) -> None:
        socket: Any = SyncConsumer()
        async with SyncPeer(routes=[re_path("", socket)]) as slow, SyncPeer() as other:
            assert slow.frames is not None
            slow.stop_reading()
            for peer in (slow, slow, slow, slow, other):
                peer.modify()
            await other.news()
            for _ in range(3):
                socket._ping()
                slow.frames.take()
            is_let = not slow.frames.abandoned.is_set()
            for _ in range(3):
                socket._ping()

            assert is_let
            assert slow.frames.abandoned.is_set()

    async def test_has_to_come_back_if_it_takes_nothing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(consumer, "PING_SECONDS", 0.01)
        async with SyncPeer() as peer:
            assert peer.frames is not None
            peer.stop_reading()
            await asyncio.wait_for(peer.frames.abandoned.wait(), PATIENCE_SECONDS)
            peer.read_on()

            assert await peer.closing_after_the_rest() == (1013, "TooSlow")
