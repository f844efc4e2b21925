"""How many authenticated submits one server process takes in a second, beside the statements alone.

Every request has a player, a token and an Idempotency-Key of its own and beats the player's last
score, so each one writes everything there is to write, to one board. ``raw`` runs the same
statements from psycopg and nothing else; ``plain DRF`` is what such an upsert costs when written
without thinking. They take turns, and ratios are medians of those of single turns.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from tests.bench.hotspots import hotspots
from tests.bench.load import send_requests
from tests.bench.report import Report
from tests.bench.servers import Server, dust_environment, start_dust, submission, tokens
from tests.bench.turns import Contender, take_turn

BOARD = "solo:1"
RAW_THREADS = 8
FLOOR_CONNECTIONS = 16
_MOST_PER_SECOND = 3000
_SUBMITS_A_MINUTE = 30
_BAR, _GOAL = 0.15, 0.25


def main(argv: Sequence[str]) -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="tests.bench submit", description=__doc__)
    parser.add_argument("--connections", type=int, nargs="+", default=[8, 16, 32])
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="for each turn")
    parser.add_argument("--profile", action="store_true", help="say where time goes (needs py-spy)")
    options = parser.parse_args(argv)
    if "DATABASE_URL" not in os.environ:
        sys.exit("The statements are PostgreSQL's: set DATABASE_URL.")
    now = datetime.now(UTC)
    report = Report("submit", now=now, database_url=os.environ["DATABASE_URL"])
    with dust_environment() as folder:
        measure(report, options, folder)
    report.write()


def measure(report: Report, options: argparse.Namespace, folder: Path) -> None:
    """Let everybody take their turns and report on them."""
    seconds: float = options.seconds
    raw, floor = Contender(f"raw psycopg, {RAW_THREADS} threads"), Contender("plain DRF")
    ours = {number: Contender(f"DUST, {number} connections") for number in options.connections}
    players = _players()
    with (
        start_dust(folder) as dust,
        Server(["-m", "tests.bench.floor"], log=folder / "floor.log") as plain,
    ):
        _turn(Contender("warm-up"), dust, _submissions(players, len(players)), seconds=60)
        for _ in range(options.passes):
            raw.rates.append(_raw_rate(seconds))
            for number, contender in ours.items():
                requests = _submissions(players, int(_MOST_PER_SECOND * seconds))
                _turn(contender, dust, requests, connections=number, seconds=seconds)
            _turn(floor, plain, _floor_submissions(len(players)), seconds=seconds)
        rows = [raw.row(raw, "submits", threads=RAW_THREADS)]
        rows += [each.row(raw, "submits", threads=dust.threads()) for each in ours.values()]
        rows.append(floor.row(raw, "submits", threads=plain.threads()))
        report.table("authenticated submits to one board, medians", rows)
        best = max(contender.per_second for contender in ours.values())
        report.bar("DUST of raw", value=best / raw.per_second, bar=_BAR, goal=_GOAL)
        if options.profile:
            _profile(report, dust, players, seconds)


def _players() -> list[str]:
    """Return the tokens of so many players that none meets the limit of submits a minute."""
    return tokens(int(_MOST_PER_SECOND * 60 / _SUBMITS_A_MINUTE))


def _submissions(players: Sequence[str], count: int) -> Iterator[bytes]:
    """Yield requests, each by another player and better than all that were made before."""
    score = time.time_ns() // 1000
    for number in range(count):
        yield submission(players[number % len(players)], board=BOARD, score=score + number)


def _floor_submissions(players: int) -> Iterator[bytes]:
    score = time.time_ns() // 1000
    for number in range(players):
        body = f'{{"score":{score + number},"accuracy":97.5,"level":1,"pages_completed":3}}'
        head = f"POST /best/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Player: player{number}\r\n"
        kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        yield (head + kind + body).encode()


def _turn(
    contender: Contender,
    server: Server,
    requests: Iterable[bytes],
    *,
    connections: int = 16,
    seconds: float,
) -> None:
    send = partial(send_requests, connections=connections, seconds=seconds)
    take_turn(contender, server, lambda: send(server.port, requests))


def _raw_rate(seconds: float) -> float:
    arguments = [os.environ["DATABASE_URL"], BOARD, str(seconds), str(RAW_THREADS)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.raw", *arguments], check=True, stdout=subprocess.PIPE
    )
    return float(done.stdout)


def _profile(report: Report, dust: Server, players: Sequence[str], seconds: float) -> None:
    """Say where the server's Python time goes, in a turn of its own: being watched slows it."""
    with hotspots(report, dust.pid):
        requests = _submissions(players, int(_MOST_PER_SECOND * seconds))
        _turn(Contender("profiled"), dust, requests, seconds=seconds)
