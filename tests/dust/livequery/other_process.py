"""Another process on the test's database: the script it runs, and the test's handle on it.

The script serves (it has an engine with a socket) and obeys one JSON order per line. When its
standard input closes it ends.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from django.db import connection

ROOT = Path(__file__).parents[3]
PATIENCE_SECONDS = 30


def environment(*, redis_url: str | None) -> dict[str, str]:
    """Return what another process needs to know to use this one's database."""
    database = connection.settings_dict
    url = f"sqlite:///{database['NAME']}"
    if connection.vendor == "postgresql":
        address = f"{database['HOST']}:{database['PORT']}"
        url = f"postgres://{database['USER']}:{database['PASSWORD']}@{address}/{database['NAME']}"
    return {
        **os.environ,
        "DATABASE_URL": url,
        "PYTHONPATH": str(ROOT),
        "REDIS_URL": redis_url or "",
    }


class OtherProcess:
    """A serving process of its own."""

    def __init__(self, *, redis_url: str | None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __spec__.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment(redis_url=redis_url),
        )

    async def write(self, name: str) -> None:
        """Have it commit, and wait until it has."""
        self._tell({"do": "write", "name": name})
        await self.says("done")

    async def says(self, what: Any) -> None:
        """Wait until it says this."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await self._hear() != what:
                pass

    async def is_told(self, value: Any) -> None:
        """Wait until its socket is told this."""
        await self.says({"told": value})

    async def write_and_die(self, name: str) -> int:
        """Have it killed when it has committed, before anybody is told; return how it ended."""
        self._tell({"do": "write and die", "name": name})
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await asyncio.to_thread(self._process.wait)

    async def _hear(self) -> Any:
        assert self._process.stdout
        return json.loads(await asyncio.to_thread(self._process.stdout.readline))

    def _tell(self, order: dict[str, Any]) -> None:
        assert self._process.stdin
        print(json.dumps(order), file=self._process.stdin, flush=True)

    async def __aenter__(self) -> Self:
        await self.says("ready")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        await asyncio.to_thread(self._process.communicate)


async def serve() -> None:
    """Obey."""
    from dust.livequery import changes, runner  # noqa: PLC0415 - needs a configured Django
    from dust.livequery.engine import Engine  # noqa: PLC0415
    from dust.livequery.live import Transition  # noqa: PLC0415
    from tests.livequery_app.models import Team  # noqa: PLC0415

    class SayingDoor:
        writable = True

        def deliver(self, transition: Transition) -> None:
            say({"told": transition.changes[-1][1].value})

    engine = Engine()
    await engine.start()
    engine.connect(SayingDoor()).subscribe("test:internal", {}, internal=True)
    say("ready")
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        if order["do"] == "write and die":
            changes._listeners.clear()
            changes.on_commit(lambda _: os.kill(os.getpid(), signal.SIGKILL))
        await runner.run(partial(Team.objects.create, name=order["name"]))
        say("done")
    await engine.stop()


def say(what: Any) -> None:
    print(json.dumps(what), flush=True)  # noqa: T201 - the pipe to the test


if __name__ == "__main__":
    import django

    django.setup()
    asyncio.run(serve())
