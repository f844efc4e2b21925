"""How a test knows, without guessing at times, that one transaction waits for another."""

import time

from django.db import connection

PATIENCE_SECONDS = 30


def wait_until_somebody_waits() -> None:
    """Return once some transaction of this PostgreSQL database waits for another's lock."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            # Or an open transaction would be shown the same again and again.
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if cursor.fetchone()[0]:
                return
    raise AssertionError("Nobody waits.")
