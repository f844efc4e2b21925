"""REST: refereed runs, each its player's own."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from archives.models import Archive, Run, RunPage
from archives.rules import runs as rules
from dust import ids
from gamesessions.models import GameSession
from leaderboard.models import Entry
from tests.archives.playing import FALSE, LEVEL, SECONDS, TRUE, seed_contents, seed_level
from tests.rest import bearer, get, restore_boards, unspend_limits

pytestmark = pytest.mark.django_db(transaction=True)

RUNS = "/api/v1/runs/"


@pytest.fixture(autouse=True)
def _fresh(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start with a level of two pages, and all limits unspent."""
    restore_boards()
    unspend_limits(monkeypatch)
    seed_level(now=datetime(2026, 3, 1, tzinfo=UTC))


def post(
    client: Client, path: str, body: Any = None, *, player: str = "alice", **headers: str
) -> Any:
    """Send a move; the path is below the runs'."""
    return client.post(
        RUNS + path, body or {}, "application/json", headers=bearer(player) | headers
    )


def start(client: Client, **asked: Any) -> dict[str, Any]:
    answer = post(client, "", asked or {"mode": "level", "level": LEVEL})
    assert answer.status_code == 201, answer.content
    run: dict[str, Any] = answer.json()
    return run


@pytest.fixture
def run(client: Client) -> dict[str, Any]:
    """A run of alice's, as it was answered."""
    return start(client)


@pytest.fixture
def path(run: dict[str, Any]) -> str:
    return f"{run['id']}/"


def archived(client: Client, path: str, page: int = 1, sections: Any = TRUE) -> Any:
    return post(client, f"{path}archive/", {"page": page, "section_ids": sections})


