"""REST: a player's own games."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from dust import ids
from dust.livequery.testing import assert_live
from gamesessions import rules
from gamesessions.models import GameSession
from tests.factories import GameSessionFactory, identity_of
from tests.gamesessions.saving import SESSIONS, send
from tests.rest import get, unspend_limits

pytestmark = pytest.mark.django_db(transaction=True)

PROGRESS = {"score": 250, "level": 2, "combo": 3, "pages_completed": 2, "accuracy": 87.5}


@pytest.fixture(autouse=True)
def _fresh(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start with all limits unspent."""
    unspend_limits(monkeypatch)


@pytest.fixture
def created(client: Client) -> dict[str, Any]:
    """A game of alice's, as it was answered."""
    answer = send(client, "POST", "")
    assert answer.status_code == 201, answer.content
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture
def path(created: dict[str, Any]) -> str:
    return f"{created['id']}/"


class TestCreate:
    def test_begins_a_game(self, created: dict[str, Any]) -> None:
        session = GameSession.objects.get()
        moment = session.started_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        assert created == {
            "id": ids.encode(GameSession.TABLE_NUMBER, session.id),
            "status": "active",
            "refereed": False,
            "version": 1,
            "score": 0,
            "level": 1,
            "combo": 0,
            "pages_completed": 0,
            "accuracy": 0.0,
            "started_at": moment,
            "updated_at": moment,
            "ended_at": None,
            "voided_at": None,
        }

    def test_abandons_the_one_before(self, client: Client, path: str) -> None:
        second = send(client, "POST", "").json()

        first = get(client, SESSIONS + path, "alice").json()
        assert (first["status"], second["status"]) == ("abandoned", "active")
        assert first["ended_at"] is not None

    def test_happens_once_for_a_key(self, client: Client) -> None:
        key = {"Idempotency-Key": "begin 1"}
        first = send(client, "POST", "", **key)

        again = send(client, "POST", "", **key)

        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert again.headers["Idempotency-Replayed"] == "true"
        assert GameSession.objects.count() == 1

    def test_takes_nothing(self, client: Client) -> None:
        assert send(client, "POST", "", {"refereed": True}).status_code == 400
        assert send(client, "POST", "", {}).status_code == 201

    def test_is_limited(self, client: Client) -> None:
        statuses = [send(client, "POST", "").status_code for _ in range(rules.STARTS_PER_MINUTE)]

        refused = send(client, "POST", "")

        assert set(statuses) == {201}
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")

    def test_is_not_for_the_banned(self, client: Client, path: str) -> None:
        User.objects.update(is_banned=True)

        answer = send(client, "POST", "")

        assert (answer.status_code, answer.json()["code"]) == (403, "account_banned")


class TestRetrieve:
    def test_shows_all_that_is_needed_to_resume(self, client: Client, path: str) -> None:
        body = PROGRESS | {"version": 1, "state": {"page": 3}}
        saved = send(client, "PATCH", path, body).json()

        answer = get(client, SESSIONS + path, "alice")

        assert (answer.status_code, answer.json()) == (200, saved | {"state": {"page": 3}})

    def test_d6_shows_others_as_much_as_of_what_is_not_there(
        self, client: Client, path: str
    ) -> None:
        gone = GameSessionFactory.build().public_id

        foreign = get(client, SESSIONS + path, "bob")
        unknown = get(client, f"{SESSIONS}{gone}/", "bob")

        assert foreign.status_code == unknown.status_code == 404
        assert foreign.json()["code"] == unknown.json()["code"] == "session_not_found"
        assert foreign.json()["message"] == unknown.json()["message"]

    def test_refuses_what_is_no_id(self, client: Client) -> None:
        for name in ("x", "é", "0" * 40, "%00"):
            answer = get(client, f"{SESSIONS}{name}/", "alice")
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid_id")


class TestActive:
    def test_is_the_game_that_is_played_or_null(self, client: Client) -> None:
        before = get(client, f"{SESSIONS}active/", "alice").json()
        created = send(client, "POST", "").json()

        assert before == {"session": None}
        assert get(client, f"{SESSIONS}active/", "alice").json() == {
            "session": created | {"state": None}
        }
        assert get(client, f"{SESSIONS}active/", "bob").json() == {"session": None}


class TestList:
    def test_is_read_a_page_at_a_time_newest_first(self, client: Client) -> None:
        created = [send(client, "POST", "").json()["id"] for _ in range(5)]

        seen: list[str] = []
        query = "?limit=2"
        while query:
            page = get(client, SESSIONS + query, "alice").json()
            seen += [each["id"] for each in page["results"]]
            query = f"?limit=2&cursor={page['next_cursor']}" if page["next_cursor"] else ""

        assert seen == created[::-1]

    def test_leaves_the_states_out(self, client: Client, created: dict[str, Any]) -> None:
        [found] = get(client, SESSIONS, "alice").json()["results"]

        assert found == created

    def test_d6_is_of_ones_own(self, client: Client, path: str) -> None:
        assert get(client, SESSIONS, "bob").json() == {"results": [], "next_cursor": None}

    def test_refuses_what_cannot_be(self, client: Client) -> None:
        for query in ("limit=0", "limit=101", "cursor=x", "limit=many"):
            assert get(client, f"{SESSIONS}?{query}", "alice").status_code == 400


