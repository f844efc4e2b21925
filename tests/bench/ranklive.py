"""A thousand players who watch their own rank while others overtake them all.

The engine runs in this process; sockets are ``Watcher``.
"""

import asyncio
import bisect
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from dust.livequery import metrics, runner
from dust.livequery.engine import Engine
from dust.livequery.live import Transition
from leaderboard.rules import MAX_SCORE
from tests.bench.ranking import submit
from tests.bench.ranktables import BOARD, Player, Table, as_default, pick, using
from tests.bench.report import Row, percentile

ROUNDS = 20
STREAMED = 500
STREAMED_PER_SECOND = 50


class Watcher:
    """A socket that keeps when it got something."""

    writable = True

    def __init__(self) -> None:
        self.at_ns: list[int] = []
        self.arrived = asyncio.Event()

    def deliver(self, _transition: Transition) -> None:
        self.at_ns.append(time.perf_counter_ns())
        self.arrived.set()

    async def told_after(self, moment_ns: int) -> int:
        """Wait for news later than the moment, and return when it came."""
        while not self.at_ns or self.at_ns[-1] < moment_ns:
            self.arrived.clear()
            await self.arrived.wait()
        return self.first_after(moment_ns)

    def first_after(self, moment_ns: int) -> int:
        """Return when the first news later than the moment came."""
        return self.at_ns[bisect.bisect_left(self.at_ns, moment_ns)]


def measure(table: Table, *, players: int) -> list[Row]:
    """Return how soon all know their new rank: after single submits, and in a stream of them."""
    with using(table):
        found = pick(table, players + ROUNDS + STREAMED)
    found.sort(key=lambda player: player.score)
    with as_default(table):
        return asyncio.run(_watch(found[-players:], _overtaking(found)))


async def _watch(players: Sequence[Player], overtaking: Iterator[Player]) -> list[Row]:
    engine = Engine()
    await engine.start()
    watchers = []
    for player in players:
        watchers.append(Watcher())
        client = engine.connect(watchers[-1], player.identity)
        client.subscribe("leaderboard:me", {"board": BOARD}, internal=True)
    await _all_told(watchers, after_ns=0)
    rows = [await _singly(watchers, overtaking), await _streamed(watchers, overtaking)]
    await engine.stop()
    await asyncio.to_thread(runner.close)
    return rows


def _overtaking(found: Sequence[Player]) -> Iterator[Player]:
    """Yield the worst of the players, each with a score that is about to beat all others."""
    for number, player in enumerate(found[: ROUNDS + STREAMED]):
        yield replace(player, score=MAX_SCORE - 20 * (len(found) - number))


def _submit(player: Player) -> int:
    submit(player)
    return time.perf_counter_ns()


async def _all_told(watchers: Sequence[Watcher], *, after_ns: int) -> int:
    """Wait until everybody has had news since the moment; return when the last one had."""
    return max([await watcher.told_after(after_ns) for watcher in watchers])


async def _singly(watchers: Sequence[Watcher], overtaking: Iterator[Player]) -> Row:
    reruns = metrics.reruns._value.get()
    ms = []
    for _ in range(ROUNDS):
        committed = await runner.run(partial(_submit, next(overtaking)))
        ms.append((await _all_told(watchers, after_ns=committed) - committed) / 1e6)
    return {
        "submits": "one, then all wait",
        "ms until all know p50": statistics.median(ms),
        "p99": percentile(ms, 99),
        "re-runs a submit": (metrics.reruns._value.get() - reruns) / ROUNDS,
        "submit ms p50": None,
    }


async def _streamed(watchers: Sequence[Watcher], overtaking: Iterator[Player]) -> Row:
    reruns = metrics.reruns._value.get()
    committed, took = [], []
    begun = time.perf_counter()
    for number in range(STREAMED):
        await asyncio.sleep(begun + number / STREAMED_PER_SECOND - time.perf_counter())
        started = time.perf_counter_ns()
        committed.append(await runner.run(partial(_submit, next(overtaking))))
        took.append((committed[-1] - started) / 1e6)
    await _all_told(watchers, after_ns=committed[-1])
    ms = [
        (max(watcher.first_after(moment) for watcher in watchers) - moment) / 1e6
        for moment in committed
    ]
    return {
        "submits": f"{STREAMED_PER_SECOND} a second",
        "ms until all know p50": statistics.median(ms),
        "p99": percentile(ms, 99),
        "re-runs a submit": (metrics.reruns._value.get() - reruns) / STREAMED,
        "submit ms p50": statistics.median(took),
    }
