"""What comes of hints: what is heard of others' commits, and by whom it is not."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer
from django.db import OperationalError
from prometheus_client import REGISTRY
from typing_extensions import override

from dust.livequery import changes, fanout
from dust.livequery.changes import Commit, encode_writes
from dust.livequery.fanout import Fanout, UnheardError
from dust.livequery.hints import GROUP, MESSAGE_TYPE, Hints
from dust.livequery.runner import Runner
from tests.dust.livequery.ears import Ear, commit, logged
from tests.dust.livequery.writers import Writer

pytestmark = pytest.mark.django_db(transaction=True)


def hints(*commits: Commit, number: int = 1) -> dict[str, Any]:
    packed = [(each.seq, each.ts, encode_writes(each.writes)) for each in commits]
    return Hints(commits[0].origin, number, packed).message()


def suspicions() -> float:
    return REGISTRY.get_sample_value("dust_livequery_catch_ups_total") or 0.0


class Layer(InMemoryChannelLayer):
    """An in-memory layer that tells what happens to it, and may lose what is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.joins: asyncio.Queue[str] = asyncio.Queue()
        self.deaf_joins = 0
        self.beats: asyncio.Queue[None] = asyncio.Queue()

    @override
    async def group_add(self, group: str, channel: str) -> None:
        await super().group_add(group, channel)
        self.deaf_joins -= 1
        self.joins.put_nowait(channel)

    @override
    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        if message["type"] != MESSAGE_TYPE:
            self.beats.put_nowait(None)
        if self.deaf_joins < 0:
            await super().group_send(group, message)

    async def joined(self) -> None:
        await asyncio.wait_for(self.joins.get(), 30)


class ClosedLayer(Layer):
    """One that cannot be reached so many times."""

    refusals = 0

    @override
    async def new_channel(self, prefix: str = "specific.") -> str:
        self.refusals -= 1
        if self.refusals >= 0:
            raise ConnectionError("Error 111 connecting.\nRefused.")
        return await super().new_channel(prefix)


