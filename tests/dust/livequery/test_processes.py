"""Several processes on one database: what one commits, the sockets of the others show."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import pytest
from django.conf import settings as project
from typing_extensions import override

from dust.livequery import fanout, runner
from dust.livequery.engine import Engine
from tests.dust.livequery.other_process import ROOT, OtherProcess, environment
from tests.dust.livequery.running import PATIENCE_SECONDS, AwaitedDoor
from tests.livequery_app.models import Team
from tests.servers import Server, start_valkey

pytestmark = pytest.mark.django_db(transaction=True)


class Reports(logging.Handler):
    """What the fanout reports of the channel layer."""

    def __init__(self) -> None:
        super().__init__()
        self._said: asyncio.Queue[str] = asyncio.Queue()

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self._said.put_nowait(record.getMessage())

    async def say(self, message: str) -> None:
        """Wait until it has reported this."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await self._said.get() != message:
                pass


@pytest.fixture
def reports() -> Iterator[Reports]:
    reports = Reports()
    fanout.logger.addHandler(reports)
    yield reports
    fanout.logger.removeHandler(reports)


@pytest.fixture
async def engine(transactional_db: None) -> AsyncIterator[Engine]:
    engine = Engine()
    yield engine
    await engine.stop()
    await asyncio.to_thread(runner.close)


@pytest.fixture
async def door(engine: Engine) -> AwaitedDoor:
    """A socket of this process that is told how many teams there are."""
    await engine.start()
    door = AwaitedDoor()
    engine.connect(door).subscribe("test:internal", {}, internal=True)
    await door.until_told(0, 0)
    return door


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
def no_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout, "POLL_SECONDS", 3_600)


class TestServers:
    @pytest.mark.usefixtures("no_polls")
    async def test_show_each_others_writes(self, door: AwaitedDoor) -> None:
        async with OtherProcess(redis_url=project.REDIS_URL) as other:
            await other.is_told(0)

            await other.write("theirs")
            await door.until_told(0, 1)
            await runner.run(partial(Team.objects.create, name="ours"))

            await other.is_told(2)

    @pytest.mark.parametrize("victims", [1, pytest.param(30, marks=pytest.mark.soak)])
    async def test_show_the_last_write_of_one_killed_before_it_told(
        self, door: AwaitedDoor, victims: int
    ) -> None:
        for count in range(1, victims + 1):
            async with OtherProcess(redis_url=project.REDIS_URL) as victim:
                status = await victim.write_and_die(f"the last of {count}")

            assert status == -9
            await door.until_told(0, count)

    async def test_do_without_the_channel_layer(self, door: AwaitedDoor) -> None:
        async with OtherProcess(redis_url=None) as other:
            await other.is_told(0)

            await other.write("theirs")
            await runner.run(partial(Team.objects.create, name="ours"))

            await door.until_told(0, 2)
            await other.is_told(2)

    @pytest.mark.usefixtures("no_polls")
    @pytest.mark.parametrize("outages", [1, pytest.param(20, marks=pytest.mark.soak)])
    async def test_converge_when_a_lost_channel_layer_is_back(
        self,
        valkey: Server,
        engine: Engine,
        reports: Reports,
        monkeypatch: pytest.MonkeyPatch,
        outages: int,
    ) -> None:
        monkeypatch.setattr(fanout, "BEAT_SECONDS", 0.05)
        await engine.start()
        door = AwaitedDoor()
        engine.connect(door).subscribe("test:internal", {}, internal=True)
        async with OtherProcess(redis_url=valkey.url) as other:
            await other.write("before")
            await door.until_told(0, 1)

            for count in range(1, outages + 1):
                await asyncio.to_thread(valkey.kill)
                await reports.say("hints cut off")
                await other.write(f"during {count}")
                await asyncio.to_thread(valkey.start)

                await door.until_told(0, 1 + count)
                await reports.say("hints are back")


class TestCommand:
    @pytest.mark.usefixtures("no_polls")
    async def test_tells_servers_before_it_ends(self, door: AwaitedDoor) -> None:
        assert project.REDIS_URL is not None

        await asyncio.to_thread(add_team, project.REDIS_URL.replace("127.0.0.1", "localhost"))

        await door.until_told(0, 1)

    async def test_is_noticed_though_it_tells_nobody(self, door: AwaitedDoor) -> None:
        await asyncio.to_thread(add_team, None)

        await door.until_told(0, 1)


def add_team(redis_url: str | None) -> None:
    code = "from tests.livequery_app.models import Team; Team.objects.create(name='red')"
    command = [sys.executable, "manage.py", "shell", "-v", "0", "-c", code]
    subprocess.run(command, check=True, cwd=ROOT, env=environment(redis_url=redis_url))
