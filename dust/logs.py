"""JSON log lines without secrets, and the id that ties a request's lines and answer together."""

import logging
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import msgspec
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from typing_extensions import override

logger = logging.getLogger(__name__)

_REDACTED = "[redacted]"
_SECRET_NAME = re.compile(
    r"authorization|cookie|password|passwd|secret|token|api_?key", re.IGNORECASE
)
_SECRET_TEXT = re.compile(
    r"(?P<jwt>\beyJ[\w-]+\.[\w-]+\.[\w-]*)"
    r"|(?P<scheme>\b(?:bearer|basic)[ .])[\w.~+/=-]+"
    r"|(?P<ingest>\bingest )[\w.~+/=-]{16,}"
    r"|(?P<path>/ingest/)(?!(?:pages|levels|variants)/)[^/\s\"\\?#]+"
    r"|\bdig_[0-9a-f]{12}_[\w-]+"
    r"|\bdak_[0-9a-f]{12}(?:\||%7c)[\w-]+"
    r"|(?P<parameter>[?&][\w-]*(?:token|secret|password|key)=)[^&\s\"\\]+"
    r"|(?P<url>://[^:/@\s\"]*:)[^/@\s\"]+(?=@)",
    re.IGNORECASE,
)
_SECRET_HINTS = (
    "eyj",
    "bearer",
    "basic",
    "ingest",
    "dig_",
    "dak_",
    "?",
    "&",
    "://",
)  # one of them is in every such text
_KEPT = ("scheme", "ingest", "path", "parameter", "url")  # what of it may be told
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
# What every record has, and objects that belong in no log line.
_NOT_EXTRA = {*logging.makeLogRecord({}).__dict__, "message", "asctime", "taskName"} | {
    "request",
    "response",
    "color_message",
}

_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


@contextmanager
def quiet() -> Iterator[None]:
    """Log nothing inside that is no warning."""
    before = logging.root.manager.disable
    logging.disable(max(before, logging.INFO))
    try:
        yield
    finally:
        logging.disable(before)


def redact(text: str) -> str:
    """Return the text without tokens, credentials in URLs and secret query parameters."""
    lowered = text.lower()
    if not any(hint in lowered for hint in _SECRET_HINTS):
        return text  # nearly every line; a tenth of the cost
    return _SECRET_TEXT.sub(
        lambda found: next(filter(None, found.group(*_KEPT)), "") + _REDACTED, text
    )


def new_request_id(offered: str | None) -> str:
    """Return the id a proxy or client offered if it is a sane one, else a fresh one."""
    if offered and _SANE_ID.fullmatch(offered):
        return offered
    return secrets.token_hex(8)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: the message, what came in ``extra``, and the request's id."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id := _request_id.get():
            line["request_id"] = request_id
        for name, value in record.__dict__.items():
            if name not in _NOT_EXTRA:
                line[name] = _REDACTED if _SECRET_NAME.search(name) else value
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return redact(msgspec.json.encode(line, enc_hook=str).decode())


class NotUtf8(logging.Filter):
    """Leaves out that a socket's text was not UTF-8: whoever sent it is told, and did it."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], UnicodeDecodeError))


class RequestMiddleware:
    """Name each request, answer with that name, and log one line when it is done."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        request_id = new_request_id(request.META.get("HTTP_X_REQUEST_ID"))
        request.request_id = request_id  # type: ignore[attr-defined]
        outer = _request_id.set(request_id)
        try:
            response = self.get_response(request)
            logger.info(
                "request answered",
                extra={
                    "method": request.method,
                    "path": request.path,
                    "status": response.status_code,
                    "milliseconds": round((time.perf_counter() - started) * 1000, 1),
                },
            )
        finally:
            _request_id.reset(outer)
        response.headers["X-Request-ID"] = request_id
        return response
