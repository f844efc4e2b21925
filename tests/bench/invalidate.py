"""What it costs to find the one live query that a write concerns, among 10 to 100,000.

First the index alone, then the whole way from a commit to the new result. A look-up takes the same
steps however many queries there are; what it still costs more is their memory, which no longer
fits into the processor's caches once each write concerns another of very many.
"""

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from dust.livequery.readset import Pins, TableRead, TableWrite
from dust.livequery.subscriptions import SubscriptionIndex
from tests.bench.report import Report, Row
from tests.bench.servers import dust_environment

COUNTS = (10, 100, 1_000, 10_000, 100_000)
_BATCH = 500

Reads = Callable[[int], Iterable[TableRead]]
Write = Callable[[int], TableWrite]


def room_reads(number: int) -> list[TableRead]:
    """Someone who watches one room: one row, found by its id."""
    return [TableRead("room", {"id": frozenset({number})}, frozenset({"id", "status", "round"}))]


def room_write(number: int) -> TableWrite:
    """A change of that room."""
    return TableWrite("room", {"id": frozenset({number})}, frozenset({"status"}))


def entry_reads(number: int) -> list[TableRead]:
    """Someone who watches the own entry on a busy board, and the name shown beside it.

    The board, pinned by all of them, does not tell them apart; the player does.
    """
    columns = frozenset({"board_id", "user_id", "score", "hidden"})
    return [
        TableRead("entry", entry_write(number).pins, columns),
        TableRead("user", {"id": frozenset({number})}, frozenset({"id", "username"})),
    ]


def entry_write(number: int) -> TableWrite:
    """A better score of theirs."""
    pins: Pins = {"board_id": frozenset({"solo:1"}), "user_id": frozenset({number})}
    return TableWrite("entry", pins, frozenset({"score"}))


SHAPES: dict[str, tuple[Reads, Write]] = {
    "one row by its id": (room_reads, room_write),
    "one's own entry on a board": (entry_reads, entry_write),
}


def main(argv: Sequence[str]) -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="tests.bench invalidate", description=__doc__)
    parser.add_argument("--passes", type=int, default=9)
    parser.add_argument("--writes", type=int, default=200, help="for the whole way, at each size")
    options = parser.parse_args(argv)
    now = datetime.now(UTC)
    report = Report("invalidate", now=now, database_url=os.environ.get("DATABASE_URL"))
    for title, (reads, write) in SHAPES.items():
        rows = index_rows(reads, write, passes=options.passes)
        report.table(f"the index alone, watching {title}, medians", rows)
    with dust_environment():
        from tests.bench.livepath import measure  # noqa: PLC0415 - reads the settings

        rows = asyncio.run(measure(COUNTS, writes=options.writes))
    report.table("the whole way, medians", rows)
    report.write()


def index_rows(reads: Reads, write: Write, *, passes: int) -> list[Row]:
    """Return what finding one key costs in an index of each size."""
    filed = {count: _filled(reads, count) for count in COUNTS}
    same: dict[int, list[float]] = {count: [] for count in COUNTS}
    other: dict[int, list[float]] = {count: [] for count in COUNTS}
    for turn in range(passes):  # the sizes take turns, so that a slow spell hits them all
        for count, (index, _) in filed.items():
            same[count].append(_find(index, [write(turn % count)] * _BATCH))
            numbers = [(turn * 7919 + step * 104729) % count for step in range(_BATCH)]
            other[count].append(_find(index, [write(number) for number in numbers]))
    return [
        {
            "live queries": count,
            "us, the same one each time": statistics.median(same[count]),
            "us, another one each time": statistics.median(other[count]),
            "us to file one": filed[count][1],
        }
        for count in COUNTS
    ]


def _filled(reads: Reads, count: int) -> tuple[SubscriptionIndex[int], float]:
    index: SubscriptionIndex[int] = SubscriptionIndex()
    start = time.perf_counter_ns()
    for number in range(count):
        index.add(number, reads(number))
    return index, (time.perf_counter_ns() - start) / count / 1e3


def _find(index: SubscriptionIndex[int], writes: Sequence[TableWrite]) -> float:
    """Return the microseconds that it takes to find the one key that a write concerns."""
    start = time.perf_counter_ns()
    found: list[set[Any]] = [index.touched(write) for write in writes]
    took = time.perf_counter_ns() - start
    if any(len(keys) != 1 for keys in found):
        raise RuntimeError("A write did not find exactly the one query that it concerns.")
    return took / len(writes) / 1e3
