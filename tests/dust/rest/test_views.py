"""What a view is given, and what never reaches one."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from dust.rest.operations import operation_of
from tests.dust.rest.toys import TOY, Client, ToyBox, ToyViewSet, read

ALICE = "Bearer alice"


class TestOperation:
    def test_is_needed_before_anybody_is_let_in(
        self, toys: Client, box: ToyBox, caplog: pytest.LogCaptureFixture
    ) -> None:
        box.made.append(TOY)

        response = toys.send("DELETE", "0/", authorization=ALICE)

        assert response.status_code == 500
        assert box.made == [TOY]
        assert "ToyViewSet.destroy" in caplog.text

    def test_is_found_by_the_name_of_its_action(self) -> None:
        assert operation_of(ToyViewSet(), "create").body is not None
        with pytest.raises(ImproperlyConfigured):
            operation_of(ToyViewSet(), "destroy")


class TestQuery:
    def test_is_read_as_declared(self, toys: Client, box: ToyBox) -> None:
        box.made = [TOY, TOY, TOY]

        assert len(read(toys.send("GET"))["results"]) == 3
        assert len(read(toys.send("GET", "?limit=2"))["results"]) == 2

    @pytest.mark.parametrize(
        ("path", "field"),
        [
            ("?limit=0", "limit"),
            ("?limit=101", "limit"),
            ("?limit=ten", "limit"),
            ("?limit=", "limit"),
            ("?limit=%00", "limit"),
            ("?limit=1&limit=2", "limit"),
            ("?cursor=%00", "cursor"),
            ("?cursor=" + "x" * 21, "cursor"),
            ("?speed=9", "speed"),
            ("?%ff=1", "�"),
            ("1/?limit=1", "limit"),
        ],
    )
    def test_is_refused_where_it_is_not_as_declared(
        self, toys: Client, path: str, field: str
    ) -> None:
        response = toys.send("GET", path, authorization=ALICE)

        assert response.status_code == 400
        assert read(response)["code"] == "invalid"
        assert list(read(response)["fields"]) == [field]

    def test_is_not_decoded_by_a_charset_of_the_clients_choice(self, toys: Client) -> None:
        response = toys.send(
            "GET", "?limit=10", body=b"{}", content_type="application/json; charset=utf-16"
        )

        assert response.status_code == 200


class TestBody:
    @pytest.mark.parametrize(
        ("body", "code", "status"),
        [
            (b"{", "malformed_json", 400),
            (b'{"name": "a", "name": "b"}', "malformed_json", 400),
            (b"[" * 100_000, "malformed_json", 400),
            (b'{"weight": NaN}', "malformed_json", 400),
            (b"[]", "invalid", 400),
            (b"null", "invalid", 400),
            (b"", "invalid", 400),
            ({**TOY, "colour": "red"}, "invalid", 400),
            ({**TOY, "weight": "3"}, "invalid", 400),
            ({**TOY, "weight": 10**400}, "invalid", 400),
            ({**TOY, "name": "x" * 21}, "invalid", 400),
            (b" " * 2_621_441, "body_too_large", 413),
        ],
    )
    def test_is_refused_where_it_is_not_as_declared(
        self, toys: Client, box: ToyBox, body: Any, code: str, status: int
    ) -> None:
        response = toys.send("POST", body=body, authorization=ALICE)

        assert (response.status_code, read(response)["code"]) == (status, code)
        assert not box.made

    @pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "json"])
    def test_is_json_or_nothing(self, toys: Client, box: ToyBox, kind: str) -> None:
        response = toys.send("POST", body=TOY, authorization=ALICE, content_type=kind)

        assert (response.status_code, read(response)["code"]) == (415, "unsupported_media_type")
        assert not box.made

    def test_is_not_read_before_the_caller_is_let_in(self, toys: Client) -> None:
        response = toys.send("POST", body=b"{")

        assert response.status_code == 401


class TestMethods:
    @pytest.mark.parametrize("method", ["PUT", "OPTIONS", "TRACE", "MKCOL"])
    def test_other_than_the_declared_are_refused(self, toys: Client, method: str) -> None:
        response = toys.send(method)

        assert (response.status_code, read(response)["code"]) == (405, "method_not_allowed")
        assert response.headers["Allow"] == "GET, POST, HEAD"

    def test_include_head_where_there_is_get(self, toys: Client) -> None:
        assert toys.send("HEAD").status_code == 200


class TestAnswer:
    def test_is_refused_to_clients_that_accept_no_json(self, toys: Client) -> None:
        response = toys.send("GET", accept="text/html")

        assert response.status_code == 406
        assert read(response)["code"] == "not_acceptable"

    def test_carries_no_headers_that_say_nothing(self, toys: Client) -> None:
        response = toys.send("GET")

        assert dict(response.headers) == {"Content-Type": "application/json"}
