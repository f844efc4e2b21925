"""``manage.py import_convex``: a team moves here, and brings what it has at Convex."""

from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from typing_extensions import override

from dust import moving
from dust.convex.exports import Export, InvalidExportError, Taken, open_export
from dust.identity import local_issuer
from dust.livequery.changes import unnoticed
from dust.logs import quiet

_TAKEN, _THERE, _REFUSED = "taken", "there already", "refused"


class Command(BaseCommand):
    """Add what an export holds; good rows are kept, bad ones are reported."""

    help = (
        "Add the players, games, scores and content of a zip that `npx convex export --path` has "
        "written. Run again, it adds what is missing and changes nothing that is here, but that "
        "better scores and newer content count. Players keep the bytes of their ids, everything "
        "keeps when it was made. Exits with 1 if a row was refused; the good ones are kept all the "
        "same."
    )

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument(
            "--issuer", help="whose tokens the players have; Clerk's unless given, as it is set up"
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="write nothing in the end. Until then it holds what it would write: others wait",
        )

    @override
    def handle(self, *, file: Path, issuer: str | None, dry_run: bool, **options: Any) -> None:
        issuer = _check_issuer(issuer or settings.CLERK_ISSUER)
        try:
            with open_export(file) as export, _undone() if dry_run else nullcontext():
                refused = self._take(export, issuer)
        except InvalidExportError as exc:
            raise CommandError(f"{file}: {exc}") from exc
        if dry_run:
            self.stdout.write("Nothing was written.")
        if refused:
            raise CommandError(f"Rows refused: {refused}.")

    def _take(self, export: Export, issuer: str) -> int:
        """Take what there are tables for, and tell of the rest; return how many were refused."""
        tables = moving.tables()
        if not tables.keys() & export.tables:
            raise InvalidExportError("It holds none of our tables.")
        refused = 0
        for name, table in tables.items():
            if name in export.tables:
                refused += self._take_table(name, export.take(name, table, issuer=issuer))
            else:
                self.stdout.write(f"{name}: not in the file")
        for name in export.tables:
            if name not in tables:
                self.stdout.write(f"{name}: not taken, there is no such table here")
        return refused

    def _take_table(self, name: str, rows: Iterable[Taken]) -> int:
        counts: Counter[str] = Counter()
        for row in rows:
            counts[_REFUSED if row.refusal else _TAKEN if row.is_new else _THERE] += 1
            if row.refusal:
                self.stdout.write(f"{name} line {row.number}: refused. {row.refusal}")
        told = ", ".join(f"{counts[what]} {what}" for what in (_TAKEN, _THERE, _REFUSED))
        self.stdout.write(f"{name}: {told}")
        self.stdout.flush()
        return counts[_REFUSED]


def _check_issuer(issuer: str | None) -> str:
    known = {provider.issuer for provider in settings.AUTH_PROVIDERS}
    if settings.LOCAL_ISSUER:
        known.add(local_issuer.ISSUER)
    told = ", ".join(sorted(known)) or "nobody"
    if not issuer:
        raise CommandError(f"--issuer is needed without Clerk. Tokens are accepted of {told}.")
    if issuer not in known:
        raise CommandError(f"--issuer {issuer}: tokens are accepted of {told}.")
    return issuer


@contextmanager
def _undone() -> Iterator[None]:
    """Take back in the end what is written inside, and tell nobody of it."""
    with quiet(), transaction.atomic(), unnoticed():
        yield
        transaction.set_rollback(True)
