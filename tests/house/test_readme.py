"""The README's examples, run as they are printed but for the address and the install.

The one that is an app is in ``tests/messages_example``, with a test of its own.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dust.livequery.testing import ask, mutate
from tests.dust.serving import EMBEDDED, PATIENCE_SECONDS, ROOT, Process, Serving

README = (ROOT / "README.md").read_text()
EXAMPLE = ROOT / "tests" / "messages_example"


def example(start: str) -> str:
    """Return the one code block that begins so."""
    (block,) = [
        block
        for block in re.findall(r"```(?:sh|python)\n(.*?)```", README, re.DOTALL)
        if block.startswith(start)
    ]
    return str(block)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    with Serving(folder=tmp_path / "server", **EMBEDDED) as server:
        yield server


class TestReadme:
    def test_is_short(self) -> None:
        assert len(README.splitlines()) <= 120

    def test_names_the_two_commands(self) -> None:
        assert example("pip install -e . ").strip() == "pip install -e . && python manage.py serve"
        assert example("pip install -e '").strip() == "pip install -e '.[test]' && pytest"

    def test_shows_the_score_arriving_live(self, server: Serving, tmp_path: Path) -> None:
        here = server.url.removeprefix("http://")
        watch = shlex.split(example("python -m websockets").replace("localhost:8000", here))
        submit = example("curl").replace("localhost:8000", here)
        environment = {
            "DUST_DATA_DIR": str(server.folder / "data"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }

        with Process(*watch[1:], folder=tmp_path / "watch") as watching:
            watching.wait_for_text('"next_cursor":')
            answer = subprocess.run(
                ["/bin/sh", "-c", submit],
                cwd=ROOT,
                env=os.environ | EMBEDDED | environment,
                capture_output=True,
                text=True,
                timeout=PATIENCE_SECONDS,
                check=True,
            )

            assert json.loads(answer.stdout)["status"] == "created"
            watching.wait_for_text('"username":"alice","avatar_url":"","score":1250')


class TestExample:
    def test_is_shown_as_it_is(self) -> None:
        assert (EXAMPLE / "functions.py").read_text().endswith(f"\n{example('@query')}")

    def test_is_all_there_is_to_it(self) -> None:
        lines = [line for path in EXAMPLE.glob("*.py") for line in path.read_text().splitlines()]

        assert len(lines) < 40

    @pytest.mark.django_db(transaction=True)
    def test_plat_c5_lists_the_newest_hundred(self) -> None:
        for number in range(101):
            mutate("messages:send", {"text": f"{number}", "author": "ada"})

        listed = ask("messages:list")

        assert [each["text"] for each in listed] == [f"{number}" for number in range(100, 0, -1)]
        assert {(each["author"], *sorted(each)) for each in listed} == {
            ("ada", "_id", "author", "text")
        }
