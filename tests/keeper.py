"""Holds the servers of one pytest process, and clears up after it however it ends.

This file runs as a child of that process, with a pipe for standard input. It obeys one JSON
order a line, and when the pipe closes, which the kernel sees to even after SIGKILL, it ends every
server and removes the folder all of them live in. Standard library only: it starts in a moment.
The parent's end of the pipe is :func:`keeper`.
"""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path
from typing import Any


class Keeper:
    """The child, as its parent sees it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for pytest; the child follows its pipe
        )
        self._lock = threading.Lock()
        self.folder = Path(self._answer())

    def order(self, **order: Any) -> None:
        """Have an order carried out and return when it has been."""
        with self._lock:
            assert self._process.stdin
            print(json.dumps(order), file=self._process.stdin, flush=True)
            self._answer()

    def close(self) -> None:
        """Close the pipe and wait until nothing is left."""
        self._process.communicate()

    def _answer(self) -> str:
        assert self._process.stdout
        answer = self._process.stdout.readline()
        if not answer:
            message = "the keeper of the test servers died; its last words are above"
            raise RuntimeError(message)
        return answer.strip()


@cache
def keeper() -> Keeper:
    """Return the one keeper of this process."""
    return Keeper()


class _Servers:
    """The servers, by name, each with the signal that ends it at once."""

    def __init__(self) -> None:
        self._processes: dict[str, tuple[subprocess.Popen[bytes], int]] = {}

    def obey(self, order: dict[str, Any]) -> int:
        """Run a server unless it runs, or end it unless it has ended; answer its pid."""
        process, _ = self._processes.get(order["name"], (None, 0))
        if order["do"] == "run" and (process is None or process.poll() is not None):
            process = _run(order)
            self._processes[order["name"]] = process, order["end_signal"]
        assert process is not None
        if order["do"] == "end":
            process.send_signal(order["signal"])
            process.wait()
        return process.pid

    def end(self) -> None:
        """End whatever still runs."""
        for process, end_signal in self._processes.values():
            process.send_signal(end_signal)
        for process, _ in self._processes.values():
            process.wait()


def _run(order: dict[str, Any]) -> subprocess.Popen[bytes]:
    with Path(order["log"]).open("ab") as log:
        return subprocess.Popen(
            order["command"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=order["folder"],
            env=order["env"],
            **order["as_user"],
        )


def main() -> None:
    """Obey until the pipe closes."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Caught, not ignored: an ignored signal would stay ignored in the servers.
        signal.signal(number, lambda *_: None)
    folder = Path(tempfile.mkdtemp(prefix="dust-tests-"))
    folder.chmod(0o755)
    servers = _Servers()
    try:
        print(folder, flush=True)  # noqa: T201 - the pipe to the parent
        for line in sys.stdin:
            print(servers.obey(json.loads(line)), flush=True)  # noqa: T201
    finally:
        servers.end()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
