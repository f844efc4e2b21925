"""The load client: ``client/``, compiled when first needed, and what it reports."""

import atexit
import json
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from typing_extensions import override

_SOURCES = sorted(str(path) for path in Path(__file__).with_name("client").glob("*.c"))


@cache
def _program() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="dust-bench-"))
    atexit.register(shutil.rmtree, folder)
    program = folder / "client"
    compiler = os.environ.get("CC", "cc")
    subprocess.run([compiler, "-O2", "-Wall", "-o", str(program), *_SOURCES], check=True)
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


class _Clients:
    """A process of the load client that holds sockets, and is told what to do with them."""

    def __init__(
        self, mode: str, port: int, path: str, *, count: int, records: Iterable[bytes]
    ) -> None:
        with ExitStack() as stack:
            command = [str(_program()), mode, str(port), path, str(count)]
            if texts := list(records):
                command.append(stack.enter_context(_records(texts)))
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            self._prepare(self._process.pid)
            self._answer()

    def _prepare(self, pid: int) -> None:
        """Do what is to be done before it opens its sockets."""

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

    def _tell(self, command: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            message = f"the load client ended with {self._process.wait()}; see above why"
            raise RuntimeError(message)
        answer: dict[str, Any] = json.loads(line)
        return answer


class Sockets(_Clients):
    """Many open WebSockets in a process of their own, which reads what they are sent.

    ``openings`` are the frames that each of them sends first.
    """

    def __init__(self, port: int, path: str, *, count: int, openings: Iterable[bytes] = ()) -> None:
        super().__init__("sockets", port, path, count=count, records=openings)

    @override
    def _prepare(self, pid: int) -> None:
        pin([pid], _client_cores())

    def expect(self, marker: str, *, timeout_ms: int) -> None:
        """Begin a round: from now on, frames that contain the marker count as deliveries."""
        self._tell(f"round {timeout_ms} {marker}")
        self._answer()

    def wait(self) -> Round:
        """Wait until each socket has its delivery, or until the timeout."""
        return Round(**self._answer())


@dataclass(frozen=True)
class Load:
    """What became of the requests of one pass, of which ``left`` says that some were not sent."""

    done: int
    took_ns: int
    p50_ns: int
    p99_ns: int
    cpu_ns: int
    left: int = 0
    statuses: Mapping[str, int] = field(default_factory=dict)

    @property
    def per_second(self) -> float:
        return self.done / self.took_ns * 1e9


def send_requests(
    port: int, requests: Iterable[bytes], *, connections: int, seconds: float
) -> Load:
    """Send whole HTTP requests, one at a time on each of the kept-alive connections."""
    with _records(requests) as file:
        command = [str(_program()), "requests", str(port), str(connections), str(seconds), file]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return Load(**json.loads(done.stdout))


@dataclass(frozen=True)
class SyncLoad(Load):
    """What became of the mutations of Convex clients.

    ``applied`` counts how often a client was told of a commit, at some time after it.
    """

    applied: int = 0
    applied_p50_ns: int = 0
    applied_p99_ns: int = 0
    applied_max_ns: int = 0


class ConvexClients(_Clients):
    """As many Convex clients as there are parts of the script, in a process of their own.

    A part has the frames that a client opens with, and its mutation: the JSON that follows the
    request's id.
    """

    def __init__(self, port: int, path: str, script: Sequence[tuple[bytes, bytes]]) -> None:
        records = chain.from_iterable(script)
        super().__init__("sync", port, path, count=len(script), records=records)

    def mutate(self, seconds: float, *, rate: float = 0) -> SyncLoad:
        """Have each of them send its mutation, and again when that is over.

        If there is a ``rate``, the first alone sends so many a second, and it is told how soon all
        of them had what it wrote. To be called once.
        """
        self._tell(f"mutate {seconds} {rate}")
        return SyncLoad(**self._answer())


@contextmanager
def _records(texts: Iterable[bytes]) -> Iterator[str]:
    """Write a file for the client, each text after its length, and yield its path."""
    with tempfile.NamedTemporaryFile(prefix="dust-bench-") as file:
        for text in texts:
            file.write(struct.pack("=I", len(text)) + text)
        file.flush()
        yield file.name


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
