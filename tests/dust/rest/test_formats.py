"""What is read as JSON, and what is refused."""

import math
from io import BytesIO

import pytest
from django.conf import settings
from rest_framework.exceptions import NotAcceptable
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from dust.rest.errors import BodyTooLargeError, MalformedJsonError
from dust.rest.formats import BatchParser, JsonOnly, JsonParser, JsonRenderer


def parse(body: bytes) -> object:
    return JsonParser().parse(BytesIO(body))


class TestJsonParser:
    @pytest.mark.parametrize(
        ("body", "value"),
        [
            (b'{"a": [1, 1250.0, -0.5e2, true, null]}', {"a": [1, 1250.0, -50.0, True, None]}),
            ('"snowman ☃ 🏆"'.encode(), "snowman ☃ 🏆"),
            (rb'"\ud83c\udfc6"', "🏆"),
            (rb'"a \\u0000 written out"', r"a \u0000 written out"),
            (b"9007199254740993", 9007199254740993),
        ],
    )
    def test_reads_json(self, body: bytes, value: object) -> None:
        assert parse(body) == value

    @pytest.mark.parametrize(
        "body",
        [
            b"{",
            b"",
            b"score=1",
            b"{'a': 1}",
            b'{"a": 1} {"b": 2}',
            b'{"a": 1, "a": 2}',
            b'{"outer": {"a": 1, "a": 1}}',
            b'{"a": NaN}',
            b'{"a": -Infinity}',
            b'{"a": 1e999}',
            b'{"a": -1e999}',
            b"9" * 5000,
            rb'{"a": "\u0000"}',
            rb'{"\u0000": 1}',
            rb'["\ud800"]',
            rb'[{"a": ["x\udfffy"]}]',
            b'"\x00"',
            b'"\xff"',
            b'\xef\xbb\xbf"bom"',
            '"utf-16"'.encode("utf-16"),
            b"[" * 100_000,
            b'{"a":' * 100_000,
        ],
    )
    def test_refuses_what_is_not_json_or_means_two_things(self, body: bytes) -> None:
        with pytest.raises(MalformedJsonError):
            parse(body)

    @pytest.mark.parametrize(
        ("body", "sentence"),
        [
            (b'{"score": 1, "score": 2}', "The body gives one name twice."),
            (rb'"\u0000"', "A text holds a NUL."),
            (rb'"\udc00"', "A text holds half of a surrogate pair."),
            (b"[-Infinity]", "-Infinity is not JSON."),
        ],
    )
    def test_says_which_rule_the_body_broke(self, body: bytes, sentence: str) -> None:
        with pytest.raises(MalformedJsonError, match=f"^{sentence}$"):
            parse(body)


class TestBatchParser:
    @pytest.mark.parametrize(
        ("body", "value"),
        [
            (b'{"a": [1, 1250.0, true]}', {"a": [1, 1250.0, True]}),
            (b'{"a": [1e999, -1e999, Infinity]}', {"a": [math.inf, -math.inf, math.inf]}),
            (b'{"a": ' + b"9" * 5000 + b"}", {"a": math.inf}),
            (rb'{"a": {"\u0000": "\ud800"}}', {"a": {"\0": "\ud800"}}),
        ],
    )
    def test_reads_also_what_nothing_can_keep(self, body: bytes, value: object) -> None:
        assert BatchParser().parse(BytesIO(body)) == value

    @pytest.mark.parametrize(
        "body", [b"{", b'{"a": [{"b": 1, "b": 2}]}', rb'{"\ud800": 1}', b'"\xff"', b"[" * 100_000]
    )
    def test_reads_no_more_than_that(self, body: bytes) -> None:
        with pytest.raises(MalformedJsonError):
            BatchParser().parse(BytesIO(body))

    @pytest.mark.parametrize("escape", [rb"\u00e9", rb"\n", rb"\/", rb"\\", rb"\""])
    def test_counts_an_escape_as_one_byte(self, escape: bytes) -> None:
        most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE - 2

        text = BatchParser().parse(BytesIO(b'"%b"' % (escape * most)))
        with pytest.raises(BodyTooLargeError):
            BatchParser().parse(BytesIO(b'"%b"' % (escape * most + b"x")))

        assert len(text) == most


class TestJsonRenderer:
    def test_writes_compact_utf8(self) -> None:
        assert JsonRenderer().render({"name": "☃", "at": None}) == '{"name":"☃","at":null}'.encode()


class TestJsonOnly:
    @pytest.mark.parametrize(
        "accept",
        ["", "*/*", "application/json", "text/html, application/*;q=0.8", "Application/JSON"],
    )
    def test_answers_clients_that_accept_json(self, accept: str) -> None:
        request = Request(APIRequestFactory().get("/", headers={"accept": accept}))

        renderer, media_type = JsonOnly().select_renderer(request, [JsonRenderer()])

        assert isinstance(renderer, JsonRenderer)
        assert media_type == "application/json"

    def test_tells_other_clients_that_there_is_nothing_else(self) -> None:
        request = Request(APIRequestFactory().get("/", headers={"accept": "text/html, image/*"}))

        with pytest.raises(NotAcceptable):
            JsonOnly().select_renderer(request, [JsonRenderer()])
