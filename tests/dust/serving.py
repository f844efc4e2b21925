"""Servers in processes of their own, as an operator starts and stops them."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import socket
from types import TracebackType
from typing import ClassVar, Self, TypeVar

import psycopg

from tests.servers import start_postgres, start_valkey

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 90

EMBEDDED = {
    "DATABASE_URL": "",
    "REDIS_URL": "",
    "SECRET_KEY": "",
    "ALLOWED_HOSTS": "",
    "LOCAL_ISSUER": "",
}
"""The environment of somebody who has set nothing."""


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


class Process:
    """A command that goes on until it is stopped; leaving the block kills it if need be."""

    interpreter: ClassVar[str | Path] = sys.executable

    def __init__(self, *command: str, folder: Path, **environment: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._log = (folder / "stderr").open("w+")
        self._process = subprocess.Popen(
            [self.interpreter, *command],
            cwd=ROOT,
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            bufsize=0,
        )
        self.said = ""

    @property
    def log(self) -> str:
        """What it has written to stderr so far."""
        self._log.seek(0)
        return self._log.read()

    def wait_for_line(self, start: str) -> str:
        """Read its output up to the line that begins so; return that line."""

        def find() -> str | None:
            *lines, _unfinished = self.said.split("\n")
            return next((line for line in lines if line.startswith(start)), None)

        return self._read_until(find, start)

    def wait_for_text(self, text: str) -> None:
        """Read its output until it has said this."""
        self._read_until(lambda: text if text in self.said else None, text)

    def _read_until(self, find: Callable[[], str | None], wanted: str) -> str:
        assert self._process.stdout is not None
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (found := find()) is None:
            ready, _, _ = select.select([self._process.stdout], [], [], deadline - time.monotonic())
            part = self._process.stdout.read(4096) if ready else b""
            if not part:
                message = f"It never said {wanted!r}, only:\n{self.said}\n{self.log}"
                raise AssertionError(message)
            self.said += part.decode()
        return found

    @property
    def pid(self) -> int:
        return self._process.pid

    def resident_bytes(self) -> int:
        """Return how much memory it takes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
        assert found
        return int(found[1]) * 1024

    def wait(self) -> int:
        """Return its exit code."""
        return self._process.wait(PATIENCE_SECONDS)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send it a signal and return its exit code."""
        self.send(number)
        return self.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._log.close()


class Serving(Process):
    """``manage.py serve`` on a free port, ready to answer at ``url``."""

    program: ClassVar[tuple[str, ...]] = ("manage.py",)

    def __init__(self, *arguments: str, folder: Path, **environment: str) -> None:
        environment = {"DUST_DATA_DIR": str(folder / "data"), **environment}
        super().__init__(
            *self.program, "serve", "--port", "0", *arguments, folder=folder, **environment
        )
        try:
            self.url = self.wait_for_line("Serving at ").removeprefix("Serving at ").rstrip("/")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        self.folder = folder
        self.socket_url = self.url.replace("http", "ws", 1)
        self.port = int(self.url.rpartition(":")[2])


def shake_hands(connection: socket, path: str) -> None:
    """Make a WebSocket of the connection, by hand."""
    connection.sendall(
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    assert connection.recv(12) == b"HTTP/1.1 101"


EXAMPLES = """
import sys
import django
django.setup()
from django.core.management import call_command, execute_from_command_line

call_command("migrate", run_syncdb=True, verbosity=0)
execute_from_command_line([*sys.argv, "--no-migrate"])
"""


class ExamplesServing(Serving):
    """The same server with the tables of the tests' own apps, whose functions it has anyway."""

    program: ClassVar[tuple[str, ...]] = ("-c", EXAMPLES)


AnyServing = TypeVar("AnyServing", bound=Serving)


@contextmanager
def two_servers(kind: type[AnyServing], folder: Path) -> Iterator[tuple[AnyServing, AnyServing]]:
    """Run two servers on one PostgreSQL and one Valkey, started for them, and one data folder."""
    with start_postgres() as postgres, start_valkey() as valkey:
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE two")
        environment = {
            "DATABASE_URL": postgres.url.removesuffix("postgres") + "two",
            "REDIS_URL": valkey.url,
            "DUST_DATA_DIR": str(folder / "data"),
            "LOCAL_ISSUER": "true",
        }
        with (
            kind(folder=folder / "first", **environment) as first,
            kind(folder=folder / "second", **environment) as second,
        ):
            yield first, second
