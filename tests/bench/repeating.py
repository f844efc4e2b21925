"""Threads that each do one thing again and again, for the limits that servers are compared with."""

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor


class Repeater(ABC):
    """What one thread does; ``done`` counts how often it has."""

    def __init__(self) -> None:
        self.done = 0

    @abstractmethod
    def once(self) -> None:
        """Do it."""

    def repeat(self, deadline: float) -> None:
        """Do it until then."""
        while time.perf_counter() < deadline:
            self.once()
            self.done += 1


def times_a_second(repeaters: Sequence[Repeater], seconds: float) -> float:
    """Let them repeat for so long; return how often a second all of them together did it."""
    start = time.perf_counter()
    with ThreadPoolExecutor(len(repeaters)) as pool:
        running = [pool.submit(repeater.repeat, start + seconds) for repeater in repeaters]
        for each in running:
            each.result()
    return sum(repeater.done for repeater in repeaters) / (time.perf_counter() - start)
