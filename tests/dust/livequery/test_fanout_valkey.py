"""Hints between processes, over a real server that may go away."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from channels.layers import BaseChannelLayer
from typing_extensions import override

from dust.livequery import fanout
from dust.livequery.hints import Announcer, make_shared_layer
from tests.dust.livequery.ears import Ear, commit, logged
from tests.servers import Server, start_valkey

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave nothing to chance: what is asked for is asked for a reason."""
    monkeypatch.setattr(fanout, "POLL_SECONDS", 3_600)


class ReportingLayer(BaseChannelLayer):
    """The configured layer; tells when it hears something, and when it is given up."""

    def __init__(self) -> None:
        super().__init__()
        layer = make_shared_layer()
        assert layer is not None
        self._layer = layer
        self._is_given_up = asyncio.Event()
        self._has_heard = asyncio.Event()

    @override
    async def new_channel(self, prefix: str = "specific") -> str:
        return await self._layer.new_channel()

    @override
    async def group_add(self, group: str, channel: str) -> None:
        await self._layer.group_add(group, channel)

    @override
    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        await self._layer.group_send(group, message)

    @override
    async def receive(self, channel: str) -> dict[str, Any]:
        message = await self._layer.receive(channel)
        self._has_heard.set()
        return message

    @override
    async def flush(self) -> None:
        self._is_given_up.set()
        await self._layer.flush()

    async def hears(self) -> None:
        """Wait until a subscription is known to work, by the beats."""
        self._has_heard.clear()
        await asyncio.wait_for(self._has_heard.wait(), 30)

    async def given_up(self) -> None:
        await asyncio.wait_for(self._is_given_up.wait(), 30)


@pytest.fixture
def valkey(settings: Any) -> Iterator[Server]:
    with start_valkey() as server:
        config = {"hosts": [{"address": server.url, "socket_timeout": 15}]}
        settings.CHANNEL_LAYERS = {
            "default": {
                "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
                "CONFIG": config,
            }
        }
        yield server


@pytest.fixture
def announcer(valkey: Server) -> Iterator[Announcer]:
    announcer = Announcer()
    yield announcer
    announcer.close()


@pytest.fixture
async def far_ear(
    valkey: Server, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Ear, ReportingLayer]]:
    monkeypatch.setattr(fanout, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(fanout, "FIRST_PAUSE_SECONDS", 0.01)
    layer = ReportingLayer()
    ear = Ear(lambda: layer)
    yield ear, layer
    await ear.fanout.stop()


class TestOverValkey:
    async def test_carries_commits_between_processes(
        self, announcer: Announcer, far_ear: tuple[Ear, ReportingLayer]
    ) -> None:
        ear, layer = far_ear
        await ear.fanout.start()
        await layer.hears()

        announcer.announce(commit(1))

        assert await ear.next() == [commit(1)]

    async def test_recovers_by_itself_when_the_server_does(
        self,
        valkey: Server,
        announcer: Announcer,
        far_ear: tuple[Ear, ReportingLayer],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        ear, layer = far_ear
        await ear.fanout.start()
        await layer.hears()
        announcer.announce(commit(1))
        await ear.next()

        await asyncio.to_thread(valkey.kill)
        await layer.given_up()
        announcer.announce(commit(2))
        ear.is_asked.clear()
        await asyncio.to_thread(valkey.start)
        await ear.asked()
        await layer.hears()
        announcer.announce(commit(3))

        assert commit(3) in await ear.next()
        lines = logged(caplog, "")
        told = [line.message for line in lines if line.name == fanout.__name__]
        assert told == ["hints cut off", "hints are back"]
        assert not any(line.exc_info for line in lines)

    async def test_starts_before_the_server_does(
        self, valkey: Server, announcer: Announcer, far_ear: tuple[Ear, ReportingLayer]
    ) -> None:
        ear, layer = far_ear
        await asyncio.to_thread(valkey.kill)
        await ear.fanout.start()
        await layer.given_up()

        await asyncio.to_thread(valkey.start)
        await layer.hears()
        announcer.announce(commit(1))

        assert await ear.next() == [commit(1)]
