"""The limit of what the bank's mutations can do: their statements, from threads and nothing else.

Run by ``-m tests.bench.bank.raw PATH SKEW SECONDS THREADS`` in the environment of a DUST that has
the bank. Runs the mutation of that path once and notes what it sends to the database, then has
that repeated for other accounts. Prints transactions a second.
"""

import os
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import django
import psycopg
from typing_extensions import override

django.setup()

# What follows needs the settings; nothing of Django runs while it is measured.
from django.db import connection  # noqa: E402

from dust.livequery import changes  # noqa: E402
from dust.livequery.execution import run_mutation  # noqa: E402
from dust.livequery.registry import FunctionSpec, Kind, find_function  # noqa: E402
from dust.livequery.writing import RequestKey, _lock_number  # noqa: E402
from tests.bench.bank.accounts import ACCOUNTS, Pair, pick_pairs  # noqa: E402
from tests.bench.repeating import Repeater, times_a_second  # noqa: E402
from tests.bench.report import say  # noqa: E402

Statement = tuple[str, Sequence[Any]]

_PAIRS = 20_000
_SOURCE, _TARGET = ACCOUNTS - 1, ACCOUNTS
_SCOPE, _KEY = "scope of raw", "key of raw"
_ARGS: Mapping[str, Mapping[str, Any]] = {
    "bank:deposit": {"account": _SOURCE, "amount": 1},
    "bank:transfer": {"source": _SOURCE, "target": _TARGET, "amount": 1},
    "bank:transferInSql": {"source": _SOURCE, "target": _TARGET, "amount": 1},
}


def main(path: str, skew: float, seconds: float, threads: int) -> float:
    """Return how often a second all threads together did what the mutation does."""
    spec = find_function(path, kind=Kind.MUTATION)
    is_idempotent = path == "bank:deposit"  # as it is sent by the clients that are measured
    statements = statements_of(spec, _ARGS[path], is_idempotent=is_idempotent)
    writers = [Writer(spec, statements, pick_pairs(_PAIRS, skew=skew)) for _ in range(threads)]
    return times_a_second(writers, seconds)


def statements_of(
    spec: FunctionSpec, args: Mapping[str, Any], *, is_idempotent: bool
) -> list[Statement]:
    """Run the mutation and return what it sent to the database between its begin and commit."""
    seen: list[Statement] = []

    def note(execute: Callable[..., Any], sql: str, params: Any, *rest: Any) -> Any:
        seen.append((sql, tuple(params)))
        return execute(sql, params, *rest)

    request = RequestKey(scope=_SCOPE, key=_KEY, fingerprint="") if is_idempotent else None
    run_mutation(spec, args, None)  # the connection looks around at its first commit
    with connection.execute_wrapper(note):
        run_mutation(spec, args, None, request)
    return seen


class Writer(Repeater):
    """Writes for one pair of accounts after the other, on a connection of its own."""

    def __init__(
        self, spec: FunctionSpec, statements: Sequence[Statement], pairs: Sequence[Pair]
    ) -> None:
        super().__init__()
        self._connection = psycopg.connect(os.environ["DATABASE_URL"], prepare_threshold=0)
        self._connection.isolation_level = spec.isolation.value
        self._statements = statements
        self._pairs = pairs

    @override
    def once(self) -> None:
        while True:
            try:
                self._write(*self._pairs[self.done % len(self._pairs)])
            except (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected):
                continue
            return

    def _write(self, source: int, target: int) -> None:
        scope, key = secrets.token_hex(16), secrets.token_hex(16)
        instead = {
            _SOURCE: source,
            _TARGET: target,
            _SCOPE: scope,
            _KEY: key,
            _LOCK: secrets.randbits(63),
            changes.ORIGIN: secrets.token_hex(8),
        }
        with self._connection.transaction(), self._connection.cursor() as cursor:
            for sql, params in self._statements:
                cursor.execute(sql, [instead.get(param, param) for param in params])
                if cursor.description:
                    cursor.fetchall()


_LOCK = _lock_number("request", f"{_SCOPE}\0{_KEY}")


if __name__ == "__main__":
    say(str(main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))))
