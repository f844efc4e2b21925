"""Entries on one board, written as in a match, and what counting them says of ranks."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from django.db import connection

from accounts.models import User
from leaderboard.models import Entry
from leaderboard.queries.ranks import get_rank
from leaderboard.rules import Play, Source
from leaderboard.services.scores import submit_score

T = TypeVar("T")
HAS_COUNTERS = connection.vendor == "postgresql"

BOARD = "coop"
NOW = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)


def are_exact(*scores: int) -> bool:
    """Return whether these scores have the ranks that counting the entries gives them."""
    listed = Entry.objects.filter(board_id=BOARD).filter(ranked=True, hidden=False, suspended=False)
    there = list(listed.values_list("score", flat=True))
    counted = [1 + sum(other > score for other in there) for score in scores]
    return [get_rank(BOARD, score) for score in scores] == counted


def submit(player: User, score: int, source: Source = Source.MATCH) -> None:
    play = Play(score=score, accuracy=50, level=1, pages_completed=1)
    submit_score(BOARD, play=play, user_id=player.id, source=source, now=NOW)


def in_thread(work: Callable[[], T]) -> T:
    """Do the work, and leave no connection to the thread that did it."""
    try:
        return work()
    finally:
        connection.close()
