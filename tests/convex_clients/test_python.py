"""Both clients of PyPI's ``convex``, as they are published, against a server of ours."""

import math
import re
import secrets
from datetime import UTC, datetime
from typing import Any

import pytest
from convex import ConvexClient, ConvexError, ConvexInt64
from convex.http_client import ConvexHttpClient
from django.test import override_settings

from dust.identity import local_issuer
from tests.dust.serving import ExamplesServing

VALUES: dict[str, Any] = {
    "data": b"\x00\x01\x02\xff",
    "flags": [True, False],
    "large": [ConvexInt64(number) for number in (0, -1, 2**53 + 1, 2**63 - 1, -(2**63))],
    "nested": {"": [], "a b": [{}, [None]], "keys": {"~": 1.0}},
    "nothing": None,
    "real": [math.nan, math.inf, -math.inf, 0.0, -0.0, 5.0, 0.1, -1e300, 5e-324],
    "text": 'é😀\u0000\u2028"\\',
}
KINDS = {"query": "", "mutation": "ByMutation", "action": "ByAction"}
"""The kinds of functions, and the end of their names."""

LARGE = 3_000_000


@pytest.fixture(scope="module", params=[ConvexClient, ConvexHttpClient])
def client(request: pytest.FixtureRequest, server: ExamplesServing) -> Any:
    return request.param(server.url)


@pytest.fixture
def socket_client(server: ExamplesServing) -> ConvexClient:
    return ConvexClient(server.url)


@pytest.fixture
def token(server: ExamplesServing) -> str:
    with override_settings(DATA_DIR=server.folder / "data"):
        return local_issuer.issue("alice", now=datetime.now(UTC), ttl_seconds=3600)


def new_board(client: Any) -> str:
    board = secrets.token_hex(6)
    client.mutation("clients:add", {"board": board, "scores": [0]})
    return board


class TestCalls:
    @pytest.mark.parametrize("kind", KINDS)
    def test_bring_every_value_back(self, client: Any, kind: str) -> None:
        received = getattr(client, kind)(f"clients:echo{KINDS[kind]}", VALUES)

        assert repr({name: received[name] for name in VALUES}) == repr(VALUES)

    def test_see_what_was_written(self, client: Any) -> None:
        board = new_board(client)

        results = [client.mutation("test:increment", {"name": board}) for _ in range(3)]

        assert results == [1, 2, 3]
        assert client.query("clients:score", {"board": board}) == 3

    def test_return_what_is_large(self, client: Any) -> None:
        board = new_board(client)

        text = client.query("clients:long", {"board": board, "characters": LARGE})

        assert text == "0 " + "é😀" * (LARGE // 2)


class TestFailures:
    @pytest.mark.parametrize("kind", KINDS)
    def test_that_were_expected_are_told_in_their_words(self, client: Any, kind: str) -> None:
        with pytest.raises(Exception, match=r"^Not today\.$") as failed:
            getattr(client, kind)(f"clients:fail{KINDS[kind]}", {"how": "plainly"})

        assert not isinstance(failed.value, ConvexError)

    @pytest.mark.parametrize("kind", KINDS)
    def test_with_data_are_convex_errors(self, client: Any, kind: str) -> None:
        with pytest.raises(ConvexError) as failed:
            getattr(client, kind)(f"clients:fail{KINDS[kind]}", {"how": "with data"})

        assert failed.value.data == {"why": ["rain"], "days": 2.0}

    @pytest.mark.parametrize("kind", KINDS)
    def test_by_a_defect_are_told_by_an_id_that_the_log_has(
        self, client: Any, kind: str, server: ExamplesServing
    ) -> None:
        with pytest.raises(Exception, match="Server Error") as failed:
            getattr(client, kind)(f"clients:fail{KINDS[kind]}", {"how": "by a defect"})

        found = re.fullmatch(r"\[Request ID: ([0-9a-f]{16})\] Server Error", str(failed.value))
        assert found
        assert found[1] in server.log

    def test_leave_the_client_working(self, client: Any) -> None:
        with pytest.raises(Exception, match=r"^Could not find public function for 'no:where'\.$"):
            client.query("no:where")

        assert client.query("clients:me") is None


class TestSubscription:
    def test_shows_what_is_written(self, socket_client: ConvexClient) -> None:
        board = new_board(socket_client)
        scores = socket_client.subscribe("clients:score", {"board": board})
        seen = [next(scores)]
        for _ in range(3):
            socket_client.mutation("test:increment", {"name": board})
            seen.append(next(scores))
        scores.unsubscribe()

        assert seen == [0, 1, 2, 3]
        assert socket_client.query("clients:score", {"board": board}) == 3

    def test_shows_several_of_one_snapshot(self, socket_client: ConvexClient) -> None:
        boards = source, target = [new_board(socket_client) for _ in range(2)]
        watched = [socket_client.subscribe("clients:score", {"board": board}) for board in boards]
        everything = socket_client.watch_all()
        for _ in range(3):
            socket_client.mutation("clients:move", {"source": source, "target": target})
        shown: list[Any] = []
        while not shown or shown[-1] != [-3, 3]:
            results: Any = next(everything)
            shown.append([results[each.id]["value"] for each in watched if each.id in results])

        assert {sum(scores) for scores in shown if len(scores) == 2} == {0}


class TestSignIn:
    def test_holds_until_it_is_cleared(self, client: Any, token: str) -> None:
        before = client.query("clients:me")
        client.set_auth(token)
        signed_in = client.query("clients:me"), client.mutation("clients:meByMutation")
        client.clear_auth()

        assert before is None
        assert signed_in == ("alice", "alice")
        assert client.query("clients:me") is None


class TestAdmin:
    def test_may_call_what_is_internal(self, client: Any, admin_key: str) -> None:
        with pytest.raises(Exception, match="Could not find public function"):
            client.query("test:internal")
        client.set_admin_auth(admin_key)
        count = client.query("test:internal")
        client.clear_auth()

        assert count == int(count)
