"""What can go wrong in the engine."""

from dust.errors import ConflictError, DustError, InvalidError, NotFoundError, UnavailableError


class WriteInQueryError(DustError):
    """A query must not write."""

    code = "write_in_query"
    status = 500


class RawSqlInQueryError(DustError):
    """Raw SQL inside a query must declare what it reads."""

    code = "raw_sql_in_query"
    status = 500


class UnknownFunctionError(NotFoundError):
    """There is no such function.

    ``path`` is the name that was asked for, and ``kind`` what it should have been, if not anything.
    """

    code = "unknown_function"

    def __init__(self, path: str, *, kind: str | None = None) -> None:
        self.path = path
        self.kind = kind
        super().__init__(f"There is no {kind or 'function'} named {path}.")


class InvalidArgumentsError(InvalidError):
    """The arguments do not fit the function."""

    code = "invalid_arguments"


class InvalidResultError(Exception):
    """A function returned something else than it declares: a defect, not the caller's doing."""


class WriteConflictError(UnavailableError):
    """Too many writes collided. Try again."""

    code = "write_conflict"


class DatabaseLostError(UnavailableError):
    """The database is away. Try again."""

    code = "database_lost"


class IdempotencyMismatchError(DustError):
    """The idempotency key was used before with another request."""

    code = "idempotency_mismatch"
    status = 422


class RequestRunningError(ConflictError):
    """A request with this idempotency key is still running."""

    code = "request_running"


class ActionTimeoutError(UnavailableError):
    """The action took too long."""

    code = "action_timeout"


class InvalidTimeError(InvalidError):
    """Nothing can be scheduled for that time."""

    code = "invalid_time"


class TooManyJobsError(InvalidError):
    """One call of a function schedules too much."""

    code = "too_many_jobs"


class SnapshotUnavailableError(InvalidError):
    """There is no such snapshot any more. Take another one."""

    code = "snapshot_unavailable"
