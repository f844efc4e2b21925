"""A socket whose peer stops reading costs little, delays nobody, and ends; the server is real."""

import json
import re
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import httpx
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader
from websockets.sync.client import ClientConnection, connect

from tests.dust.serving import EMBEDDED, PATIENCE_SECONDS, Serving
from tests.players import Players

SOLO_1 = "/ws/leaderboard/solo:1/"
PLAYERS = 100
"""So many fit on a board's longest page, which makes each message some 24 KB long."""

SLOW_READERS = 20
ROUNDS = 80
MOST_GROWTH_BYTES = 16 * 1024 * 1024
"""What the messages of all rounds would take for all slow readers is twice as much."""

MOST_PINGS = 100
"""Fifty times as many as the server sends while it gives up a reader."""

IMPATIENT = """
import sys
import django
django.setup()
from django.core.management import execute_from_command_line
from dust import server
from dust.sockets import consumer
consumer.PING_SECONDS = 0.2
server.ABANDON_SECONDS = float(sys.argv.pop())
execute_from_command_line(sys.argv)
"""


class ImpatientServing(Serving):
    """The same server, which gives up slow readers at once, and their connections soon after."""

    program: ClassVar[tuple[str, ...]] = ("-c", IMPATIENT)


class StuckReader:
    """A WebSocket client by hand, with the smallest buffers there are, that has stopped reading."""

    def __init__(self, server: Serving, url: str) -> None:
        self.socket = socket.socket()
        # The kernels on both sides hold little then: they go by the size of a segment.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(PATIENCE_SECONDS)
        self.socket.connect(("127.0.0.1", server.port))
        self.socket.sendall(
            f"GET {url} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        assert self.socket.recv(12) == b"HTTP/1.1 101"

    def __enter__(self) -> "StuckReader":
        return self

    def __exit__(self, *_error: object) -> None:
        self.socket.close()

    def read_on(self) -> list[Frame]:
        """Read after all; return every frame up to the close or the end of the connection."""
        with self.socket.makefile("rb") as stream:
            while stream.readline() != b"\r\n":
                pass
            frames: list[Frame] = []
            while not frames or frames[-1].opcode is not Opcode.CLOSE:
                try:
                    frames.append(read_frame(stream))
                except EOFError:
                    break
        return frames


def read_frame(stream: BinaryIO) -> Frame:
    """Read one frame.

    :raises EOFError: if the stream ends before the frame does.
    """
    reader = StreamReader()
    parsing = Frame.parse(reader.read_exact, mask=False)
    try:
        while True:
            next(parsing)
            if not (byte := stream.read(1)):
                raise EOFError
            reader.feed_data(byte)
    except StopIteration as parsed:
        frame: Frame = parsed.value
        return frame


def fill_board(server: Serving, players: Players) -> None:
    for number in range(PLAYERS):
        players.submit(server, f"player {number}", 1_000_000)


def play(server: Serving, players: Players, quick: ClientConnection, score: int) -> float:
    """Submit a score and return after how many seconds the quick reader had seen it."""
    started = time.monotonic()
    players.submit(server, f"player {score % PLAYERS}", score)
    while _best_score(quick.recv(timeout=PATIENCE_SECONDS)) != score:
        pass
    return time.monotonic() - started


def _best_score(text: str | bytes) -> Any:
    message = json.loads(text)
    return message["results"][0]["score"] if message["type"] == "top" else None


def metric(server: Serving, name: str) -> float:
    text = httpx.get(f"{server.url}/metrics").text
    found = re.search(rf"^dust_livequery_{name}_total (\S+)$", text, re.MULTILINE)
    assert found, text
    return float(found[1])


def resident_bytes(server: Serving) -> int:
    status = Path(f"/proc/{server.pid}/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    assert found
    return int(found[1]) * 1024


def is_connected(server: Serving, reader: StuckReader) -> bool:
    """Return whether the kernel still holds the server's end of the reader's connection."""
    ends = f":{server.port:04X} ", f":{reader.socket.getsockname()[1]:04X} 01 "  # 01: established
    return any(
        all(end in line for end in ends) for line in Path("/proc/net/tcp").read_text().splitlines()
    )


def play_until_given_up(
    server: Serving, players: Players, quick: ClientConnection, *, first: int
) -> None:
    score = first
    while metric(server, "sockets_closed_slow") == 0:
        play(server, players, quick, score)
        score += 1


class TestSlowReader:
    def test_costs_little_memory_and_delays_nobody(self, tmp_path: Path) -> None:
        with ExitStack() as stack:
            players = stack.enter_context(Players(tmp_path / "data"))
            server = stack.enter_context(Serving(folder=tmp_path, **EMBEDDED))
            fill_board(server, players)
            quick = stack.enter_context(connect(server.socket_url + SOLO_1))
            play(server, players, quick, 2_000_000)
            alone = [play(server, players, quick, 2_000_001 + n) for n in range(20)]
            for number in range(SLOW_READERS):  # each with messages of its own
                stack.enter_context(StuckReader(server, f"{SOLO_1}?limit={PLAYERS - number}"))
            play(server, players, quick, 2_000_100)
            before = resident_bytes(server)
            beside = [play(server, players, quick, 2_000_101 + n) for n in range(ROUNDS)]
            growth = resident_bytes(server) - before
            skipped = metric(server, "outbox_skips")

        assert skipped > SLOW_READERS
        assert growth < MOST_GROWTH_BYTES
        assert sorted(beside)[ROUNDS // 2] < max(alone) + 1

    def test_is_told_to_come_back(self, tmp_path: Path) -> None:
        with (
            Players(tmp_path / "data") as players,
            ImpatientServing("30", folder=tmp_path, **EMBEDDED) as server,
        ):
            fill_board(server, players)
            with (
                connect(server.socket_url + SOLO_1) as quick,
                StuckReader(server, f"{SOLO_1}?limit=100") as slow,
            ):
                play_until_given_up(server, players, quick, first=2_000_000)
                *frames, last = slow.read_on()

        scores = [score for frame in frames if (score := _best_score(bytes(frame.data)))]
        assert scores == sorted(scores)
        assert last.opcode is Opcode.CLOSE
        assert last.data[:2] == (4008).to_bytes(2)

    def test_is_cut_off_if_it_never_reads(self, tmp_path: Path) -> None:
        with (
            Players(tmp_path / "data") as players,
            ImpatientServing("0.2", folder=tmp_path, **EMBEDDED) as server,
        ):
            fill_board(server, players)
            with (
                connect(server.socket_url + SOLO_1) as quick,
                StuckReader(server, f"{SOLO_1}?limit=100") as slow,
            ):
                before = is_connected(server, slow)
                play_until_given_up(server, players, quick, first=2_000_000)
                pings = 0
                while is_connected(server, slow) and pings < MOST_PINGS:
                    assert quick.recv(timeout=PATIENCE_SECONDS)  # a ping, time and again
                    pings += 1

        assert before
        assert pings < MOST_PINGS
