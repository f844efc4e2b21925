"""``manage.py codegen``: the types that make a frontend's calls of functions checkable."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from dust.convex.specs import UnsupportedTypeError
from dust.convex.typescript import generated
from dust.livequery.registry import all_functions


class Command(BaseCommand):
    """Write what ``npx convex codegen`` would, from the functions that the apps declare."""

    help = "Writes TypeScript types of all functions, as frontends with a Convex client import."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--out",
            required=True,
            type=Path,
            metavar="DIR",
            help="the frontend's folder convex, in which _generated is written",
        )
        parser.add_argument(
            "--check", action="store_true", help="write nothing, and fail if that would change it"
        )

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        folder: Path = options["out"] / "_generated"
        try:
            files = {folder / name: text for name, text in generated(all_functions()).items()}
            stale = [path for path, text in files.items() if _read(path) != text]
            if not options["check"]:
                folder.mkdir(parents=True, exist_ok=True)
                for path in stale:
                    path.write_text(files[path], encoding="utf-8")
        except UnsupportedTypeError as exc:
            raise CommandError(str(exc)) from exc
        except OSError as exc:
            raise CommandError(f"--out: {exc.filename}: {exc.strerror}.") from exc
        if options["check"] and stale:
            names = ", ".join(path.name for path in stale)
            raise CommandError(f"{folder}: {names}: not up to date. Run codegen without --check.")


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
