"""The server keeps to its OpenAPI document whatever it is sent, by somebody new or by an owner."""

import json
import re
from datetime import UTC, datetime
from itertools import count
from typing import Any
from urllib.parse import unquote

import hypothesis
import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from hypothesis import strategies
from schemathesis.specs.openapi.checks import positive_data_acceptance

from archives.rules.content import KEY_PATTERN
from archives.services import credentials
from dust.ids import PATTERN
from leaderboard.rules import LEVEL_OF_BOARD
from tests.archives.documents import PROJECT
from tests.house.matrix import DOCUMENT, LINES, TOOL
from tests.house.stage import appoint, build, enter, filled_in
from tests.rest import PLAY, bearer, restore_boards

GOOD, BAD = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE

SHARE = 15
"""How many requests to one operation stand for those of the soak."""

QUERIES = {"GET /api/v1/content/random/": {"difficulty": 1}}
"""What has to be asked."""

PATTERNS = {
    **dict.fromkeys(("archive", "run", "session"), PATTERN),
    **dict.fromkeys(("level", "page", "project"), KEY_PATTERN),
    "board": "|".join(LEVEL_OF_BOARD),
}
"""What stands in paths, if it is as documented."""

_numbers = count(1)


class Owners:
    """Players who have one of everything, until they have changed it or used up a limit.

    Who is in a run is in no other game.
    """

    def __init__(self) -> None:
        self._present: dict[bool, tuple[str, dict[str, str]]] = {}

    def of(self, endpoint: str) -> tuple[str, dict[str, str]]:
        """Return somebody's name, and what stands for the variables of the endpoint."""
        kind = "/runs/" in endpoint
        if kind not in self._present:
            name = f"owner {next(_numbers)}"
            self._present[kind] = name, enter(Client(), endpoint, owner=name)
        return self._present[kind]

    def forget(self, endpoint: str) -> None:
        del self._present["/runs/" in endpoint]


class Visitors:
    """Sends requests to one operation: as somebody new, or as whoever has what it is about.

    Neither stays for long, or the rate limit would soon answer everything.
    """

    def __init__(self, operation: Any, mode: schemathesis.GenerationMode, owners: Owners) -> None:
        self.statuses: list[int] = []
        self.endpoint = re.sub(r"{(\w+)}", r"<\1>", operation.label)
        self._operation = operation
        self._mode = mode
        self._owners = owners

    def send_what_is_asked_in_the_matrix(self) -> None:
        """Send as an owner what the matrix says that owners may."""
        _, variables = self._owners.of(self.endpoint)
        body = LINES[self.endpoint].body
        case = self._operation.Case(
            path_parameters={name[1:-1]: value for name, value in variables.items()},
            query=QUERIES.get(self.endpoint),
            media_type="application/json",
        )
        if body is not None:
            case.body = json.loads(filled_in(json.dumps(body), variables))
        self._send(case, is_owner=True)

    def send_what_comes_to_mind(self, settings: hypothesis.settings) -> None:
        """Send many requests, the owner's for what is theirs."""
        cases = self._operation.as_strategy(self._mode)

        @settings
        @hypothesis.given(case=cases, is_owner=strategies.booleans())
        def send(case: schemathesis.Case[Any], is_owner: bool) -> None:
            self._adapt(case, is_owner=is_owner)
            self._send(case, is_owner=is_owner)

        send()

    def _adapt(self, case: schemathesis.Case[Any], *, is_owner: bool) -> None:
        if is_owner:
            _, variables = self._owners.of(self.endpoint)
            if own := own_names(case.path_parameters, variables):
                case.path_parameters = case.path_parameters | own
            if self._mode is GOOD and isinstance(case.body, dict):
                case.body = case.body | own_fields(case.body, self.endpoint, variables)
        if LINES[self.endpoint].rule is TOOL:
            case.body = in_project(case.body)

    def _send(self, case: schemathesis.Case[Any], *, is_owner: bool) -> None:
        answer = case.call_and_validate(
            headers=self._headers(is_owner=is_owner),
            # What has the right shape may still name nothing: the level of another board, a cursor.
            excluded_checks=[positive_data_acceptance],
        )
        self.statuses.append(answer.status_code)
        has_changed = case.method != "GET" and answer.status_code < 400
        if is_owner and (has_changed or answer.status_code == 429):
            self._owners.forget(self.endpoint)

    def _headers(self, *, is_owner: bool) -> dict[str, str]:
        if LINES[self.endpoint].rule is TOOL:
            issued = credentials.create("a tool", [PROJECT], now=datetime.now(UTC))
            return {"Authorization": f"Ingest {issued.token}"}
        if is_owner:
            name, _ = self._owners.of(self.endpoint)
            return bearer("operator" if self.endpoint == DOCUMENT else name)
        return bearer(f"player {next(_numbers)}")


