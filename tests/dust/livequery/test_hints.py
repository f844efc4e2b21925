import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from channels.layers import BaseChannelLayer
from prometheus_client import REGISTRY
from typing_extensions import override

from dust.livequery import changes, hints
from dust.livequery.changes import Commit
from dust.livequery.hints import GROUP, MOST_BYTES, MOST_IN_ONE_MESSAGE, Announcer, Hints
from dust.livequery.readset import TableWrite


class RecordingLayer(BaseChannelLayer):
    """Keeps what is sent; can make the sender wait, and refuse one message."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Hints] = []
        self.refused = 0
        self.is_open = threading.Event()
        self.is_busy = threading.Event()
        self.is_open.set()

    @override
    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        self.is_busy.set()
        assert self.is_open.wait(30)
        hints = Hints.parse(message)
        if hints.number == self.refused:
            raise ConnectionError("no route")
        assert group == GROUP
        self.sent.append(hints)


def commit(seq: int, *, table: str = "entry") -> Commit:
    return Commit("aaaa", seq, 1_000 + seq, (TableWrite(table, {"board": frozenset({"solo:3"})}),))


def dropped() -> float:
    return REGISTRY.get_sample_value("dust_livequery_dropped_hints_total") or 0.0


def close_for_a_while(layer: RecordingLayer, announcer: Announcer) -> None:
    """Have the announcer wait for its layer while it sends a first hint."""
    layer.is_open.clear()
    layer.is_busy.clear()
    announcer.announce(commit(1))
    assert layer.is_busy.wait(30)


@pytest.fixture
def layer() -> RecordingLayer:
    return RecordingLayer()


@pytest.fixture
def announcer(layer: RecordingLayer) -> Iterator[Announcer]:
    announcer = Announcer(make_layer=lambda: layer)
    yield announcer
    layer.is_open.set()
    announcer.close()


class TestAnnouncer:
    def test_says_what_was_committed(self, announcer: Announcer, layer: RecordingLayer) -> None:
        announcer.announce(commit(1))
        announcer.announce(commit(2))
        announcer.close()

        said = [each for message in layer.sent for each in message.unpack()]
        assert said == [commit(1), commit(2)]

    def test_says_that_a_job_is_due(self, announcer: Announcer, layer: RecordingLayer) -> None:
        announcer.announce_due()
        announcer.close()

        [message] = layer.sent
        assert (message.origin, message.number, message.commits) == (changes.ORIGIN, 1, [])
        assert message.is_due

    def test_says_so_once_beside_what_came_meanwhile(
        self, announcer: Announcer, layer: RecordingLayer
    ) -> None:
        close_for_a_while(layer, announcer)
        announcer.announce_due()
        announcer.announce(commit(2))
        announcer.announce_due()
        layer.is_open.set()
        announcer.close()

        first, second = layer.sent
        assert (first.is_due, first.unpack()) == (False, [commit(1)])
        assert (second.is_due, second.unpack()) == (True, [commit(2)])

    def test_sends_in_one_message_what_came_while_it_was_busy(
        self, announcer: Announcer, layer: RecordingLayer
    ) -> None:
        close_for_a_while(layer, announcer)

        for seq in range(2, MOST_IN_ONE_MESSAGE + 3):
            announcer.announce(commit(seq))
        layer.is_open.set()
        announcer.close()

        assert [len(message.commits) for message in layer.sent] == [1, MOST_IN_ONE_MESSAGE, 1]
        assert [message.number for message in layer.sent] == [1, 2, 3]

    def test_drops_what_exceeds_the_backlog_and_leaves_a_hole(
        self, announcer: Announcer, layer: RecordingLayer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hints, "BACKLOG", 2)
        before = dropped()
        close_for_a_while(layer, announcer)

        for seq in (2, 3, 4):
            announcer.announce(commit(seq))
        layer.is_open.set()
        announcer.close()

        assert [each.seq for message in layer.sent for each in message.unpack()] == [1, 2, 3]
        assert [message.number for message in layer.sent] == [1, 3]
        assert dropped() - before == 1

    def test_leaves_a_hole_for_a_commit_too_long_to_describe(
        self, announcer: Announcer, layer: RecordingLayer
    ) -> None:
        close_for_a_while(layer, announcer)

        announcer.announce(commit(2, table="x" * MOST_BYTES))
        announcer.announce(commit(3))
        layer.is_open.set()
        announcer.close()

        assert [each.seq for message in layer.sent for each in message.unpack()] == [1, 3]
        assert [message.number for message in layer.sent] == [1, 3]

    def test_goes_on_after_the_layer_has_failed_and_leaves_a_hole(
        self, announcer: Announcer, layer: RecordingLayer, caplog: pytest.LogCaptureFixture
    ) -> None:
        before = dropped()
        layer.refused = 1
        close_for_a_while(layer, announcer)

        announcer.announce(commit(2))
        layer.is_open.set()
        announcer.close()

        assert [each for message in layer.sent for each in message.unpack()] == [commit(2)]
        assert [message.number for message in layer.sent] == [2]
        assert dropped() - before == 1
        refused, sent_again = caplog.records
        assert (refused.message, sent_again.message) == ("hints not sent", "hints are sent again")
        assert refused.reason == "ConnectionError: no route"  # type: ignore[attr-defined]
        assert refused.exc_info is None

    def test_ends_in_time_though_the_layer_hangs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(hints, "FLUSH_SECONDS", 0.01)
        is_busy, may_end = threading.Event(), threading.Event()

        class HangingLayer(RecordingLayer):
            @override
            async def group_send(self, group: str, message: dict[str, Any]) -> None:
                is_busy.set()
                await asyncio.to_thread(may_end.wait)

        announcer = Announcer(make_layer=HangingLayer)
        announcer.announce(commit(1))
        assert is_busy.wait(30)

        announcer.close()

        assert not may_end.is_set()
        may_end.set()

    def test_gives_up_a_message_that_takes_too_long(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(hints, "SEND_SECONDS", 0.01)
        before = dropped()

        class SilentLayer(RecordingLayer):
            @override
            async def group_send(self, group: str, message: dict[str, Any]) -> None:
                await asyncio.Event().wait()

        announcer = Announcer(make_layer=SilentLayer)
        announcer.announce(commit(1))
        announcer.close()

        assert dropped() - before == 1

    def test_says_nothing_where_nobody_could_hear(self) -> None:
        announcer = Announcer(make_layer=lambda: None)
        before = dropped()

        announcer.announce(commit(1))
        announcer.close()

        assert dropped() == before

    def test_speaks_again_after_a_fork(self, announcer: Announcer, layer: RecordingLayer) -> None:
        announcer.announce(commit(1))
        announcer.close()

        announcer.reset()
        announcer.announce(commit(2))
        announcer.close()

        assert [message.number for message in layer.sent] == [1, 1]


class TestSharedLayer:
    @pytest.mark.parametrize(
        ("backend", "is_shared"),
        [
            ("channels.layers.InMemoryChannelLayer", False),
            ("channels_redis.pubsub.RedisPubSubChannelLayer", True),
        ],
    )
    def test_is_one_that_other_processes_have_too(
        self, settings: Any, backend: str, *, is_shared: bool
    ) -> None:
        settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend}}

        layer = hints.make_shared_layer()

        assert (layer is not None) is is_shared