class TestStart:
    def test_shows_the_run_and_its_first_page_without_the_truth(self, run: dict[str, Any]) -> None:
        row, page = Run.objects.get(), RunPage.objects.get(number=1)
        assert page.started_at is not None
        began = page.started_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        ends = (page.started_at + timedelta(seconds=SECONDS)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        content = run["page"].pop("content")
        assert run == {
            "id": ids.encode(Run.TABLE_NUMBER, row.session_id),
            "session_id": ids.encode(GameSession.TABLE_NUMBER, row.session_id),
            "mode": "level",
            "level": LEVEL,
            "status": "started",
            "score": 0,
            "combo": 0,
            "best_combo": 0,
            "archived": 0,
            "correct": 0,
            "accuracy": 0.0,
            "pages_completed": 0,
            "page_count": 2,
            "started_at": began,
            "ended_at": None,
            "page": {
                "number": 1,
                "level": LEVEL,
                "energy": 3,
                "started_at": began,
                "deadline": ends,
                "frozen_until": None,
                "ended_at": None,
                "verified": None,
                "purged": None,
                "reveal": None,
            },
            "next_page": None,
            "board": None,
            "board_status": None,
        }
        assert (content["difficulty"], content["decay_duration"]) == (LEVEL, SECONDS)
        assert [section["id"] for section in content["sections"]] == ["s1", "s2", "s3", "s4"]
        assert content["sections"][0] == {
            "id": "s1",
            "text": page.content["sections"][0]["text"],
            "category": "body",
            "decay_order": 3,
            "archive_cost": 1,
        }

    @pytest.mark.parametrize("mode", ["quick", "demo"])
    def test_takes_other_modes(self, client: Client, mode: str, now: datetime) -> None:
        seed_contents(5, is_demo=mode == "demo", now=now)

        run = start(client, mode=mode)

        assert (run["mode"], run["page_count"]) == (mode, 5)

    @pytest.mark.parametrize(
        ("body", "status", "code", "field"),
        [
            ({}, 400, "invalid", "mode"),
            ({"mode": "ranked"}, 400, "invalid", "mode"),
            ({"mode": "level"}, 400, "invalid_run", "level"),
            ({"mode": "level", "level": 11}, 400, "invalid", "level"),
            ({"mode": "level", "level": "3"}, 400, "invalid", "level"),
            ({"mode": "demo", "level": 3}, 400, "invalid_run", "level"),
            ({"mode": "quick", "score": 9}, 400, "invalid", "score"),
            ({"mode": "level", "level": 4}, 404, "nothing_to_play", None),
            ({"mode": "demo"}, 404, "nothing_to_play", None),
        ],
    )
    def test_refuses_what_cannot_be_played(
        self, client: Client, body: Any, status: int, code: str, field: str | None
    ) -> None:
        answer = post(client, "", body)

        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert list(answer.json()["fields"]) == ([field] if field else [])
        assert not GameSession.objects.exists()

    def test_happens_once_for_a_key(self, client: Client) -> None:
        body, key = {"mode": "level", "level": LEVEL}, {"Idempotency-Key": "run 1"}
        first = post(client, "", body, **key)

        again = post(client, "", body, **key)

        assert (again.status_code, again.content) == (201, first.content)
        assert again.headers["Idempotency-Replayed"] == "true"
        assert Run.objects.count() == 1

    def test_is_limited(self, client: Client) -> None:
        for _ in range(rules.STARTS_PER_MINUTE):
            start(client)

        refused = post(client, "", {"mode": "level", "level": LEVEL})

        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")


class TestRetrieve:
    def test_shows_the_run_as_it_was_answered_last(
        self, client: Client, run: dict[str, Any], path: str
    ) -> None:
        assert get(client, RUNS + path, "alice").json() == run

        answered = archived(client, path).json()

        assert get(client, RUNS + path, "alice").json() == answered

    def test_shows_the_run_that_one_is_in(
        self, client: Client, run: dict[str, Any], path: str
    ) -> None:
        assert get(client, f"{RUNS}active/", "alice").json() == run

        post(client, f"{path}finish/")
        answer = get(client, f"{RUNS}active/", "alice")

        assert (answer.status_code, answer.json()["code"]) == (404, "run_not_found")

    def test_does_not_take_any_game_for_a_run(self, client: Client, run: dict[str, Any]) -> None:
        client.post("/api/v1/sessions/", {}, "application/json", headers=bearer("alice"))

        assert get(client, f"{RUNS}active/", "alice").status_code == 404

    def test_shows_that_time_is_over_before_it_was_noted(self, client: Client, path: str) -> None:
        with time_machine.travel(datetime.now(UTC) + timedelta(minutes=10), tick=False):
            shown = get(client, RUNS + path, "alice").json()

        assert shown["page"]["reveal"]["fate"] == "timed_out"
        assert (shown["next_page"], RunPage.objects.get(number=1).fate) == (2, "")

    def test_is_for_the_player_alone(self, client: Client, path: str) -> None:
        stranger = get(client, RUNS + path, "mallory")

        assert (stranger.status_code, stranger.json()["code"]) == (404, "run_not_found")
        assert get(client, RUNS + path).status_code == 401
        assert get(client, f"{RUNS}nonsense/", "alice").json()["code"] == "invalid_id"

    def test_is_not_for_the_banned(self, client: Client, path: str) -> None:
        User.objects.update(is_banned=True)

        assert get(client, RUNS + path, "alice").json()["code"] == "account_banned"
        assert archived(client, path).json()["code"] == "account_banned"

    def test_shows_no_page_once_they_are_gone(self, client: Client, path: str) -> None:
        post(client, f"{path}finish/")
        RunPage.objects.all().delete()

        shown = get(client, RUNS + path, "alice").json()

        assert (shown["page"], shown["status"]) == (None, "abandoned")

    def test_takes_few_statements(
        self, client: Client, path: str, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        # On PostgreSQL BEGIN and COMMIT count too; on SQLite so do the pragmas around a snapshot.
        with django_assert_max_num_queries(8):
            get(client, RUNS + path, "alice")


class TestTruth:
    """D20: what is true follows from nothing that is shown of a page before it is over."""

    def test_d20_is_not_in_what_is_answered(self, client: Client, run: dict[str, Any]) -> None:
        answered = json.dumps(run)

        for word in ("true", "false", "explanation", "reason", "snippet", "hint"):
            assert word not in answered.replace('"is_true"', "").lower(), word

    def test_d20_of_two_pages_that_differ_in_it_alone_is_not_to_be_seen(
        self, client: Client, now: datetime
    ) -> None:
        first = start(client)["page"]["content"]
        page = RunPage.objects.get(number=1, run__session__status="active")
        sections = page.content["sections"]
        sections[0]["isTrue"], sections[1]["isTrue"] = False, True
        sections[0]["falseReason"] = "It never was."
        page.save(update_fields=["content"])

        second = get(client, f"{RUNS}active/", "alice").json()["page"]["content"]

        assert first == second

    def test_is_told_of_one_section_by_verify_and_of_all_when_the_page_is_over(
        self, client: Client, path: str
    ) -> None:
        body = {"page": 1, "lifeline": "verify", "section_id": "s2"}

        verified = post(client, f"{path}lifelines/", body).json()["page"]
        over = archived(client, path, sections=["s2", "s1", "s3"]).json()["page"]

        told = {"section_id": "s2", "is_true": False, "reason": None, "points": None}
        assert (verified["verified"], verified["reveal"]) == (told, None)
        reveal = over["reveal"]
        assert (reveal["fate"], reveal["points"], reveal["is_clutch"]) == ("archived", 75, False)
        assert [(each["section_id"], each["is_true"]) for each in reveal["sections"]] == [
            ("s1", True),
            ("s2", False),
            ("s3", True),
            ("s4", True),
        ]
        assert [each["points"] for each in reveal["sections"]] == [100, -150, 125, None]
        assert any("No lighthouse is." in hint for hint in reveal["hints"])


class TestMoves:
    def test_dust_so_1_lead_to_the_board(self, client: Client, path: str) -> None:
        first = archived(client, path).json()
        second = post(client, f"{path}next/", {"page": 2}).json()
        last = archived(client, path, page=2).json()

        assert (first["status"], first["next_page"], first["score"]) == ("playing", 2, 375)
        assert (second["page"]["number"], second["page"]["reveal"]) == (2, None)
        assert (last["status"], last["next_page"]) == ("finished", None)
        assert (last["board"], last["board_status"], last["score"]) == ("solo:3", "created", 975)
        assert Entry.objects.get().source == "refereed"
        assert Archive.objects.get().total_items == 6
        assert post(client, f"{path}finish/").json() == last

    def test_freeze_and_purge(self, client: Client, path: str) -> None:
        frozen = post(client, f"{path}lifelines/", {"page": 1, "lifeline": "freeze"}).json()
        purged = post(client, f"{path}lifelines/", {"page": 1, "lifeline": "purge"}).json()

        page = frozen["page"]
        began, deadline = map(datetime.fromisoformat, (page["started_at"], page["deadline"]))
        assert deadline - began == timedelta(seconds=SECONDS + 15)
        assert page["frozen_until"] is not None
        assert purged["page"]["purged"] == FALSE[0]

    @pytest.mark.parametrize(
        ("what", "body", "status", "code"),
        [
            ("archive", {"page": 1, "section_ids": ["s1"]}, 400, "energy_left"),
            ("archive", {"page": 1, "section_ids": [*TRUE, "s2"]}, 400, "energy_overspent"),
            ("archive", {"page": 1, "section_ids": ["s1"] * 3}, 400, "section_chosen_twice"),
            ("archive", {"page": 1, "section_ids": ["s9"]}, 400, "section_not_on_page"),
            ("archive", {"page": 2, "section_ids": TRUE}, 409, "page_not_begun"),
            ("archive", {"page": 9, "section_ids": TRUE}, 409, "wrong_page"),
            ("archive", {"page": 0, "section_ids": TRUE}, 400, "invalid"),
            ("archive", {"page": 1, "section_ids": "s1"}, 400, "invalid"),
            ("archive", {"page": 1, "section_ids": TRUE, "score": 1}, 400, "invalid"),
            ("lifelines", {"page": 1, "lifeline": "verify"}, 400, "section_not_on_page"),
            ("lifelines", {"page": 1, "lifeline": "hint"}, 400, "invalid"),
            ("next", {"page": 2}, 409, "page_not_over"),
            ("next", {"page": 3}, 409, "wrong_page"),
            ("next", {}, 400, "invalid"),
            ("finish", {"score": 1}, 400, "invalid"),
        ],
    )
    def test_are_refused_by_name(
        self, client: Client, path: str, what: str, body: Any, status: int, code: str
    ) -> None:
        answer = post(client, f"{path}{what}/", body)

        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert Run.objects.get().status == "started"

    def test_are_refused_late_twice_and_after_the_end(self, client: Client, path: str) -> None:
        with time_machine.travel(datetime.now(UTC) + timedelta(minutes=10), tick=False):
            late = archived(client, path)
        first = archived(client, path)
        twice = archived(client, path)
        post(client, f"{path}finish/")
        over = archived(client, path)

        assert first.status_code == 200
        assert [each.json()["code"] for each in (late, twice, over)] == [
            "page_timed_out",
            "page_archived",
            "run_over",
        ]

    @pytest.mark.parametrize("what", ["archive", "lifelines", "next", "finish"])
    def test_are_the_players_alone(self, client: Client, path: str, what: str) -> None:
        bodies = {
            "archive": {"page": 1, "section_ids": TRUE},
            "lifelines": {"page": 1, "lifeline": "purge"},
            "next": {"page": 2},
        }

        answer = post(client, f"{path}{what}/", bodies.get(what), player="mallory")

        assert (answer.status_code, answer.json()["code"]) == (404, "run_not_found")
        assert Run.objects.get().status == "started"

    def test_count_once_for_a_key(self, client: Client, path: str) -> None:
        body, key = {"page": 1, "section_ids": TRUE}, {"Idempotency-Key": "move 1"}
        first = post(client, f"{path}archive/", body, **key)

        again = post(client, f"{path}archive/", body, **key)

        assert (again.status_code, again.content) == (200, first.content)
        assert GameSession.objects.get().score == 375

    def test_are_limited(self, client: Client, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        for _ in range(rules.MOVES_PER_MINUTE):
            archived(client, path, sections=[])

        assert archived(client, path).status_code == 429

    def test_of_an_archive_take_few_statements(
        self, client: Client, path: str, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        # Those of the service, and around them the transaction, the change row and the boxes.
        with django_assert_max_num_queries(20 if connection.vendor == "postgresql" else 19):
            archived(client, path)

    def test_leave_the_session_to_the_referee(
        self, client: Client, run: dict[str, Any], path: str
    ) -> None:
        session = f"/api/v1/sessions/{run['session_id']}/"
        item = {"section_text": "", "was_correct": True, "level": 1, "content_type": "news"}
        archive = {"session_id": run["session_id"], "items": [item] * 9}

        saved = client.patch(
            session, {"version": 1, "score": 9}, "application/json", headers=bearer("alice")
        )
        kept = client.post(
            "/api/v1/archives/", archive, "application/json", headers=bearer("alice")
        )

        assert [each.json()["code"] for each in (saved, kept)] == ["session_refereed"] * 2
        assert not Archive.objects.exists()