def own_names(path: dict[str, Any], variables: dict[str, str]) -> dict[str, Any]:
    """Return what the owner has in place of names in a path that are as documented."""
    return {
        name: variables[f"<{name}>"]
        for name, value in path.items()
        if name in PATTERNS and re.fullmatch(PATTERNS[name], unquote(str(value)))
    }


def own_fields(body: dict[str, Any], endpoint: str, variables: dict[str, str]) -> dict[str, Any]:
    """Return what goes with what is there in place of fields of a body, as in the matrix."""
    own = {"session_id": variables["<session>"], "version": 2, "save": 1, "page": 1}
    own |= {"level": PLAY["level"]} if "<board>" in endpoint else {}
    return {name: own[name] for name in body.keys() & own.keys()}


def in_project(body: Any) -> Any:
    """Return the body for the tool's own project: any other is refused, whatever else it says."""
    match body:
        case {"project_id": str() as project} if re.fullmatch(KEY_PATTERN, project):
            return {**body, "project_id": PROJECT}
    return body


def try_everything(
    schema: Any, mode: schemathesis.GenerationMode, settings: hypothesis.settings
) -> dict[str, list[int]]:
    """Send many requests to each operation: ``mode`` says whether they are as documented.

    Return what each answered. Where there is nothing that could be wrong, nothing wrong is sent.
    """
    answered, owners = {}, Owners()
    for found in schema.get_all_operations():
        operation = found.ok()
        visitors = Visitors(operation, mode, owners)
        if mode is GOOD:
            visitors.send_what_is_asked_in_the_matrix()
        if mode is GOOD or operation.body or list(operation.iter_parameters()):
            visitors.send_what_comes_to_mind(settings)
            answered[visitors.endpoint] = visitors.statuses
    return answered


def closing(application: Any) -> Any:
    """Return an application that closes its answers, as servers do and schemathesis does not."""

    def call(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        answer = application(environ, start_response)
        try:
            return [b"".join(answer)]
        finally:
            answer.close()

    return call


@pytest.fixture
def served(transactional_db: None) -> Any:
    """The document with the application behind it; who is let in is tried in test_access."""
    restore_boards()
    build()
    appoint("operator")
    generator: Any = SchemaGenerator  # which has no types
    document = generator().get_schema(public=True)
    for methods in document["paths"].values():
        for operation in methods.values():
            del operation["security"]
    schema = schemathesis.openapi.from_dict(document)
    schema.app = closing(get_wsgi_application())
    return schema


class TestServer:
    def test_does_what_it_is_asked_for_as_the_document_says(self, served: Any) -> None:
        answered = try_everything(served, GOOD, hypothesis.settings(max_examples=SHARE))

        assert answered.keys() == LINES.keys()
        assert [name for name, statuses in answered.items() if min(statuses) >= 400] == []

    def test_refuses_what_the_document_does_not_say(self, served: Any) -> None:
        answered = try_everything(served, BAD, hypothesis.settings(max_examples=SHARE))

        assert [name for name, statuses in answered.items() if max(statuses) < 400] == []

    @pytest.mark.soak
    @pytest.mark.parametrize("mode", schemathesis.GenerationMode)
    def test_keeps_to_it_for_long(self, served: Any, mode: schemathesis.GenerationMode) -> None:
        assert try_everything(served, mode, hypothesis.settings())
