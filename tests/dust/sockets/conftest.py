"""Sockets on a make-believe engine, and tokens whose verification the test decides."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from dust.identity import Identity
from dust.livequery import runner
from dust.sockets import consumer, display
from tests.dust.sockets.toy import MakeBelieveEngine, ToyConsumer
from tests.sockets import Peer

Connect = Callable[..., Peer]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> MakeBelieveEngine:
    engine = MakeBelieveEngine()
    monkeypatch.setattr(display, "get_engine", lambda: engine)
    return engine


@pytest.fixture(params=["our server", "another server"])
def connect(engine: MakeBelieveEngine, request: pytest.FixtureRequest) -> Connect:
    """Connects to the toy on a server of either kind."""
    has_frames = request.param == "our server"
    return partial(Peer, ToyConsumer.as_asgi(), has_frames=has_frames)


class Verification:
    """Tokens in doubt: each waits until the test has decided whose it is."""

    def __init__(self) -> None:
        self._asked: asyncio.Queue[str] = asyncio.Queue()
        self._answers: asyncio.Queue[Identity | Exception] = asyncio.Queue()

    async def begun(self) -> str:
        """Wait for a token that is to be verified; return it."""
        return await self._asked.get()

    @property
    def is_idle(self) -> bool:
        return self._asked.empty()

    def decide(self, answer: Identity | Exception) -> None:
        self._answers.put_nowait(answer)

    async def run(self, work: Any) -> Identity:
        """Stand in for the worker threads."""
        self._asked.put_nowait(work.args[0])
        answer = await self._answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def verification(monkeypatch: pytest.MonkeyPatch) -> Verification:
    verification = Verification()
    monkeypatch.setattr(consumer, "find_verified", lambda *_, **__: None)
    monkeypatch.setattr(runner, "run", verification.run)
    return verification
