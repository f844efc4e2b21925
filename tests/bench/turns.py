"""Contenders that take turns, so that a slow spell of the machine hits them all."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.bench.load import Load
from tests.bench.servers import Server


@dataclass
class Contender:
    """One of those that take turns, and what its turns told."""

    name: str
    rates: list[float] = field(default_factory=list)
    loads: list[Load] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    cores: list[float] = field(default_factory=list)

    def take(self, load: Load, *, cpu_ns: int) -> None:
        """Add a turn in which the server used so much CPU time."""
        if any(not status.startswith("2") for status in load.statuses):
            raise RuntimeError(f"{self.name}: {load.statuses}")
        self.rates.append(load.per_second)
        self.loads.append(load)
        self.cpu_us.append(cpu_ns / load.done / 1e3)
        self.cores.append(cpu_ns / load.took_ns)

    @property
    def per_second(self) -> float:
        return statistics.median(self.rates)

    def row(self, limit: "Contender", what: str, *, threads: int | None) -> dict[str, Any]:
        """Return the medians of all turns; ``what`` was done in them, in the plural."""
        ratios = [ours / its for ours, its in zip(self.rates, limit.rates, strict=True)]
        return {
            "contender": self.name,
            f"{what}/s": self.per_second,
            "of raw": statistics.median(ratios),
            "p50 ms": _median([load.p50_ns / 1e6 for load in self.loads]),
            "p99 ms": _median([load.p99_ns / 1e6 for load in self.loads]),
            "server CPU us each": _median(self.cpu_us),
            "server cores": _median(self.cores),
            "client cores": _median([load.cpu_ns / load.took_ns for load in self.loads]),
            "threads": threads,
        }


def take_turn(contender: Contender, server: Server, play: Callable[[], Load]) -> Load:
    """Let the contender's server take its turn and return what became of the load."""
    cpu_before = server.cpu_ns()
    load = play()
    contender.take(load, cpu_ns=server.cpu_ns() - cpu_before)
    return load


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None
