"""What ranks and submits cost on one board as it grows, and how soon players see their new rank.

Every size has tables of its own, side by side in one database, and they take turns, so that a slow
spell of the machine hits them all. Scores lie as a game's do (a few thousand different ones) or
anywhere between the limits (hardly two alike). The account in DATABASE_URL must be a superuser:
entries are loaded with triggers off.
"""

import argparse
import os
import statistics
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import django

from tests.bench.report import Report, percentile, say
from tests.bench.servers import dust_environment

if TYPE_CHECKING:
    from tests.bench.ranktables import Table

_P50_BAR_MS, _P99_BAR_MS, _SUBMIT_BAR = 1.0, 10.0, 1.5


def main(argv: Sequence[str]) -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="tests.bench rank", description=__doc__)
    parser.add_argument("--entries", type=_numbers, default=[10_000, 1_000_000, 5_000_000])
    parser.add_argument("--shapes", nargs="+", choices=["game", "wide"], default=["game", "wide"])
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--reads", type=int, default=1_000, help="in each turn")
    parser.add_argument("--submits", type=int, default=1_000, help="in each turn")
    parser.add_argument("--players", type=int, default=1_000, help="who watch their rank")
    options = parser.parse_args(argv)
    if "DATABASE_URL" not in os.environ:
        sys.exit("Counters are PostgreSQL's: set DATABASE_URL.")
    report = Report("rank", now=datetime.now(UTC), database_url=os.environ["DATABASE_URL"])
    with dust_environment():
        run(report, options)
    report.write()


def run(report: Report, options: argparse.Namespace) -> None:
    """Load and measure one shape of scores after the other."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "dust.settings"
    django.setup()
    from tests.bench import ranking, ranklive, ranktables  # noqa: PLC0415 - they need the settings

    for shape in options.shapes:
        tables = [ranktables.load(shape, entries) for entries in options.entries]
        report.table(f"{shape}: what was loaded", [table.loaded for table in tables])
        for number in range(options.passes):
            say(f"{shape}: pass {number + 1} of {options.passes}")
            for table in tables:
                ranking.take_turn(table, reads=options.reads, submits=options.submits)
        report.table(f"{shape}: ms to find one rank", [_rank_row(table) for table in tables])
        report.table(f"{shape}: submits", [_submit_row(table, tables[0]) for table in tables])
        _judge(report, shape, tables)
        rows = ranklive.measure(tables[-1], players=options.players)
        report.table(f"{shape}: {options.players} players watch their rank", rows)
        for table in tables:
            ranktables.drop(table)


def _numbers(text: str) -> list[int]:
    return sorted(int(part) for part in text.split(","))


def _rank_row(table: "Table") -> dict[str, Any]:
    row: dict[str, Any] = {"entries": table.entries}
    for name, ms in table.reads.items():
        row[f"{name} p50"] = statistics.median(ms)
        row[f"{name} p99"] = percentile(ms, 99)
    return row


def _submit_row(table: "Table", smallest: "Table") -> dict[str, Any]:
    ratios = [a / b for a, b in zip(table.submit_ms, smallest.submit_ms, strict=True)]
    return {
        "entries": table.entries,
        "ms each": statistics.median(table.submit_ms),
        f"of {smallest.entries:,}": statistics.median(ratios),
        "1 thread/s": statistics.median(table.alone),
        "8 threads/s": statistics.median(table.together),
        "raw, 1 thread/s": statistics.median(table.raw_alone),
        "raw, 8 threads/s": statistics.median(table.raw_together),
        "ms to fold 1,000": statistics.median(table.fold_ms),
    }


def _judge(report: Report, shape: str, tables: Sequence["Table"]) -> None:
    """Say whether the largest board keeps within the bars."""
    largest = tables[-1]
    ms = largest.reads["get_rank"]
    ratio = _submit_row(largest, tables[0])[f"of {tables[0].entries:,}"]
    for what, value, bar in (
        (f"{shape}: rank p50 ms at {largest.entries:,}", statistics.median(ms), _P50_BAR_MS),
        (f"{shape}: rank p99 ms at {largest.entries:,}", percentile(ms, 99), _P99_BAR_MS),
        (f"{shape}: cost of a submit, of that at {tables[0].entries:,}", ratio, _SUBMIT_BAR),
    ):
        verdict = "met" if value <= bar else "MISSED"
        report.bars.append(f"{what}: {value:.3g} (at most {bar:g}: {verdict})")
        say(report.bars[-1])
