"""Content as a file that ``seed_content --file`` reads."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import msgspec
from django.core.management.base import BaseCommand
from typing_extensions import override

from archives.queries.documents import export_rows


class Command(BaseCommand):
    """Write all content, or some projects', as JSON lines."""

    help = "Write content as JSON lines: everything, or the pages, levels and variants of projects."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("projects", nargs="*", metavar="project")
        parser.add_argument("--output", type=Path, metavar="PATH", help="instead of the terminal")

    @override
    def handle(self, *, projects: list[str], output: Path | None, **options: Any) -> None:
        lines = (msgspec.json.encode(row).decode() + "\n" for row in export_rows(projects))
        if output is None:
            for line in lines:
                self.stdout.write(line, ending="")
        else:
            with output.open("w", encoding="utf-8") as file:
                file.writelines(lines)
