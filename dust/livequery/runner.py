"""The one bridge from the event loop to synchronous code that uses the ORM.

Each thread keeps a database connection of its own. A connection that the server has closed while it
lay idle is noticed before the next piece of work, so a database restart costs no request.
"""

import asyncio
import contextvars
import select
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

T = TypeVar("T")

THREADS = 8
"""Threads, and so database connections, that one process uses for requests and functions."""


class Runner:
    """A bounded pool of threads whose database connections outlive single pieces of work."""

    def __init__(self, threads: int, *, name: str) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._wrappers: set[BaseDatabaseWrapper] = set()
        self._lock = threading.Lock()

    async def run(self, work: Callable[[], T]) -> T:
        """Return what ``work`` returns, run in one of the threads with the caller's context."""
        return await asyncio.wrap_future(self.submit(work))

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Have ``work`` run in one of the threads with the caller's context."""
        context = contextvars.copy_context()
        return self._executor.submit(context.run, self._with_connection, work)

    def close(self) -> None:
        """Wait for the work under way, then close the threads and their connections."""
        self._executor.shutdown(wait=True)
        with self._lock:
            wrappers, self._wrappers = self._wrappers, set()
        for wrapper in wrappers:
            wrapper.inc_thread_sharing()
            wrapper.close()

    def _with_connection(self, work: Callable[[], T]) -> T:
        discard_dead_connections()
        try:
            return work()
        finally:
            wrappers = connections.all(initialized_only=True)
            if not self._wrappers.issuperset(wrappers):
                with self._lock:
                    self._wrappers.update(wrappers)


def discard_dead_connections() -> None:
    """Close this thread's idle connections that failed before or that their server hung up on."""
    for wrapper in connections.all(initialized_only=True):
        if wrapper.in_atomic_block:
            continue
        if wrapper.errors_occurred or _was_hung_up(wrapper):
            wrapper.close_if_unusable_or_obsolete() if wrapper.errors_occurred else wrapper.close()


def _was_hung_up(wrapper: BaseDatabaseWrapper) -> bool:
    """Return whether an idle PostgreSQL connection has something to read: only its end can come."""
    if wrapper.vendor != "postgresql" or wrapper.connection is None:
        return False
    poller = select.poll()
    poller.register(wrapper.connection.fileno(), select.POLLIN)
    return bool(poller.poll(0))


_runner: Runner | None = None
_runner_lock = threading.Lock()


def default_runner() -> Runner:
    """Return this process's runner, made when first asked for."""
    global _runner  # noqa: PLW0603 - the one owner of the process-wide pool
    with _runner_lock:
        if _runner is None:
            _runner = Runner(THREADS, name="dust-worker")
        return _runner


async def run(work: Callable[[], T]) -> T:
    """Run ``work`` in this process's pool."""
    return await default_runner().run(work)


def run_blocking(work: Callable[[], T]) -> T:
    """Run ``work`` in this process's pool from a thread outside it, which waits."""
    return default_runner().submit(work).result()


def close() -> None:
    """Close this process's pool; the next piece of work opens another."""
    global _runner
    with _runner_lock:
        runner, _runner = _runner, None
    if runner is not None:
        runner.close()