class TestSave:
    def test_replaces_the_copy(self, client: Client, path: str) -> None:
        answer = send(client, "PATCH", path, PROGRESS | {"version": 1, "state": ["x"]})

        assert answer.status_code == 200
        assert (PROGRESS | {"version": 2}).items() <= answer.json().items()
        assert "state" not in answer.json()
        session = GameSession.objects.get()
        assert (session.score, session.version, session.state) == (250, 2, ["x"])

    def test_leaves_what_is_left_out(self, client: Client, path: str) -> None:
        send(client, "PATCH", path, PROGRESS | {"version": 1, "state": ["x"]})

        answer = send(client, "PATCH", path, {"version": 2, "combo": 0})

        assert (answer.json()["combo"], answer.json()["score"]) == (0, 250)
        assert GameSession.objects.get().state == ["x"]

    def test_that_comes_too_late_is_answered_with_the_present_copy(
        self, client: Client, path: str
    ) -> None:
        send(client, "PATCH", path, PROGRESS | {"version": 1, "state": {"of": "the other"}})

        answer = send(client, "PATCH", path, {"version": 1, "score": 9})

        assert (answer.status_code, answer.json()["code"]) == (409, "stale_save")
        assert answer.json()["data"] == get(client, SESSIONS + path, "alice").json()
        assert answer.json()["data"]["state"] == {"of": "the other"}
        assert GameSession.objects.get().score == 250

    def test_happens_once_for_a_key(self, client: Client, path: str) -> None:
        key = {"Idempotency-Key": "save 1"}
        body = {"version": 1, "score": 9}
        first = send(client, "PATCH", path, body, **key)

        again = send(client, "PATCH", path, body, **key)

        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert GameSession.objects.get().version == 2
        assert send(client, "PATCH", path, body | {"score": 8}, **key).status_code == 422

    def test_names_the_field_that_it_refuses(self, client: Client, path: str) -> None:
        wrong: list[tuple[str, Any]] = [
            ("version", 0),
            ("version", "1"),
            ("score", rules.MAX_SCORE + 1),
            ("score", 1.5),
            ("level", 11),
            ("combo", -1),
            ("pages_completed", -1),
            ("accuracy", 100.5),
            ("status", "completed"),
            ("refereed", True),
        ]
        for field, value in wrong:
            answer = send(client, "PATCH", path, {"version": 1} | {field: value})
            assert (answer.status_code, list(answer.json()["fields"])) == (400, [field])

        assert GameSession.objects.get().version == 1

    def test_names_the_limits_of_a_state(self, client: Client, path: str) -> None:
        long = send(client, "PATCH", path, {"version": 1, "state": "x" * rules.MAX_STATE_BYTES})
        deep: Any = 1
        for _ in range(rules.MAX_DEPTH + 1):
            deep = [deep]

        for answer in (long, send(client, "PATCH", path, {"version": 1, "state": deep})):
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid_state")
            assert list(answer.json()["fields"]) == ["state"]

    def test_needs_a_version(self, client: Client, path: str) -> None:
        answer = send(client, "PATCH", path, PROGRESS)

        assert list(answer.json()["fields"]) == ["version"]

    def test_lets_no_page_become_undone(self, client: Client, path: str) -> None:
        send(client, "PATCH", path, PROGRESS | {"version": 1})

        answer = send(client, "PATCH", path, {"version": 2, "pages_completed": 1})

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_progress")

    def test_d6_is_for_the_owner_alone(self, client: Client, path: str) -> None:
        answer = send(client, "PATCH", path, {"version": 1, "score": 9}, player="bob")

        assert (answer.status_code, answer.json()["code"]) == (404, "session_not_found")
        assert GameSession.objects.get().version == 1
        assert not User.objects.filter(subject="bob").exists()

    def test_is_refused_where_the_server_plays(self, client: Client, path: str) -> None:
        GameSession.objects.update(refereed=True)

        for method, below in (("PATCH", path), ("POST", f"{path}finish/")):
            answer = send(client, method, below, {"version": 1, "score": 9})
            assert (answer.status_code, answer.json()["code"]) == (409, "session_refereed")

    def test_is_limited(self, client: Client, path: str) -> None:
        for version in range(1, rules.SAVES_PER_MINUTE + 1):
            assert send(client, "PATCH", path, {"version": version}).status_code == 200

        answer = send(client, "PATCH", path, {"version": rules.SAVES_PER_MINUTE + 1})

        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")

    def test_reaches_who_watches(self, client: Client, path: str) -> None:
        caller = identity_of(User.objects.get())

        with assert_live("gamesessions:active", caller=caller):
            send(client, "PATCH", path, PROGRESS | {"version": 1})

    def test_of_two_at_once_tells_one(self, path: str) -> None:
        def save(score: int) -> int:
            try:
                body = {"version": 1, "score": score}
                return int(send(Client(), "PATCH", path, body).status_code)
            finally:
                connection.close()

        with ThreadPoolExecutor(6) as pool:
            statuses = list(pool.map(save, range(6)))

        assert sorted(statuses) == [200, *[409] * 5]

    def test_takes_no_more_statements_than_it_needs(
        self, client: Client, path: str, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        # BEGIN, the player, the session, its copy, the session looked at and written, the change,
        # COMMIT; inside a savepoint.
        with django_assert_max_num_queries(10):
            send(client, "PATCH", path, PROGRESS | {"version": 1})


class TestFinish:
    def test_saves_and_completes(self, client: Client, path: str) -> None:
        answer = send(client, "POST", f"{path}finish/", PROGRESS | {"version": 1})

        assert answer.status_code == 200
        assert (answer.json()["status"], answer.json()["score"]) == ("completed", 250)
        assert answer.json()["ended_at"] is not None

    def test_does_nothing_a_second_time(self, client: Client, path: str) -> None:
        first = send(client, "POST", f"{path}finish/", PROGRESS | {"version": 1})

        again = send(client, "POST", f"{path}finish/", {"version": 1, "score": 10**6})

        assert (again.status_code, again.content) == (200, first.content)

    def test_leaves_nothing_that_can_change(self, client: Client, path: str) -> None:
        send(client, "PATCH", path, {"version": 1, "score": 5})
        send(client, "POST", f"{path}finish/", {"version": 2})
        before = GameSession.objects.values().get()
        event = {"client_id": "a", "type": "page_started", "occurred_at": "2026-01-31T12:00:00Z"}

        answers = [
            send(client, "PATCH", path, {"version": 3, "score": 9}),
            send(client, "POST", f"{path}restore/", {"version": 3, "save": 1}),
            send(client, "POST", f"{path}events/", {"events": [event]}),
        ]

        assert {(each.status_code, each.json()["code"]) for each in answers} == {
            (409, "session_over")
        }
        assert GameSession.objects.values().get() == before

    def test_that_comes_too_late_is_answered_with_the_present_copy(
        self, client: Client, path: str
    ) -> None:
        send(client, "PATCH", path, PROGRESS | {"version": 1})

        answer = send(client, "POST", f"{path}finish/", {"version": 1, "score": 9})

        assert (answer.status_code, answer.json()["data"]["version"]) == (409, 2)
        assert GameSession.objects.get().status == "active"


class TestSaves:
    def test_are_listed_newest_first(self, client: Client, path: str) -> None:
        for version in (1, 2):
            send(client, "PATCH", path, {"version": version, "score": version, "state": "x"})

        page = get(client, f"{SESSIONS}{path}saves/", "alice").json()

        assert page["next_cursor"] is None
        assert [(each["version"], each["score"]) for each in page["results"]] == [(2, 1), (1, 0)]
        assert page["results"][0].keys() == {*PROGRESS, "version", "saved_at"}

    def test_can_be_gone_back_to(self, client: Client, path: str) -> None:
        send(client, "PATCH", path, PROGRESS | {"version": 1, "state": "good"})
        send(client, "PATCH", path, {"version": 2, "pages_completed": 9, "state": "spoilt"})

        answer = send(client, "POST", f"{path}restore/", {"version": 3, "save": 2})

        assert answer.status_code == 200
        assert (PROGRESS | {"version": 4}).items() <= answer.json().items()
        assert get(client, SESSIONS + path, "alice").json()["state"] == "good"

    def test_that_are_not_there_cannot(self, client: Client, path: str) -> None:
        answer = send(client, "POST", f"{path}restore/", {"version": 1, "save": 7})

        assert (answer.status_code, answer.json()["code"]) == (404, "save_not_found")

    def test_cannot_by_whoever_has_not_seen_the_present_copy(
        self, client: Client, path: str
    ) -> None:
        send(client, "PATCH", path, PROGRESS | {"version": 1})

        answer = send(client, "POST", f"{path}restore/", {"version": 1, "save": 1})

        assert (answer.status_code, answer.json()["code"]) == (409, "stale_save")
        assert answer.json()["data"]["version"] == 2

    def test_d6_are_the_owners_alone(self, client: Client, path: str) -> None:
        send(client, "PATCH", path, PROGRESS | {"version": 1})

        answers = [
            get(client, f"{SESSIONS}{path}saves/", "bob"),
            send(client, "POST", f"{path}restore/", {"version": 2, "save": 1}, player="bob"),
        ]

        assert {(each.status_code, each.json()["code"]) for each in answers} == {
            (404, "session_not_found")
        }
