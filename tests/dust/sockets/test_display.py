"""What sockets share of one transition, and what each of them is sent instead."""

from typing import Any

import pytest

from dust.livequery.execution import Result
from dust.livequery.live import Transition
from dust.server import text_frame
from dust.sockets.display import Display
from dust.sockets.messages import Closing
from dust.sockets.outbox import FrameOutbox, PlainOutbox
from tests.dust.sockets.toy import MakeBelieveEngine

ONE = Result.of({"size": 1})
TWO = Result.of({"size": 2})


class Frames:
    """Takes frames."""

    is_full = False

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, frame: bytes) -> None:
        self.written.append(frame)

    def on_drain(self, callback: Any) -> None:
        pass


@pytest.fixture(autouse=True)
def _engine(engine: MakeBelieveEngine) -> None:
    """The displays' own."""


def nothing(*_args: object) -> None:
    pass


async def nobody(_event: object) -> None:
    pass


def display(*watched: str, version: str | None = None) -> tuple[Display, list[bytes]]:
    """Return a display on our server, and what it writes."""
    frames: Any = Frames()
    made = Display(FrameOutbox(frames, nothing), failed=nothing)
    for what in watched:
        made.watch(what, what, {}, version=version)
    return made, frames.written


def message(what: str, result: Result) -> bytes:
    return text_frame(
        b'{"type":"%b","version":"%b",%b'
        % (what.encode(), result.version.encode(), result.body[1:])
    )


class TestDeliver:
    async def test_sends_all_that_show_the_same_the_same_bytes(self) -> None:
        shown = [display("thing") for _ in range(3)]
        news = Transition(0, [(0, ONE)])

        for each, _ in shown:
            each.deliver(news)

        first, *others = [written for _, written in shown]
        assert first == [message("thing", ONE)]
        assert all(written[0] is first[0] for written in others)

    async def test_sends_the_same_result_under_another_name(self) -> None:
        (one, written), (other, written_to_other) = display("thing"), display("item")
        news = Transition(0, [(0, ONE)])

        one.deliver(news)
        other.deliver(news)

        assert written == [message("thing", ONE)]
        assert written_to_other == [message("item", ONE)]

    async def test_sends_all_of_several_results(self) -> None:
        (one, written), (other, written_to_other) = display("a", "b"), display("a", "b")
        news = Transition(0, [(0, ONE), (1, TWO)])

        one.deliver(news)
        other.deliver(news)

        assert written == written_to_other == [message("a", ONE), message("b", TWO)]

    async def test_sends_no_result_to_whom_has_it(self) -> None:
        (one, _), (other, written) = display("thing"), display("thing", version=ONE.version)
        news = Transition(0, [(0, ONE)])

        one.deliver(news)
        other.deliver(news)

        [unchanged] = written
        assert b'"type":"unchanged","what":"thing"' in unchanged

    async def test_sends_text_on_other_servers_where_ours_takes_frames(self) -> None:
        (ours, written), news = display("thing"), Transition(0, [(0, ONE)])
        outbox = PlainOutbox(nobody, nothing)
        other = Display(outbox, failed=nothing)
        other.watch("thing", "thing", {})

        ours.deliver(news)
        other.deliver(news)

        outbox.stop()
        text = outbox._waiting.get_nowait()["text"]
        assert written == [text_frame(text.encode())]


class TestPlainOutbox:
    async def test_sends_nothing_behind_a_close(self) -> None:
        outbox = PlainOutbox(nobody, nothing)

        outbox.send(b"first")
        outbox.close(Closing(4000, "done"))
        outbox.send(b"too late")

        outbox.stop()
        waiting = [outbox._waiting.get_nowait()["type"] for _ in range(outbox._waiting.qsize())]
        assert waiting == ["websocket.send", "websocket.close"]


class TestUnwatch:
    async def test_forgets_the_version_too(self) -> None:
        shown, written = display("thing", version=ONE.version)

        shown.unwatch("thing")
        shown.watch("thing", "thing", {})
        shown.deliver(Transition(0, [(1, ONE)]))

        assert written == [message("thing", ONE)]
