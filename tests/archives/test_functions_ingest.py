"""The functions by which tools put in content."""

import json
from datetime import datetime
from typing import Any

import pytest

from archives.errors import (
    DocumentTooLargeError,
    IngestCredentialRequiredError,
    InvalidContentError,
    ProjectNotCoveredError,
)
from archives.models import Level, Page, PageVariant
from archives.services import credentials
from dust.identity import Identity
from dust.livequery.errors import InvalidArgumentsError
from dust.livequery.testing import ask, mutate
from tests.archives import documents
from tests.archives.documents import PROJECT, Json
from tests.archives.playing import alice
from tests.factories import ISSUER, UserFactory, identity_of

pytestmark = pytest.mark.django_db(transaction=True)

LEVEL = f"{PROJECT}_level_01"


@pytest.fixture
def tool(transactional_db: None, now: datetime) -> Identity:
    """The caller that the ingest door makes of a credential."""
    issued = credentials.create("the crawler", [PROJECT], now=now)
    return credentials.check_token(issued.token)


@pytest.fixture
def operator(transactional_db: None) -> Identity:
    return identity_of(UserFactory.create(username="operator", staff=True))


INGESTED: list[tuple[str, Json, type[Any]]] = [
    ("pages:upsert", documents.page(), Page),
    ("levels:upsert", documents.level(), Level),
    ("pageVariants:insert", documents.variant(), PageVariant),
]


@pytest.mark.parametrize(("path", "document", "model"), INGESTED)
class TestIngest:
    def test_keeps_a_document_and_returns_its_id(
        self, tool: Identity, path: str, document: Json, model: type[Any]
    ) -> None:
        first = mutate(path, document, caller=tool)
        again = mutate(path, document, caller=tool)

        assert first == again == model.objects.get().public_id

    def test_d5_refuses_everybody_who_is_no_tool(
        self, tool: Identity, operator: Identity, path: str, document: Json, model: type[Any]
    ) -> None:
        for caller in (None, alice, operator, Identity(ISSUER, tool.subject)):
            with pytest.raises(IngestCredentialRequiredError):
                mutate(path, document, caller=caller)

        assert not model.objects.exists()

    def test_d5_refuses_other_projects(
        self, tool: Identity, path: str, document: Json, model: type[Any]
    ) -> None:
        with pytest.raises(ProjectNotCoveredError):
            mutate(path, document | {"projectId": "swamp"}, caller=tool)

        assert not model.objects.exists()

    def test_refuses_unknown_and_missing_fields(
        self, tool: Identity, path: str, document: Json, model: type[Any]
    ) -> None:
        for name in document:
            without = {key: value for key, value in document.items() if key != name}
            with pytest.raises(InvalidArgumentsError, match=f"`{name}`"):
                mutate(path, without, caller=tool)
        with pytest.raises(InvalidArgumentsError, match="`_id`"):
            mutate(path, document | {"_id": "x"}, caller=tool)

        assert not model.objects.exists()

    def test_takes_numbers_as_clients_send_them(
        self, tool: Identity, path: str, document: Json, model: type[Any]
    ) -> None:
        floats = json.loads(json.dumps(document), parse_int=float)

        mutate(path, floats, caller=tool)

        assert model.objects.exists()


class TestIngestLimits:
    def test_names_the_limit_of_a_document(self, tool: Identity) -> None:
        with pytest.raises(DocumentTooLargeError):
            mutate("pages:upsert", documents.page(html="x" * 1024 * 1024), caller=tool)
        with pytest.raises(InvalidArgumentsError, match=r"<= 10.0 - at `\$.difficulty`"):
            mutate("levels:upsert", documents.level(difficulty=11), caller=tool)
        with pytest.raises(InvalidContentError) as refused:
            mutate("pageVariants:insert", documents.variant(variantId=" "), caller=tool)

        assert list(refused.value.fields) == ["variantId"]

    def test_d21_ends_with_as_many_variants_as_pages(self, tool: Identity) -> None:
        for run in ("a1b2", "c3d4"):
            for page in ("one", "two"):
                mutate(
                    "pageVariants:insert",
                    documents.variant(variantId=f"{run}{page}", pageId=page),
                    caller=tool,
                )

        found = ask("pageVariants:getByLevelId", {"levelId": LEVEL}, caller=alice)
        assert [each["variantId"] for each in found] == ["c3d4one", "c3d4two"]

    def test_d22_keeps_the_pages_of_two_projects_apart(self, now: datetime) -> None:
        issued = credentials.create("the crawler", [PROJECT, "swamp"], now=now)
        both = credentials.check_token(issued.token)

        ours = mutate("pages:upsert", documents.page(), caller=both)
        theirs = mutate("pages:upsert", documents.page(projectId="swamp"), caller=both)

        assert ours != theirs
        assert set(Page.objects.values_list("project_id", flat=True)) == {PROJECT, "swamp"}
