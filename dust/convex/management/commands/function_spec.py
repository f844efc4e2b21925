"""``manage.py function_spec``: what functions there are, for tools that read Convex's list."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from dust.convex.specs import UnsupportedTypeError, function_specs
from dust.livequery.registry import all_functions


class Command(BaseCommand):
    """Print what ``npx convex function-spec`` would."""

    help = "Prints all functions with the types of their arguments and results, as JSON."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--url", default="http://localhost:8000", help="where this server is reached"
        )

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            functions = function_specs(all_functions())
        except UnsupportedTypeError as exc:
            raise CommandError(str(exc)) from exc
        self.stdout.write(json.dumps({"url": options["url"], "functions": functions}, indent=2))
