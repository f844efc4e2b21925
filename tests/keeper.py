"""Holds the servers of one pytest process, and clears up after it however it ends.

This file runs as a child of that process, with a pipe for standard input. It obeys one JSON
order a line, and when the pipe closes, which the kernel sees to even after SIGKILL, it ends every
server and removes the folder all of them live in. Standard library only: it starts in a moment.
The parent's end of the pipe is :func:`keeper`.
"""

import json
import queue
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

    def order(self, **order: Any) -> bool:
        """Have an order carried out; return, when it has been, whether all went well."""
        with self._lock:
            assert self._process.stdin
            print(json.dumps(order), file=self._process.stdin, flush=True)
            return self._answer() == "True"

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


Signs = queue.SimpleQueue[bytes]
"""What a server says when it is ready, each time; an empty one when it has ended."""


class _Servers:
    """The servers, by name, each with its signs and the signal that ends it at once."""

    def __init__(self) -> None:
        self._running: dict[str, tuple[subprocess.Popen[bytes], Signs, int]] = {}

    def obey(self, order: dict[str, Any]) -> bool:
        """Run a server unless it runs, wait for its next sign, or end it unless it has ended.

        Answers whether it has said that it is ready, as it must before time is up, or has ended.
        """
        process, signs, _ = self._running.get(order["name"], (None, Signs(), 0))
        if order["do"] == "end":
            assert process is not None
            process.send_signal(order["signal"])
            process.wait()
        elif process is None or process.poll() is not None:
            process = _run(order)
            signs = _signs_of(process, order)
            self._running[order["name"]] = process, signs, order["end_signal"]
            return _is_ready(signs, order)
        elif order["do"] == "wait":
            return _is_ready(signs, order)
        return True

    def end(self) -> None:
        """End whatever still runs."""
        for process, _, end_signal in self._running.values():
            process.send_signal(end_signal)
        for process, _, _ in self._running.values():
            process.wait()


def _run(order: dict[str, Any]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        order["command"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=order["folder"],
        env=order["env"],
        **order["as_user"],
    )


def _signs_of(process: subprocess.Popen[bytes], order: dict[str, Any]) -> Signs:
    """Return where its signs will be found; all that it ever says is kept in its log."""
    signs = Signs()
    log = Path(order["log"]).open("ab", buffering=0)  # noqa: SIM115 - closed where it is written

    def listen() -> None:
        assert process.stdout
        with log, process.stdout as said:
            for line in said:
                log.write(line)
                if order["ready"].encode() in line:
                    signs.put(line)
        signs.put(b"")  # it has ended

    threading.Thread(target=listen, daemon=True).start()
    return signs


def _is_ready(signs: Signs, order: dict[str, Any]) -> bool:
    try:
        return signs.get(timeout=order["seconds"]) != b""
    except queue.Empty:
        return False


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
