"""``manage.py purge``: what ``serve`` does by itself, for deployments that run no ``serve``."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand
from typing_extensions import override

from dust.livequery.purge import purge


class Command(BaseCommand):
    """Delete what the engine no longer needs."""

    help = "Deletes old idempotency records and change rows."

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        report = purge(now=datetime.now(UTC))
        self.stdout.write(f"requests: {report.requests}, changes: {report.changes}")
