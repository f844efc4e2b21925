"""The content that is shipped with the project, or that a file holds."""

from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from archives.services import loading
from archives.services.loading import Loaded
from dust.errors import DustError
from dust.logs import quiet

SHIPPED = Path(__file__).parents[2] / "content"
_BAR_WIDTH = 30


class Command(BaseCommand):
    """Load content. Good rows are kept, bad ones are reported; the same again changes nothing."""

    help = (
        "Load the content that comes with the project, or a file of it and report on each row. "
        "Running it again changes nothing. Exits with 1 if a row was refused; the good ones are "
        "kept all the same."
    )

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--file",
            type=Path,
            metavar="PATH",
            help="load this instead: .json, or else JSON lines, as export_content writes them",
        )

    @override
    def handle(self, *, file: Path | None, verbosity: int, **options: Any) -> None:
        refused = 0
        is_wordy = verbosity > (0 if file else 1)
        for path in [file] if file else sorted(SHIPPED.glob("*.jsonl")):
            with self._bar():
                counts = self._load(path, is_wordy=is_wordy)
            refused += counts["refused"]
            told = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
            self.stdout.write(f"{path.name}: {told or 'empty'}")
        if refused:
            raise CommandError(f"Rows refused: {refused}.")

    def _load(self, path: Path, *, is_wordy: bool) -> Counter[str]:
        counts: Counter[str] = Counter()
        try:
            with path.open("rb") as file:
                for loaded in loading.load(file, name=path.name, now=datetime.now(UTC)):
                    counts[loaded.outcome or "refused"] += 1
                    self._tell(loaded, is_wordy=is_wordy)
        except OSError as exc:
            raise CommandError(f"{path}: {exc.strerror}.") from exc
        except DustError as error:
            raise CommandError(f"{path}: {' '.join([error.message, *error.fields])}") from error
        return counts

    @contextmanager
    def _bar(self) -> Iterator[None]:
        """Leave a terminal to the bar while there is one: the log says no more than the report."""
        if not self.stderr.isatty():
            yield
            return
        try:
            with quiet():
                yield
        finally:
            self.stderr.write("")

    def _tell(self, loaded: Loaded, *, is_wordy: bool) -> None:
        """Report the row, if it was refused or all are told, and draw how far the file is read."""
        has_terminal = self.stderr.isatty()
        if loaded.outcome is None or is_wordy:
            if has_terminal:
                self._draw("\r\033[K")  # the bar, which may stand where the report goes
            self.stdout.write(loaded.line)
            self.stdout.flush()
        if has_terminal:
            bar = "#" * round(loaded.share * _BAR_WIDTH)
            self._draw(f"\r[{bar:<{_BAR_WIDTH}}] {loaded.share:4.0%}, {loaded.number} rows")

    def _draw(self, text: str) -> None:
        self.stderr.write(text, self.style.NOTICE, ending="")
        self.stderr.flush()
