"""JSON in, JSON out, and nothing else: what the REST doors read and write."""

import json
import math
from collections.abc import Iterable, Mapping
from typing import IO, Any, NoReturn

import msgspec
from django.conf import settings
from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from typing_extensions import override

from dust.rest.errors import BodyTooLargeError, MalformedJsonError

MEDIA_TYPE = "application/json"
_ACCEPTED = frozenset({MEDIA_TYPE, "application/*", "*/*"})


class JsonRenderer(BaseRenderer):
    """Write an answer as UTF-8 JSON."""

    media_type = MEDIA_TYPE
    format = "json"
    charset = None  # JSON is UTF-8: RFC 8259 knows no such parameter

    @override
    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        return b"" if data is None else msgspec.json.encode(data)


class JsonParser(BaseParser):
    """Read a body that is JSON and means one thing only.

    Beside bad syntax this refuses what readers disagree on or no database column can hold: a name
    given twice, NaN and the infinities, a NUL or half a surrogate pair inside a text.

    :raises MalformedJsonError: if the body is any of that.
    """

    media_type = MEDIA_TYPE

    @override
    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        try:
            return self.read(stream.read())
        except RecursionError as exc:
            raise MalformedJsonError("The body is nested too deeply.") from exc
        except ValueError as exc:
            raise MalformedJsonError from exc

    def read(self, body: bytes) -> Any:
        """Return what the body says; a ``ValueError`` says that it is no JSON."""
        value = json.loads(
            body.decode(),
            object_pairs_hook=_object,
            parse_float=_finite,
            parse_constant=_refuse_constant,
        )
        if b"\\u" in body:  # only an escape can bring a text that is no text
            _check_texts(value)
        return value


class BatchParser(JsonParser):
    """Read a body whose parts are judged one by one, by whoever they are for.

    Numbers that are none, or too large, come as floats that are not finite, and texts as they are,
    a NUL or half a surrogate pair inside; only the names of the body's own fields are checked.
    A batch may be as long as its path allows where escapes make it so. With one byte for each
    escape it must be no longer than any other body, or it could be made to fill the memory.

    :raises BodyTooLargeError: if it is longer than that.
    """

    @override
    def read(self, body: bytes) -> Any:
        if _length_unescaped(body) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise BodyTooLargeError
        value = json.loads(
            body.decode(),
            object_pairs_hook=_object,
            parse_float=float,
            parse_int=_whole,
            parse_constant=float,
        )
        if isinstance(value, dict):
            _check_texts(list(value))
        return value


def _length_unescaped(body: bytes) -> int:
    """Return how long the body would be with one byte in the place of each escape."""
    rest = body.replace(rb"\\", b"?")  # each backslash that is left begins an escape
    return len(rest) - rest.count(b"\\") - 4 * rest.count(rb"\u")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise MalformedJsonError("The body gives one name twice.")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise MalformedJsonError("The body holds a number that is too large.")
    return number


def _whole(text: str) -> float:
    try:
        return int(text)
    except ValueError:  # longer than Python reads a number
        return math.inf


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedJsonError(f"{name} is not JSON.")


def _check_texts(value: Any) -> None:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            if "\0" in item:
                raise MalformedJsonError("A text holds a NUL.")
            try:
                item.encode()
            except UnicodeEncodeError as exc:
                raise MalformedJsonError("A text holds half of a surrogate pair.") from exc
        elif isinstance(item, dict):
            pending.extend(item)
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)


class JsonOnly(BaseContentNegotiation):
    """Choose the only parser and renderer there is, or say that the client wants another."""

    @override
    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        kind = request.content_type.partition(";")[0].strip().lower()
        return next(iter(parsers)) if kind == MEDIA_TYPE else None

    @override
    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        accept = request.META.get("HTTP_ACCEPT", "")
        if accept and not any(
            part.partition(";")[0].strip().lower() in _ACCEPTED for part in accept.split(",")
        ):
            raise NotAcceptable
        return next(iter(renderers)), MEDIA_TYPE
