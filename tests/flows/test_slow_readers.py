"""Sockets whose peers stop reading cost little, delay nobody, and end; the server is real."""

import itertools
import json
import os
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from django.db import connection
from websockets.frames import Close, Frame, Opcode
from websockets.streams import StreamReader
from websockets.sync.client import ClientConnection, connect

from tests.dust.serving import EMBEDDED, PATIENCE_SECONDS, Serving, shake_hands
from tests.players import Players
from tests.servers import start_valkey

SOLO_1 = "/ws/leaderboard/solo:1/"
PLAYERS = 60
"""They make each message of a whole board some 14 KB long."""

SLOW_READERS = 20
ROUNDS = 50
SETTLED_AFTER = 5
MOST_ROUNDS = 200
"""How many messages at most the kernels and the server hold for a reader, many times over."""

MOST_GROWTH_BYTES = 6 * 1024 * 1024
"""What the messages of all rounds would take for all slow readers is twice as much."""

METRICS_TOKEN = "metrics"

MOST_PINGS = 200
"""Fifty times as many as the server sends while it gives up a reader."""

OBEDIENT = """
import os
import sys
import threading
import django
django.setup()
from django.core.management import execute_from_command_line
from dust import server
from dust.sockets import consumer

def obey():
    while order := os.read(0, 1000):
        exec(order)

consumer.PING_SECONDS = 0.1
threading.Thread(target=obey, daemon=True).start()
execute_from_command_line(sys.argv)
"""


class ObedientServing(Serving):
    """The same server, which pings often, and is patient or not as it is told."""

    program: ClassVar[tuple[str, ...]] = ("-c", OBEDIENT)

    def bears(self, *, missed_pings: int, abandon_seconds: float | None = None) -> None:
        """Say when a reader is given up from now on, and how much later it is cut off."""
        assert self._process.stdin is not None
        order = f"consumer.MISSED_PINGS = {missed_pings}\n"
        if abandon_seconds is not None:
            order += f"server.ABANDON_SECONDS = {abandon_seconds}\n"
        self._process.stdin.write(order.encode())

    def metric(self, name: str) -> float:
        headers = {"Authorization": f"Bearer {METRICS_TOKEN}"}
        text = httpx.get(f"{self.url}/metrics", headers=headers).text
        found = re.search(rf"^dust_livequery_{name}_total (\S+)$", text, re.MULTILINE)
        assert found, text
        return float(found[1])


class StuckReader:
    """A WebSocket client by hand, with the smallest buffers there are, that has stopped reading."""

    def __init__(self, server: Serving, url: str) -> None:
        self.socket = socket.socket()
        # The kernels on both sides hold little then: they go by the size of a segment.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(PATIENCE_SECONDS)
        self.socket.connect(("127.0.0.1", server.port))
        shake_hands(self.socket, url)

    def __enter__(self) -> "StuckReader":
        return self

    def __exit__(self, *_error: object) -> None:
        self.socket.close()

    def is_connected(self) -> bool:
        """Return whether the kernel still holds the server's end of the connection."""
        far, near = self.socket.getpeername()[1], self.socket.getsockname()[1]
        ends = f":{far:04X} ", f":{near:04X} 01 "  # 01: established
        connections = Path("/proc/net/tcp").read_text().splitlines()
        return any(all(end in line for end in ends) for line in connections)

    def read_on(self) -> tuple[list[int], Close]:
        """Read after all; return the best scores that it was sent, and why it was closed."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024 * 1024)
        scores: list[int] = []
        for frame in self._frames():
            if frame.opcode is Opcode.CLOSE:
                return scores, Close.parse(frame.data)
            if (score := best_score(bytes(frame.data))) is not None:
                scores.append(score)
        raise AssertionError("The connection ended without a close.")

    def _frames(self) -> Iterator[Frame]:
        reader = StreamReader()
        parsing = self._parse(reader)
        while data := self.socket.recv(65536):
            reader.feed_data(data)
            while (frame := next(parsing)) is not None:
                yield frame

    @staticmethod
    def _parse(reader: StreamReader) -> Iterator[Frame | None]:
        """Yield every frame, and None where there is too little of one."""
        while (yield from reader.read_line(8192)) != b"\r\n":
            pass
        while True:
            yield (yield from Frame.parse(reader.read_exact, mask=False))


def best_score(text: str | bytes) -> int | None:
    """Return the best score that a message shows, None if it shows none."""
    results = json.loads(text).get("results")
    return results[0]["score"] if results else None


class Count:
    """By how much one of the server's metrics has grown since this was made."""

    def __init__(self, server: ObedientServing, name: str) -> None:
        self._server = server
        self._name = name
        self._before = server.metric(name)

    def __call__(self) -> int:
        return int(self._server.metric(self._name) - self._before)


