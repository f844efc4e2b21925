"""What Convex clients get from one server process over its WebSocket.

How long a mutation takes, from sending it to where a client's promise resolves: its response, and
then a transition that ends at the commit or later. How many a second there are of them, beside the
same statements from psycopg and nothing else. How soon what was committed has reached everybody
who watches it, while the server has nothing else to do and while it is kept busy. And the fan-out
of one score, beside what uvloop does with the same message: to sockets that have come the same way
and share every byte, and to sockets of which each has a version of its own.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from tests.bench import fanout
from tests.bench.bank.accounts import ACCOUNTS, open_accounts, raw_rate
from tests.bench.convex import PATH, call, frames, opening
from tests.bench.hotspots import hotspots
from tests.bench.load import ConvexClients, SyncLoad
from tests.bench.report import Report, Row
from tests.bench.servers import Server, dust_environment, start_dust
from tests.bench.turns import Contender, take_turn

RAW_THREADS = 8
WATCHERS = 50
COMMITS_PER_SECOND = 50
PARTS = ["mutations", "latency", "fanout"]
_BAR, _GOAL, _LATENCY_GOAL_MS, _FANOUT_BAR = 0.2, 0.3, 50, 0.5

Part = tuple[bytes, bytes]


@dataclass
class Savers(Contender):
    """Clients of which each pays into an account of its own, and may watch it."""

    count: int = WATCHERS
    watch: bool = True

    def script(self) -> list[Part]:
        """Return what they say, in sessions of their own: nothing is to be replayed."""
        accounts = [1 + number * ACCOUNTS // self.count for number in range(self.count)]
        return [_depositor(account, watch=self.watch) for account in accounts]


def _depositor(account: int, *, watch: bool = True) -> Part:
    watched = [call("bank:balance", account=account)] if watch else []
    mutation = call("bank:deposit", account=account, amount=1)
    return frames(opening(*watched)), f"{mutation}}}".encode()


def main(argv: Sequence[str]) -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="tests.bench sync", description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 50, 500])
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="for each turn")
    parser.add_argument("--sockets", type=int, nargs="+", default=[1000, 5000])
    parser.add_argument("--rounds", type=int, default=20, help="of the fan-out")
    parser.add_argument("--profile", action="store_true", help="say where time goes (needs py-spy)")
    options = parser.parse_args(argv)
    if "DATABASE_URL" not in os.environ:
        sys.exit("The statements are PostgreSQL's: set DATABASE_URL.")
    report = Report("sync", now=datetime.now(UTC), database_url=os.environ["DATABASE_URL"])
    with dust_environment(settings_module="tests.bench.settings") as folder:
        open_accounts()
        # One server for both, since the clock of a later one would be ahead of the client's.
        with start_dust(folder) as dust:
            if "mutations" in options.parts:
                measure_mutations(report, options, dust)
            if "latency" in options.parts:
                measure_latency(report, options, dust)
        if "fanout" in options.parts:
            measure_fanout(report, options, folder)
    report.write()


# --- mutations ------------------------------------------------------------------------------------


def measure_mutations(report: Report, options: argparse.Namespace, dust: Server) -> None:
    """Let clients pay into accounts of their own, which they watch or do not."""
    raw = Contender(f"raw psycopg, {RAW_THREADS} threads")
    ours = [
        Savers(f"DUST, {count} {_clients(count)}, {watching}", count=count, watch=watch)
        for watching, watch in (("watching what they write", True), ("watching nothing", False))
        for count in options.clients
    ]
    _turn(Savers("warm-up"), dust, options.seconds)
    for _ in range(options.passes):
        raw.rates.append(raw_rate("bank:deposit", options.seconds, threads=RAW_THREADS))
        for savers in ours:
            _turn(savers, dust, options.seconds)
    rows = [raw.row(raw, "mutations", threads=RAW_THREADS)]
    rows += [each.row(raw, "mutations", threads=dust.threads()) for each in ours]
    report.table("mutations, from sending to the promise's end, medians", rows)
    best = max(savers.per_second for savers in ours)
    report.bar("DUST of raw", value=best / raw.per_second, bar=_BAR, goal=_GOAL)
    if options.profile:
        with hotspots(report, dust.pid):
            _turn(Savers("profiled"), dust, options.seconds)


def _turn(savers: Savers, dust: Server, seconds: float) -> None:
    with ConvexClients(dust.port, PATH, savers.script()) as clients:
        take_turn(savers, dust, lambda: clients.mutate(seconds))


def _clients(count: int) -> str:
    return "client" if count == 1 else "clients"


# --- latency --------------------------------------------------------------------------------------


def measure_latency(report: Report, options: argparse.Namespace, dust: Server) -> None:
    """Have one client write what all of them watch, while others are silent, or mutate too."""
    seconds = options.seconds * options.passes
    quiet = _watch(dust, seconds)
    script = Savers("others").script()
    with ConvexClients(dust.port, PATH, script) as others, ThreadPoolExecutor() as pool:
        beside = pool.submit(others.mutate, seconds + 1)
        busy = _watch(dust, seconds)
        mutations = beside.result().per_second
    rows = [
        _latency_row("nothing else", quiet, 0),
        _latency_row(f"{WATCHERS} clients that mutate", busy, mutations),
    ]
    report.table(f"from commit to applied, {WATCHERS} clients that watch the same", rows)
    for row in rows:
        verdict = "met" if row["p99 ms"] < _LATENCY_GOAL_MS else "not met"
        what = f"from commit to applied, besides {row['besides']}"
        report.remark(f"{what}: p99 {row['p99 ms']:.3g} ms (goal {_LATENCY_GOAL_MS} {verdict})")


def _watch(dust: Server, seconds: float) -> SyncLoad:
    script = [_depositor(ACCOUNTS) for _ in range(WATCHERS)]
    with ConvexClients(dust.port, PATH, script) as watchers:
        return watchers.mutate(seconds, rate=COMMITS_PER_SECOND)


def _latency_row(besides: str, load: SyncLoad, mutations: float) -> Row:
    return {
        "besides": besides,
        "commits/s": load.per_second,
        "other mutations/s": mutations,
        "applied": load.applied,
        "p50 ms": load.applied_p50_ns / 1e6,
        "p99 ms": load.applied_p99_ns / 1e6,
        "max ms": load.applied_max_ns / 1e6,
        "client cores": load.cpu_ns / load.took_ns,
    }


# --- fan-out --------------------------------------------------------------------------------------


def measure_fanout(report: Report, options: argparse.Namespace, folder: Path) -> None:
    """Send a score to many sockets, and compare with uvloop alone."""
    boards = iter(fanout.BOARDS)
    for count in options.sockets:
        for versions in ("the same", "different"):
            board = next(boards)
            door = fanout.Door(PATH, partial(_fan, board, is_apart=versions == "different"))
            rows = fanout.measure(count, board, door, folder=folder, rounds=options.rounds)
            what = f"{count:,} sockets, {versions} versions"
            report.table(f"fan-out of one score to {what}, medians", rows)
            report.bar(f"{what}, DUST of raw", value=rows[1]["of raw"], bar=_FANOUT_BAR)


def _fan(board: str, number: int, *, is_apart: bool) -> list[str]:
    level = int(board.partition(":")[2])
    watched = call("leaderboard:getTop", leaderboardType="solo", level=level)
    return opening(watched, query_set=number + 1 if is_apart else 1)
