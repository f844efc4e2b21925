"""What can go wrong on a leaderboard."""

from dust.errors import InvalidError, NotFoundError


class BoardNotFoundError(NotFoundError):
    """There is no such leaderboard."""

    code = "board_not_found"


class InvalidPlayError(InvalidError):
    """The result cannot be recorded."""

    code = "invalid_play"


class LevelMismatchError(InvalidError):
    """The level is not the one that the leaderboard is for."""

    code = "level_mismatch"


class ScoreAboveBoundError(InvalidError):
    """The score is higher than what can be had on the leaderboard."""

    code = "score_above_bound"


class InvalidCursorError(InvalidError):
    """The cursor is not one that this leaderboard has given out."""

    code = "invalid_cursor"


class InvalidReasonError(InvalidError):
    """A reason is needed, and it must be short."""

    code = "invalid_reason"
