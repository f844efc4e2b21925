"""What the OpenAPI document says of each action, read from its ``Operation``."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import uritemplate
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, inline_serializer
from rest_framework import serializers
from typing_extensions import override

from dust.errors import DustError, InvalidError, RateLimitedError, UnauthenticatedError
from dust.identity import InvalidTokenError
from dust.livequery.errors import (
    IdempotencyMismatchError,
    RequestRunningError,
    WriteConflictError,
)
from dust.livequery.execution import ServerError
from dust.rest import errors
from dust.rest.auth import Anybody
from dust.rest.idempotency import HEADER, KEY_PATTERN, REPLAYED_HEADER
from dust.rest.operations import Operation, operation_of
from dust.rest.serializers import NoFields

_READS = frozenset({"GET", "HEAD"})

_ANY_ERRORS = (
    InvalidError,
    InvalidTokenError,
    errors.NotAcceptableError,
    ServerError,
)
_BODY_ERRORS = (
    errors.MalformedJsonError,
    errors.UnreadableBodyError,
    errors.BodyTooLargeError,
    errors.UnsupportedMediaTypeError,
)
_WRITE_ERRORS = (
    errors.InvalidIdempotencyKeyError,
    RequestRunningError,
    IdempotencyMismatchError,
    WriteConflictError,
)

_IDEMPOTENCY_KEY = OpenApiParameter(
    HEADER,
    {"type": "string", "pattern": f"^{KEY_PATTERN}$"},
    OpenApiParameter.HEADER,
    description="Sent again with the same key and body, the request runs no second time and gets "
    "the first answer, unless its sender is refused by now. Kept for two weeks, but no longer than "
    "the account; only successes are.",
)


def _replayed(statuses: list[int]) -> OpenApiParameter:
    return OpenApiParameter(
        REPLAYED_HEADER,
        bool,
        OpenApiParameter.HEADER,
        response=statuses,
        description="`true` where this is the answer to an earlier request of the same key.",
    )


def _retry_after(statuses: list[int]) -> OpenApiParameter:
    return OpenApiParameter(
        "Retry-After",
        int,
        OpenApiParameter.HEADER,
        response=statuses,
        description="Seconds after which it is worth trying again.",
    )


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How players sign in, as the document names it."""

    target_class = "dust.rest.auth.BearerAuthentication"
    name = errors.BEARER

    @override
    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class Schema(AutoSchema):
    """Documents an action of a ``RestViewSet``, every error included."""

    @override
    def get_operation_id(self) -> str:
        view: Any = self.view
        return f"{type(view).__name__.removesuffix('ViewSet').lower()}_{view.action}"

    @override
    def get_summary(self) -> str | None:
        return super().get_description().partition("\n\n")[0]

    @override
    def get_description(self) -> str:  # type: ignore[override]  # theirs
        return super().get_description().partition("\n\n")[2]

    @override
    def get_auth(self) -> list[dict[str, Any]]:
        super().get_auth()  # registers the scheme
        view: Any = self.view
        signed_in: list[dict[str, Any]] = [{view.authenticator.scheme: []}]
        return [*signed_in, {}] if self._operation.access is Anybody else signed_in

    @override
    def get_request_serializer(self) -> Any:
        return self._operation.body

    @override
    def get_response_serializers(self) -> Any:
        return {**self._operation.answers, **_error_responses(self._errors())}

    @override
    def get_override_parameters(self) -> list[Any]:
        view: Any = self.view
        in_path = uritemplate.variables(self.path)
        found: list[Any] = [each for each in view.path_parameters if each.name in in_path]
        if self._operation.query is not NoFields:
            found.append(self._operation.query)
        if self._is_write:
            found += [_IDEMPOTENCY_KEY, _replayed(list(self._operation.answers))]
        if self._operation.limit is not None:
            found.append(_retry_after([RateLimitedError.status]))
        return found

    @property
    def _operation(self) -> Operation:
        view: Any = self.view
        return operation_of(view, view.action)

    @property
    def _is_write(self) -> bool:
        return self.method not in _READS

    def _errors(self) -> Iterator[type[DustError]]:
        operation = self._operation
        yield from _ANY_ERRORS
        if operation.access is not Anybody:
            yield UnauthenticatedError
        if operation.body is not None:
            yield from _BODY_ERRORS
        if self._is_write:
            yield from _WRITE_ERRORS
        if operation.limit is not None:
            yield RateLimitedError
        yield from operation.raises


def _error_responses(kinds: Iterator[type[DustError]]) -> dict[int, OpenApiResponse]:
    by_status: dict[int, list[str]] = defaultdict(list)
    for kind in kinds:
        sentence = " ".join((kind.__doc__ or "").split("\n\n")[0].split())
        by_status[kind.status].append(f"`{kind.code}`: {sentence}")
    return {
        status: OpenApiResponse(_ERROR, description="\n\n".join(lines))
        for status, lines in sorted(by_status.items())
    }


_ERROR = inline_serializer(
    "Error",
    {
        "code": serializers.CharField(help_text="Stable: decide by this."),
        "message": serializers.CharField(help_text="For people: it may change."),
        "fields": serializers.DictField(
            child=serializers.ListField(child=serializers.CharField()),
            help_text="What is wrong with which field of the body or query.",
        ),
        "request_id": serializers.CharField(
            allow_null=True, help_text="Quote it when reporting a problem."
        ),
        "data": serializers.JSONField(required=False, help_text="What some errors add."),
    },
)
