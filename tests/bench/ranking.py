"""Turns of reads and submits on boards of different sizes."""

import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import psycopg
from django.db import connection
from uuid_utils.compat import uuid7

from dust.livequery.transactions import Isolation
from dust.livequery.writing import run_write
from leaderboard.models import RankDelta
from leaderboard.queries import ranks
from leaderboard.queries.boards import find_my_entry
from leaderboard.queries.ranks import get_rank
from leaderboard.rules import Play, Source
from leaderboard.services import scores
from leaderboard.services.ranks import RankKeeper
from leaderboard.services.scores import submit_score
from tests.bench.ranktables import BOARD, Player, Table, pick, using

THREADS = 8
COUNTED = 20
"""For how many players a turn counts the better entries, which takes long."""

Submit = Callable[[Player], None]


def take_turn(table: Table, *, reads: int, submits: int) -> None:
    """Read ranks, then submit: alone and with others, by DUST and by the statement alone."""
    with using(table), _raw_connection(table) as raw:
        for name, ms in _read(raw, pick(table, reads)):
            table.reads.setdefault(name, []).extend(ms)
        ms = [_milliseconds(partial(submit, player)) for player in pick(table, submits)]
        table.submit_ms.append(statistics.median(ms))
        table.alone.append(1e3 * len(ms) / sum(ms))
        table.together.append(_rate(partial(_dust, table), pick(table, submits), threads=THREADS))
        table.raw_alone.append(_rate(partial(_raw, table), pick(table, submits), threads=1))
        table.raw_together.append(
            _rate(partial(_raw, table), pick(table, submits), threads=THREADS)
        )
        table.fold_ms.append(_fold())


def submit(player: Player) -> None:
    """Better the player's score by a little, as a request would."""
    play = Play(player.better(), accuracy=80, level=3, pages_completed=5)
    now = datetime.now(UTC)
    work = partial(submit_score, BOARD, play=play, user_id=player.user_id, now=now)
    run_write(
        partial(work, source=Source.CLAIMED), name="bench", isolation=Isolation.READ_COMMITTED
    )


def _read(
    raw: psycopg.Connection[Any], players: Sequence[Player]
) -> Iterator[tuple[str, list[float]]]:
    """Yield how long each way to find a rank takes."""
    ways: list[tuple[str, Sequence[Player], Callable[[Player], object]]] = [
        ("statement", players, partial(_find_raw, raw)),
        ("get_rank", players, lambda player: get_rank(BOARD, player.score)),
        ("find_my_entry", players, lambda player: find_my_entry(BOARD, caller=player.identity)),
        ("count(*)", players[:COUNTED], partial(_count_raw, raw)),
    ]
    for name, sample, find in ways:
        yield name, [_milliseconds(partial(find, player)) for player in sample]


def _milliseconds(work: Callable[[], object]) -> float:
    started = time.perf_counter_ns()
    work()
    return (time.perf_counter_ns() - started) / 1e6


def _rate(
    connect: Callable[[], AbstractContextManager[Submit]],
    players: Sequence[Player],
    *,
    threads: int,
) -> float:
    """Return how many submits a second the threads make together, once all are connected."""
    ready = threading.Barrier(threads + 1)

    def work(share: Sequence[Player]) -> None:
        with connect() as submit_one:
            ready.wait()
            for player in share:
                submit_one(player)

    with ThreadPoolExecutor(threads) as pool:
        shares = [pool.submit(work, players[number::threads]) for number in range(threads)]
        ready.wait()
        started = time.perf_counter()
        for share in shares:
            share.result()
        return len(players) / (time.perf_counter() - started)


@contextmanager
def _dust(table: Table) -> Iterator[Submit]:
    try:
        with using(table):
            yield submit
    finally:
        connection.close()


@contextmanager
def _raw(table: Table) -> Iterator[Submit]:
    with _raw_connection(table) as raw:
        yield partial(_submit_raw, raw)


@contextmanager
def _raw_connection(table: Table) -> Iterator[psycopg.Connection[Any]]:
    options = f"-c search_path={table.schema}"
    url = os.environ["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True, prepare_threshold=0, options=options) as raw:
        yield raw


def _find_raw(raw: psycopg.Connection[Any], player: Player) -> None:
    path = ranks.path_to(player.score)
    highest = [ranks.scores_in(node)[1] for node in path]
    values = {"board": BOARD, "score": player.score, "path": path, "highest": highest}
    raw.execute(ranks._RANK, values).fetchone()


def _count_raw(raw: psycopg.Connection[Any], player: Player) -> None:
    raw.execute(_COUNT, [BOARD, player.score]).fetchone()


def _submit_raw(raw: psycopg.Connection[Any], player: Player) -> None:
    values = {
        "id": uuid7(),
        "attempt_id": uuid7(),
        "board_id": BOARD,
        "user_id": player.user_id,
        "score": player.better(),
        "accuracy": 80.0,
        "level": 3,
        "pages_completed": 5,
        "source": "claimed",
        "ranked": True,
        "achieved_at": datetime.now(UTC),
    }
    raw.execute(scores._SUBMIT, values).fetchone()


def _fold() -> float:
    """Fold what there is; return the milliseconds that it takes for a thousand deltas."""
    deltas, started = RankDelta.objects.count(), time.perf_counter()
    keeper = RankKeeper()
    while RankDelta.objects.exists():
        keeper.keep()
    return 1e6 * (time.perf_counter() - started) / deltas


_COUNT = """
    SELECT 1 + count(*) FROM leaderboard_entry
    WHERE board_id = %s AND ranked AND NOT hidden AND NOT suspended AND score > %s
"""
