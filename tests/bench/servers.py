"""The servers that benchmarks measure: DUST on a database made for the run, and what they cost."""

import ctypes
import os
import resource
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests.bench.load import pin

_ROOT = Path(__file__).parents[2]
_libc = ctypes.CDLL(None, use_errno=True)


class Server:
    """A server in a process of its own, which says where it serves in its first line."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        cores: set[int] | None = None,
    ) -> None:
        raise_file_limit()
        self._log = log
        with log.open("ab") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, *command],
                cwd=_ROOT,
                env={**os.environ, **(environment or {})},
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        if cores:
            pin([self.pid], cores)
        self.port = self._announced_port()

    @property
    def pid(self) -> int:
        return self._process.pid

    def cpu_ns(self) -> int:
        """Return the CPU time that all threads have used, finer than /proc tells it."""
        clock = ctypes.c_int()
        if error := _libc.clock_getcpuclockid(self.pid, ctypes.byref(clock)):
            raise OSError(error, os.strerror(error))
        return time.clock_gettime_ns(clock.value)

    def resident_bytes(self) -> int:
        """Return how much memory the process occupies."""
        pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * resource.getpagesize()

    def threads(self) -> int:
        """Return how many threads the process has."""
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()

    def _announced_port(self) -> int:
        assert self._process.stdout
        for line in self._process.stdout:
            if line.startswith("Serving at "):
                port = urlsplit(line.split()[2]).port
                assert port
                return port
        message = f"the server ended with {self._process.wait()}:\n{self._log.read_text()}"
        raise RuntimeError(message)


def raise_file_limit() -> None:
    """Let this process, and those it starts, have as many files and sockets as is allowed."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextmanager
def dust_environment(*, settings_module: str = "dust.settings") -> Iterator[Path]:
    """Set the environment for a DUST of its own and yield its data folder.

    Its database is made on the server of ``DATABASE_URL``, if that is set, and dropped in the end.
    Once in a process: Django reads its settings a single time.
    """
    given = os.environ.get("DATABASE_URL")
    with tempfile.TemporaryDirectory(prefix="dust-bench-") as folder:
        settings = {
            "DJANGO_SETTINGS_MODULE": settings_module,
            "DUST_DATA_DIR": folder,
            "DEBUG": "false",
            "LOCAL_ISSUER": "true",
            "AUTH_PROVIDERS": "",
            "CLERK_JWT_ISSUER_DOMAIN": "",
        }
        if not given:
            os.environ.update(settings)
            yield Path(folder)
            return
        with _database(given) as url:
            os.environ.update(
                settings
                | {
                    "DATABASE_URL": url,
                    "SECRET_KEY": secrets.token_urlsafe(50),
                    "ALLOWED_HOSTS": "127.0.0.1",
                    "HTTPS_ONLY": "false",
                }
            )
            yield Path(folder)


@contextmanager
def _database(url: str) -> Iterator[str]:
    name = f"dust_bench_{secrets.token_hex(4)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def start_dust(folder: Path, *, cores: set[int] | None = None) -> Server:
    """Start DUST's own server in the environment that ``dust_environment`` has set."""
    return Server(["manage.py", "serve", "--port", "0"], log=folder / "dust.log", cores=cores)


def tokens(count: int) -> list[str]:
    """Return the local issuer's tokens for so many players, whom nobody has counted anything of."""
    from dust.identity import local_issuer  # noqa: PLC0415 - reads the settings

    now, run = datetime.now(UTC), secrets.token_hex(4)
    return [
        local_issuer.issue(f"player-{run}-{number}", now=now, ttl_seconds=3600)
        for number in range(count)
    ]


def submission(token: str, *, board: str, score: int) -> bytes:
    """Return the whole HTTP request that submits a score, under an Idempotency-Key of its own."""
    level = board.partition(":")[2] or "1"
    body = f'{{"score":{score},"accuracy":97.5,"level":{level},"pages_completed":3}}'
    lines = (
        f"POST /api/v1/leaderboards/{board}/entries/ HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {token}",
        f"Idempotency-Key: {secrets.token_hex(16)}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "",
        body,
    )
    return "\r\n".join(lines).encode()
