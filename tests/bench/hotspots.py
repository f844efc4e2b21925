"""Where a server's Python time goes: py-spy's samples of whoever holds the GIL, summed up.

``py-spy`` must be installed; it looks at the process from outside, so the server is the real one.
"""

import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.report import Report, Row

_SHOWN = 25
_LONGEST_SECONDS = 600


@contextmanager
def hotspots(report: Report, pid: int) -> Iterator[None]:
    """Report where the process spends its time inside the block, which being watched slows."""
    with _sampled(pid) as stacks:
        yield
    report.table("who holds the GIL, by package", _by_package(stacks))
    report.table("who holds the GIL, by function", _by_function(stacks))


@contextmanager
def _sampled(pid: int) -> Iterator[Counter[str]]:
    stacks: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="dust-bench-") as folder:
        output = Path(folder) / "stacks"
        command = ["py-spy", "record", "--gil", "--function", "--rate", "400", "--format", "raw"]
        command += ["--output", str(output), "--pid", str(pid)]
        command += ["--duration", str(_LONGEST_SECONDS)]
        try:
            sampler = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        except FileNotFoundError:
            sys.exit("--profile needs py-spy: pip install py-spy")
        try:
            yield stacks
        finally:
            sampler.send_signal(signal.SIGINT)  # at which it writes what it has
            sampler.wait()
        for line in output.read_text().splitlines():
            stack, _, count = line.rpartition(" ")
            stacks[stack] += int(count)


def _by_package(stacks: Counter[str]) -> list[Row]:
    """Return each package's share of the samples, by the innermost function that ran."""
    own: Counter[str] = Counter()
    for stack, count in stacks.items():
        own[_package(stack.rpartition(";")[2])] += count
    return [
        {"package": name, "of the time": count / stacks.total()}
        for name, count in own.most_common(_SHOWN)
    ]


def _by_function(stacks: Counter[str]) -> list[Row]:
    """Return the share of the samples that each function was in, with all that it called."""
    inclusive: Counter[str] = Counter()
    own: Counter[str] = Counter()
    for stack, count in stacks.items():
        frames = stack.split(";")
        own[frames[-1]] += count
        for frame in set(frames):
            inclusive[frame] += count
    total = stacks.total()
    return [
        {"function": name, "with callees": count / total, "own": own[name] / total}
        for name, count in inclusive.most_common(3 * _SHOWN)
    ]


def _package(frame: str) -> str:
    path = frame.rpartition("(")[2].rstrip(")").partition(":")[0]
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] == "dust" else parts[0]
