"""REST: documents that tools send by their credential, which no log ever tells."""

import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from typing_extensions import override

from archives.models import IngestCredential, Level, Page, PageVariant
from archives.services import credentials
from archives.services.credentials import Issued
from dust.credentials import issuing
from dust.logs import JsonFormatter
from tests.archives import documents
from tests.archives.documents import PROJECT, Json, mark, snake
from tests.rest import bearer, get, unspend_limits

pytestmark = pytest.mark.django_db(transaction=True)

INGEST = "/api/v1/ingest/"
KINDS: list[tuple[str, Json, str, type[Any]]] = [
    ("pages", documents.page(), "page_id", Page),
    ("levels", documents.level(), "level_id", Level),
    ("variants", documents.variant(), "variant_id", PageVariant),
]
OWN = {"pages": "pageId", "levels": "levelId", "variants": "variantId"}
"""The field whose value stands in the path."""

each_kind = pytest.mark.parametrize(("kind", "document", "key", "model"), KINDS)


@pytest.fixture
def issued(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Issued:
    unspend_limits(monkeypatch)
    return credentials.create("the crawler", [PROJECT], now=datetime.now(UTC))


def put(kind: str, document: Json, token: str | None, **headers: str) -> Any:
    """Send a document; its own id goes into the path."""
    name = document[OWN[kind]]
    body = snake({field: value for field, value in document.items() if field != OWN[kind]})
    if token is not None:
        headers["Authorization"] = f"Ingest {token}"
    return Client().put(
        f"{INGEST}{kind}/{name}/", body, content_type="application/json", headers=headers
    )


@each_kind
class TestPut:
    def test_keeps_a_document(
        self, issued: Issued, kind: str, document: Json, key: str, model: type[Any]
    ) -> None:
        answer = put(kind, document, issued.token)

        row = model.objects.get()
        assert answer.status_code == 201, answer.content
        assert answer.json() == {"id": row.public_id, "outcome": "created"}
        assert getattr(row, key) == snake(document)[key]

    def test_tells_what_has_become_of_it(
        self, issued: Issued, kind: str, document: Json, key: str, model: type[Any]
    ) -> None:
        changed: Json = {
            "pages": {"title": "x"},
            "levels": {"difficulty": 9},
            "variants": {"alteredContent": "[]"},
        }
        put(kind, document, issued.token)

        again = put(kind, document, issued.token)
        other = put(kind, document | changed[kind], issued.token)

        assert (again.status_code, again.json()["outcome"]) == (200, "unchanged")
        assert (other.status_code, other.json()["outcome"]) == (200, "updated")
        assert model.objects.count() == 1

    def test_d5_refuses_everybody_without_a_credential(
        self, issued: Issued, kind: str, document: Json, key: str, model: type[Any]
    ) -> None:
        issuing.revoke(IngestCredential, [issued.credential.id], now=datetime.now(UTC))
        answers = [
            put(kind, document, None),
            put(kind, document, None, Authorization=bearer("alice")["authorization"]),
            put(kind, document, None, Authorization=f"Bearer {issued.token}"),
            put(kind, document, None, Authorization=issued.token),
            put(kind, document, "dig_" + "0" * 12 + "_" + "A" * 43),
            put(kind, document, issued.token),
        ]

        assert {answer.status_code for answer in answers} == {401}
        assert [answer.json()["code"] for answer in answers] == [
            "unauthenticated",
            *["ingest_credential_required"] * 5,
        ]
        assert [answer.headers["WWW-Authenticate"] for answer in answers[:2]] == [
            "Ingest",
            'Ingest error="invalid_token"',
        ]
        assert not model.objects.exists()

    def test_d5_refuses_other_projects(
        self, issued: Issued, kind: str, document: Json, key: str, model: type[Any]
    ) -> None:
        answer = put(kind, document | {"projectId": "swamp"}, issued.token)

        assert (answer.status_code, answer.json()["code"]) == (403, "project_not_covered")
        assert not model.objects.exists()

    def test_needs_no_session_in_the_admin_and_takes_none(
        self, issued: Issued, kind: str, document: Json, key: str, model: type[Any]
    ) -> None:
        answer = put(kind, document, issued.token)

        assert "Set-Cookie" not in answer.headers
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Type"] == "application/json"

    def test_names_what_is_missing_and_what_is_unknown(
        self, issued: Issued, kind: str, document: Json, key: str, model: type[Any]
    ) -> None:
        for name in document.keys() - {OWN[kind]}:
            without = {field: value for field, value in document.items() if field != name}
            answer = put(kind, without, issued.token)
            assert (answer.status_code, list(answer.json()["fields"])) == (400, [*snake({name: 0})])
        assert list(put(kind, document | {"mood": 1}, issued.token).json()["fields"]) == ["mood"]
        assert not model.objects.exists()

    def test_takes_as_many_statements_as_it_needs(
        self,
        issued: Issued,
        kind: str,
        document: Json,
        key: str,
        model: type[Any],
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        put(kind, document, issued.token)

        with django_assert_max_num_queries(16):
            put(kind, document | {"projectId": PROJECT, OWN[kind]: "another"}, issued.token)


class TestRefusals:
    @pytest.mark.parametrize(
        ("kind", "document", "field", "limit"),
        [
            ("pages", documents.page(url="u" * 2049), "url", "2048"),
            ("pages", documents.page(capturedAt="today"), "captured_at", "ISO 8601"),
            ("pages", documents.page(pageId="p" * 129), "page_id", "128"),
            (
                "pages",
                documents.page(elements=[{"elementId": "e", "tag": "p"}] * 8193),
                "elements",
                "8192",
            ),
            ("levels", documents.level(difficulty=11), "difficulty", "10"),
            ("levels", documents.level(pageIds=["p"] * 501), "page_ids", "500"),
            ("levels", documents.level(pageIds=[" p"]), "page_ids.0", "the first a letter"),
            (
                "levels",
                documents.level(mutationParams={"maxFakeSpans": 0}),
                "mutation_params.max_fake_spans",
                "1",
            ),
            ("variants", documents.variant(fakeMarks=[mark()] * 65), "fake_marks", "64"),
            ("variants", documents.variant(fakeMarks=[]), "fake_marks", "1"),
            (
                "variants",
                documents.variant(fakeMarks=[mark(snippet=" ")]),
                "fake_marks.0.snippet",
                "blank",
            ),
            ("variants", documents.variant(fakeMarks=[mark(kind="X")]), "fake_marks.0.kind", "X"),
        ],
    )
    def test_name_the_field_and_the_limit(
        self, issued: Issued, kind: str, document: Json, field: str, limit: str
    ) -> None:
        answer = put(kind, document, issued.token)

        [(named, [message])] = answer.json()["fields"].items()
        assert (answer.status_code, named) == (400, field), answer.content
        assert limit in message
        assert not Page.objects.exists()

    def test_of_a_large_document_are_told_apart_from_those_of_a_large_body(
        self, issued: Issued
    ) -> None:
        large = put("pages", documents.page(html="x" * 1024 * 1024), issued.token)
        huge = put("pages", documents.page(html="x" * 16 * 1024 * 1024), issued.token)

        assert (large.status_code, large.json()["code"]) == (413, "document_too_large")
        assert list(large.json()["fields"]) == ["document"]
        assert (huge.status_code, huge.json()["code"]) == (413, "body_too_large")
        assert not Page.objects.exists()

    def test_spare_documents_whose_body_is_larger_than_they_are(self, issued: Issued) -> None:
        html = "\U0001f5fc" * 230_000  # twelve bytes each as JSON escapes, four as UTF-8
        body = snake(documents.page(html=html))
        name = body.pop("page_id")
        sent = json.dumps(body)
        assert len(sent) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE

        answer = Client().put(
            f"{INGEST}pages/{name}/",
            sent,
            content_type="application/json",
            headers={"Authorization": f"Ingest {issued.token}"},
        )

        assert answer.status_code == 201, answer.content
        assert Page.objects.get().html == html

    def test_leave_other_doors_as_narrow_as_they_were(self) -> None:
        body = b" " * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)

        answer = Client().post(
            "/api/v1/archives/", body, content_type="application/json", headers=bearer("alice")
        )

        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")

    def test_protect_the_variants_of_other_projects(self, issued: Issued) -> None:
        put("variants", documents.variant(), issued.token)
        theirs = credentials.create("another", ["swamp"], now=datetime.now(UTC))

        answer = put("variants", documents.variant(projectId="swamp"), theirs.token)

        assert (answer.status_code, answer.json()["code"]) == (409, "variant_taken")
        assert PageVariant.objects.get().project_id == PROJECT


class TestIngestAgain:
    def test_d21_leaves_as_many_variants_as_there_were(self, issued: Issued) -> None:
        for run in ("a1", "b2"):
            for page in ("one", "two", "three"):
                variant = documents.variant(variantId=f"{run}-{page}", pageId=page)
                assert put("variants", variant, issued.token).status_code in {200, 201}

        counts = get(Client(), f"/api/v1/projects/{PROJECT}/counts/").json()["results"]
        assert counts == [{"level_id": documents.level()["levelId"], "valid_variants": 3}]

    def test_runs_once_for_each_key(self, issued: Issued) -> None:
        key = {"Idempotency-Key": "run 1"}
        put("levels", documents.level(), issued.token, **key)

        again = put("levels", documents.level(), issued.token, **key)

        assert again.headers["Idempotency-Replayed"] == "true"
        assert again.json()["outcome"] == "created"

    def test_keeps_one_of_many_that_come_at_once(self, issued: Issued) -> None:
        def send(number: int) -> int:
            variant = documents.variant(variantId=f"run-{number}", alteredContent=f"<{number}>")
            try:
                return int(put("variants", variant, issued.token).status_code)
            finally:
                connection.close()

        with ThreadPoolExecutor(4) as pool:
            statuses = list(pool.map(send, range(12)))

        row = PageVariant.objects.get()
        assert statuses.count(201) == 1
        assert statuses.count(200) == 11
        assert row.altered_content == f"<{row.variant_id.removeprefix('run-')}>"


class Lines(logging.Handler):
    """Keeps everything that is logged, as it is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[str] = []
        self.setFormatter(JsonFormatter())

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.written.append(self.format(record))


@pytest.fixture
def lines() -> Iterator[Lines]:
    root = logging.getLogger()
    handler, level = Lines(), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


class TestLogs:
    def test_never_tell_a_token(
        self, issued: Issued, lines: Lines, caplog: pytest.LogCaptureFixture
    ) -> None:
        token = issued.token
        secret = token.rpartition(f"{issued.credential.handle}_")[2]
        client = Client(raise_request_exception=False)
        header = {"Authorization": f"Ingest {token}"}

        put("levels", documents.level(), token)
        put("levels", documents.level(difficulty=99), token)
        put("pages", documents.page(html="x" * 1024 * 1024), token)
        client.post(f"/ingest/{token}/api/mutation", {}, headers=header)
        client.post(f"/base/ingest/{token}/api/mutation?token={token}", {})
        client.put(f"{INGEST}levels/{token}/", {token: token}, "application/json", headers=header)
        client.put(f"{INGEST}levels/x/", f'{{"{token}"', "application/json", headers=header)
        client.get(f"{INGEST}levels/x/", headers=header)
        for logged in (f"Ingest {token}", f"/ingest/{token}", token, f"url=/ingest/{secret}/api"):
            logging.getLogger("archives").warning("it said %s", logged, extra={"header": logged})

        assert len(lines.written) > 8
        assert [line for line in lines.written if secret in line] == []
        assert any("/api/v1/ingest/levels/" in line for line in lines.written)

    def test_never_tell_what_is_kept_of_it(self, issued: Issued, lines: Lines) -> None:
        put("levels", documents.level(), issued.token)
        issuing.revoke(IngestCredential, [issued.credential.id], now=datetime.now(UTC))

        digest = IngestCredential.objects.get().token_digest
        shown = [line for line in lines.written if '"logger":"django.db' not in line]
        assert [line for line in shown if digest in line] == []
