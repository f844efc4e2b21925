"""A refereed run, from seeded content to the board: killed half way, resumed, finished, hidden.

DUST-SO-1.
"""

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from tests.dust.serving import EMBEDDED, PATIENCE_SECONDS, Process, Serving, manage
from tests.players import Players

BOARD = "/ws/leaderboard/solo:10/"
PASSWORD = "a password for the one who moderates"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    with Serving(folder=tmp_path, **EMBEDDED) as server:
        yield server


def command(server: Serving, *arguments: str, **environment: str) -> str:
    """Run a command beside the server; return what it says."""
    data = {"DUST_DATA_DIR": str(server.folder / "data")}
    done = manage(*arguments, **EMBEDDED, **data, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def next_top(socket: ClientConnection) -> Any:
    while (message := json.loads(socket.recv(timeout=PATIENCE_SECONDS)))["type"] != "top":
        pass
    return message["results"]


def names(top: Any) -> list[str]:
    return [entry["username"] for entry in top]


def hide(server: Serving, entry: str) -> str:
    """Hide the entry of that player on the board, as a moderator does in the admin."""
    admin = f"{server.url}/admin/"
    with httpx.Client(follow_redirects=True) as browser:
        browser.headers["Referer"] = admin
        page = browser.get(admin).text
        login = {"username": "root", "password": PASSWORD, "next": "/admin/"}
        browser.post(f"{admin}login/", data=login | {"csrfmiddlewaretoken": form_token(page)})
        page = browser.get(f"{admin}leaderboard/entry/?q={entry}").text
        [chosen] = re.findall(r'name="_selected_action" value="([0-9a-f-]+)"', page)
        form = {
            "csrfmiddlewaretoken": form_token(page),
            "action": "hide",
            "reason": "a smoke test",
            "_selected_action": chosen,
        }
        return browser.post(f"{admin}leaderboard/entry/", data=form).text


def form_token(page: str) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert found, page
    return found[1]


class Game:
    """Somebody's game in a terminal, and what the server tells them of it by REST."""

    def __init__(self, server: Serving, rest: httpx.Client) -> None:
        self._server = server
        self._rest = rest
        self._whose = ("--player", "archivist", "--url", server.url)

    def play_until_killed(self) -> None:
        """Play a level until its third page, and kill the terminal there."""
        server = self._server
        with Process(
            *("manage.py", "play", "--level", "10", "--auto", "--think", "3", *self._whose),
            folder=server.folder / "play",
            **EMBEDDED,
            DUST_DATA_DIR=str(server.folder / "data"),
        ) as playing:
            playing.wait_for_text("Page 3 of 5")
            playing.stop(signal.SIGKILL)

    def resume(self) -> str:
        """Go on with the run in another terminal, to its end; return what that says."""
        return command(self._server, "play", "--resume", "--auto", *self._whose)

    def ask(self, path: str) -> Any:
        """Return what is there."""
        return self._rest.get(path).json()


@pytest.fixture
def game(server: Serving) -> Iterator[Game]:
    command(server, "seed_content")
    root = ("createsuperuser", "--noinput", "--login", "root")
    command(server, *root, DJANGO_SUPERUSER_PASSWORD=PASSWORD)
    with Players(server.folder / "data") as players:
        headers = {"Authorization": f"Bearer {players.token('archivist')}"}
    with httpx.Client(base_url=f"{server.url}/api/v1/", headers=headers) as rest:
        yield Game(server, rest)


class TestSoloRun:
    def test_is_killed_half_way_and_resumed_and_ends_on_the_board_until_it_is_hidden(
        self, server: Serving, game: Game
    ) -> None:
        with connect(server.socket_url + BOARD) as socket:
            before = next_top(socket)
            game.play_until_killed()
            killed = game.ask("runs/active/")
            finished = game.resume()
            after = next_top(socket)
            said = hide(server, "archivist")
            hidden = next_top(socket)
        session = game.ask(f"sessions/{killed['session_id']}/")
        [archive] = game.ask("archives/")["results"]
        mine = game.ask("leaderboards/solo:10/me/")["entry"]

        assert (killed["status"], killed["page_count"]) == ("playing", 5)
        assert killed["page"]["number"] >= 3
        assert f"Page {killed['page']['number']} of 5" in finished
        assert "Page 1 of 5" not in finished
        assert "The run is finished: " in finished
        assert "archivist" not in names(before)
        [entry] = [each for each in after if each["username"] == "archivist"]
        assert f"You are #{entry['rank']} with {entry['score']}." in finished
        assert (entry["source"], entry["pages_completed"]) == ("refereed", 5)
        assert (session["status"], session["score"]) == ("completed", entry["score"])
        assert (archive["session_id"], archive["total_items"] > 0) == (session["id"], True)
        assert "Entries hidden: 1." in said
        assert "archivist" not in names(hidden)
        assert (mine["rank"], mine["score"]) == (None, entry["score"])
