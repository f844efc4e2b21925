"""Every failure reaches the client in one shape, and only the unforeseen reaches the log."""

import json
import logging
from datetime import datetime
from typing import Any

import pytest
from django.core import exceptions as django_errors
from django.http import Http404, HttpResponse, UnreadablePostError
from django.test import Client as DjangoClient
from django.test import RequestFactory
from rest_framework import exceptions

from dust.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    RateLimitedError,
    UnauthenticatedError,
)
from dust.identity import Identity, InvalidTokenError, ProviderUnavailableError
from dust.livequery.errors import WriteInQueryError
from dust.rest import auth, errors
from tests.dust.rest.toys import Client, ToyBox, read


class ToyBrokenError(ConflictError):
    """The toy is broken.

    Nobody can play with it.
    """

    code = "toy_broken"


def answer(toys: Client, box: ToyBox, failure: Exception) -> Any:
    box.failure = failure
    return toys.send("GET", "1/", authorization="Bearer alice")


class TestHandleError:
    def test_shows_code_message_fields_and_request_id(self, toys: Client, box: ToyBox) -> None:
        response = answer(toys, box, ToyBrokenError(fields={"wheel": ["Is missing."]}))

        assert response.status_code == 409
        assert response.headers["Content-Type"] == "application/json"
        assert read(response) == {
            "code": "toy_broken",
            "message": "The toy is broken.",
            "fields": {"wheel": ["Is missing."]},
            "request_id": "r-1",
        }

    def test_shows_data_where_an_error_carries_some(self, toys: Client, box: ToyBox) -> None:
        response = answer(toys, box, ToyBrokenError("Gone.", data={"repairable": False}))

        assert read(response)["data"] == {"repairable": False}
        assert read(response)["message"] == "Gone."

    @pytest.mark.parametrize(
        ("failure", "status", "code"),
        [
            (UnauthenticatedError(), 401, "unauthenticated"),
            (ForbiddenError(), 403, "forbidden"),
            (exceptions.NotAuthenticated(), 401, "unauthenticated"),
            (exceptions.AuthenticationFailed(), 401, "unauthenticated"),
            (exceptions.PermissionDenied(), 403, "forbidden"),
            (exceptions.NotFound(), 404, "not_found"),
            (exceptions.NotAcceptable(), 406, "not_acceptable"),
            (exceptions.UnsupportedMediaType("text/csv"), 415, "unsupported_media_type"),
            (exceptions.Throttled(), 429, "rate_limited"),
            (exceptions.ParseError(), 400, "bad_request"),
            (Http404(), 404, "not_found"),
            (django_errors.PermissionDenied(), 403, "forbidden"),
            (django_errors.RequestDataTooBig(), 413, "body_too_large"),
            (django_errors.TooManyFieldsSent(), 400, "bad_request"),
            (django_errors.BadRequest(), 400, "bad_request"),
            (UnreadablePostError(), 400, "unreadable_body"),
        ],
    )
    def test_translates_what_the_frameworks_raise(
        self, toys: Client, box: ToyBox, failure: Exception, status: int, code: str
    ) -> None:
        response = answer(toys, box, failure)

        assert (response.status_code, read(response)["code"]) == (status, code)

    def test_names_invalid_fields_by_their_path(self, toys: Client, box: ToyBox) -> None:
        failure = exceptions.ValidationError(
            {
                "name": ["Too long.", "Too silly."],
                "wheels": [{}, {"size": ["Too small."]}],
                "box": {"non_field_errors": ["Does not close."]},
                "tags": {"0": ["Not a text."]},
                "non_field_errors": ["This is no toy."],
            }
        )

        body = read(answer(toys, box, failure))

        assert body["code"] == "invalid"
        assert body["message"] == "This is no toy."
        assert body["fields"] == {
            "name": ["Too long.", "Too silly."],
            "wheels.1.size": ["Too small."],
            "box": ["Does not close."],
            "tags.0": ["Not a text."],
        }

    @pytest.mark.parametrize(("seconds", "header"), [(0.001, "1"), (1.0, "1"), (12.2, "13")])
    def test_rounds_retry_after_up(
        self, toys: Client, box: ToyBox, seconds: float, header: str
    ) -> None:
        response = answer(toys, box, RateLimitedError(retry_after_seconds=seconds))

        assert response.status_code == 429
        assert response.headers["Retry-After"] == header

    def test_says_what_was_wrong_with_a_token_only_where_there_was_one(
        self, toys: Client, box: ToyBox
    ) -> None:
        nobody = answer(toys, box, UnauthenticatedError())
        stale = answer(toys, box, InvalidTokenError())

        assert nobody.headers["WWW-Authenticate"] == "Bearer"
        assert stale.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'

    def test_tells_nothing_of_an_unforeseen_failure_but_logs_it_once(
        self, toys: Client, box: ToyBox, caplog: pytest.LogCaptureFixture
    ) -> None:
        response = answer(toys, box, ZeroDivisionError("secret detail"))

        assert response.status_code == 500
        assert read(response) == {
            "code": "server_error",
            "message": "Server Error",
            "fields": {},
            "request_id": "r-1",
        }
        [record] = [each for each in caplog.records if each.levelno >= logging.ERROR]
        assert record.exc_info
        assert isinstance(record.exc_info[1], ZeroDivisionError)
        assert record.__dict__["request_id"] == "r-1"

    def test_hides_and_logs_the_defects_that_have_a_kind(
        self, toys: Client, box: ToyBox, caplog: pytest.LogCaptureFixture
    ) -> None:
        response = answer(toys, box, WriteInQueryError())

        assert (response.status_code, read(response)["code"]) == (500, "server_error")
        assert [each.levelno for each in caplog.records] == [logging.ERROR]

    @pytest.mark.parametrize("failure", [ToyBrokenError(), Http404(), InvalidError()])
    def test_does_not_log_what_was_foreseen(
        self, toys: Client, box: ToyBox, failure: Exception, caplog: pytest.LogCaptureFixture
    ) -> None:
        answer(toys, box, failure)

        assert not caplog.records


