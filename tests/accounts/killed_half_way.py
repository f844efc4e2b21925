"""A process that erases the first part of every deleted account, and dies in the second.

Run by ``-m tests.accounts.killed_half_way TIME`` on the test's database.
"""

import os
import signal
import sys
from datetime import datetime
from uuid import UUID

import django

django.setup()

# What follows needs the settings.
from accounts.services import deletion  # noqa: E402
from dust.livequery.testing import run_jobs  # noqa: E402


def die(_key: UUID) -> bool:
    """Leave no time for anything."""
    os.kill(os.getpid(), signal.SIGKILL)
    return False


if __name__ == "__main__":
    deletion._parts.clear()
    # What is registered last is erased first.
    deletion.register_part("second", die)
    deletion.register_part("first", lambda _key: True)
    run_jobs(now=datetime.fromisoformat(sys.argv[1]))
