"""A server with the tests' functions, and Node programs that are its clients.

A program runs many scenarios side by side and reports what each has observed, because starting
Node and servers is what takes time; each scenario has a test of its own all the same.
"""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.test import override_settings
from typing_extensions import override

from dust.identity import local_issuer
from tests.dust.serving import EMBEDDED, ExamplesServing, manage
from tests.node import copy_clients, run_node

PACKAGES = ["convex", "convex-1-31"]
"""The newest version of the npm package, and the oldest that must work."""


class Report:
    """What the scenarios of a program have observed, by their names."""

    def __init__(self, said: str) -> None:
        self._outcomes = json.loads(said.rstrip("\n").rpartition("\n")[2])

    def __getitem__(self, scenario: str) -> Any:
        outcome = self._outcomes[scenario]
        if "failed" in outcome:
            pytest.fail(outcome["failed"])
        return outcome


@pytest.fixture(scope="session")
def scenarios(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs."""
    return copy_clients(tmp_path_factory.mktemp("npm") / "clients") / "scenarios"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExamplesServing]:
    with ExamplesServing(folder=tmp_path_factory.mktemp("convex"), **EMBEDDED) as server:
        yield server


@pytest.fixture(scope="session")
def admin_key(server: ExamplesServing) -> str:
    data = {"DUST_DATA_DIR": str(server.folder / "data")}
    made = manage("admin_key", "create", "for the tests of clients", **EMBEDDED, **data)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


class _Issuing(BaseHTTPRequestHandler):
    """Answers with a token for whoever, as young and as long-lived as is asked for."""

    def do_GET(self) -> None:
        asked = dict(parse_qsl(urlsplit(self.path).query))
        issued_at = datetime.now(UTC) - timedelta(seconds=int(asked["age"]))
        token = local_issuer.issue(asked["subject"], now=issued_at, ttl_seconds=int(asked["ttl"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(token.encode())

    @override
    def log_message(self, *_words: Any) -> None:
        """Leave stderr alone."""


@pytest.fixture(scope="module")
def issuer(server: ExamplesServing) -> Iterator[str]:
    """Where tokens for the server are to be had."""
    with (
        override_settings(DATA_DIR=server.folder / "data"),
        ThreadingHTTPServer(("127.0.0.1", 0), _Issuing) as listener,
    ):
        serving = threading.Thread(target=listener.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{listener.server_port}/"
        listener.shutdown()
        serving.join()


def run(scenarios: Path, program: str, *arguments: str) -> Report:
    """Run one of the programs to its end."""
    return Report(run_node(scenarios / program, *arguments, folder=scenarios))
