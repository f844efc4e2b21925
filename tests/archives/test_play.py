"""``manage.py play`` against a running server, in a process of its own."""

import io
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from hypothesis import given
from hypothesis import strategies as st

from archives.management.commands.play import pick
from tests.dust.serving import EMBEDDED, ROOT, Serving, manage
from tests.players import Players

SHIPPED = ROOT / "archives/content/demo.jsonl"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server with the content that comes with the project."""
    with Serving(folder=tmp_path_factory.mktemp("play"), **EMBEDDED) as server:
        seeded = manage("seed_content", DUST_DATA_DIR=str(server.folder / "data"), **EMBEDDED)
        assert seeded.returncode == 0, seeded.stderr
        yield server


@pytest.fixture(scope="module")
def players(server: Serving) -> Iterator[Players]:
    with Players(server.folder / "data") as players:
        yield players


class Terminal:
    """Where somebody plays: what they type comes from ``lines``, what they see is kept."""

    def __init__(self, server: Serving, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self._options: dict[str, Any] = {"url": server.url, "token": token}
        self._monkeypatch = monkeypatch

    def play(self, *arguments: str, lines: list[str] | None = None) -> str:
        """Run the command until it ends, or until there are no more lines."""
        self._monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join([*(lines or []), ""])))
        seen = io.StringIO()
        call_command("play", *arguments, stdout=seen, **self._options)
        return seen.getvalue()


@pytest.fixture
def terminal(
    server: Serving,
    players: Players,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Terminal:
    """A terminal of a player's own."""
    return Terminal(server, players.token(request.node.name), monkeypatch)


def demo_truths() -> list[list[bool]]:
    """Return of each section of each page of the demo whether it is true."""
    rows = map(json.loads, SHIPPED.read_text().splitlines())
    return [
        [section["isTrue"] for section in row["content"]["sections"]]
        for row in rows
        if row["isDemo"]
    ]


def numbers(truths: list[bool]) -> str:
    """Return what somebody types who knows the truth."""
    return " ".join(str(number) for number, is_true in enumerate(truths, 1) if is_true)


class TestAuto:
    @pytest.mark.parametrize("what", [["--level", "3"], ["--demo"], []])
    def test_plays_to_the_end(self, terminal: Terminal, what: list[str]) -> None:
        seen = terminal.play(*what, "--auto")

        assert "Page 1 of" in seen
        assert "The run is finished: " in seen

    def test_shows_the_live_board_of_a_level(self, terminal: Terminal) -> None:
        seen = terminal.play("--level", "4", "--auto")

        *_, board, own = seen.splitlines()
        assert board.startswith("solo:4, live: #1 ")
        assert own.startswith("You are #")
        assert f"finished: {own.rpartition(' ')[2].rstrip('.')} points" in seen


class TestPlay:
    def test_is_won_by_who_knows_the_truth(self, terminal: Terminal) -> None:
        pages = demo_truths()
        lines = [line for truths in pages for line in (numbers(truths), "")]

        seen = terminal.play("--demo", lines=lines)

        correct = sum(map(sum, pages))
        points = sum(100 + 25 * combo for combo in range(correct))
        assert f"The run is finished: {points} points, 100% right, 5 pages." in seen
        assert "false. " in seen
        assert "live" not in seen

    def test_has_lifelines_and_says_what_is_refused(self, terminal: Terminal) -> None:
        first = demo_truths()[0]
        false = first.index(False) + 1

        seen = terminal.play(
            "--demo",
            lines=["?", "v", f"v {false}", "v 1", "f", "p", "p", "1", "99", numbers(first), "q"],
        )

        for said in [
            "Numbers archive; v 2 verifies",
            "Cannot be chosen.",
            f"s{false} is false.",
            "This lifeline has been used on this page.",
            "is false, and out.",
            "There is energy left",
            "Archived: +",
            "The run is abandoned: ",
        ]:
            assert said in seen, seen

    def test_can_be_left_in_the_midst_of_a_page(self, terminal: Terminal) -> None:
        assert "The run is abandoned: 0 points" in terminal.play("--demo", lines=["q"])

    def test_goes_on_where_it_was_broken_off(self, terminal: Terminal) -> None:
        pages = demo_truths()

        broken = terminal.play("--demo", lines=[numbers(pages[0]), ""])
        between = terminal.play("--resume", lines=[numbers(pages[1])])
        resumed = terminal.play("--resume", "--auto")

        assert "Go on with --resume." in broken
        assert "Page 2 of 5" in between
        assert "Page 1 of 5" not in between
        assert "Page 3 of 5" in resumed
        assert "The run is finished: " in resumed

    def test_has_nothing_to_resume_where_there_is_no_run(self, terminal: Terminal) -> None:
        with pytest.raises(CommandError, match="There is no such run of yours"):
            terminal.play("--resume")

    def test_says_what_cannot_be_played(
        self, server: Serving, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(CommandError, match="token"):
            Terminal(server, "nonsense", monkeypatch).play("--demo")

    def test_says_where_no_server_is(self) -> None:
        with pytest.raises(CommandError, match="does not answer"):
            call_command("play", "--auto", token="x", url="http://127.0.0.1:1/")

    def test_issues_a_token_of_the_local_issuer(self, server: Serving) -> None:
        played = manage(
            *("play", "--demo", "--auto", "--player", "issued", "--url", server.url),
            DUST_DATA_DIR=str(server.folder / "data"),
            **EMBEDDED,
        )

        assert played.returncode == 0, played.stderr
        assert played.stderr == ""
        assert "The run is finished: " in played.stdout

    def test_needs_a_token_where_there_is_no_such_issuer(self, tmp_path: Path) -> None:
        environment = {**EMBEDDED, "LOCAL_ISSUER": "false", "DUST_DATA_DIR": str(tmp_path)}

        played = manage("play", "--auto", **environment)

        assert played.returncode == 1
        assert "LOCAL_ISSUER=true turns it on" in played.stderr


def section(number: int, cost: int, *, is_image: bool = False) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": f"s{number}", "archive_cost": cost}
    return shown | ({"image_src": "i.png"} if is_image else {})


class TestPick:
    @given(
        costs=st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=12),
        data=st.data(),
        seed=st.integers(0, 99),
    )
    def test_spends_the_energy_exactly_whatever_sections_cost(
        self, costs: list[tuple[int, bool]], data: st.DataObject, seed: int
    ) -> None:
        sections = [
            section(number, cost, is_image=is_image)
            for number, (cost, is_image) in enumerate(costs)
        ]
        can_be_chosen = [each for each in sections if each["archive_cost"] and len(each) == 2]
        wanted = data.draw(
            st.lists(st.sampled_from(can_be_chosen), unique_by=lambda it: it["id"])
            if can_be_chosen
            else st.just([])
        )
        energy = sum(each["archive_cost"] for each in wanted)

        found = pick(sections, energy, luck=random.Random(seed))  # noqa: S311 - the same each time

        cost_of = {each["id"]: each["archive_cost"] for each in can_be_chosen}
        assert sum(cost_of[key] for key in found) == energy
        assert len(set(found)) == len(found)

    def test_is_left_to_luck(self) -> None:
        sections = [section(number, 1) for number in range(6)]

        found = {
            tuple(pick(sections, 3, luck=random.Random(seed)))  # noqa: S311
            for seed in range(20)
        }

        assert len(found) > 5

    def test_is_nothing_where_nothing_fits(self) -> None:
        luck = random.Random(1)  # noqa: S311

        assert pick([section(1, 2)], 3, luck=luck) == []
