"""``manage.py serve``: one command from an empty folder to a running server."""

import socket
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.core.management import BaseCommand, CommandError, call_command
from django.db import OperationalError, connection
from typing_extensions import override

from dust.server import claim_database, serve

MIGRATION_LOCK = 0x44555354  # any number no one else locks; this one reads "DUST"
_ANY_HOST = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to


class Command(BaseCommand):
    """Migrate, check, and serve."""

    help = "Migrate the database and serve the project with uvicorn."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
        parser.add_argument("--port", default=8000, type=int, help="0 takes a free one")
        parser.add_argument("--workers", default=1, type=int, help="serving processes")
        parser.add_argument("--no-migrate", action="store_true", help="leave the tables alone")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        workers: int = options["workers"]
        _refuse_workers_without_services(workers)
        try:
            claim_database()
        except ImproperlyConfigured as exc:
            raise CommandError(str(exc)) from exc
        with _listener(options["host"], port=options["port"]) as listener:
            if not options["no_migrate"]:
                _migrate()
            if settings.EMBEDDED and not get_user_model().objects.exists():
                call_command("seed_demo", stdout=self.stdout)
            connection.close()  # the server's threads have their own
            serve(
                listener,
                workers=workers,
                announce=lambda: self._announce(options["host"], listener.getsockname()[1]),
            )

    def _announce(self, host: str, port: int) -> None:
        name = "localhost" if host in _ANY_HOST else f"[{host}]" if ":" in host else host
        url = f"http://{name}:{port}"
        lines = [
            f"Serving at {url}/",
            f"  API documentation  {url}/api/docs/",
            f"  admin              {url}/admin/  (python manage.py createsuperuser)",
        ]
        if settings.LOCAL_ISSUER:
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


def _listener(host: str, *, port: int) -> socket.socket:
    """Take the address at once, so that a taken one is told before anything else is done."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as exc:
        listener.close()
        reason = getattr(exc, "strerror", None) or exc
        raise CommandError(f"Cannot listen on {host}:{port}: {reason}.") from exc
    return listener


def _migrate() -> None:
    try:
        with _migration_lock():
            call_command("migrate", interactive=False, verbosity=0)
    except OperationalError as exc:
        raise CommandError(f"The database cannot be used: {exc}") from exc


@contextmanager
def _migration_lock() -> Iterator[None]:
    """Let one process migrate at a time. The one process that serves from SQLite is alone."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])
