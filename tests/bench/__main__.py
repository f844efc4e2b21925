"""``python -m tests.bench NAME [options]`` runs one benchmark, ``all`` runs every one.

The server under test and the databases it needs are taken from ``DATABASE_URL`` and ``REDIS_URL``,
in which a database is made for the run and dropped again; without them, from the embedded default.
"""

import importlib
import signal
import subprocess
import sys

BENCHMARKS = ("fanout", "submit", "rank", "invalidate", "sync", "http")


def main(argv: list[str]) -> int:
    """Run what is asked for; ``all`` gives each benchmark a process of its own."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that servers are stopped on the way
    match argv:
        case ["all"]:
            command = [sys.executable, "-m", "tests.bench"]
            runs = [subprocess.run([*command, name], check=False) for name in BENCHMARKS]
            return max(run.returncode for run in runs)
        case [name, *options] if name in BENCHMARKS:
            importlib.import_module(f"tests.bench.{name}").main(options)
            return 0
        case _:
            sys.stdout.write(f"{__doc__}\nbenchmarks: {', '.join(BENCHMARKS)}\n")
            return 0 if argv in (["-h"], ["--help"]) else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
