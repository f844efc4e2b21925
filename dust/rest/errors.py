"""The one translator from what went wrong to what a REST client reads.

Every failure has one shape: ``{"code", "message", "fields", "request_id"}``, and ``data`` where the
error carries some. Anticipated failures are answered; anything else is logged once, here, and
answered with nothing but a request id.
"""

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.views import defaults
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from dust.errors import (
    DustError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    RateLimitedError,
    UnauthenticatedError,
)
from dust.livequery.execution import ServerError

logger = logging.getLogger(__name__)

API_PREFIX = "/api/"
NON_FIELD = "non_field_errors"
BEARER = "bearer"
"""The scheme of ``Authorization`` that everybody's tokens come by."""


class BadRequestError(DustError):
    """The request could not be understood."""

    code = "bad_request"
    status = 400


class MalformedJsonError(DustError):
    """The body is not valid JSON."""

    code = "malformed_json"
    status = 400


class UnreadableBodyError(DustError):
    """The body could not be read to its end."""

    code = "unreadable_body"
    status = 400


class InvalidIdempotencyKeyError(DustError):
    """An Idempotency-Key has 1 to 255 printable ASCII characters."""

    code = "invalid_idempotency_key"
    status = 400


class MethodNotAllowedError(DustError):
    """This method is not allowed here."""

    code = "method_not_allowed"
    status = 405


class NotAcceptableError(DustError):
    """The answer is application/json, which the Accept header does not accept."""

    code = "not_acceptable"
    status = 406


class BodyTooLargeError(DustError):
    """The body is too large."""

    code = "body_too_large"
    status = 413


class UnsupportedMediaTypeError(DustError):
    """Send the body as application/json."""

    code = "unsupported_media_type"
    status = 415


# First match wins: subclasses stand above their bases.
_TRANSLATIONS: tuple[tuple[type[Exception], type[DustError]], ...] = (
    (exceptions.NotAuthenticated, UnauthenticatedError),
    (exceptions.AuthenticationFailed, UnauthenticatedError),
    (exceptions.PermissionDenied, ForbiddenError),
    (exceptions.NotFound, NotFoundError),
    (exceptions.MethodNotAllowed, MethodNotAllowedError),
    (exceptions.NotAcceptable, NotAcceptableError),
    (exceptions.UnsupportedMediaType, UnsupportedMediaTypeError),
    (exceptions.Throttled, RateLimitedError),
    (exceptions.ParseError, BadRequestError),
    (Http404, NotFoundError),
    (PermissionDenied, ForbiddenError),
    (RequestDataTooBig, BodyTooLargeError),
    (SuspiciousOperation, BadRequestError),
    (BadRequest, BadRequestError),
    (UnreadablePostError, UnreadableBodyError),
)


def handle_error(exc: Exception, context: Mapping[str, Any]) -> Response:
    """Answer whatever a view raised. Django REST framework calls this."""
    request: Request = context["request"]
    error = _translate(exc) or _server_error(request)
    if error.status == ServerError.status:  # a defect, whether or not it has a kind of its own
        error = _server_error(request)
        logger.error(
            "request failed",
            exc_info=exc,
            extra={"action": "rest.fail", "request_id": _request_id(request)},
        )
    response = Response(
        error_body(error, request_id=_request_id(request)),
        status=error.status,
        headers=_headers(error, scheme=_scheme(context["view"])),
    )
    # Whatever deserves a line in the log has one now; Django would add one for every 503.
    response._has_been_logged = True  # type: ignore[attr-defined] # noqa: SLF001
    if isinstance(error, MethodNotAllowedError):
        response["Allow"] = ", ".join(context["view"].allowed_methods)
    return response


def error_body(error: DustError, *, request_id: str | None) -> dict[str, Any]:
    """Return what a client reads of an error."""
    body = {
        "code": error.code,
        "message": error.message,
        "fields": error.fields,
        "request_id": request_id,
    }
    if error.data is not None:
        body["data"] = error.data
    return body


def _server_error(request: Request | HttpRequest) -> ServerError:
    return ServerError(_request_id(request) or "")


def _headers(error: DustError, *, scheme: str = BEARER) -> dict[str, str]:
    headers = {}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_seconds)))
    if error.status == UnauthenticatedError.status:
        # RFC 6750: the error is named only where a token was sent and refused.
        refused = error.code != UnauthenticatedError.code
        name = scheme.capitalize()
        headers["WWW-Authenticate"] = f'{name} error="invalid_token"' if refused else name
    return headers


def _scheme(view: Any) -> str:
    """Return by which scheme of ``Authorization`` the view's callers say who they are."""
    return str(getattr(getattr(view, "authenticator", None), "scheme", BEARER))


def _request_id(request: Request | HttpRequest) -> str | None:
    return getattr(request, "request_id", None)


def _translate(exc: Exception) -> DustError | None:
    """Return the anticipated failure that the exception stands for, None if there is none."""
    if isinstance(exc, DustError):
        return exc
    if isinstance(exc, exceptions.ValidationError):
        return _invalid(exc)
    for kind, error in _TRANSLATIONS:
        if isinstance(exc, kind):
            return error()
    return None


def _invalid(exc: exceptions.ValidationError) -> InvalidError:
    fields: dict[str, list[str]] = {}
    for path, message in _flatten(exc.detail, path=""):
        fields.setdefault(path, []).append(message)
    general = fields.pop(NON_FIELD, [])
    return InvalidError(" ".join(general) or None, fields=fields)


def _flatten(detail: Any, *, path: str) -> Iterator[tuple[str, str]]:
    """Yield (field, message), naming a field inside others by its dotted path."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            below = path if path and name == NON_FIELD else f"{path}.{name}" if path else str(name)
            yield from _flatten(inner, path=below)
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            nested = isinstance(inner, Mapping | list)
            yield from _flatten(inner, path=f"{path}.{index}" if nested and path else path)
    else:
        yield path or NON_FIELD, str(detail)


# --- outside the views: what Django answers before or instead of one ------------------------------


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that Django itself refused (``handler400``)."""
    error = _translate(exception) or BadRequestError()
    return _plain(request, error, lambda: defaults.bad_request(request, exception))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what is forbidden outside any view of ours (``handler403``)."""
    return _plain(request, ForbiddenError(), lambda: defaults.permission_denied(request, exception))


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a path that leads nowhere (``handler404``)."""
    return _plain(request, NotFoundError(), lambda: defaults.page_not_found(request, exception))


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a failure outside any view of ours, which Django has logged (``handler500``)."""
    return _plain(request, _server_error(request), lambda: defaults.server_error(request))


def _plain(
    request: HttpRequest, error: DustError, page: Callable[[], HttpResponse]
) -> HttpResponse:
    if not request.path.startswith(API_PREFIX):
        return page()
    body = msgspec.json.encode(error_body(error, request_id=_request_id(request)))
    return HttpResponse(
        body, status=error.status, content_type="application/json", headers=_headers(error)
    )
