"""``manage.py serve``: one command from an empty folder to a running server."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import BaseCommand, CommandError, call_command
from django.db import connection
from typing_extensions import override

from dust.identity import local_issuer
from dust.management import starting
from dust.server import serve


class Command(BaseCommand):
    """Migrate, check, and serve."""

    help = "Migrate the database and serve the project with uvicorn."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        starting.add_arguments(parser, port=8000)
        parser.add_argument("--workers", default=1, type=int, help="serving processes")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        workers: int = options["workers"]
        _refuse_workers_without_services(workers)
        starting.claim()
        with starting.listen(options["host"], port=options["port"]) as listener:
            if not options["no_migrate"]:
                starting.migrate()
            if settings.EMBEDDED and not get_user_model().objects.exists():
                call_command("seed_demo", stdout=self.stdout)
            connection.close()  # the server's threads have their own
            serve(
                listener,
                workers=workers,
                announce=lambda: self._announce(starting.url(options["host"], listener)),
            )

    def _announce(self, url: str) -> None:
        lines = [
            f"Serving at {url}/",
            f"  API documentation  {url}/api/docs/",
            f"  admin              {url}/admin/  (python manage.py createsuperuser)",
        ]
        if settings.LOCAL_ISSUER:
            local_issuer.serve_at(url)
            lines.append("  a token            python manage.py token alice")
        self.stdout.write("\n".join(lines))
        self.stdout.flush()


def _refuse_workers_without_services(workers: int) -> None:
    if workers < 1:
        raise CommandError("--workers must be at least 1.")
    if workers > 1 and connection.vendor == "sqlite":
        raise CommandError(
            "Several workers need PostgreSQL: SQLite serves one process. Set DATABASE_URL."
        )
    if workers > 1 and not settings.REDIS_URL:
        raise CommandError(
            "Several workers need Redis, through which they hear of each other's writes."
            " Set REDIS_URL."
        )
