"""Pings, and peers that do not take what they are sent."""

import pytest

from dust.livequery import metrics
from dust.sockets import consumer
from dust.sockets.messages import ServerPing
from dust.sockets.outbox import PlainOutbox
from tests.dust.sockets.conftest import Connect
from tests.dust.sockets.toy import MakeBelieveEngine, ToyConsumer
from tests.sockets import MakeBelieveFrames

MOST_IN_FLIGHT = max(PlainOutbox.LONGEST, MakeBelieveFrames.HIGH_MARK) + 2


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "PING_SECONDS", 0.001)


class TestHeartbeat:
    async def test_goes_on(self, impatient: None, connect: Connect) -> None:
        async with connect() as peer:
            for _ in range(3):
                assert await peer.receive() == {"type": "ping"}

    def test_is_as_documented(self) -> None:
        assert f"every {consumer.PING_SECONDS:.0f} seconds" in (ServerPing.__doc__ or "")


class TestSlowReader:
    async def test_skips_what_lies_between_and_gets_the_newest(
        self, engine: MakeBelieveEngine, connect: Connect
    ) -> None:
        async with connect() as slow, connect() as quick:
            slow.stop_reading()
            for size in range(100):
                engine.show("thing", {"size": size})
                assert (await quick.receive())["size"] == size
            slow.read_on()
            sizes = [(await slow.receive())["size"]]
            while sizes[-1] != 99:
                sizes.append((await slow.receive())["size"])

        assert len(sizes) <= MOST_IN_FLIGHT
        assert sizes == sorted(sizes)

    async def test_is_closed_when_it_stays_behind(
        self, engine: MakeBelieveEngine, connect: Connect
    ) -> None:
        closed_before = metrics.sockets_closed_slow._value.get()
        async with connect() as slow:
            [connection] = engine.connections
            slow.stop_reading()
            fill(engine)
            ToyConsumer.latest._ping()
            in_time = connection.is_closed
            ToyConsumer.latest._ping()
            slow.read_on()
            closing = await slow.closing_after_the_rest()

        assert not in_time
        assert closing == (4008, "Too far behind. Connect again for the present state.")
        assert metrics.sockets_closed_slow._value.get() == closed_before + 1

    async def test_that_catches_up_in_between_stays(
        self, engine: MakeBelieveEngine, connect: Connect
    ) -> None:
        async with connect() as slow:
            [connection] = engine.connections
            for _ in range(5):
                slow.stop_reading()
                newest = fill(engine)
                ToyConsumer.latest._ping()
                slow.read_on()
                while (await slow.receive()).get("size") != newest:
                    pass
            await slow.silence()

        assert connection.door.writable

    async def test_is_sent_nothing_after_it_was_given_up(
        self, engine: MakeBelieveEngine, connect: Connect
    ) -> None:
        async with connect() as slow:
            slow.stop_reading()
            fill(engine)
            for _ in range(consumer.MISSED_PINGS):
                ToyConsumer.latest._ping()
            slow.say("ping")
            slow.say("fail", is_anticipated=False)
            slow.read_on()
            await slow.closing_after_the_rest()
            slow.say("ping")

        assert slow.inbox_is_empty


def fill(engine: MakeBelieveEngine) -> int:
    """Show the only socket so much that it can take no more; return what came last."""
    [connection] = engine.connections
    for size in range(100):
        engine.show("thing", {"size": size})
        if not connection.door.writable:
            return size
    raise AssertionError("It never was full.")
