"""Clients whose connections are cut, or whose servers go away: nothing is lost or done twice."""

import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.convex_clients.conftest import Report, run
from tests.dust.serving import EMBEDDED, ExamplesServing, Process, two_servers
from tests.node import NODE
from tests.servers import free_port

SOME_CUTS = [
    pytest.param(6, 2, id="some"),
    pytest.param(40, 5, id="200", marks=pytest.mark.soak),
]
"""How many clients there are, in turn of each version, and how often each is cut."""


class Script(Process):
    """A Node program that goes on beside the test."""

    interpreter: ClassVar[str | Path] = NODE


@pytest.fixture(scope="module")
def servers(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[ExamplesServing, ExamplesServing]]:
    with two_servers(ExamplesServing, tmp_path_factory.mktemp("two")) as servers:
        yield servers


def check_survivor(survivor: Any, *, cuts: int) -> None:
    """Check that every mutation has been done once, in order, and that none was seen undone."""
    calls = survivor["calls"]
    assert survivor["cuts"] >= cuts
    assert survivor["sockets"] > cuts
    assert survivor["results"] == list(range(1, calls + 1))
    assert set(survivor["sums"]) == {calls}
    assert survivor["seen"] == sorted(survivor["seen"])


class TestCuts:
    @pytest.mark.parametrize(("clients", "cuts"), SOME_CUTS)
    def test_lose_no_mutation_and_repeat_none(
        self, scenarios: Path, server: ExamplesServing, clients: int, cuts: int
    ) -> None:
        report = run(scenarios, "cuts.js", str(clients), str(cuts), server.url)

        for number in range(clients):
            check_survivor(report[str(number)], cuts=cuts)
        assert report["complaints"] == {"complaints": []}

    @pytest.mark.parametrize(("clients", "cuts"), SOME_CUTS)
    def test_nor_if_clients_hop_between_two_servers(
        self,
        scenarios: Path,
        servers: tuple[ExamplesServing, ExamplesServing],
        clients: int,
        cuts: int,
    ) -> None:
        urls = [server.url for server in servers]

        report = run(scenarios, "cuts.js", str(clients), str(cuts), *urls)

        for number in range(clients):
            check_survivor(report[str(number)], cuts=cuts)
        assert report["complaints"] == {"complaints": []}


class TestRestart:
    @pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
    def test_is_survived_by_open_clients(
        self, tmp_path: Path, scenarios: Path, how: signal.Signals
    ) -> None:
        start = partial(ExamplesServing, "--port", str(free_port()), folder=tmp_path, **EMBEDDED)
        with (
            start() as server,
            Script(str(scenarios / "restart.js"), server.url, folder=tmp_path / "js") as clients,
        ):
            clients.wait_for_line("ready")
            server.stop(how)
            with start():
                clients.wait_for_line("{")
            report = Report(clients.said)

        for which in ("newest", "oldest"):
            survivor = report[which]
            calls = len(survivor["results"])
            assert sorted(survivor["results"]) == list(range(1, calls + 1))
            assert survivor["sum"] == calls
            assert survivor["seen"] == sorted(survivor["seen"])
        assert report["complaints"] == {"complaints": []}
