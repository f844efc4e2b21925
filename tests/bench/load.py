"""The load client: ``client.c``, compiled when first needed, and what it reports."""

import atexit
import json
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_SOURCE = Path(__file__).with_name("client.c")


@cache
def _program() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="dust-bench-"))
    atexit.register(shutil.rmtree, folder)
    program = folder / "client"
    compiler = os.environ.get("CC", "cc")
    subprocess.run([compiler, "-O2", "-Wall", "-o", str(program), str(_SOURCE)], check=True)
    return program


@dataclass(frozen=True)
class Round:
    """One message's way to all sockets. Times are those of ``time.monotonic_ns()``.

    ``busy_ns`` is how long the client was reading, and not waiting for more to read.
    """

    first_ns: int
    last_ns: int
    frames: int
    other_frames: int
    bytes: int
    missing: int
    busy_ns: int


class Sockets:
    """Many open WebSockets in a process of their own, which reads what they are sent."""

    def __init__(self, port: int, path: str, *, count: int) -> None:
        self._process = subprocess.Popen(
            [str(_program()), "sockets", str(port), path, str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        pin([self._process.pid], _client_cores())
        self._answer()

    def expect(self, marker: str, *, timeout_ms: int) -> None:
        """Begin a round: from now on, frames that contain the marker count as deliveries."""
        assert self._process.stdin
        self._process.stdin.write(f"round {timeout_ms} {marker}\n")
        self._process.stdin.flush()
        self._answer()

    def wait(self) -> Round:
        """Wait until each socket has its delivery, or until the timeout."""
        return Round(**self._answer())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            message = f"the load client ended with {self._process.wait()}; see above why"
            raise RuntimeError(message)
        answer: dict[str, Any] = json.loads(line)
        return answer


@dataclass(frozen=True)
class Load:
    """What became of the HTTP requests of one pass."""

    done: int
    took_ns: int
    p50_ns: int
    p99_ns: int
    left: int
    cpu_ns: int
    statuses: dict[str, int]

    @property
    def per_second(self) -> float:
        return self.done / self.took_ns * 1e9


def send_requests(
    port: int, requests: Iterable[bytes], *, connections: int, seconds: float
) -> Load:
    """Send whole HTTP requests, one at a time on each of the kept-alive connections."""
    with tempfile.NamedTemporaryFile(prefix="dust-bench-") as file:
        for request in requests:
            file.write(struct.pack("=I", len(request)) + request)
        file.flush()
        arguments = [str(port), str(connections), str(seconds), file.name]
        done = subprocess.run(
            [str(_program()), "requests", *arguments], check=True, stdout=subprocess.PIPE
        )
    return Load(**json.loads(done.stdout))


def server_cores() -> set[int]:
    """Return the cores left to the server while the client of a fan-out has one to itself.

    Where client and server take turns on one core, the rate is neither's.
    """
    return os.sched_getaffinity(0) - _client_cores() or os.sched_getaffinity(0)


def pin(pids: Iterable[int], cores: set[int]) -> None:
    """Keep processes that have just been started, and the threads they make, on these cores."""
    for pid in pids:
        os.sched_setaffinity(pid, cores)


def _client_cores() -> set[int]:
    return {max(os.sched_getaffinity(0))}
