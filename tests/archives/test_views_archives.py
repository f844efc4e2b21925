"""REST: players' own archives."""

import json
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from archives.models import Archive
from archives.rules import content as rules
from dust import ids
from dust.identity import local_issuer
from gamesessions.models import GameSession
from tests.archives.documents import Json, item, snake
from tests.factories import GameSessionFactory, UserFactory
from tests.rest import bearer, get, unspend_limits

pytestmark = pytest.mark.django_db(transaction=True)

ARCHIVES = "/api/v1/archives/"


@pytest.fixture(autouse=True)
def _fresh(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    unspend_limits(monkeypatch)


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
