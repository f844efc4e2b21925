"""How fast one score reaches every socket that watches its board, beside the limit and Channels.

Each round commits a real score through REST and waits until it has been read from all sockets.
The peers are sent DUST's own message in the same round, so that whatever slows the machine down
slows all of them down; ratios are medians of the rounds' own ratios.

Deliveries a second count from the first frame to the last. With the group that would leave out most
of its work: the tasks of all its sockets advance in step, so its first frame is late and the others
follow at once. The group's count from the publish; before it there is nothing, in DUST's case a
commit and the query's re-run.
"""

import argparse
import os
import re
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from socket import create_connection
from typing import Any

from websockets.sync.client import connect

from tests.bench.convex import frames
from tests.bench.load import Round, Sockets, server_cores
from tests.bench.report import Report, Row
from tests.bench.servers import Server, dust_environment, start_dust, submission, tokens

BOARDS = [f"solo:{level}" for level in range(1, 11)]
"""Each number of sockets has its own, so that their messages are of one size."""

PLAYERS = 10
"""They take turns, so that none of them meets the limit of submits a minute."""
FIRST_SCORE = 1_000_000
_TIMEOUT_MS = 60_000
_GROUP_ROUNDS = 5
"""A group takes so long, in memory by the square of its size, that it sits out the later rounds."""

_BAR, _GOAL, _TIMES_GROUP = 0.6, 0.8, 10

Peers = Mapping[str, Sequence[str]]
"""What ``tests.bench.peers`` is to be started as, by how the report calls it."""

NO_PEERS: Peers = {}


@dataclass(frozen=True)
class Door:
    """Where sockets of DUST come to watch a board, and what one says first, by its number."""

    path: str
    says: Callable[[int], Sequence[str]] = lambda _number: ()


@dataclass
class Delivery:
    """What one round told of one server."""

    per_second: float
    first_ms: float
    last_ms: float
    cpu_us: float
    client_busy: float
    missing: int
    frame_bytes: int


class Target:
    """A server with its sockets connected, and what makes it send a score to them."""

    def __init__(
        self,
        name: str,
        server: Server,
        *,
        sockets: Sockets,
        socket_bytes: float,
        request: Callable[[int], bytes],
    ) -> None:
        self.name = name
        self.socket_bytes = socket_bytes
        self.deliveries: list[Delivery] = []
        self._server = server
        self._sockets = sockets
        self._request = request

    @property
    def is_group(self) -> bool:
        return self.name.startswith("Channels")

    def publish(self, score: int) -> None:
        """Have the score sent to all sockets and take down how that went.

        The answer is only read afterwards: a process that wakes up to read it takes turns with the
        client or the server just then.
        """
        request = self._request(score)
        self._sockets.expect(f'"score":{score}', timeout_ms=_TIMEOUT_MS)
        cpu_before = self._server.cpu_ns()
        with create_connection(("127.0.0.1", self._server.port)) as connection:
            start = time.monotonic_ns()
            connection.sendall(request)
            result = self._sockets.wait()
            answer = connection.recv(65536)
        if b" 20" not in answer[:12]:
            raise RuntimeError(answer.decode())
        if not result.frames:
            raise RuntimeError(f"{self.name}: no socket was sent the score {score}.")
        cpu = self._server.cpu_ns() - cpu_before
        self.deliveries.append(self._delivery(result, start=start, cpu_ns=cpu))

    def _delivery(self, result: Round, *, start: int, cpu_ns: int) -> Delivery:
        window = max(result.last_ns - result.first_ns, 1)
        return Delivery(
            per_second=(result.frames - 1) / window * 1e9,
            first_ms=(result.first_ns - start) / 1e6,
            last_ms=(result.last_ns - start) / 1e6,
            cpu_us=cpu_ns / result.frames / 1e3,
            client_busy=result.busy_ns / window,
            missing=result.missing,
            frame_bytes=result.bytes // (result.frames + result.other_frames),
        )


def main(argv: Sequence[str]) -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="tests.bench fanout", description=__doc__)
    parser.add_argument("--sockets", type=int, nargs="+", default=[1000, 5000])
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args(argv)
    report = Report("fanout", now=datetime.now(UTC), database_url=os.environ.get("DATABASE_URL"))
    with dust_environment() as folder:
        for count, board in zip(options.sockets, BOARDS, strict=False):
            door = Door(f"/ws/leaderboard/{board}/")
            rows = measure(
                count, board, door, folder=folder, rounds=options.rounds, groups=_groups()
            )
            report.table(f"fan-out of one score to {count:,} sockets, medians", rows)
            _compare(report, rows, count)
    report.write()


