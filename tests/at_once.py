"""Writes at the same moment, each in a thread and on a connection of its own."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connection

from dust.errors import DustError
from dust.livequery.transactions import Isolation
from dust.livequery.writing import run_write

T = TypeVar("T")


def write(work: Callable[[], T]) -> T:
    return run_write(work, name="tests.at_once", isolation=Isolation.READ_COMMITTED).value


def all_at_once(works: Iterable[Callable[[], T]]) -> list[T | DustError]:
    """Return what each came to, begun together."""
    waiting = list(works)
    start = threading.Barrier(len(waiting))

    def run(work: Callable[[], T]) -> T | DustError:
        try:
            start.wait(timeout=30)
            return write(work)
        except DustError as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(waiting)) as pool:
        return list(pool.map(run, waiting))
