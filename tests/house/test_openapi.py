"""The OpenAPI document is whole, and the server keeps to it whatever it is sent."""

import re
from datetime import UTC, datetime
from itertools import count
from typing import Any

import hypothesis
import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from schemathesis.specs.openapi.checks import positive_data_acceptance

from archives.rules.content import KEY_PATTERN
from archives.services import credentials
from tests.archives.documents import PROJECT
from tests.rest import bearer, restore_boards, unspend_limits

SIGN_INS: list[Any] = [[{"bearer": []}], [{"bearer": []}, {}], [{"ingest": []}]]
INGEST = "/api/v1/ingest/"
SHARE = 15
"""How many requests to one operation stand for those of the soak."""

_names = count(1)


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


@pytest.fixture
def served(
    document: Any,
    operations: dict[str, Any],
    transactional_db: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """The document with the application behind it; who is let in is tried in test_access."""
    restore_boards()
    unspend_limits(monkeypatch)
    for operation in operations.values():
        del operation["security"]
    schema = schemathesis.openapi.from_dict(document)
    schema.app = get_wsgi_application()
    return schema


class TestServer:
    @pytest.mark.parametrize("mode", schemathesis.GenerationMode)
    def test_keeps_to_the_document(self, served: Any, mode: schemathesis.GenerationMode) -> None:
        try_everything(served, mode, hypothesis.settings(max_examples=SHARE))

    @pytest.mark.soak
    @pytest.mark.parametrize("mode", schemathesis.GenerationMode)
    def test_keeps_to_it_for_long(self, served: Any, mode: schemathesis.GenerationMode) -> None:
        try_everything(served, mode, hypothesis.settings())


def try_everything(
    schema: Any, mode: schemathesis.GenerationMode, settings: hypothesis.settings
) -> None:
    """Send many requests to each operation: ``mode`` says whether they are as documented."""
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.body or list(operation.iter_parameters()):
            settings(hypothesis.given(case=operation.as_strategy(mode))(try_it))()


def try_it(case: schemathesis.Case[Any]) -> None:
    """Send the request as somebody new, or the rate limit would soon answer everything."""
    headers = bearer(f"player {next(_names)}")
    if case.path.startswith(INGEST):
        headers = tool()
        body: Any = case.body
        match body:
            case {"project_id": str() as project} if re.fullmatch(KEY_PATTERN, project):
                # Any other is refused, whatever else the body says.
                case.body = {**body, "project_id": PROJECT}
    case.call_and_validate(
        headers=headers,
        # What has the right shape may still name nothing: the level of another board, a cursor.
        excluded_checks=[positive_data_acceptance],
    )


def tool() -> dict[str, str]:
    """Return the headers of a tool that may ingest into the project."""
    issued = credentials.create("a tool", [PROJECT], now=datetime.now(UTC))
    return {"Authorization": f"Ingest {issued.token}"}
