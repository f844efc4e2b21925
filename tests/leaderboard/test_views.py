"""REST: the boards, and what they show to whom."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from accounts.models import User
from dust import ids
from leaderboard import functions, rules, serializers
from leaderboard.errors import InvalidPlayError
from leaderboard.models import Entry
from leaderboard.rules import Play
from tests.rest import BOARDS, SOLO_3, get, restore_boards, submit, unspend_limits

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _fresh(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start with all boards empty and all limits unspent."""
    restore_boards()
    unspend_limits(monkeypatch)


class TestBoards:
    def test_are_listed_with_their_levels(self, client: Client) -> None:
        answer = get(client, BOARDS)

        assert answer.status_code == 200
        assert answer.json()["next_cursor"] is None
        assert answer.json()["results"] == [
            *({"board": f"solo:{level}", "kind": "solo", "level": level} for level in range(1, 11)),
            {"board": "coop", "kind": "coop", "level": None},
        ]


@pytest.fixture
def ranking(client: Client) -> list[str]:
    """Twelve players, best first; the third and the fourth have the same score."""
    players = [f"player-{number:02}" for number in range(12)]
    scores = [1200, 1100, 1000, 1000, *range(800, 0, -100)]
    moment = datetime(2026, 3, 14, tzinfo=UTC)
    for player, score in zip(players, scores, strict=True):
        with time_machine.travel(moment, tick=False):
            assert submit(client, player, score=score).status_code == 201
        moment += timedelta(seconds=1)
    return players


class TestTop:
    def test_shows_the_best_first_and_lets_equals_share_their_rank(
        self, client: Client, ranking: list[str]
    ) -> None:
        answer = get(client, SOLO_3)

        found = answer.json()["results"]
        assert [each["username"] for each in found] == ranking
        assert [each["rank"] for each in found][:6] == [1, 2, 3, 3, 5, 6]
        assert found[0] == {
            "id": ids.encode(Entry.TABLE_NUMBER, Entry.objects.get(score=1200).id),
            "rank": 1,
            "username": "player-00",
            "avatar_url": "",
            "score": 1200,
            "accuracy": 87.5,
            "level": 3,
            "pages_completed": 4,
            "source": "claimed",
            "achieved_at": "2026-03-14T00:00:00.000000Z",
        }
        assert answer.json()["next_cursor"] is None

    def test_goes_on_where_the_last_page_ended(self, client: Client, ranking: list[str]) -> None:
        seen: list[str] = []
        path = f"{SOLO_3}?limit=5"
        while path:
            page = get(client, path).json()
            seen += [each["username"] for each in page["results"]]
            cursor = page["next_cursor"]
            path = f"{SOLO_3}?limit=5&cursor={cursor}" if cursor else ""

        assert seen == ranking

    def test_is_empty_where_nobody_has_played(self, client: Client) -> None:
        assert get(client, SOLO_3).json() == {"results": [], "next_cursor": None}

    @pytest.mark.usefixtures("ranking")
    def test_refuses_cursors_that_it_has_not_given_out(self, client: Client) -> None:
        cursor = get(client, f"{SOLO_3}?limit=5").json()["next_cursor"]

        forged = get(client, f"{SOLO_3}?cursor=x{cursor}")
        misplaced = get(client, f"{BOARDS}coop/?cursor={cursor}")

        assert (forged.status_code, forged.json()["code"]) == (400, "invalid_cursor")
        assert (misplaced.status_code, misplaced.json()["code"]) == (400, "invalid_cursor")

    @pytest.mark.parametrize("limit", ["0", "101", "-1", "many", "1.5", "", "1" * 1001])
    def test_d24_refuses_other_limits(self, client: Client, limit: str) -> None:
        answer = get(client, f"{SOLO_3}?limit={limit}")

        assert answer.status_code == 400
        assert answer.json()["fields"] == {"limit": ["Must be a whole number from 1 to 100."]}

    @pytest.mark.parametrize("cursor", ["", "x" * 513])
    def test_refuses_other_lengths_of_cursors(self, client: Client, cursor: str) -> None:
        answer = get(client, f"{SOLO_3}?cursor={cursor}")

        assert answer.status_code == 400
        assert answer.json()["fields"] == {"cursor": ["Must be 1 to 512 characters long."]}


class TestMe:
    def test_shows_the_callers_entry_and_rank(self, client: Client, ranking: list[str]) -> None:
        answer = get(client, f"{SOLO_3}me/", ranking[4])

        assert answer.status_code == 200
        entry = answer.json()["entry"]
        assert (entry["username"], entry["score"], entry["rank"]) == (ranking[4], 800, 5)

    def test_shows_nothing_to_those_who_have_none(self, client: Client) -> None:
        answer = get(client, f"{SOLO_3}me/", "stranger")

        assert (answer.status_code, answer.json()) == (200, {"entry": None})
        assert not User.objects.exists()

    def test_gives_a_hidden_entry_no_rank(self, client: Client) -> None:
        submit(client)
        Entry.objects.update(hidden=True)

        entry = get(client, f"{SOLO_3}me/", "alice").json()["entry"]

        assert (entry["score"], entry["rank"]) == (1250, None)


class TestAround:
    def test_shows_the_neighbours_in_order(self, client: Client, ranking: list[str]) -> None:
        answer = get(client, f"{SOLO_3}around/?radius=2", ranking[5])

        assert answer.status_code == 200
        assert [(each["username"], each["rank"]) for each in answer.json()["results"]] == [
            (ranking[3], 3),
            (ranking[4], 5),
            (ranking[5], 6),
            (ranking[6], 7),
            (ranking[7], 8),
        ]

    def test_shows_nothing_to_those_who_are_not_there(self, client: Client) -> None:
        answer = get(client, f"{SOLO_3}around/", "stranger")

        assert (answer.status_code, answer.json()) == (200, {"results": []})

    @pytest.mark.parametrize("radius", ["0", "51", "near"])
    def test_refuses_other_distances(self, client: Client, radius: str) -> None:
        answer = get(client, f"{SOLO_3}around/?radius={radius}", "alice")

        assert answer.status_code == 400
        assert answer.json()["fields"] == {"radius": ["Must be a whole number from 1 to 50."]}


class TestShapes:
    @pytest.mark.parametrize("field", serializers.Play().fields)
    def test_have_the_limits_that_the_rules_have(self, field: str) -> None:
        shown: Any = serializers.Play().fields[field]
        play = Play(score=0, accuracy=0, level=1, pages_completed=0)

        for within in (shown.min_value, shown.max_value):
            assert (
                getattr(rules.check_play("coop", replace(play, **{field: within})), field) == within
            )
        for beyond in (shown.min_value - 1, shown.max_value + 1):
            with pytest.raises(InvalidPlayError):
                rules.check_play("coop", replace(play, **{field: beyond}))

    def test_show_an_entry_as_every_other_door_does(self) -> None:
        assert set(serializers.Entry().fields) == set(functions.Entry.__struct_fields__)
