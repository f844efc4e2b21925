"""Boards, and what may be recorded on them. The limits stand here and nowhere else. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from leaderboard.errors import (
    BoardNotFoundError,
    InvalidPlayError,
    InvalidReasonError,
    LevelMismatchError,
    ScoreAboveBoundError,
)

MAX_SCORE = 2**53 - 1
"""The largest whole number that every client's arithmetic is exact with; scores may be negative."""
MIN_SCORE = -MAX_SCORE
MAX_ACCURACY = 100
MIN_LEVEL = 1
MAX_LEVEL = 10
MAX_PAGES = 100

MAX_TOP = 100
DEFAULT_TOP = 50
MAX_RADIUS = 50
DEFAULT_RADIUS = 5
MAX_CURSOR_LENGTH = 512
MAX_REASON_LENGTH = 200
SUBMISSIONS_PER_MINUTE = 30

BEST_ATTEMPTS_KEPT = 100
"""How many of a player's attempts on a board stay because of their scores: one of these takes the
place of a result that is withdrawn."""
NEWEST_ATTEMPTS_KEPT = 1_000
"""How many of a player's attempts on a board stay because they are the newest."""

COOP = "coop"
LEVEL_OF_BOARD: Mapping[str, int | None] = MappingProxyType(
    {f"solo:{level}": level for level in range(MIN_LEVEL, MAX_LEVEL + 1)} | {COOP: None}
)
"""Every board there is, with the level it is for; None where any level may be played."""

Number = int | float


class Kind(StrEnum):
    """Who a board is for."""

    SOLO = "solo"
    COOP = "coop"


class Source(StrEnum):
    """Who says so: the player's client, the server that refereed a run, a match in a room."""

    CLAIMED = "claimed"
    REFEREED = "refereed"
    MATCH = "match"


class Status(StrEnum):
    """What a submitted result did to the player's entry."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Play:
    """What a player says, or the server knows, of one game."""

    score: Number
    accuracy: Number
    level: Number
    pages_completed: Number


def board_of(kind: Kind, level: Number) -> str:
    """Return the key of the board for that, whether or not there is such a board.

    What no level can be stands for the first one, as Convex clients expect.
    """
    if kind is Kind.COOP:
        return COOP
    return f"solo:{int(level) if _is_whole(level) and level > 0 else MIN_LEVEL}"


def clamp(number: Number, *, most: int) -> int:
    """Return the whole number from 1 to ``most`` that is asked for, or is nearest; 1 for none."""
    return int(max(1, min(number, most)))


def check_board(board: str) -> str:
    """Return the board's key if there is such a board.

    :raises BoardNotFoundError: if there is none.
    """
    if board not in LEVEL_OF_BOARD:
        raise BoardNotFoundError
    return board


def check_play(board: str, play: Play) -> Play:
    """Return the play as it is recorded, or refuse it, naming each field that is out of bounds.

    Whole numbers may come as floats (1250.0), as clients whose only number is a double send them.

    :raises BoardNotFoundError: if there is no such board.
    :raises InvalidPlayError: if a number is not finite, not whole where it must be, or too far out.
    :raises LevelMismatchError: if the board is for another level.
    """
    check_board(board)
    whole = {
        "score": (play.score, MIN_SCORE, MAX_SCORE),
        "level": (play.level, MIN_LEVEL, MAX_LEVEL),
        "pages_completed": (play.pages_completed, 0, MAX_PAGES),
    }
    refused = {
        field: [f"Must be a whole number from {least} to {most}."]
        for field, (number, least, most) in whole.items()
        if not (_is_whole(number) and least <= number <= most)
    }
    if isinstance(play.accuracy, bool) or not 0 <= play.accuracy <= MAX_ACCURACY:
        refused["accuracy"] = [f"Must be a number from 0 to {MAX_ACCURACY}."]
    if refused:
        raise InvalidPlayError(fields=refused)
    if LEVEL_OF_BOARD[board] not in {None, play.level}:
        raise LevelMismatchError(fields={"level": [f"Must be {LEVEL_OF_BOARD[board]}."]})
    return Play(
        score=int(play.score),
        accuracy=play.accuracy + 0.0,  # a float, and never -0.0
        level=int(play.level),
        pages_completed=int(play.pages_completed),
    )


def check_bound(play: Play, bound: int | None) -> None:
    """Refuse a score that cannot be had with so many pages. Without a bound, any can.

    :raises ScoreAboveBoundError: if it is too high; the bound is named.
    """
    if bound is not None and play.score > bound:
        limit = f"Must be at most {bound} with {play.pages_completed} pages completed."
        raise ScoreAboveBoundError(fields={"score": [limit]})


def check_reason(reason: str) -> str:
    """Return why a moderator did something, as it is logged.

    :raises InvalidReasonError: if it says nothing, or too much.
    """
    reason = reason.strip()
    if not 1 <= len(reason) <= MAX_REASON_LENGTH:
        limit = f"Must be 1 to {MAX_REASON_LENGTH} characters long."
        raise InvalidReasonError(fields={"reason": [limit]})
    return reason


def _is_whole(number: Number) -> bool:
    return not isinstance(number, bool) and (isinstance(number, int) or number.is_integer())