class TestLog:
    def test_has_one_line_for_a_request_that_failed_as_foreseen(
        self,
        client: DjangoClient,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        def fail(token: str, *, now: datetime) -> Identity:
            raise ProviderUnavailableError

        monkeypatch.setattr(auth, "verify_token", fail)

        response = client.get("/api/v1/me/", headers={"authorization": "Bearer x"})

        assert response.status_code == 503
        assert [each.getMessage() for each in caplog.records] == ["request answered"]


class TestOutsideViews:
    """What Django answers before or instead of a view."""

    @pytest.mark.parametrize(
        ("answered", "status", "code"),
        [
            (lambda request: errors.page_not_found(request, Http404()), 404, "not_found"),
            (
                lambda request: errors.permission_denied(request, django_errors.PermissionDenied()),
                403,
                "forbidden",
            ),
            (
                lambda request: errors.bad_request(request, django_errors.DisallowedHost()),
                400,
                "bad_request",
            ),
            (
                lambda request: errors.bad_request(request, django_errors.RequestDataTooBig()),
                413,
                "body_too_large",
            ),
            (errors.server_error, 500, "server_error"),
        ],
    )
    def test_an_api_path_gets_the_one_shape_and_a_page_gets_a_page(
        self, answered: Any, status: int, code: str
    ) -> None:
        api: HttpResponse = answered(RequestFactory().get("/api/v1/nothing/"))
        page: HttpResponse = answered(RequestFactory().get("/nothing/"))

        assert api.status_code == status
        assert json.loads(api.content) | {"message": ""} == {
            "code": code,
            "message": "",
            "fields": {},
            "request_id": None,
        }
        assert page.headers["Content-Type"].startswith("text/html")
