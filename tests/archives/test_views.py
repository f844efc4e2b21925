"""REST: what there is to play, told without the truth; and players' own archives."""

import json
from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from rest_framework.exceptions import ValidationError

from accounts.models import User
from archives import serializers
from archives.errors import InvalidContentError
from archives.models import Archive
from archives.rules import checking
from archives.rules import content as rules
from archives.services import contents
from dust import ids
from dust.identity import local_issuer
from gamesessions.models import GameSession
from tests.archives import documents
from tests.archives.documents import (
    PROJECT,
    Json,
    item,
    mark,
    read_content,
    read_level,
    read_page,
    read_variant,
    section,
    snake,
)
from tests.factories import GameSessionFactory, UserFactory
from tests.rest import bearer, get, unspend_limits

pytestmark = pytest.mark.django_db(transaction=True)

API = "/api/v1/"
DESERT = f"{API}projects/{PROJECT}/"
ARCHIVES = f"{API}archives/"
LEVEL = f"{PROJECT}_level_01"


@pytest.fixture(autouse=True)
def _fresh(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    unspend_limits(monkeypatch)


class TestLevels:
    def test_are_listed_easiest_first_d28(self, client: Client, now: datetime) -> None:
        for name, difficulty in [("b", 2), ("c", 1), ("a", 2)]:
            contents.upsert_level(read_level(levelId=name, difficulty=difficulty), now=now)

        answer = get(client, f"{DESERT}levels/")

        assert answer.status_code == 200
        assert [each["level_id"] for each in answer.json()["results"]] == ["c", "a", "b"]
        assert answer.json()["next_cursor"] is None
        assert get(client, f"{API}projects/swamp/levels/").json()["results"] == []

    def test_are_shown(self, client: Client, now: datetime) -> None:
        level = contents.upsert_level(read_level(), now=now).row

        answer = get(client, f"{DESERT}levels/{LEVEL}/")

        assert answer.json() == {
            "id": level.public_id,
            "level_id": LEVEL,
            "project_id": PROJECT,
            "difficulty": 1,
            "page_ids": ["9f86d081884c7d65"],
            "fake_rate": 0.05,
            "subtlety": 0.1,
            "max_fake_spans": 1,
        }
        missing = get(client, f"{DESERT}levels/nowhere/")
        assert (missing.status_code, missing.json()["code"]) == (404, "level_not_found")

    def test_tell_how_much_there_is_to_play(self, client: Client, now: datetime) -> None:
        contents.upsert_variant(read_variant(), now=now)
        blank = read_variant(variantId="b", pageId="b", alteredContent=" ")
        contents.upsert_variant(blank, now=now)

        answer = get(client, f"{DESERT}counts/")

        assert answer.json() == {
            "results": [{"level_id": LEVEL, "valid_variants": 1}],
            "next_cursor": None,
        }


class TestVariants:
    def test_are_listed_a_page_at_a_time(self, client: Client, now: datetime) -> None:
        for number in range(5):
            variant = read_variant(variantId=f"v{number}", pageId=f"p{number}")
            contents.upsert_variant(variant, now=now)
        seen: list[str] = []
        path = f"{DESERT}levels/{LEVEL}/variants/?limit=2"
        while path:
            page = get(client, path).json()
            seen += [each["variant_id"] for each in page["results"]]
            cursor = page["next_cursor"]
            path = cursor and f"{DESERT}levels/{LEVEL}/variants/?limit=2&cursor={cursor}"

        assert seen == [f"v{number}" for number in range(5)]
        refused = get(client, f"{DESERT}levels/{LEVEL}/variants/?cursor=x")
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_id")

    @pytest.mark.parametrize("limit", ["0", "101", "many"])
    def test_are_listed_no_further_than_allowed(self, client: Client, limit: str) -> None:
        answer = get(client, f"{DESERT}levels/{LEVEL}/variants/?limit={limit}")

        assert (answer.status_code, list(answer.json()["fields"])) == (400, ["limit"])


class TestPages:
    PAGE = f"{DESERT}pages/9f86d081884c7d65/"

    def test_are_described_to_everybody(self, client: Client, now: datetime) -> None:
        page = contents.upsert_page(read_page(), now=now).row

        assert get(client, self.PAGE).json() == {
            "id": page.public_id,
            "page_id": "9f86d081884c7d65",
            "project_id": PROJECT,
            "title": "Lighthouses",
            "tags": ["wiki"],
            "element_count": 2,
        }
        assert get(client, f"{DESERT}pages/nowhere/").json()["code"] == "page_not_found"

    def test_are_shown_whole_to_staff_alone(self, client: Client, now: datetime) -> None:
        contents.upsert_page(read_page(), now=now)
        path = f"{self.PAGE}document/"
        UserFactory.create(
            issuer=local_issuer.ISSUER, username="staff", is_staff=True, is_superuser=True
        )

        shown = get(client, path, "staff")

        document = snake(documents.page())
        del document["page_id"]
        document["elements"][1] |= dict.fromkeys(("text", "src", "srcset", "alt", "href"))
        assert (shown.status_code, shown.json()) == (200, document)
        assert get(client, path, "alice").status_code == 403
        assert get(client, path).status_code == 401
        assert get(client, f"{DESERT}pages/nowhere/document/", "staff").status_code == 404


class TestContent:
    RANDOM = f"{API}content/random/"

    def test_is_picked_unseen_until_there_is_no_more(self, client: Client, now: datetime) -> None:
        for number in range(3):
            contents.save_content(read_content(key=f"key-{number}"), now=now)
        seen: list[str] = []
        for _ in range(3):
            picked = get(client, f"{self.RANDOM}?difficulty=3&seen={','.join(seen)}")
            seen.append(picked.json()["id"])

        none_left = get(client, f"{self.RANDOM}?difficulty=3&seen={','.join(seen)}")

        assert len(set(seen)) == 3
        assert (none_left.status_code, none_left.json()["code"]) == (404, "content_not_found")

    def test_is_described_and_never_kept_by_caches(self, client: Client, now: datetime) -> None:
        row = contents.save_content(read_content(), now=now).row

        answer = get(client, f"{self.RANDOM}?difficulty=1&content_type=news")

        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.json() == {
            "id": row.public_id,
            "title": "A lighthouse in the desert",
            "content_type": "news",
            "difficulty": 3,
            "section_count": 3,
            "is_demo": False,
        }

    def test_is_the_same_for_the_same_seed(self, client: Client, now: datetime) -> None:
        for number in range(8):
            contents.save_content(read_content(key=f"key-{number}"), now=now)

        def picks(seed: str) -> set[str]:
            answers = [get(client, f"{self.RANDOM}?difficulty=3{seed}") for _ in range(12)]
            return {answer.json()["id"] for answer in answers}

        assert len(picks("&seed=mine")) == 1
        assert len(picks("")) > 1

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("", "difficulty"),
            ("difficulty=0", "difficulty"),
            ("difficulty=11", "difficulty"),
            ("difficulty=3&content_type=poem", "content_type"),
            ("difficulty=3&seen=" + ",".join("x" * 201), "seen"),
            ("difficulty=3&mood=sad", "mood"),
        ],
    )
    def test_is_asked_for_in_order(self, client: Client, query: str, field: str) -> None:
        answer = get(client, f"{self.RANDOM}?{query}")

        assert (answer.status_code, list(answer.json()["fields"])) == (400, [field])

    def test_of_the_demo_comes_in_its_order(self, client: Client, now: datetime) -> None:
        for key in ("b", "a"):
            contents.save_content(read_content(key=key, isDemo=True, title=key), now=now)

        answer = get(client, f"{API}content/demo/")

        assert [each["title"] for each in answer.json()["results"]] == ["b", "a"]