def _groups() -> Peers:
    groups = {"Channels group, in memory": ["group"]}
    if redis_url := os.environ.get("REDIS_URL"):
        groups["Channels group, Redis pub/sub"] = ["group", redis_url]
    return groups


def measure(
    count: int, board: str, door: Door, *, folder: Path, rounds: int, groups: Peers = NO_PEERS
) -> list[Row]:
    """Return a row for each server, with so many sockets each: the limit, DUST, the groups."""
    with ExitStack() as stack:
        targets = list(_targets(count, board, door, groups=groups, folder=folder, stack=stack))
        for number in range(rounds + 1):
            for target in targets:
                if number <= _GROUP_ROUNDS or not target.is_group:
                    target.publish(FIRST_SCORE + number)
    for target in targets:
        del target.deliveries[0]  # the warm-up
    return [_row(target, targets[0]) for target in targets]


def _targets(
    count: int, board: str, door: Door, *, groups: Peers, folder: Path, stack: ExitStack
) -> Iterator[Target]:
    """Connect the sockets of each server, the one that all are compared with first."""
    cores = server_cores()
    dust = stack.enter_context(start_dust(folder, cores=cores))
    players = tokens(PLAYERS)

    def submit(score: int) -> bytes:
        return submission(players[score % PLAYERS], board=board, score=score)

    for number in range(PLAYERS):
        _call(dust.port, submit(FIRST_SCORE - PLAYERS + number))
    message = _current_message(dust.port, door)

    def broadcast(score: int) -> bytes:
        body = re.sub(rb'"score":\d+', b'"score":%d' % score, message, count=1)
        return b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%b" % (
            len(body),
            body,
        )

    def start(which: Sequence[str]) -> Server:
        command = ["-m", "tests.bench.peers", *which]
        return stack.enter_context(Server(command, log=folder / "peers.log", cores=cores))

    servers = {"raw uvloop": start(["raw"]), "DUST": dust}
    servers |= {name: start(which) for name, which in groups.items()}
    for name, server in servers.items():
        is_dust = server is dust
        openings = [frames(door.says(number)) for number in range(count)] if is_dust else []
        before = server.resident_bytes()
        sockets = stack.enter_context(
            Sockets(server.port, door.path, count=count, openings=filter(None, openings))
        )
        growth = (server.resident_bytes() - before) / count
        request = submit if is_dust else broadcast
        yield Target(name, server, sockets=sockets, socket_bytes=growth, request=request)


def _call(port: int, request: bytes) -> None:
    with create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(request)
        answer = connection.recv(65536)
    if not answer.startswith(b"HTTP/1.1 20"):
        raise RuntimeError(answer.decode())


def _current_message(port: int, door: Door) -> bytes:
    """Return what a socket is sent when it has connected: the board as it stands."""
    with connect(f"ws://127.0.0.1:{port}{door.path}", compression=None) as socket:
        for text in door.says(0):
            socket.send(text)
        while '"score":' not in (message := socket.recv()):
            pass
    assert isinstance(message, str)
    return message.encode()


def _row(target: Target, limit: Target) -> dict[str, Any]:
    def median(of: Callable[[Delivery], float]) -> float:
        return statistics.median(of(delivery) for delivery in target.deliveries)

    rounds = zip(target.deliveries, limit.deliveries, strict=False)  # a group has fewer
    ratios = [ours.per_second / its.per_second for ours, its in rounds]
    return {
        "server": target.name,
        "deliveries/s": median(lambda delivery: delivery.per_second),
        "of raw": statistics.median(ratios),
        "submit to first ms": median(lambda delivery: delivery.first_ms),
        "to last ms": median(lambda delivery: delivery.last_ms),
        "CPU us/delivery": median(lambda delivery: delivery.cpu_us),
        "client busy": median(lambda delivery: delivery.client_busy),
        "frame bytes": target.deliveries[-1].frame_bytes,
        "bytes/idle socket": target.socket_bytes,
        "lost": sum(delivery.missing for delivery in target.deliveries),
    }


def _compare(report: Report, rows: Sequence[Row], count: int) -> None:
    dust = next(row for row in rows if row["server"] == "DUST")
    report.bar(f"{count:,} sockets, DUST of raw", value=dust["of raw"], bar=_BAR, goal=_GOAL)
    for group in rows:
        if group["server"].startswith("Channels"):
            what = f"{count:,} sockets, DUST over {group['server']}"
            times = dust["deliveries/s"] / (count / group["to last ms"] * 1e3)
            report.bar(what, value=times, bar=_TIMES_GROUP)
            whole = group["to last ms"] / dust["to last ms"]
            cpu = group["CPU us/delivery"] / dust["CPU us/delivery"]
            report.remark(
                f"  with DUST's commit and re-run: {whole:.3g}; CPU of all that: {cpu:.3g}"
            )
