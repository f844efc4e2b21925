"""Bearer tokens, and nothing but bearer tokens."""

import pytest

from tests.dust.rest.toys import Client, read


class TestBearerAuthentication:
    @pytest.mark.parametrize("header", ["Bearer alice", "bearer alice", "Bearer  alice "])
    def test_dust_id_1_knows_the_caller_by_the_token(self, toys: Client, header: str) -> None:
        response = toys.send("GET", "1/", authorization=header)

        assert read(response) == {"toy": "1", "owner": "alice", "signed_in": True}

    @pytest.mark.parametrize(
        "header", ["Bearer", "Bearer ", "Bearer not-a-token", "Basic alice", "alice", ""]
    )
    def test_plat_a2_refuses_every_other_header_even_where_none_is_needed(
        self, toys: Client, header: str
    ) -> None:
        response = toys.send("GET", authorization=header)

        assert response.status_code == 401
        assert read(response)["code"] == "invalid_token"
        assert response.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'

    def test_takes_no_header_for_nobody(self, toys: Client) -> None:
        public = toys.send("GET")
        private = toys.send("GET", "1/")

        assert public.status_code == 200
        assert (private.status_code, read(private)["code"]) == (401, "unauthenticated")
        assert private.headers["WWW-Authenticate"] == "Bearer"

    def test_dust_id_1_does_not_look_at_cookies(self, toys: Client) -> None:
        response = toys.send("GET", "1/", cookie="sessionid=alice; token=alice")

        assert response.status_code == 401