@pytest.fixture(autouse=True)
def no_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave nothing to chance: what is asked for is asked for a reason."""
    monkeypatch.setattr(fanout, "POLL_SECONDS", 3_600)


@pytest.fixture
def layer() -> Layer:
    return Layer()


@pytest.fixture
async def ear(layer: Layer) -> AsyncIterator[Ear]:
    ear = Ear(lambda: layer)
    await ear.fanout.start()
    await layer.joined()
    yield ear
    await ear.fanout.stop()


class TestHearing:
    async def test_delivers_what_another_process_committed(self, ear: Ear, layer: Layer) -> None:
        await layer.group_send(GROUP, hints(commit(1), commit(2)))

        assert await ear.next() == [commit(1), commit(2)]

    async def test_tells_that_a_job_is_due(self, layer: Layer) -> None:
        due = asyncio.Event()
        fanout = Fanout(
            deliver=lambda _commits: None,
            catch_up=lambda: None,
            due=due.set,
            make_layer=lambda: layer,
        )
        await fanout.start()
        await layer.joined()

        await layer.group_send(GROUP, Hints("aaaa", 1, [], is_due=True).message())

        await asyncio.wait_for(due.wait(), 30)
        await fanout.stop()

    async def test_ignores_what_this_process_said(self, ear: Ear, layer: Layer) -> None:
        await layer.group_send(GROUP, hints(commit(1, origin=changes.ORIGIN)))
        await layer.group_send(GROUP, hints(commit(7)))

        assert await ear.next() == [commit(7)]

    async def test_suspects_nothing_while_no_message_is_missing(
        self, ear: Ear, layer: Layer
    ) -> None:
        before = suspicions()

        for number in (4, 5, 6):  # of a process that was there before
            await layer.group_send(GROUP, hints(commit(number), number=number))
            await layer.group_send(GROUP, hints(commit(1, origin="bbbb"), number=number - 3))
            await ear.next()
            await ear.next()

        assert suspicions() == before

    async def test_catches_up_if_a_message_is_missing(self, ear: Ear, layer: Layer) -> None:
        await layer.group_send(GROUP, hints(commit(1), number=1))
        await ear.next()
        ear.is_asked.clear()

        await layer.group_send(GROUP, hints(commit(3), number=3))

        assert await ear.next() == [commit(3)]
        await ear.asked()

    @pytest.mark.parametrize(
        "body", [b"\xc1", Hints("aaaa", 1, [(1, 1, b"\xc1")]).message()["body"]]
    )
    async def test_catches_up_if_it_does_not_understand(
        self, ear: Ear, layer: Layer, body: bytes
    ) -> None:
        ear.is_asked.clear()

        await layer.group_send(GROUP, {"type": MESSAGE_TYPE, "body": body})

        await ear.asked()
        assert ear.heard.empty()

    async def test_remembers_a_bounded_number_of_processes(
        self, ear: Ear, layer: Layer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(fanout, "REMEMBERED_ORIGINS", 1)
        before = suspicions()

        for origin, number in (("aaaa", 1), ("bbbb", 1), ("aaaa", 9)):
            await layer.group_send(GROUP, hints(commit(1, origin=origin), number=number))
            await ear.next()

        assert suspicions() == before


class TestJoining:
    async def test_catches_up_with_what_was_said_before(self, layer: Layer) -> None:
        before = suspicions()
        ear = Ear(lambda: layer)

        await ear.fanout.start()
        await layer.joined()
        await ear.asked()
        await ear.fanout.stop()

        assert suspicions() - before == 1

    async def test_is_done_anew_if_it_does_not_hear_itself(
        self, layer: Layer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(fanout, "BEAT_SECONDS", 0.001)
        monkeypatch.setattr(fanout, "FIRST_PAUSE_SECONDS", 0.001)
        layer.deaf_joins = 2
        ear = Ear(lambda: layer)

        await ear.fanout.start()
        for _ in range(3):
            await layer.joined()
        await layer.group_send(GROUP, hints(commit(1)))

        assert await ear.next() == [commit(1)]
        await ear.fanout.stop()
        cut_off, back = logged(caplog, "hints")
        assert (cut_off.message, back.message) == ("hints cut off", "hints are back")
        assert cut_off.reason == f"UnheardError: {UnheardError.__doc__}"  # type: ignore[attr-defined]

    async def test_that_fails_is_one_line_in_the_log_until_it_succeeds(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(fanout, "BEAT_SECONDS", 0.001)
        monkeypatch.setattr(fanout, "FIRST_PAUSE_SECONDS", 0.001)
        layer = ClosedLayer()
        ear = Ear(lambda: layer)

        for _ in range(2):
            layer.refusals = 3
            await ear.fanout.start()
            await layer.joined()
            await layer.group_send(GROUP, hints(commit(1)))
            await ear.next()
            await ear.fanout.stop()

        lines = logged(caplog, "hints")
        assert [line.message for line in lines] == 2 * ["hints cut off", "hints are back"]
        assert not any(line.exc_info for line in lines)
        reason = "ConnectionError: Error 111 connecting. Refused."
        assert lines[0].reason == reason  # type: ignore[attr-defined]

    async def test_lasts_through_silence(
        self, layer: Layer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(fanout, "BEAT_SECONDS", 0.001)
        ear = Ear(lambda: layer)
        await ear.fanout.start()
        await layer.joined()

        for _ in range(4 * fanout.UNHEARD_BEATS):
            await asyncio.wait_for(layer.beats.get(), 30)
        await ear.fanout.stop()

        assert layer.joins.empty()

    async def test_is_left_out_where_there_is_nobody_to_hear(self) -> None:
        ear = Ear(lambda: None)

        await ear.fanout.start()
        await ear.asked()
        await ear.fanout.stop()

        assert ear.heard.empty()


class TestWatching:
    async def test_asks_for_a_cycle_when_the_database_was_written_to(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """On SQLite by the file's version; PostgreSQL is asked all the time."""
        monkeypatch.setattr(fanout, "POLL_SECONDS", 0.001)
        ear = Ear(lambda: None)
        await ear.fanout.start()
        await ear.asked()
        ear.is_asked.clear()

        await asyncio.to_thread(write_something)

        await ear.asked()
        await ear.fanout.stop()

    async def test_of_a_file_outlasts_its_absence(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(fanout, "WATCH_SECONDS", 0.001)
        versions: Iterator[int | None] = iter([7, 7, None, 7, 8])
        asked: list[str] = []
        loop, is_over = asyncio.get_running_loop(), asyncio.Event()

        def data_version() -> int:
            version = next(versions, 0)
            if version == 0:
                loop.call_soon_threadsafe(is_over.set)
            if version is None:
                raise OperationalError
            return version or 8

        monkeypatch.setattr(fanout, "_data_version", data_version)
        watcher = Runner(1, name="test-watch")
        watch = Fanout(deliver=print, catch_up=lambda: asked.append("asked"))._watch(watcher)
        watching = asyncio.create_task(watch)
        await asyncio.wait_for(is_over.wait(), 30)
        watching.cancel()
        await asyncio.wait([watching])
        await asyncio.to_thread(watcher.close)

        assert len(asked) == 3  # at first, after the failure, and for the new version
        assert [record.message for record in caplog.records] == ["file not read"]


def write_something() -> None:
    writer = Writer("alice")
    writer.write()
    writer.close()
