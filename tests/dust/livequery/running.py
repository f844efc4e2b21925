"""A running engine in a test: sockets that can be awaited, and the database from the event loop."""

import asyncio
from collections.abc import Callable
from typing import Any

from typing_extensions import override

from dust.livequery.live import Transition
from dust.livequery.testing import RecordingDoor

PATIENCE_SECONDS = 20
"""When a test gives up waiting for what it knows must come."""


CROWD_PATIENCE_SECONDS = 600
"""The same for a member of a crowd, whose turn comes after that of ten thousand others."""


class AwaitedDoor(RecordingDoor):
    """A socket whose news can be waited for."""

    def __init__(self, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        super().__init__()
        self._patience_seconds = patience_seconds
        self._news = asyncio.Event()

    @override
    def deliver(self, transition: Transition) -> None:
        super().deliver(transition)
        self._news.set()

    def value(self, subscription: int) -> Any:
        return self.latest(subscription).value

    def values(self, subscription: int) -> list[Any]:
        """Return everything that was told of a subscription, in order."""
        return [
            result.value
            for transition in self.transitions
            for key, result in transition.changes
            if key == subscription
        ]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until news has made the condition true."""
        async with asyncio.timeout(self._patience_seconds):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def until_told(self, subscription: int, value: Any) -> None:
        """Wait until the newest result of the subscription is this value."""
        await self.until(
            lambda: bool(self.values(subscription)) and self.value(subscription) == value
        )
