"""What every server of this project does before it begins."""

import socket
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import Error, connection

from dust.server import claim_database

MIGRATION_LOCK = 0x44555354  # any number no one else locks; this one reads "DUST"
_ANY_HOST = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to


def add_arguments(parser: ArgumentParser, *, port: int) -> None:
    """Let the command be told where to listen, and to leave the tables alone."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", default=port, type=int, help="0 takes a free one")
    parser.add_argument("--no-migrate", action="store_true", help="leave the tables alone")


def claim() -> None:
    """Make sure that this is the only server on a SQLite file."""
    try:
        claim_database()
    except ImproperlyConfigured as exc:
        raise CommandError(str(exc)) from exc


def listen(host: str, *, port: int) -> socket.socket:
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


def url(host: str, listener: socket.socket) -> str:
    """Return where a browser on this machine finds the server."""
    name = "localhost" if host in _ANY_HOST else f"[{host}]" if ":" in host else host
    return f"http://{name}:{listener.getsockname()[1]}"


def migrate() -> None:
    """Migrate the database, one process after the other."""
    try:
        with _migration_lock():
            call_command("migrate", interactive=False, verbosity=0)
    except Error as exc:
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
