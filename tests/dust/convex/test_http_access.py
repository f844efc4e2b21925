"""Who may call what by HTTP: players, whoever has an admin key, tools with a secret in the path."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from django.test import override_settings

from archives.models import IngestCredential, Level, Page, PageVariant
from archives.services import credentials
from archives.services.credentials import Issued
from dust.convex import keys
from dust.convex.models import AdminKey
from dust.credentials import issuing
from dust.identity import local_issuer
from dust.ids import encode
from dust.livequery import runner
from dust.logs import JsonFormatter
from tests.archives import documents
from tests.archives.documents import PROJECT, Json
from tests.dust.asking import Answer
from tests.dust.convex.door import admin, bearer, call, send
from tests.livequery_app.models import Entry, Player
from tests.rest import token

pytestmark = pytest.mark.django_db(transaction=True)

BOB = {"tokenIdentifier": f"{local_issuer.ISSUER}|bob", "name": "Bob"}
HIDDEN = "Could not find public function for 'test:internal'."


@pytest.fixture(autouse=True)
async def closed(transactional_db: None) -> AsyncIterator[None]:
    yield
    await asyncio.to_thread(runner.close)


@pytest.fixture
async def key() -> str:
    issued = await runner.run(partial(keys.create, "console", now=datetime.now(UTC)))
    return issued.token


@pytest.fixture
async def boards(transactional_db: None) -> None:
    """Alice and bob have an entry each on the board of their name."""

    def create() -> None:
        for name in ("alice", "bob"):
            Entry.objects.create(board=name, player=Player.objects.create(name=name))

    await runner.run(create)


class TestPlayers:
    async def test_see_what_is_theirs(self, boards: None) -> None:
        nobody = await call("query", "test:mine")
        alice = await call("query", "test:mine", headers=(bearer("alice"),))
        bob = await call(
            "query", "test:mine", headers=((b"authorization", b"bEaReR " + token("bob").encode()),)
        )

        assert nobody["value"] == []
        assert [each["name"] for each in alice["value"]] == ["alice"]
        assert [each["name"] for each in bob["value"]] == ["bob"]

    @pytest.mark.parametrize(
        ("authorization", "code"),
        [
            (b"Bearer nonsense", "InvalidToken"),
            (b"Bearer", "InvalidToken"),
            (b"Bearer %expired", "InvalidToken"),
            (b"Basic dXNlcjpwYXNz", "BadAuthorization"),
            (b"", "BadAuthorization"),
        ],
    )
    async def test_with_a_bad_token_are_told_so_and_nothing_is_done(
        self, authorization: bytes, code: str
    ) -> None:
        expired = token("alice", ttl_seconds=-60).encode()
        header = (b"authorization", authorization.replace(b"%expired", expired))
        body = {"path": "test:addTeam", "args": {"name": "red"}}

        answer = await send("/api/mutation", body, headers=(header,))
        count = await call("query", "test:total")

        assert (answer.status, answer.json["code"]) == (401, code)
        assert answer.json["message"]
        assert count["status"] == "success"

    async def test_are_refused_ids_of_another_table(self) -> None:
        progress = {"score": 1, "level": 1, "combo": 0, "pagesCompleted": 0, "accuracy": 100}
        key = (await runner.run(partial(Player.objects.create, name="x"))).pk
        args = {"sessionId": encode(9_999, key), **progress}

        told = await call("mutation", "gameSessions:update", args, headers=(bearer("alice"),))

        assert told["status"] == "error"
        assert told["errorMessage"] == "This is not an id of the kind that is expected here."


class TestAdminKeys:
    """What PLAT-A7 asks for."""

    async def test_plat_a7_let_in_whoever_has_one(self, key: str) -> None:
        asked = {"path": "test:internal", "args": {}}
        headers = [
            (b"authorization", f"Convex {key}".encode()),
            (b"authorization", f"convex {key}".encode()),
            (b"authorization", f"Convex prod:{key}".encode()),
        ]

        answers = [await send("/api/function", asked, headers=(each,)) for each in headers]
        answers.append(await send(f"/api/function?adminKey={key.replace('|', '%7C')}", asked))

        assert {answer.body for answer in answers} == {b'{"status":"success","value":0.0}'}

    async def test_plat_f2_reach_internal_functions_of_every_kind(self, key: str) -> None:
        for endpoint in ("query", "function", "run/test/internal"):
            told = await call(endpoint, "test:internal", headers=(admin(key),))
            assert told == {"status": "success", "value": 0.0}
        for endpoint, path in (("mutation", "test:note"), ("action", "test:noteByAction")):
            told = await call(
                "function" if endpoint == "action" else endpoint,
                path,
                {"name": endpoint},
                headers=(admin(key),),
            )
            assert told["status"] == "success", told

    async def test_plat_a7_act_as_users_or_as_nobody(self, key: str, boards: None) -> None:
        as_bob = await call("query", "test:mine", headers=(admin(key, BOB),))
        pair = {"issuer": local_issuer.ISSUER, "subject": "bob"}
        as_pair = await call("function", "test:mine", headers=(admin(f"prod:{key}", pair),))
        as_nobody = await call("query", "test:mine", headers=(admin(key),))

        assert as_bob == as_pair
        assert [each["name"] for each in as_bob["value"]] == ["bob"]
        assert as_nobody["value"] == []

    @pytest.mark.parametrize("user", [b":!", b":e30=", b":W10=", b":eyJzdWJqZWN0IjoiYm9iIn0="])
    async def test_act_as_nobody_in_particular_never_by_mistake(
        self, key: str, user: bytes
    ) -> None:
        header = (b"authorization", b"Convex " + key.encode() + user)

        answer = await send("/api/query", {"path": "test:mine", "args": {}}, headers=(header,))

        assert (answer.status, answer.json["code"]) == (400, "InvalidIdentity")

    async def test_are_needed_where_any_function_can_be_called(self, key: str) -> None:
        asked = {"path": "test:total", "args": {}}
        wrong = key[:-1] + ("A" if key[-1] != "A" else "B")
        await runner.run(partial(issuing.issue, AdminKey, name="old", now=datetime.now(UTC)))
        revoked = await runner.run(partial(keys.create, "old", now=datetime.now(UTC)))
        await runner.run(
            partial(issuing.revoke, AdminKey, [revoked.credential.id], now=datetime.now(UTC))
        )
        headers: list[tuple[tuple[bytes, bytes], ...]] = [
            (),
            (bearer("alice"),),
            *((admin(each),) for each in (wrong, revoked.token, "dust|x", "", key[:-1], f"{key}A")),
        ]

        answers = [await send("/api/function", asked, headers=each) for each in headers]
        elsewhere = [await send("/api/query", asked, headers=each) for each in headers[2:]]

        assert {(answer.status, answer.json["code"]) for answer in [*answers, *elsewhere]} == {
            (403, "BadDeployKey")
        }

    async def test_plat_f2_are_what_the_others_lack(self, key: str) -> None:
        for header in ((), (bearer("alice"),)):
            told = await call("query", "test:internal", headers=header)
            assert told == {"status": "error", "errorMessage": HIDDEN}

    async def test_of_functions_that_are_not_there_are_told_as_tools_expect(self, key: str) -> None:
        told = await call("function", "test:nothing", headers=(admin(key),))

        assert told["errorMessage"] == "There is no function named test:nothing."

    async def test_note_when_they_were_used(self, key: str) -> None:
        await call("query", "test:internal", headers=(admin(key),))

        row = await runner.run(AdminKey.objects.get)
        assert row.last_used_at is not None


INGESTED: list[tuple[str, Json, type[Any]]] = [
    ("pages:upsert", documents.page(), Page),
    ("levels:upsert", documents.level(), Level),
    ("pageVariants:insert", documents.variant(), PageVariant),
]

each_kind = pytest.mark.parametrize(("path", "document", "model"), INGESTED)


@pytest.fixture
async def credential() -> Issued:
    create = partial(credentials.create, "crawler", [PROJECT], now=datetime.now(UTC))
    return await runner.run(create)


async def ingest(token: str | None, path: str, document: Json) -> Answer:
    """Send a document as the unmodified tool does: by urllib, with nothing but its type."""
    body = json.dumps({"path": path, "args": document, "format": "json"}).encode()
    prefix = "" if token is None else f"/ingest/{token}"
    headers = (
        (b"accept-encoding", b"identity"),
        (b"content-type", b"application/json"),
        (b"user-agent", b"Python-urllib/3.11"),
        (b"connection", b"close"),
    )
    return await send(f"{prefix}/api/mutation", body, headers=headers)


class TestIngest:
    @each_kind
    async def test_dust_in_3_keeps_what_the_tool_sends_and_dust_in_5_once(
        self,
        credential: Issued,
        path: str,
        document: Json,
        model: type[Any],
    ) -> None:
        first = await ingest(credential.token, path, document)
        again = await ingest(credential.token, path, document)

        row = await runner.run(model.objects.get)
        expected = {"status": "success", "value": row.public_id}
        assert [(first.status, first.json), (again.status, again.json)] == [(200, expected)] * 2

    @each_kind
    async def test_dust_in_2_tells_of_failures_by_a_status_that_the_tool_notices(
        self,
        credential: Issued,
        path: str,
        document: Json,
        model: type[Any],
    ) -> None:
        foreign = await ingest(credential.token, path, document | {"projectId": "swamp"})
        strange = await ingest(credential.token, path, document | {"mood": 1})

        assert (foreign.status, strange.status) == (560, 560)
        assert foreign.json["status"] == strange.json["status"] == "error"
        assert foreign.json["errorMessage"]
        assert "`mood`" in strange.json["errorMessage"]
        assert not await runner.run(model.objects.exists)

    @each_kind
    async def test_dust_in_3_refuses_what_comes_without_a_good_credential(
        self,
        credential: Issued,
        path: str,
        document: Json,
        model: type[Any],
    ) -> None:
        wrong = credential.token[:-1] + ("A" if credential.token[-1] != "A" else "B")
        ids = [credential.credential.id]
        anonymous = await ingest(None, path, document)
        forged = await ingest(wrong, path, document)
        await runner.run(partial(issuing.revoke, IngestCredential, ids, now=datetime.now(UTC)))
        revoked = await ingest(credential.token, path, document)

        assert (anonymous.status, anonymous.json["status"]) == (200, "error")
        assert [(each.status, each.json["code"]) for each in (forged, revoked)] == [
            (401, "IngestCredentialRequired")
        ] * 2
        assert not await runner.run(model.objects.exists)

    @pytest.mark.parametrize(
        ("endpoint", "path"),
        [
            ("mutation", "test:addTeam"),
            ("mutation", "leaderboard:submit"),
            ("query", "levels:getByProject"),
            ("query", "test:internal"),
        ],
    )
    async def test_dust_in_3_leads_to_no_other_function(
        self, credential: Issued, endpoint: str, path: str
    ) -> None:
        body = {"path": path, "args": {"name": "red"}}

        answer = await send(f"/ingest/{credential.token}/api/{endpoint}", body)

        message = f"Could not find public function for '{path}'."
        assert (answer.status, answer.json["errorMessage"]) == (560, message)

    async def test_dust_in_3_needs_its_secret_whatever_else_comes_with_it(self, key: str) -> None:
        body = {"path": "test:internal", "args": {}}

        answer = await send("/ingest/none/api/function", body, headers=(admin(key),))

        assert (answer.status, answer.json["code"]) == (401, "IngestCredentialRequired")

    async def test_dust_in_3_is_never_logged(
        self, credential: Issued, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.DEBUG):
            await ingest(credential.token, "pages:upsert", {"pageId": 1})
            await ingest(f"{credential.token}x", "pages:upsert", documents.page())

        lines = [JsonFormatter().format(record) for record in caplog.records]
        assert not [line for line in lines if credential.token[-20:] in line]

    @each_kind
    async def test_is_open_to_everybody_where_the_settings_say_so(
        self, path: str, document: Json, model: type[Any]
    ) -> None:
        with override_settings(ANONYMOUS_INGEST=True):
            nobody = await ingest(None, path, document | {"projectId": "any"})
            body = {"path": path, "args": document}
            player = await send("/api/mutation", body, headers=(bearer("alice"),))

        assert (nobody.json["status"], player.json["status"]) == ("success", "error")
