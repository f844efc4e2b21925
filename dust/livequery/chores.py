"""Small work that a process does for itself every so often, beside its requests.

Every process does it, so a chore must not mind others doing the same at the same time. What is to
be done once for all of them is a cron's job (see ``scheduler``).
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from dust.livequery.runner import Runner

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Chore:
    """``work`` is given the time and runs in a thread that may use the database."""

    name: str
    seconds: float
    work: Callable[[datetime], object]


_chores: list[Chore] = []


def every(seconds: float, work: Callable[[datetime], object], *, name: str) -> None:
    """Have serving processes do the work, first after that many seconds."""
    _chores.append(Chore(name, seconds, work))


class ChoreKeeper:
    """Does one process's chores, all on one thread and connection, one after the other."""

    def __init__(self) -> None:
        self._runner: Runner | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin."""
        runner = self._runner = Runner(1, name="dust-chores")
        self._tasks = [
            asyncio.create_task(self._repeat(chore, runner), name=f"dust-chore-{chore.name}")
            for chore in _chores
        ]

    async def stop(self) -> None:
        """End, after the chore under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._runner is not None:
            await asyncio.to_thread(self._runner.close)

    @staticmethod
    async def _repeat(chore: Chore, runner: Runner) -> None:
        while True:
            await asyncio.sleep(chore.seconds)
            try:
                await runner.run(partial(chore.work, datetime.now(UTC)))
            except Exception:
                # The border: the next time may go better, and no chore is worth a process.
                logger.exception(
                    "chore failed", extra={"action": "chore.fail", "chore": chore.name}
                )
