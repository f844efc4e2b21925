"""What can go wrong, in kinds. Apps derive their own errors from these; the doors translate."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class DustError(Exception):
    """The request could not be carried out.

    An anticipated failure: its message (the class docstring's first paragraph unless one is
    given) and its ``data`` reach the client, and it is never logged as an error.
    """

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 400

    def __init__(
        self,
        message: str | None = None,
        *,
        data: Any = None,
        fields: Mapping[str, Sequence[str]] | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        self.message = message or _first_paragraph(type(self))
        self.data = data
        self.fields = {name: list(messages) for name, messages in (fields or {}).items()}
        self.retry_after_seconds = retry_after_seconds
        super().__init__(self.message)

    @property
    def report(self) -> str:
        """The message, and what is wrong with each field, in one line."""
        details = (f"{field}: {' '.join(messages)}" for field, messages in self.fields.items())
        return " ".join([self.message, *details])


def _first_paragraph(kind: type[DustError]) -> str:
    paragraph = (kind.__doc__ or kind.__name__).strip().split("\n\n")[0]
    return " ".join(paragraph.split())


class InvalidError(DustError):
    """The request is not valid."""

    code = "invalid"
    status = 400


class UnauthenticatedError(DustError):
    """Sign in to do this."""

    code = "unauthenticated"
    status = 401


class ForbiddenError(DustError):
    """Not authorized."""

    code = "forbidden"
    status = 403


class NotFoundError(DustError):
    """There is nothing here."""

    code = "not_found"
    status = 404


class ConflictError(DustError):
    """The request conflicts with the present state."""

    code = "conflict"
    status = 409


class RateLimitedError(DustError):
    """Too many requests. Try again later."""

    code = "rate_limited"
    status = 429


class UnavailableError(DustError):
    """The server cannot answer this now. Try again."""

    code = "unavailable"
    status = 503
