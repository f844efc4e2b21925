import json
import logging
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from typing_extensions import override

from dust.logs import JsonFormatter, RequestMiddleware, new_request_id, redact


def write_line(message: str, *args: object, extra: dict[str, Any] | None = None) -> dict[str, Any]:
    record = logging.getLogger("a.logger").makeRecord(
        "a.logger", logging.INFO, "file.py", 1, message, args, None, extra=extra
    )
    line: dict[str, Any] = json.loads(JsonFormatter().format(record))
    return line


def _fail(message: str) -> None:
    raise RuntimeError(message)


class TestJsonFormatter:
    def test_writes_message_and_extra(self) -> None:
        line = write_line("room %s", "joined", extra={"action": "room.join", "players": 3})

        assert line["time"].endswith("+00:00")
        del line["time"]
        assert line == {
            "level": "info",
            "logger": "a.logger",
            "message": "room joined",
            "action": "room.join",
            "players": 3,
        }

    def test_writes_what_json_has_no_type_for_as_text(self) -> None:
        assert write_line("x", extra={"thing": {1, 2}.__class__})["thing"] == "<class 'set'>"

    def test_leaves_out_requests(self) -> None:
        request = RequestFactory().get("/", headers={"authorization": "Bearer abc"})

        assert "request" not in write_line("x", extra={"request": request})

    def test_writes_where_an_error_came_from(self) -> None:
        with pytest.raises(RuntimeError) as failed:
            _fail("token?access_token=abc")
        error = (failed.type, failed.value, failed.tb)
        record = logging.LogRecord("x", logging.ERROR, "f", 1, "m", (), error)

        line = json.loads(JsonFormatter().format(record))

        assert "RuntimeError: token?access_token=[redacted]" in line["exception"]
        assert "in _fail" in line["exception"]

    @pytest.mark.parametrize(
        "name", ["Authorization", "access_token", "csrf_cookie", "password", "api_key", "SECRET"]
    )
    def test_keeps_what_is_named_like_a_secret_to_itself(self, name: str) -> None:
        assert write_line("x", extra={name: "hush"})[name] == "[redacted]"


class TestRedact:
    @pytest.mark.parametrize(
        ("text", "left"),
        [
            ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer [redacted]"),
            ("authorization: basic dXNlcjpwYXNz==", "authorization: basic [redacted]"),
            ("protocols dust.v1, bearer.eyJh.eyJz.c2ln", "protocols dust.v1, bearer.[redacted]"),
            ("got eyJhbGciOiJF.eyJzdWIiOiJh.c2ln here", "got [redacted] here"),
            ("GET /ws/?token=abc&board=1", "GET /ws/?token=[redacted]&board=1"),
            ("GET /x?a=1&refresh_token=abc", "GET /x?a=1&refresh_token=[redacted]"),
            ("postgres://dust:hush@db/dust", "postgres://dust:[redacted]@db/dust"),
            ("redis://:hush@cache:6379/0", "redis://:[redacted]@cache:6379/0"),
            ("Authorization: Ingest abcdefghijklmnop", "Authorization: Ingest [redacted]"),
            ("POST /ingest/abc-_1/api/mutation", "POST /ingest/[redacted]/api/mutation"),
            ("https://host/dust/ingest/abc/api", "https://host/dust/ingest/[redacted]/api"),
            ("/ingest/abc", "/ingest/[redacted]"),
            (f"it was dig_0123456789ab_{'A' * 43}.", "it was [redacted]."),
            (f"Convex dak_0123456789ab|{'A' * 43}:eyJ9", "Convex [redacted]:eyJ9"),
            (f"?adminKey=dak_0123456789ab%7C{'A' * 43}&a=1", "?adminKey=[redacted]&a=1"),
            (f"prod:dak_0123456789ab%7C{'A' * 43}", "prod:[redacted]"),
        ],
    )
    def test_takes_secrets_out(self, text: str, left: str) -> None:
        assert redact(text) == left

    @pytest.mark.parametrize(
        "text",
        [
            "a plain line",
            "see https://dust.example/a?page=2&limit=3",
            "http://[::1]:8000/a@b",
            "PUT /api/v1/ingest/pages/9f86d081/",
            "PUT /api/v1/ingest/levels/desert_level_01/",
            "PUT /api/v1/ingest/variants/a1b2/",
            "they ingest pages",
        ],
    )
    def test_leaves_the_rest_alone(self, text: str) -> None:
        assert redact(text) == text


class TestRequestId:
    def test_is_the_one_offered_if_that_is_sane(self) -> None:
        assert new_request_id("trace-1234.abc_D") == "trace-1234.abc_D"

    @pytest.mark.parametrize("offered", [None, "", "short", "x" * 65, "with space", 'quote"12345'])
    def test_is_a_fresh_one_otherwise(self, offered: str | None) -> None:
        first, second = new_request_id(offered), new_request_id(offered)

        assert first != second
        assert len(first) == 16


class TestRequestMiddleware:
    def test_names_the_request_in_its_answer_and_its_lines(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        seen = []
        lines = []

        class Handler(logging.Handler):
            @override
            def emit(self, record: logging.LogRecord) -> None:
                lines.append(json.loads(JsonFormatter().format(record)))

        def view(request: HttpRequest) -> HttpResponse:
            seen.append(request.request_id)  # type: ignore[attr-defined]
            logging.getLogger("dust.view").warning("in the view")
            return HttpResponse(status=418)

        root = logging.getLogger()
        root.addHandler(handler := Handler())
        try:
            with caplog.at_level(logging.INFO):
                response = RequestMiddleware(view)(
                    RequestFactory().post(
                        "/a/path?token=abc", headers={"x-request-id": "trace-123"}
                    )
                )
        finally:
            root.removeHandler(handler)

        assert seen == ["trace-123"]
        assert response.headers["X-Request-ID"] == "trace-123"
        in_view, done = lines
        assert in_view["request_id"] == done["request_id"] == "trace-123"
        assert done["message"] == "request answered"
        assert (done["method"], done["path"], done["status"]) == ("POST", "/a/path", 418)
        assert done["milliseconds"] >= 0

    def test_forgets_the_id_when_the_request_is_done(self) -> None:
        RequestMiddleware(lambda _request: HttpResponse())(RequestFactory().get("/"))

        assert "request_id" not in write_line("later")
