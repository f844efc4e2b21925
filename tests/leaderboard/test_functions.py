"""The live queries behind the doors: their shapes, and when they are told anew."""

from datetime import datetime
from typing import Any

import pytest

from accounts.models import User
from accounts.services.players import update_profile
from dust.livequery.context import Caller
from dust.livequery.errors import InvalidArgumentsError
from dust.livequery.execution import run_query, run_query_alone
from dust.livequery.registry import Kind, find_function
from dust.livequery.testing import Watch, assert_live
from leaderboard.errors import BoardNotFoundError
from tests.factories import EntryFactory, UserFactory, identity_of
from tests.rest import restore_boards

BOARD = {"board": "solo:3"}


@pytest.fixture
def alice(db: None, now: datetime) -> User:
    restore_boards()
    alice = UserFactory.create(username="alice", avatar_url="https://img.example/a")
    EntryFactory.create(board__key="solo:3", user=alice, score=1013, achieved_at=now)
    return alice


def ask(path: str, caller: Caller | None = None, **args: Any) -> Any:
    spec = find_function(f"leaderboard:{path}", kind=Kind.QUERY, internal=True)
    result = run_query_alone(spec, BOARD | args, caller)
    if result.error:
        raise result.error
    return result.value


class TestShapes:
    def test_are_those_of_rest(self, alice: User, now: datetime) -> None:
        entry = {
            "id": ask("top")["results"][0]["id"],
            "rank": 1,
            "username": "alice",
            "avatar_url": "https://img.example/a",
            "score": 1013,
            "accuracy": 90.0,
            "level": 3,
            "pages_completed": 5,
            "source": "claimed",
            "achieved_at": "2026-03-14T15:09:26.000000Z",
        }

        assert ask("top") == {"results": [entry], "next_cursor": None}
        assert ask("me", identity_of(alice)) == {"entry": entry}
        assert ask("around", identity_of(alice)) == {"results": [entry]}

    def test_are_empty_for_nobody(self, alice: User) -> None:
        assert ask("me") == {"entry": None}
        assert ask("around") == {"results": []}


class TestArguments:
    @pytest.mark.parametrize(
        ("path", "args"),
        [
            ("top", {"limit": 0}),
            ("top", {"limit": 101}),
            ("top", {"limit": 1.5}),
            ("top", {"radius": 1}),
            ("top", {"cursor": "x" * 513}),
            ("around", {"radius": 0}),
            ("around", {"radius": 51}),
        ],
    )
    def test_are_refused_beyond_the_limits(self, db: None, path: str, args: dict[str, Any]) -> None:
        with pytest.raises(InvalidArgumentsError):
            ask(path, **args)

    @pytest.mark.parametrize("path", ["top", "me", "around"])
    def test_name_a_board_that_is_there(self, db: None, path: str) -> None:
        with pytest.raises(BoardNotFoundError):
            ask(path, board="solo:9999")

    def test_lead_through_the_pages(self, alice: User) -> None:
        EntryFactory.create(board__key="solo:3", score=5)
        first = ask("top", limit=1)

        second = ask("top", limit=1, cursor=first["next_cursor"])

        assert [entry["rank"] for entry in second["results"]] == [2]
        assert second["next_cursor"] is None


class TestSharing:
    @pytest.mark.parametrize(
        ("path", "facts"),
        [
            ("top", set()),
            ("me", {"signed in", "subject"}),
            ("around", {"signed in", "subject"}),
        ],
    )
    def test_is_as_wide_as_what_is_shown_allows(
        self, alice: User, now: datetime, path: str, facts: set[str]
    ) -> None:
        spec = find_function(f"leaderboard:{path}", kind=Kind.QUERY, internal=True)

        outcome = run_query(spec, spec.parse(BOARD), identity_of(alice), now=now)

        assert outcome.facts == facts


@pytest.mark.django_db(transaction=True)
class TestLiveness:
    @pytest.mark.parametrize("path", ["top", "me", "around"])
    def test_shows_a_new_name_where_it_is_shown(self, alice: User, path: str) -> None:
        bob = UserFactory.create(username="bob")
        EntryFactory.create(board__key="solo:4", user=bob)
        others = {
            "top": Watch("leaderboard:around", {"board": "solo:4"}, caller=identity_of(bob)),
            "me": Watch("leaderboard:top", {"board": "solo:4"}),
            "around": Watch("leaderboard:me", {"board": "solo:4"}, caller=identity_of(bob)),
        }

        with assert_live(
            f"leaderboard:{path}", BOARD, caller=identity_of(alice), bystanders=(others[path],)
        ):
            update_profile(alice, username="Alice the Great")

    def test_shows_a_page_that_moved(self, alice: User) -> None:
        EntryFactory.create(board__key="solo:3", score=5)
        cursor = ask("top", limit=1)["next_cursor"]

        with assert_live("leaderboard:top", BOARD | {"cursor": cursor}):
            EntryFactory.create(board__key="solo:3", score=2000)

    def test_shows_the_end_of_a_user(self, alice: User) -> None:
        with assert_live("leaderboard:top", BOARD):
            alice.delete()
