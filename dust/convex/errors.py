"""What Convex clients are told of what went wrong, and what is wrong with what they send."""

import secrets
from typing import Any

from msgspec import UNSET

from dust.errors import DustError, ForbiddenError, InvalidError
from dust.livequery.errors import InvalidArgumentsError, UnknownFunctionError
from dust.livequery.execution import ServerError


class BadJsonBodyError(InvalidError):
    """The body is not the JSON object that is expected here."""

    code = "bad_json_body"


class BadConvexFunctionIdentifierError(InvalidError):
    """This cannot be the name of a function."""

    code = "bad_convex_function_identifier"


class BadFormatError(InvalidError):
    """There is no such format."""

    code = "bad_format"


class BadAuthorizationError(DustError):
    """The Authorization header must be "Bearer" and a token, or "Convex" and an admin key."""

    code = "bad_authorization"
    status = 401


class BadDeployKeyError(ForbiddenError):
    """This needs a good admin key."""

    code = "bad_deploy_key"


class RequestTimeoutError(DustError):
    """The request took too long. What it began may still happen."""

    code = "request_timeout"
    status = 408


def new_request_id() -> str:
    """Return what names a failure, to its client and in the log."""
    return secrets.token_hex(8)


def is_defect(error: DustError) -> bool:
    """Return whether the error is nobody's fault but ours, so nobody is told what it is."""
    return error.status == ServerError.status


def describe(error: DustError, *, request_id: str | None = None) -> tuple[str, Any]:
    """Return a function's failure in a sentence, and the data that the application gave, or UNSET.

    A defect is told by nothing but an id: its own, under which the log has it, or else this one.
    """
    match error:
        case ServerError():
            return _redacted(error.request_id), UNSET
        case _ if is_defect(error):
            return _redacted(request_id or new_request_id()), UNSET
        case UnknownFunctionError(kind=str()):
            # Without the kind, which tools leave open, it must not be said so: by these words they
            # would know Convex itself, and ask it for a list of all functions.
            return f"Could not find public function for '{error.path}'.", UNSET
        case InvalidArgumentsError():
            return f"ArgumentValidationError: {error.message}", UNSET
        case _:
            return error.message, UNSET if error.data is None else error.data


def _redacted(request_id: str) -> str:
    return f"[Request ID: {request_id}] Server Error"


def transport_error(error: DustError) -> dict[str, str]:
    """Return what is told, by HTTP, of a failure that was not a function's."""
    message = describe(error)[0] if is_defect(error) else error.message
    return {"code": error.code.title().replace("_", ""), "message": message}
