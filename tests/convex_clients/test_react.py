"""ConvexReactClient, its hooks and ConvexProviderWithClerk, on a page without a browser."""

from itertools import pairwise
from pathlib import Path

import pytest

from tests.convex_clients.conftest import PACKAGES, Report, run
from tests.dust.serving import ExamplesServing


@pytest.fixture(scope="module", params=PACKAGES)
def react(
    request: pytest.FixtureRequest, scenarios: Path, server: ExamplesServing, issuer: str
) -> Report:
    return run(scenarios, "react.js", request.param, server.url, issuer)


class TestOptimisticUpdate:
    def test_never_flickers(self, react: Report) -> None:
        loading, *scores = react["optimistic"]["rising"]

        assert loading is None
        assert (scores[0], scores[-1]) == (0, 10)
        assert all(one < next_one for one, next_one in pairwise(scores))
        assert react["optimistic"]["results"] == list(range(1, 11))

    def test_is_taken_back_if_the_mutation_fails(self, react: Report) -> None:
        assert react["optimistic"]["refusal"]["name"] == "ConvexError"
        # It may fail before it is shown.
        assert set(react["optimistic"]["refused"]) <= {10, 11}
        assert react["optimistic"]["final"] == 10


class TestQueries:
    def test_are_all_of_one_snapshot(self, react: Report) -> None:
        assert react["oneSnapshot"] == {"last": [0, 10], "sums": [10]}

    def test_that_are_skipped_are_not_asked(self, react: Report) -> None:
        assert react["skippedQueryAndAction"] == {
            "seen": ["undefined"],
            "result": None,
            "asked": [],
        }

    def test_that_fail_throw_where_they_are_used_alone(self, react: Report) -> None:
        error = react["failingQuery"]["error"]

        assert (error["name"], error["data"]) == ("ConvexError", "{ days: 2, why: [ 'rain' ] }")


class TestPages:
    def test_have_neither_gaps_nor_repetitions_while_others_write(self, react: Report) -> None:
        pages = react["pagesUnderWrites"]

        assert pages["neverOutOfOrder"]
        assert pages["last"] == pages["wanted"]
        assert pages["status"] == "Exhausted"
        assert {"LoadingFirstPage", "CanLoadMore", "LoadingMore"} < set(pages["statuses"])

    def test_are_split_when_they_have_grown(self, react: Report) -> None:
        pages = react["splitPage"]

        assert pages["neverOutOfOrder"]
        assert pages["splits"] >= 1
        assert pages["last"] == [900, 800, 700, 600, 512, 500]
        assert pages["statuses"] == ["LoadingFirstPage", "CanLoadMore"]

    def test_end_where_they_did_before_the_connection_broke(self, react: Report) -> None:
        pages = react["pagesAcrossReconnect"]

        assert pages["neverOutOfOrder"]
        assert pages["last"] == [
            *(1900, 1800, 1750, 1700, 1600, 1500),
            *(1450, 1400, 1350, 1300, 1200, 1100, 1000),
        ]
        assert pages["status"] == "CanLoadMore"


class TestClerk:
    def test_signs_in_and_out_and_in_as_another(self, react: Report) -> None:
        """What is noted: the part of the page, what ``useConvexAuth`` says, and who one is."""
        seen = react["clerk"]["seen"]

        assert seen[:2] == ["loading true false undefined", "loading true false null"]
        assert seen[-1] == "in false true bob"
        inside = {each for each in seen if each.startswith("in ")}
        assert inside <= {f"in false true {who}" for who in ("undefined", "alice", "bob")}
        assert "out false false null" in seen
        assert react["clerk"]["sockets"] == 1

    def test_gives_tokens_of_its_template_cached_first(self, react: Report) -> None:
        asked = react["clerk"]["asked"]

        assert asked[:2] == [["convex", False], ["convex", True]]
        assert {template for template, _ in asked} == {"convex"}


class TestClients:
    def test_complain_of_nothing_but_what_was_meant_to_fail(self, react: Report) -> None:
        complaints = react["complaints"]["complaints"]

        assert [each for each in complaints if "M(test:refuse)" not in each] == []
