"""What can go wrong with a game session."""

from typing import Any

from dust.errors import ConflictError, InvalidError, NotFoundError


class SessionNotFoundError(NotFoundError):
    """There is no such session of yours.

    ``is_foreign`` says that it is somebody else's, which only doors that may tell do tell.
    """

    code = "session_not_found"

    def __init__(self, *, is_foreign: bool = False) -> None:
        super().__init__()
        self.is_foreign = is_foreign


class SaveNotFoundError(NotFoundError):
    """The session's history does not hold this save."""

    code = "save_not_found"


class StaleSaveError(ConflictError):
    """The session has changed since the version that this was based on. See its present copy.

    ``current`` is that copy, which each door puts into ``data`` in the shape it shows sessions in.
    """

    code = "stale_save"

    def __init__(self, current: Any, *, data: Any = None) -> None:
        super().__init__(data=data)
        self.current = current


class SessionOverError(ConflictError):
    """The session is over and changes no more."""

    code = "session_over"


class SessionRefereedError(ConflictError):
    """The server itself keeps this session, by what is done in its run."""

    code = "session_refereed"


class InvalidProgressError(InvalidError):
    """The progress cannot be recorded."""

    code = "invalid_progress"


class InvalidStateError(InvalidError):
    """The state cannot be kept."""

    code = "invalid_state"


class InvalidEventError(InvalidError):
    """This is no event of a game."""

    code = "invalid_event"


class TooManyEventsError(InvalidError):
    """The session holds as many events as a session may."""

    code = "too_many_events"


class InvalidModerationError(InvalidError):
    """A moderator's doing needs a reason, and a short one."""

    code = "invalid_moderation"
