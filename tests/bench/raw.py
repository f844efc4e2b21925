"""The limit of the submit benchmark: its statements, from threads that do nothing else.

Run by ``-m tests.bench.raw URL BOARD SECONDS THREADS`` on a database that DUST has taken submits
into: players, a response and a change row are found there. Prints transactions a second.
"""

import os
import secrets
import sys
import time
from datetime import UTC, datetime
from typing import Any

import django
import psycopg
from typing_extensions import override
from uuid_utils.compat import uuid7

os.environ["DJANGO_SETTINGS_MODULE"] = "dust.settings"
django.setup()

# What follows needs the settings; nothing of Django runs while it is measured.
from dust.livequery.backends.connection import _INSERT_CHANGE  # noqa: E402
from dust.livequery.writing import _CLAIM_POSTGRESQL, _STORE  # noqa: E402
from leaderboard.services.scores import _SUBMIT  # noqa: E402
from tests.bench.repeating import Repeater, times_a_second  # noqa: E402
from tests.bench.report import say  # noqa: E402


class Submitter(Repeater):
    """Submits for players of its own on a connection of its own."""

    def __init__(self, url: str, board: str, *, number: int, threads: int) -> None:
        super().__init__()
        self._board = board
        self._score = time.time_ns() // 1000  # above every earlier one
        self._connection = psycopg.connect(url, prepare_threshold=0)
        self._players = self._all("SELECT id FROM accounts_user")[number::threads]
        self._response = self._all("SELECT response FROM livequery_request LIMIT 1")[0]
        self._change = self._all("SELECT payload FROM livequery_change LIMIT 1")[0]
        self._connection.rollback()

    @override
    def once(self) -> None:
        self._submit(self._players[self.done % len(self._players)], self._score + self.done)

    def _submit(self, player: Any, score: int) -> None:
        now = datetime.now(UTC)
        ts = time.time_ns()
        request = secrets.token_hex(16), secrets.token_hex(16)
        values = {
            "id": uuid7(),
            "attempt_id": uuid7(),
            "board_id": self._board,
            "user_id": player,
            "score": score,
            "accuracy": 97.5,
            "level": 1,
            "pages_completed": 3,
            "source": "claimed",
            "ranked": True,
            "achieved_at": now,
        }
        with self._connection.transaction(), self._connection.cursor() as cursor:
            lock = secrets.randbits(63)
            cursor.execute(_CLAIM_POSTGRESQL, [*request, secrets.token_hex(16), "", now, lock])
            cursor.fetchone()
            cursor.execute(_SUBMIT, values)
            cursor.fetchone()
            cursor.execute(_STORE, [self._response, ts, *request])
            cursor.execute(_INSERT_CHANGE, [secrets.token_hex(8), self.done, ts, self._change])

    def _all(self, statement: str) -> list[Any]:
        return [row[0] for row in self._connection.execute(statement).fetchall()]


def main(url: str, board: str, seconds: float, threads: int) -> float:
    """Return how many submits a second all threads together made."""
    submitters = [
        Submitter(url, board, number=number, threads=threads) for number in range(threads)
    ]
    return times_a_second(submitters, seconds)


if __name__ == "__main__":
    say(str(main(sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4]))))