class TestTruth:
    """Nothing that REST shows to players tells them what is true: D20."""

    def test_d20_is_in_no_answer(self, client: Client, now: datetime) -> None:
        secrets = ["SNIPPET", "EXPLANATION", "BODY", "REASON", "HTML", "SOURCE", "isTrue", "fake_m"]
        marks = [mark(snippet="SNIPPET", explanation="EXPLANATION")]
        contents.upsert_variant(
            read_variant(fakeMarks=marks, alteredContent="<p>SNIPPET BODY</p>"), now=now
        )
        contents.upsert_page(read_page(html="HTML", url="https://SOURCE"), now=now)
        contents.upsert_level(read_level(), now=now)
        sections = [section(1), section(2, isTrue=False, falseReason="REASON", text="BODY")]
        for is_demo in (True, False):
            contents.save_content(
                read_content(key=f"{is_demo}", isDemo=is_demo, sections=sections), now=now
            )
        paths = [
            f"{DESERT}levels/",
            f"{DESERT}levels/{LEVEL}/",
            f"{DESERT}levels/{LEVEL}/variants/",
            f"{DESERT}counts/",
            f"{DESERT}pages/9f86d081884c7d65/",
            f"{DESERT}pages/9f86d081884c7d65/document/",
            f"{API}content/random/?difficulty=3",
            f"{API}content/demo/",
        ]

        for path in paths:
            for player in (None, "alice"):
                answer = get(client, path, player)
                told = answer.content.decode()
                assert answer.status_code in {200, 401, 403}
                assert [secret for secret in secrets if secret in told] == []


def save(client: Client, session: GameSession, *items: Json, by: str = "alice") -> Any:
    body = {"session_id": session.public_id, "items": snake(list(items))}
    return client.post(ARCHIVES, body, content_type="application/json", headers=bearer(by))


