"""``convex run``, as npm's package has it, on a server of ours with an admin key of ours."""

import json
import os
import secrets
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.convex_clients.conftest import PACKAGES
from tests.dust.serving import ExamplesServing
from tests.node import NODE, PATIENCE_SECONDS, node_modules

Convex = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(params=PACKAGES)
def convex(
    request: pytest.FixtureRequest, scenarios: Path, server: ExamplesServing, admin_key: str
) -> Convex:
    """Returns how to run the command, with the key unless it is given another."""

    def run(*arguments: str, key: str = admin_key) -> "subprocess.CompletedProcess[str]":
        environment = {
            "CONVEX_SELF_HOSTED_URL": server.url,
            "CONVEX_SELF_HOSTED_ADMIN_KEY": key,
        }
        return subprocess.run(
            [NODE, node_modules() / request.param / "bin/main.js", *arguments],
            cwd=scenarios.parent,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    return run


class TestRun:
    def test_calls_a_mutation_and_then_sees_what_it_wrote(self, convex: Convex) -> None:
        board = secrets.token_hex(6)
        written = convex("run", "clients:add", json.dumps({"board": board, "scores": [7]}))
        read = convex("run", "clients:score", json.dumps({"board": board}))

        assert written.returncode == 0, written.stderr
        assert (read.returncode, read.stdout.strip()) == (0, "7"), read.stderr

    def test_calls_what_is_internal(self, convex: Convex) -> None:
        counted = convex("run", "test:internal")

        assert counted.returncode == 0, counted.stderr
        assert counted.stdout.strip().isdigit()

    def test_acts_as_whom_it_is_told(self, convex: Convex) -> None:
        identity = {"subject": "alice", "issuer": "https://issuer.example"}
        me = convex("run", "clients:meByMutation", "--identity", json.dumps(identity))

        assert (me.returncode, me.stdout.strip()) == (0, '"alice"'), me.stderr

    def test_is_told_what_failed(self, convex: Convex) -> None:
        failed = convex("run", "clients:failByAction", '{"how": "plainly"}')

        assert failed.returncode == 1
        assert "Error: Not today." in failed.stderr

    def test_is_told_that_there_is_no_such_function(self, convex: Convex) -> None:
        failed = convex("run", "clients:nothing")

        assert failed.returncode == 1
        assert "There is no function named clients:nothing." in failed.stderr

    def test_needs_a_good_key(self, convex: Convex) -> None:
        refused = convex("run", "clients:me", key="dust|nonsense")

        assert refused.returncode == 1
        assert "BadDeployKey" in refused.stderr