class Game:
    """A full board on a server: somebody plays, and a quick reader sees every score."""

    def __init__(self, server: ObedientServing, players: Players, quick: ClientConnection) -> None:
        self.server = server
        self._players = players
        self._quick = quick
        self._scores = itertools.count(2_000_000)
        for number in range(PLAYERS):
            players.submit(server, f"player {number}", 1_000_000)

    def play(self, rounds: int = 1) -> None:
        """Submit better and better scores, each when the quick reader has seen the one before."""
        for score in itertools.islice(self._scores, rounds):
            self._players.submit(self.server, f"player {score % PLAYERS}", score)
            while best_score(self._quick.recv(timeout=PATIENCE_SECONDS)) != score:
                pass

    def play_until_behind(self, readers: int) -> None:
        """Play until so many cannot be sent any more, and nobody tries to for a while."""
        skipped = Count(self.server, "outbox_skips")
        before = -1
        for _ in range(0, MOST_ROUNDS, SETTLED_AFTER):
            self.play(SETTLED_AFTER)
            if skipped() == before >= readers:
                return
            before = skipped()
        raise AssertionError("Some are still sent more.")

    def wait_until_given_up(self, readers: int) -> None:
        """Wait until so many have been closed, by the pings that the quick reader is sent."""
        closed = Count(self.server, "sockets_closed_slow")
        self.server.bears(missed_pings=2)
        for _ in range(MOST_PINGS):
            if closed() >= readers:
                return
            self.await_ping()
        raise AssertionError("Some were not closed.")

    def await_ping(self) -> None:
        assert self._quick.recv(timeout=PATIENCE_SECONDS)


@contextmanager
def services() -> Iterator[dict[str, str]]:
    """Lend what the suite runs on: a database on its PostgreSQL and a Valkey, or nothing."""
    if connection.vendor != "postgresql":
        yield {**EMBEDDED, "METRICS_TOKEN": METRICS_TOKEN}
        return
    url = urlsplit(os.environ["DATABASE_URL"])
    name = f"flow_{secrets.token_hex(4)}"
    with (
        start_valkey() as valkey,
        psycopg.connect(url._replace(path="/postgres").geturl(), autocommit=True) as maintenance,
    ):
        maintenance.execute(f'CREATE DATABASE "{name}"')
        try:
            yield {
                "DATABASE_URL": url._replace(path=f"/{name}").geturl(),
                "REDIS_URL": valkey.url,
                "METRICS_TOKEN": METRICS_TOKEN,
            }
        finally:
            maintenance.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="module")
def game(tmp_path_factory: pytest.TempPathFactory, django_db_setup: None) -> Iterator[Game]:
    folder = tmp_path_factory.mktemp("slow")
    with (
        services() as environment,
        Players(folder / "data") as players,
        ObedientServing(folder=folder, **environment) as server,
        connect(f"{server.socket_url}{SOLO_1}?limit=1") as quick,
    ):
        yield Game(server, players, quick)


class TestSlowReaders:
    def test_cost_little_and_delay_nobody_and_are_told_to_come_back(self, game: Game) -> None:
        game.server.bears(missed_pings=1_000_000, abandon_seconds=60)
        alone = Count(game.server, "reruns")
        game.play(ROUNDS)
        needed = alone()
        with ExitStack() as stack:
            readers = [  # each with a query of its own
                stack.enter_context(StuckReader(game.server, f"{SOLO_1}?limit={PLAYERS - number}"))
                for number in range(SLOW_READERS)
            ]
            game.play_until_behind(SLOW_READERS)
            before, beside = game.server.resident_bytes(), Count(game.server, "reruns")
            game.play(ROUNDS)
            growth, run = game.server.resident_bytes() - before, beside()
            game.wait_until_given_up(SLOW_READERS)
            ends = [reader.read_on() for reader in readers]

        assert growth < MOST_GROWTH_BYTES
        assert needed >= ROUNDS
        assert run <= needed + SLOW_READERS
        assert {closing.code for _, closing in ends} == {4008}
        for scores, _ in ends:
            assert scores == sorted(scores) != []

    def test_are_cut_off_if_they_never_read(self, game: Game) -> None:
        game.server.bears(missed_pings=1_000_000, abandon_seconds=0.2)
        with StuckReader(game.server, f"{SOLO_1}?limit={PLAYERS}") as reader:
            game.play_until_behind(1)
            before = reader.is_connected()
            game.wait_until_given_up(1)
            pings = 0
            while reader.is_connected() and pings < MOST_PINGS:
                game.await_ping()
                pings += 1

        assert before
        assert pings < MOST_PINGS
