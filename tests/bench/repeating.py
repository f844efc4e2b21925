"""Threads that each do one thing again and again, for the limits that servers are compared with."""

import threading
import time
from abc import abstractmethod
from collections.abc import Sequence

from typing_extensions import override


class Repeater(threading.Thread):
    """A thread that counts in ``done`` how often it has done its thing."""

    def __init__(self) -> None:
        super().__init__()
        self.done = 0
        self.deadline = 0.0

    @abstractmethod
    def once(self) -> None:
        """Do it."""

    @override
    def run(self) -> None:
        while time.perf_counter() < self.deadline:
            self.once()
            self.done += 1


def times_a_second(repeaters: Sequence[Repeater], seconds: float) -> float:
    """Let them repeat for so long; return how often a second all of them together did it."""
    start = time.perf_counter()
    for repeater in repeaters:
        repeater.deadline = start + seconds
        repeater.start()
    for repeater in repeaters:
        repeater.join()
    return sum(repeater.done for repeater in repeaters) / (time.perf_counter() - start)
