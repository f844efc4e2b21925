"""What tests of runs begin with."""

from datetime import datetime

import pytest

from archives.queries.places import Place
from tests.archives.playing import seed_level, start
from tests.rest import restore_boards


@pytest.fixture
def boards(db: None) -> None:
    """The boards, which the test before may have flushed."""
    restore_boards()


@pytest.fixture
def place(boards: None, now: datetime) -> Place:
    """A run of alice's that has just begun, on a level of two pages."""
    seed_level(now=now)
    return start(now=now)
