"""The bank's accounts, seen from outside: opened, read, and picked to be written."""

import os
import random
import subprocess
import sys
from itertools import accumulate

import psycopg

ACCOUNTS = 100_000
OPENING_BALANCE = 1_000_000_000

Pair = tuple[int, int]
Balances = dict[int, int]


def open_accounts() -> None:
    """Make the bank's tables, and accounts of the ids from 1 on that are equally rich."""
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--run-syncdb", "--verbosity=0"], check=True
    )
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(_OPEN, [OPENING_BALANCE, ACCOUNTS])
        connection.execute("VACUUM ANALYZE bank_account")


def balances() -> Balances:
    """Return what is in each account."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        return dict(connection.execute("SELECT id, balance FROM bank_account").fetchall())


def pick_pairs(count: int, *, skew: float) -> list[Pair]:
    """Pick accounts two by two.

    The chance of an account is its number to the power of minus ``skew``: with 0 all are alike,
    with 1.5 every third time it is the first.
    """
    luck = random.Random()  # noqa: S311 - accounts are picked with it
    numbers = range(1, ACCOUNTS + 1)
    weights = list(accumulate(number**-skew for number in numbers))
    pairs: list[Pair] = []
    while len(pairs) < count:
        picked = luck.choices(numbers, cum_weights=weights, k=2 * (count - len(pairs)))
        pairs += [pair for pair in zip(*[iter(picked)] * 2, strict=True) if pair[0] != pair[1]]
    return pairs


def raw_rate(path: str, seconds: float, *, threads: int, skew: float = 0) -> float:
    """Return how often a second so many threads do what that mutation does, and nothing else."""
    arguments = [path, str(skew), str(seconds), str(threads)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.bank.raw", *arguments],
        check=True,
        stdout=subprocess.PIPE,
    )
    return float(done.stdout)


_OPEN = "INSERT INTO bank_account (id, balance) SELECT n, %s FROM generate_series(1, %s) n"