@pytest.fixture
def alice(transactional_db: None) -> User:
    return UserFactory.create(issuer=local_issuer.ISSUER, username="alice")


@pytest.fixture
def session(alice: User) -> GameSession:
    return GameSessionFactory.create(user=alice)


class TestSave:
    def test_keeps_what_was_archived(self, client: Client, session: GameSession) -> None:
        answer = save(client, session, item(), item(wasCorrect=False))

        row = Archive.objects.get()
        assert answer.status_code == 201
        assert answer.json() == {
            "id": row.public_id,
            "session_id": session.public_id,
            "total_items": 2,
            "correct_items": 1,
            "saved_at": row.saved_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        assert row.items == [item(), item(wasCorrect=False)]

    def test_replaces_what_was_kept_before(self, client: Client, session: GameSession) -> None:
        first = save(client, session, item()).json()

        answer = save(client, session)

        assert (answer.status_code, answer.json()["id"]) == (200, first["id"])
        assert Archive.objects.get().total_items == 0

    def test_d7_refuses_a_session_of_somebody_else(
        self, client: Client, session: GameSession
    ) -> None:
        answer = save(client, session, item(), by="bob")

        assert (answer.status_code, answer.json()["code"]) == (404, "session_not_found")
        assert not Archive.objects.exists()

    def test_runs_once_for_each_key(self, client: Client, session: GameSession) -> None:
        body = {"session_id": session.public_id, "items": []}
        headers = bearer("alice") | {"Idempotency-Key": "archive 1"}
        answers = [
            client.post(ARCHIVES, body, content_type="application/json", headers=headers)
            for _ in range(2)
        ]

        assert [each.status_code for each in answers] == [201, 201]
        assert answers[1].headers["Idempotency-Replayed"] == "true"

    @pytest.mark.parametrize(
        ("items", "field"),
        [
            ([item()] * 501, "items"),
            ([item(sectionText="t" * 2001)], "items.0.section_text"),
            ([item(sectionText=5)], "items.0.section_text"),
            ([item(contentType="poem")], "items.0.content_type"),
            ([item(level=11)], "items.0.level"),
            ([item(level=2.5)], "items.0.level"),
            ([item(wasCorrect=None)], "items.0.was_correct"),
            ([item() | {"points": 1}], "items.0.points"),
        ],
    )
    def test_names_the_field_of_what_it_refuses(
        self, client: Client, session: GameSession, items: list[Json], field: str
    ) -> None:
        answer = save(client, session, *items)

        assert (answer.status_code, list(answer.json()["fields"])) == (400, [field])
        assert not Archive.objects.exists()

    def test_is_limited(self, client: Client, session: GameSession) -> None:
        statuses = [save(client, session).status_code for _ in range(rules.SAVES_PER_MINUTE + 1)]

        assert statuses == [201] + [200] * (rules.SAVES_PER_MINUTE - 1) + [429]

    def test_takes_no_more_statements_than_it_needs(
        self,
        client: Client,
        session: GameSession,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        save(client, session, item())

        # BEGIN, the player, the session and whose it is, the archive locked and written within a
        # savepoint, the change, COMMIT.
        with django_assert_max_num_queries(13):
            save(client, session, item(), item())


@pytest.fixture
def archives(client: Client, alice: User) -> list[str]:
    """The ids of three archives of Alice's, oldest first."""
    sessions = [GameSessionFactory.create(user=alice, completed=True) for _ in range(3)]
    return [save(client, each, item(), item(wasCorrect=False)).json()["id"] for each in sessions]


class TestOwnArchives:
    def test_are_listed_newest_first(self, client: Client, archives: list[str]) -> None:
        first = get(client, f"{ARCHIVES}?limit=2", "alice").json()
        second = get(client, f"{ARCHIVES}?limit=2&cursor={first['next_cursor']}", "alice").json()

        listed = [each["id"] for each in (*first["results"], *second["results"])]
        assert listed == archives[::-1]
        assert second["next_cursor"] is None
        assert "items" not in first["results"][0]
        assert get(client, ARCHIVES, "bob").json() == {"results": [], "next_cursor": None}

    def test_are_shown_to_their_player_alone(self, client: Client, archives: list[str]) -> None:
        path = f"{ARCHIVES}{archives[0]}/"

        answer = get(client, path, "alice")

        assert answer.json()["items"] == snake([item(), item(wasCorrect=False)])
        assert get(client, path, "bob").json()["code"] == "archive_not_found"
        assert get(client, path).status_code == 401
        assert get(client, f"{ARCHIVES}x/", "alice").json()["code"] == "invalid_id"
        of_a_session = ids.encode(GameSession.TABLE_NUMBER, Archive.objects.all()[0].id)
        assert get(client, f"{ARCHIVES}{of_a_session}/", "alice").status_code == 400

    def test_are_counted(self, client: Client, archives: list[str]) -> None:
        answer = get(client, f"{ARCHIVES}totals/", "alice")

        assert answer.json() == {"archives": 3, "items": 6, "correct_items": 3}
        assert get(client, f"{ARCHIVES}totals/", "bob").json() == {
            "archives": 0,
            "items": 0,
            "correct_items": 0,
        }

    def test_are_given_out_as_one_document(self, client: Client, archives: list[str]) -> None:
        answer = get(client, f"{ARCHIVES}export/", "alice")

        assert answer.streaming
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["Cache-Control"] == "no-store"
        found = json.loads(answer.getvalue())["archives"]
        assert [each["id"] for each in found] == archives
        assert found[0] == get(client, f"{ARCHIVES}{archives[0]}/", "alice").json()
        empty = get(client, f"{ARCHIVES}export/", "bob")
        assert json.loads(empty.getvalue()) == {"archives": []}

    def test_are_given_out_so_often_and_no_more(self, client: Client, archives: list[str]) -> None:
        statuses = [
            get(client, f"{ARCHIVES}export/", "alice").status_code
            for _ in range(rules.EXPORTS_PER_HOUR + 1)
        ]

        assert statuses == [200] * rules.EXPORTS_PER_HOUR + [429]

    @pytest.mark.parametrize("path", ["", "totals/", "export/", "{}/"])
    def test_are_closed_to_the_banned(self, client: Client, archives: list[str], path: str) -> None:
        User.objects.update(is_banned=True)

        answer = get(client, ARCHIVES + path.format(archives[0]), "alice")

        assert (answer.status_code, answer.json()["code"]) == (403, "account_banned")


SHAPES: list[tuple[Any, type[rules.Document], Json, str]] = [
    (serializers.PageDocument, rules.Page, documents.page(), "pageId"),
    (serializers.LevelDocument, rules.Level, documents.level(), "levelId"),
    (serializers.VariantDocument, rules.Variant, documents.variant(), "variantId"),
]


class TestShapes:
    """REST and functions refuse the same documents, whichever is asked first."""

    @pytest.mark.parametrize(("shape", "kind", "document", "key"), SHAPES)
    def test_read_documents_as_functions_do(
        self, shape: Any, kind: type[rules.Document], document: Json, key: str
    ) -> None:
        body = snake(document)
        del body[checking.snake(key)]

        read = shape.read(body)

        assert checking.plain(checking.read(kind, {**read, key: document[key]})) == document

    @pytest.mark.parametrize(
        ("number", "changed"),
        [
            (0, {"url": "u" * 2049}),
            (0, {"title": "t" * 1001}),
            (0, {"capturedAt": "t" * 65}),
            (0, {"elements": [{"elementId": "", "tag": "p"}] * 8193}),
            (0, {"elements": [{"elementId": "e" * 257, "tag": "p"}]}),
            (0, {"assets": [{"src": None}]}),
            (0, {"styles": ["s"] * 1025}),
            (0, {"tags": ["t"] * 101}),
            (0, {"tags": ["t" * 257]}),
            (0, {"html": 5}),
            (0, {"projectId": ""}),
            (0, {"projectId": "p" * 129}),
            (1, {"difficulty": 0}),
            (1, {"difficulty": 11}),
            (1, {"difficulty": 1.5}),
            (1, {"pageIds": ["p"] * 501}),
            (1, {"pageIds": [""]}),
            (1, {"mutationParams": {"fakeRate": 1.1, "subtlety": 0, "maxFakeSpans": 1}}),
            (1, {"mutationParams": {"fakeRate": 0, "subtlety": -0.1, "maxFakeSpans": 1}}),
            (1, {"mutationParams": {"fakeRate": 0, "subtlety": 0, "maxFakeSpans": 0}}),
            (1, {"mutationParams": {"fakeRate": 0, "subtlety": 0, "maxFakeSpans": 8193}}),
            (2, {"difficulty": 11}),
            (2, {"levelId": "l" * 129}),
            (2, {"fakeMarks": []}),
            (2, {"fakeMarks": [mark()] * 65}),
            (2, {"fakeMarks": [mark(kind="TRUE")]}),
            (2, {"fakeMarks": [mark(snippet="")]}),
            (2, {"fakeMarks": [mark(snippet="s" * 4001)]}),
            (2, {"fakeMarks": [mark(explanation="e" * 4001)]}),
            (2, {"fakeMarks": [mark(elementId="e" * 257)]}),
            (2, {"alteredContent": None}),
        ],
    )
    def test_have_the_limits_that_the_rules_have(self, number: int, changed: Json) -> None:
        shape, kind, document, key = SHAPES[number]
        body = snake(document | changed)
        del body[checking.snake(key)]

        with pytest.raises(InvalidContentError):
            checking.read(kind, document | changed)
        with pytest.raises(ValidationError):
            shape.read(body)
