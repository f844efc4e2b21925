"""What a process hears of the commits of others, for tests to look at."""

import asyncio
import logging
from collections.abc import Callable

import pytest
from channels.layers import BaseChannelLayer

from dust.livequery.changes import Commit
from dust.livequery.fanout import Fanout
from dust.livequery.readset import TableWrite

WRITES = (TableWrite("entry", {"board": frozenset({"solo:3"})}),)


def commit(seq: int, *, origin: str = "aaaa") -> Commit:
    return Commit(origin, seq, 1_000 + seq, WRITES)


class Ear:
    """A fanout and what comes out of it."""

    def __init__(self, make_layer: Callable[[], BaseChannelLayer | None]) -> None:
        self.heard: asyncio.Queue[list[Commit]] = asyncio.Queue()
        self.is_asked = asyncio.Event()
        self.fanout = Fanout(
            deliver=self.heard.put_nowait, catch_up=self.is_asked.set, make_layer=make_layer
        )

    async def next(self) -> list[Commit]:
        return await asyncio.wait_for(self.heard.get(), 30)

    async def asked(self) -> None:
        """Wait until a cycle is asked for."""
        await asyncio.wait_for(self.is_asked.wait(), 30)
        self.is_asked.clear()


def logged(caplog: pytest.LogCaptureFixture, start: str) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.message.startswith(start)]
