"""ConvexClient and ConvexHttpClient of npm, as they are published, against a server of ours."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.convex_clients.conftest import PACKAGES, Report, run
from tests.dust.serving import ExamplesServing

DOORS = {
    "subscription": ("Q", ""),
    "query": ("Q", ""),
    "mutation": ("M", "ByMutation"),
    "action": ("A", "ByAction"),
    "httpQuery": (None, ""),
    "httpMutation": (None, "ByMutation"),
    "httpAction": (None, "ByAction"),
}
"""Every way to call a function: how the client marks its failures, and the function's last name."""


@pytest.fixture(scope="module", params=PACKAGES)
def npm(
    request: pytest.FixtureRequest, scenarios: Path, server: ExamplesServing, issuer: str
) -> Report:
    return run(scenarios, "npm.js", request.param, server.url, issuer)


class TestSubscription:
    def test_shows_what_is_written_until_it_is_ended(self, npm: Report) -> None:
        assert npm["subscription"]["seen"] == [0, 1, 2, 3]
        assert npm["subscription"]["asked"] == 4

    def test_shows_a_mutation_when_that_has_resolved(self, npm: Report) -> None:
        resolved = npm["subscription"]["resolved"]

        assert resolved == [{"result": score, "shown": score} for score in (1, 2, 3)]

    def test_shows_what_another_tab_has_written(self, npm: Report) -> None:
        assert npm["twoTabs"]["seen"] == [[0, 1, 2, 3, 4]] * 2


class TestCalls:
    def test_of_mutations_run_in_order(self, npm: Report) -> None:
        assert npm["manyMutations"]["results"] == list(range(1, 31))

    def test_of_actions_keep_nobody_waiting(self, npm: Report) -> None:
        first, *rest = npm["actions"]["ended"]

        assert first == 1
        assert sorted(rest, key=str) == sorted([npm["actions"]["name"], None], key=str)

    @pytest.mark.parametrize("door", DOORS)
    def test_bring_every_value_back(self, npm: Report, door: str) -> None:
        values = npm["values"]

        assert values["received"][door] == {"returned": values["sent"]}

    def test_take_large_arguments_and_return_them(self, npm: Report) -> None:
        assert npm["largeArguments"] == {"mutated": True, "acted": True}

    def test_find_the_server_behind_a_path(self, npm: Report) -> None:
        found = npm["pathPrefix"]

        assert (found["result"], found["score"]) == (1, 1)
        assert all("/some/prefix/api/" in url for url in found["urls"])


class TestLargeResults:
    def test_come_in_parts_to_who_watches(self, npm: Report) -> None:
        found = npm["largeResults"]

        assert found["text"] > 5_000_000
        assert found["chunks"] == 4  # two of each of two transitions
        assert found["seen"] == [["7 ", True], ["8 ", True]]

    def test_come_whole_over_http(self, npm: Report) -> None:
        assert npm["largeResults"]["asked"] == ["8 ", True]


def failures(npm: Report, how: str) -> Iterator[tuple[str, Any, str]]:
    """Yield of each door the function's name, the error, and its message without the client's."""
    for door, (mark, suffix) in DOORS.items():
        error = npm["failures"][how][door]
        name = "clients:nothing" if how == "unknown" else f"clients:fail{suffix}"
        message = error["message"]
        if mark is not None:
            start, end = f"[CONVEX {mark}({name})] ", "\n  Called by client"
            assert message.startswith(start), message
            assert message.endswith(end), message
            message = message.removeprefix(start).removesuffix(end)
        yield name, error, message


class TestFailures:
    def test_that_were_expected_are_told_in_their_words(self, npm: Report) -> None:
        for _, error, message in failures(npm, "plainly"):
            assert (error["name"], message) == ("Error", "Not today.")

    def test_with_data_are_convex_errors(self, npm: Report) -> None:
        for _, error, message in failures(npm, "with data"):
            assert (error["name"], message) == ("ConvexError", "Not today.")
            assert error["data"] == "{ days: 2, why: [ 'rain' ] }"

    def test_by_a_defect_are_told_by_an_id_that_the_log_has(
        self, npm: Report, server: ExamplesServing
    ) -> None:
        log = server.log
        for _, error, message in failures(npm, "by a defect"):
            found = re.fullmatch(r"\[Request ID: ([0-9a-f]{16})\] Server Error", message)
            assert error["name"] == "Error"
            assert found, message
            assert found[1] in log

    def test_of_arguments_name_the_argument(self, npm: Report) -> None:
        for name, error, message in failures(npm, "as nobody knows"):
            assert error["name"] == "Error"
            assert message.startswith(f"ArgumentValidationError: {name}: ")
            assert "how" in message

    def test_to_find_a_function_name_it(self, npm: Report) -> None:
        for name, error, message in failures(npm, "unknown"):
            assert error["name"] == "Error"
            assert message == f"Could not find public function for '{name}'."


class TestHttpClient:
    def test_runs_mutations_in_order_and_sees_them(self, npm: Report) -> None:
        assert npm["http"] == {"results": [1, 2, 3, 4, 5], "score": 5, "consistent": 5}

    def test_is_who_its_token_says(self, npm: Report) -> None:
        found = npm["httpToken"]

        assert found["good"] == {"returned": "'alice'"}
        assert found["none"] == {"returned": "null"}
        assert '"code":"InvalidToken"' in found["forged"]["message"]


class TestSignIn:
    """``asked`` is whether a token was to be fresh, of each that the client has asked for."""

    def test_holds_for_queries_and_mutations_until_sign_out(self, npm: Report) -> None:
        found = npm["signInAndOut"]

        assert found["asked"] == [False, True]
        assert set(found["changes"]) == {True}
        assert found["shown"] == ["alice", None]
        assert (found["mutated"], found["after"]) == ("alice", None)
        assert found["sockets"] == 1

    def test_is_renewed_before_the_token_expires(self, npm: Report) -> None:
        found = npm["refresh"]

        assert found["asked"] == [False, True, True]
        assert set(found["changes"]) == {True}
        assert found["shown"] == ["alice"]
        assert (found["sockets"], found["authErrors"]) == (1, [])

    def test_is_renewed_after_the_token_has_expired_in_use(self, npm: Report) -> None:
        found = npm["expiry"]

        assert found["asked"] == [False, True, True]
        assert set(found["changes"]) == {True}
        assert set(found["shown"]) == {"alice"}
        assert found["after"] == "alice"
        assert (found["sockets"], found["authErrors"]) == (2, [False])

    def test_needs_a_fresh_token_if_the_first_is_bad(self, npm: Report) -> None:
        found = npm["badAtFirst"]

        assert found["asked"] == [False, True]
        assert (found["changes"], found["shown"]) == ([True], ["alice"])
        assert (found["sockets"], found["authErrors"]) == (2, [True])

    def test_is_given_up_if_every_token_is_bad(self, npm: Report) -> None:
        found = npm["alwaysBad"]

        assert found["asked"] == [False, True, True, True]
        assert (found["changes"], found["shown"]) == ([False], [None])
        assert found["authErrors"] == [True] * 4
        assert (found["result"], found["final"]) == (1, 1)


class TestClients:
    def test_complain_of_nothing_but_what_was_meant_to_fail(self, npm: Report) -> None:
        meant = re.compile(r"\[CONVEX [AM]\(clients:(fail|nothing)|Failed to authenticate: ")
        complaints = npm["complaints"]["complaints"]

        assert [each for each in complaints if not meant.match(each)] == []
