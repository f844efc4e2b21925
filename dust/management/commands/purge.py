"""``manage.py purge``: what a worker does by itself, to have it done now."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand
from typing_extensions import override

from dust.livequery.purge import purge


class Command(BaseCommand):
    """Delete what nobody needs any more."""

    help = (
        "Deletes old idempotency records, change rows, jobs that are over and expired sessions of "
        "the admin."
    )

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        now, deleted, may_go_on = datetime.now(UTC), 0, True
        while may_go_on:
            report = purge(now=now)
            deleted += report.deleted
            may_go_on = report.may_go_on
        self.stdout.write(f"rows deleted: {deleted}")
