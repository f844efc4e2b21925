"""The timestamps of commits and results: a clock that never goes back, not even over a restart.

A timestamp is the wall clock in nanoseconds, or one more than the last if the wall clock is not
ahead of that. Two rules make it last:

- *Reserve before issuing.* A process never issues a timestamp above its *ceiling*, and a ceiling is
  first written to the database as the high-water mark. A process that starts goes on above the mark
  it finds there, whatever its wall clock says. Ceilings are shared, not divided: processes that run
  beside each other may hold the same one, since only what they exchange has an order.
- *Never wait for the database to issue.* ``issue`` is called inside open transactions; another
  connection that wrote the mark meanwhile would wait for the caller's own lock on SQLite. So the
  reserve is topped up ahead of need by whoever runs the process. If that is late, the clock falls
  behind the wall and counts on in the last part of its reserve, which is kept for this.

A process that never tops up (a command) issues without a reserve. Nobody but the change rows of its
commits ever learns of those timestamps, and a starting clock begins above the change rows too.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

_SECOND = 1_000_000_000

BLOCK = 10 * _SECOND
"""How far ahead of the wall clock a process reserves."""

MARGIN = _SECOND // 10
"""The end of every reserve, spent one by one when the wall clock has passed the rest: a hundred
million timestamps."""

MOST_AHEAD = 300 * _SECOND
"""How far ahead of the wall clock an observed timestamp is believed. What clients say is observed
too, and each step forward is for good: without a limit one liar could use up the clock."""


class ClockExhaustedError(Exception):
    """The reserve of timestamps is used up, and no top-up has succeeded for a hundred million."""


class Clock:
    """Issues timestamps above all that it has issued or observed. Safe to use from any thread."""

    def __init__(self, *, wall: Callable[[], int] = time.time_ns) -> None:
        self._wall = wall
        self._last = 0
        self._awaiting_reserve = 0
        self._ceiling: int | None = None
        self._lock = threading.Lock()
        self._top_up_lock = threading.Lock()

    def issue(self) -> int:
        """Return a timestamp above all before.

        :raises ClockExhaustedError: if ``top_up`` has not run for very long.
        """
        with self._lock:
            wall = self._wall()
            if self._ceiling is not None:
                if self._last >= self._ceiling:
                    raise ClockExhaustedError
                wall = min(wall, self._ceiling - MARGIN)
            self._last = max(self._last + 1, wall)
            return self._last

    def observe(self, ts: int) -> bool:
        """Have ``issue`` stay above a timestamp from elsewhere, unless it is absurdly far ahead.

        Returns whether that holds only after the next ``top_up``, because the timestamp is beyond
        the reserve; a caller who must rely on it at once runs one.
        """
        with self._lock:
            reserved = None if self._ceiling is None else self._ceiling - MARGIN
            if ts > max(self._wall() + MOST_AHEAD, reserved or 0):
                return False
            if reserved is not None and ts > reserved:
                self._awaiting_reserve = max(self._awaiting_reserve, ts)
                return True
            self._last = max(self._last, ts)
            return False

    def top_up(self) -> None:
        """Reserve ahead, if less than half a block is left or an observed timestamp asks for it.

        Call it when the process starts and then every second or so, in a thread that may use the
        database and has no transaction open.
        """
        with self._top_up_lock:
            with self._lock:
                ceiling, awaiting = self._ceiling, self._awaiting_reserve
                wanted = max(self._wall() + BLOCK, self._last + MARGIN, awaiting + MARGIN)
            if ceiling is not None and not awaiting and wanted - ceiling < BLOCK // 2:
                return
            floor, reserved = _reserve(wanted, is_first=ceiling is None)
            with self._lock:
                if self._last < reserved:  # else it ran on without a reserve for too long
                    self._ceiling = reserved
                self._last = max(self._last, floor, awaiting)
                if self._awaiting_reserve == awaiting:
                    self._awaiting_reserve = 0


def _reserve(wanted: int, *, is_first: bool) -> tuple[int, int]:
    """Raise the high-water mark to what is wanted, at least; return a floor and the mark.

    All timestamps that an earlier process may have issued are at or below the floor, which only a
    first reserve looks for: later, the mark is mostly what other processes hold themselves.
    """
    with _own_connection() as connection, connection.cursor() as cursor:
        floor = 0
        if is_first:
            cursor.execute(_FLOOR)
            floor = max(*cursor.fetchone())
        cursor.execute(_RESERVE[connection.vendor], [max(wanted, floor + MARGIN)])
        (reserved,) = cursor.fetchone()
        return floor, reserved


@contextmanager
def _own_connection() -> Iterator[BaseDatabaseWrapper]:
    """Open a connection for this one purpose, outside of any transaction and any pool."""
    connection = connections["default"].copy()
    connection.settings_dict["OPTIONS"].pop("pool", None)
    try:
        yield connection
    finally:
        connection.close()


_FLOOR = """
    SELECT coalesce((SELECT max(high_water) FROM livequery_clock), 0),
           coalesce((SELECT max(ts) FROM livequery_change), 0)
"""
_RESERVE = {
    vendor: f"""
        INSERT INTO livequery_clock (id, high_water) VALUES (1, %s)
        ON CONFLICT (id) DO UPDATE
        SET high_water = {greatest}(livequery_clock.high_water, excluded.high_water)
        RETURNING high_water
    """  # noqa: S608 - nothing but the function's name is put in
    for vendor, greatest in (("postgresql", "greatest"), ("sqlite", "max"))
}

_clock = Clock()


def process_clock() -> Clock:
    """Return this process's clock."""
    return _clock
