"""The OpenAPI document is whole; that the server keeps to it is shown by ``test_fuzzing``."""

from typing import Any

import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

SIGN_INS: list[Any] = [[{"bearer": []}], [{"bearer": []}, {}], [{"ingest": []}]]


@pytest.fixture
def document() -> Any:
    generator: Any = SchemaGenerator  # which has no types
    return generator().get_schema(public=True)


@pytest.fixture
def operations(document: Any) -> dict[str, Any]:
    """The operations by their id."""
    return {
        operation["operationId"]: operation
        for methods in document["paths"].values()
        for operation in methods.values()
    }


class TestDocument:
    def test_is_valid_and_was_made_without_guesses(self, document: Any) -> None:
        validate: Any = validate_schema
        validate(document)

        assert not GENERATOR_STATS._warn_cache
        assert not GENERATOR_STATS._error_cache

    def test_says_what_each_operation_does_and_whom_it_lets_in(
        self, operations: dict[str, Any]
    ) -> None:
        for operation in operations.values():
            assert operation["summary"].endswith(".")
            assert operation["security"] in SIGN_INS

    def test_gives_every_failure_the_one_shape(self, operations: dict[str, Any]) -> None:
        for operation in operations.values():
            failures = {
                status: answer
                for status, answer in operation["responses"].items()
                if status >= "400"
            }
            assert {"400", "401", "406", "500"} <= failures.keys()
            for answer in failures.values():
                assert answer["content"]["application/json"]["schema"] == {
                    "$ref": "#/components/schemas/Error"
                }
                assert answer["description"].startswith("`")

    def test_tells_how_to_submit_once_and_when_to_try_again(
        self, operations: dict[str, Any]
    ) -> None:
        submit = operations["leaderboard_entries"]

        assert "Idempotency-Key" in {each["name"] for each in submit["parameters"]}
        assert "Idempotency-Replayed" in submit["responses"]["201"]["headers"]
        assert "Retry-After" in submit["responses"]["429"]["headers"]
        assert "`level_mismatch`" in submit["responses"]["400"]["description"]
        assert "`board_not_found`" in submit["responses"]["404"]["description"]
        assert "`idempotency_mismatch`" in submit["responses"]["422"]["description"]
