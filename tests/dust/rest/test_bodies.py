"""How large bodies may be, whichever server reads them."""

from typing import Any

import pytest
from django.conf import settings
from django.test import RequestFactory

from dust.rest.bodies import limit_for, read_body
from dust.rest.errors import BodyTooLargeError

USUAL = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
INGEST = "/api/v1/ingest/"


def post(path: str, size: int) -> Any:
    return RequestFactory().post(path, b"x" * size, content_type="application/json")


class TestLimit:
    @pytest.mark.parametrize(
        "path",
        [
            "/",
            "/api/v1/me/",
            "/x/api/v1/ingest/",
            "/api/v1/ingest",
            "/api/v1/sessions/x/",
            "/api/v1/sessions/x/y/events/",
        ],
    )
    def test_is_the_usual_one_nearly_everywhere(self, path: str) -> None:
        assert limit_for(path) == USUAL

    @pytest.mark.parametrize(
        "path", [f"{INGEST}pages/x/", "/api/v1/sessions/x/events/", "/admin/archives/level/import/"]
    )
    def test_is_larger_where_much_comes_in(self, path: str) -> None:
        assert limit_for(path) == 16 * 1024 * 1024


class TestReadBody:
    def test_reads_more_than_usual_where_that_may_be(self) -> None:
        request = post(INGEST, USUAL + 1)

        assert len(read_body(request)) == USUAL + 1
        assert len(read_body(request)) == USUAL + 1
        assert len(request.body) == USUAL + 1

    def test_refuses_more_than_may_be(self) -> None:
        with pytest.raises(BodyTooLargeError):
            read_body(post(INGEST, 16 * 1024 * 1024 + 1))

    def test_reads_what_was_read_before(self) -> None:
        request = post(INGEST, 5)

        assert request.body == read_body(request) == b"xxxxx"
