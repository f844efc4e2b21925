"""What a benchmark says: aligned tables, and the same as JSON beside the facts of the machine."""

import json
import os
import platform
import sqlite3
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg

RESULTS = Path(__file__).parent / "results"
_LIBRARIES = [
    *("django", "djangorestframework", "channels", "channels-redis", "psycopg", "redis"),
    *("uvicorn", "uvloop", "websockets", "msgspec"),
]

Row = Mapping[str, Any]


@dataclass
class Report:
    """The findings of one run, said as they come and written to a file at the end."""

    name: str
    now: datetime
    database_url: str | None = None
    tables: dict[str, Sequence[Row]] = field(default_factory=dict)
    bars: list[str] = field(default_factory=list)

    def table(self, title: str, rows: Sequence[Row]) -> None:
        """Print the rows, which have the same keys, under the title."""
        self.tables[title] = rows
        say(f"\n{title}\n{aligned(rows)}")

    def bar(self, what: str, *, value: float, bar: float, goal: float | None = None) -> None:
        """Say whether a figure that should be high enough is."""
        verdict = "met" if value >= bar else "MISSED"
        aim = f", goal {goal:g} {'met' if value >= goal else 'not met'}" if goal else ""
        self.remark(f"{what}: {value:.3g} (bar {bar:g} {verdict}{aim})")

    def remark(self, text: str) -> None:
        """Say something about the figures."""
        self.bars.append(text)
        say(text)

    def write(self) -> Path:
        """Write everything to ``results/`` and return the file's path."""
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{self.name}-{self.now:%Y%m%dT%H%M%SZ}.json"
        content = {
            "benchmark": self.name,
            "date": self.now.isoformat(),
            "machine": facts(self.database_url),
            "tables": self.tables,
            "bars": self.bars,
        }
        path.write_text(json.dumps(content, indent=1, default=str))
        say(f"\nwritten to {path}")
        return path


def facts(database_url: str | None) -> dict[str, Any]:
    """Return what figures can only be compared with: cores, versions, the database."""
    return {
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "database": _database(database_url),
        "libraries": {name: version(name) for name in _LIBRARIES},
    }


def _database(url: str | None) -> str:
    if url is None or url.startswith("sqlite"):
        return f"SQLite {sqlite3.sqlite_version}"
    with psycopg.connect(url) as connection:
        return f"PostgreSQL {connection.info.parameter_status('server_version')}"


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def aligned(rows: Sequence[Row]) -> str:
    """Lay rows out in columns: numbers to the right, text to the left."""
    names = list(rows[0])
    cells = [names, *([_cell(row[name]) for name in names] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    left = [isinstance(rows[0][name], str) for name in names]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if is_left else cell.rjust(width)
            for cell, width, is_left in zip(line, widths, left, strict=True)
        )
        for line in cells
    )


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the value that so many percent of the values do not exceed."""
    if len(values) < 2:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
