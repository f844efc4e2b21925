"""A score is submitted, and every open socket shows it: on real servers, with real clients."""

import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.dust.serving import EMBEDDED, PATIENCE_SECONDS, Serving, manage, two_servers
from tests.players import Players

SOLO_1 = "/ws/leaderboard/solo:1/"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """What somebody has who ran the one command in an empty folder."""
    with Serving(folder=tmp_path_factory.mktemp("flow"), **EMBEDDED) as server:
        yield server


def next_top(socket: ClientConnection) -> Any:
    while (message := json.loads(socket.recv(timeout=PATIENCE_SECONDS)))["type"] != "top":
        pass
    return message


def best(top: Any) -> tuple[str, int]:
    return top["results"][0]["username"], top["results"][0]["score"]


def close_code(socket: ClientConnection) -> int | None:
    with suppress(ConnectionClosed):
        while True:
            socket.recv(timeout=PATIENCE_SECONDS)
    return socket.close_code


class TestNewcomer:
    def test_submits_a_score_and_sees_it_on_every_open_socket(self, server: Serving) -> None:
        issued = manage("token", "newcomer", DUST_DATA_DIR=str(server.folder / "data"), **EMBEDDED)
        token = issued.stdout.strip()
        with ExitStack() as stack:
            sockets = [stack.enter_context(connect(server.socket_url + SOLO_1)) for _ in range(3)]
            before = [next_top(socket) for socket in sockets]
            answer = httpx.post(
                f"{server.url}/api/v1/leaderboards/solo:1/entries/",
                json={"score": 1_000_000, "accuracy": 92.5, "level": 1, "pages_completed": 4},
                headers={"Authorization": f"Bearer {token}"},
            )
            after = [next_top(socket) for socket in sockets]

        assert answer.status_code == 201
        assert before[0]["results"]  # the demo
        assert {best(top) for top in after} == {("newcomer", 1_000_000)}
        assert len({top["version"] for top in after}) == 1

    def test_watches_as_somebody_without_any_header(self, server: Serving) -> None:
        with Players(server.folder / "data") as players:
            players.submit(server, "alice", -5)
            offered: Any = ["dust.v1", f"bearer.{players.token('alice')}"]
        with connect(server.socket_url + SOLO_1, subprotocols=offered) as socket:
            socket.send('{"type":"watch_me"}')
            while (message := json.loads(socket.recv()))["type"] != "me" or not message["entry"]:
                pass

        assert socket.subprotocol == "dust.v1"
        assert (message["entry"]["username"], message["entry"]["score"]) == ("alice", -5)


class TestRestart:
    def test_closes_sockets_that_then_go_on_where_they_were(self, tmp_path: Path) -> None:
        with (
            Serving(folder=tmp_path, **EMBEDDED) as server,
            connect(server.socket_url + SOLO_1) as socket,
        ):
            version = next_top(socket)["version"]
            server.send(signal.SIGTERM)
            code = close_code(socket)
            server.wait()

        with (
            Serving(folder=tmp_path, **EMBEDDED) as server,
            connect(f"{server.socket_url}{SOLO_1}?version={version}") as socket,
            Players(tmp_path / "data") as players,
        ):
            resumed = json.loads(socket.recv(timeout=PATIENCE_SECONDS))
            players.submit(server, "alice", 1_000_000)
            changed = next_top(socket)

        assert code == 1012
        assert resumed == {"type": "unchanged", "what": "top", "version": version}
        assert best(changed) == ("alice", 1_000_000)


class TestTwoServers:
    def test_show_what_was_submitted_to_the_other(self, tmp_path: Path) -> None:
        with ExitStack() as stack:
            servers = stack.enter_context(two_servers(Serving, tmp_path))
            sockets = [
                stack.enter_context(connect(server.socket_url + SOLO_1)) for server in servers
            ]
            empty = [next_top(socket)["results"] for socket in sockets]
            players = stack.enter_context(Players(tmp_path / "data"))
            seen = []
            for score, server in enumerate(servers * 3):
                players.submit(server, "alice", score)
                seen.append([best(next_top(socket)) for socket in sockets])

        assert empty == [[], []]
        assert seen == [[("alice", score)] * 2 for score in range(6)]
