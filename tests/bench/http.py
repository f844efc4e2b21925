"""Transfers between two of 100,000 accounts by ``/api/mutation``, beside the statements alone.

Accounts are picked alike, or so that a few of them take part in most transfers. After each turn
every balance is compared with what the answered transfers make of it. ``raw`` runs the statements
of the same transfer from psycopg and nothing else.

What Convex reaches in the benchmark that is modelled on was published: 1,140 transfers a second if
all accounts are picked alike; 126, at a p99 of 1,081 ms, with a skew of 1.5.
"""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from tests.bench.bank.accounts import Balances, Pair, balances, open_accounts, pick_pairs, raw_rate
from tests.bench.hotspots import hotspots
from tests.bench.load import send_requests
from tests.bench.report import Report
from tests.bench.servers import Server, dust_environment, start_dust
from tests.bench.turns import Contender, take_turn

RAW_THREADS = 8
FUNCTIONS = {"ORM": "bank:transfer", "SQL": "bank:transferInSql"}
_MOST_PER_SECOND = 4000
_PUBLISHED = {0.0: 1140, 1.5: 126}


@dataclass
class Bank(Contender):
    """One of DUST's ways to transfer, and what all its turns did to the money."""

    path: str = ""
    wrong: int = 0
    lost: int = 0

    def audit(self, before: Balances, after: Balances, transfers: Iterable[Pair]) -> None:
        """Count the accounts that do not hold what the transfers make of it."""
        expected = Counter(before)
        for source, target in transfers:
            expected[source] -= 1
            expected[target] += 1
        self.wrong += sum(after[account] != balance for account, balance in expected.items())
        self.lost += sum(before.values()) - sum(after.values())


def main(argv: Sequence[str]) -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="tests.bench http", description=__doc__)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--skews", type=float, nargs="+", default=[0.0, 1.5])
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each turn")
    parser.add_argument("--profile", action="store_true", help="say where time goes (needs py-spy)")
    options = parser.parse_args(argv)
    if "DATABASE_URL" not in os.environ:
        sys.exit("The statements are PostgreSQL's: set DATABASE_URL.")
    report = Report("http", now=datetime.now(UTC), database_url=os.environ["DATABASE_URL"])
    with dust_environment(settings_module="tests.bench.settings") as folder:
        measure(report, options, folder)
    report.write()


def measure(report: Report, options: argparse.Namespace, folder: Path) -> None:
    """Let everybody take their turns with each skew and report on them."""
    open_accounts()
    with start_dust(folder) as dust:
        for skew in options.skews:
            raw = Contender(f"raw psycopg, {RAW_THREADS} threads")
            ours = [Bank(f"DUST, {name}", path=path) for name, path in FUNCTIONS.items()]
            for bank in ours:
                _turn(Bank("warm-up", path=bank.path), dust, options, skew=skew)
            for _ in range(options.passes):
                rate = raw_rate(FUNCTIONS["SQL"], options.seconds, threads=RAW_THREADS, skew=skew)
                raw.rates.append(rate)
                for bank in ours:
                    _turn(bank, dust, options, skew=skew)
            _report(report, raw, ours, skew=skew, threads=dust.threads())
        if options.profile:
            for path in FUNCTIONS.values():
                with hotspots(report, dust.pid):
                    _turn(Bank("profiled", path=path), dust, options, skew=0)


def _turn(bank: Bank, dust: Server, options: argparse.Namespace, *, skew: float) -> None:
    pairs = pick_pairs(int(_MOST_PER_SECOND * options.seconds), skew=skew)
    requests = [_request(bank.path, source, target) for source, target in pairs]
    send = partial(send_requests, connections=options.connections, seconds=options.seconds)
    before = balances()
    load = take_turn(bank, dust, lambda: send(dust.port, requests))
    bank.audit(before, balances(), pairs[: load.done])  # they are sent in this order


def _request(path: str, source: int, target: int) -> bytes:
    body = f'{{"path":"{path}","args":{{"source":{source},"target":{target},"amount":1}}}}'
    lines = (
        "POST /api/mutation HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "",
        body,
    )
    return "\r\n".join(lines).encode()


def _report(
    report: Report, raw: Contender, ours: Sequence[Bank], *, skew: float, threads: int
) -> None:
    rows = [
        {**bank.row(raw, "transfers", threads=threads), "wrong": bank.wrong, "lost": bank.lost}
        for bank in ours
    ]
    floor = {**raw.row(raw, "transfers", threads=RAW_THREADS), "wrong": None, "lost": None}
    report.table(f"transfers, accounts picked with a skew of {skew:g}, medians", [floor, *rows])
    published = _PUBLISHED.get(skew)
    if published:
        best = max(bank.per_second for bank in ours)
        report.bar(f"skew {skew:g}: transfers a second", value=best, bar=published)
