"""``manage.py worker``: a process that runs jobs and crons, for where ``serve`` does not."""

from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand
from django.db import connection
from typing_extensions import override

from dust.management import starting
from dust.server import serve


class Command(BaseCommand):
    """Migrate, and run jobs. Told to stop, it finishes those that it has begun."""

    help = "Run scheduled jobs and crons; answer probes and metrics."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        starting.add_arguments(parser, port=8001)

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        starting.claim()
        with starting.listen(options["host"], port=options["port"]) as listener:
            if not options["no_migrate"]:
                starting.migrate()
            connection.close()  # the worker's threads have their own
            serve(
                listener,
                workers=1,
                announce=lambda: self._announce(starting.url(options["host"], listener)),
                application="dust.asgi:worker",
            )

    def _announce(self, url: str) -> None:
        self.stdout.write(f"Running jobs; probes at {url}/health/ready")
        self.stdout.flush()
