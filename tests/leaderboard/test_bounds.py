"""What may be claimed on a board is bounded by what can be had there (D3)."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from accounts.models import User
from leaderboard.errors import ScoreAboveBoundError
from leaderboard.models import Attempt, Entry, ScoreBound
from leaderboard.rules import MAX_SCORE, Play, Source, Status
from leaderboard.services.bounds import Bounds, set_bounds
from leaderboard.services.scores import submit_score
from tests.factories import UserFactory
from tests.rest import restore_boards, submit, unspend_limits

BOARD = "solo:3"


def bound(**boards: list[int]) -> Callable[[], Bounds]:
    return lambda: {name.replace("_", ":"): bounds for name, bounds in boards.items()}


@pytest.fixture(autouse=True)
def _boards(db: None) -> None:
    restore_boards()


@pytest.fixture
def alice(db: None) -> User:
    return UserFactory.create(username="alice")


def claim(player: User, score: int, pages: int, *, now: datetime, **changed: Any) -> Status:
    fields = {"board": BOARD, "source": Source.CLAIMED, "level": 3, **changed}
    play = Play(score=score, accuracy=100, level=fields.pop("level"), pages_completed=pages)
    with transaction.atomic():
        board = fields.pop("board")
        return submit_score(board, play=play, user_id=player.id, now=now, **fields).status


class TestSetBounds:
    def test_keeps_a_row_for_each_step(self) -> None:
        changed = set_bounds(bound(solo_3=[0, 150, 150, 900], solo_4=[0]))

        assert changed == ["solo:3", "solo:4"]
        rows = ScoreBound.objects.order_by("board", "pages_completed")
        assert list(rows.values_list("board_id", "pages_completed", "score")) == [
            ("solo:3", 0, 0),
            ("solo:3", 1, 150),
            ("solo:3", 3, 900),
            ("solo:4", 0, 0),
        ]

    def test_writes_what_has_changed_alone(self) -> None:
        set_bounds(bound(solo_3=[0, 150], solo_4=[0, 150]))
        before = set(ScoreBound.objects.filter(board="solo:4").values_list("id", flat=True))

        assert set_bounds(bound(solo_3=[0, 300], solo_4=[0, 150])) == ["solo:3"]
        assert set_bounds(bound(solo_3=[0, 300], solo_4=[0, 150])) == []

        assert set(ScoreBound.objects.filter(board="solo:4").values_list("id", flat=True)) == before
        assert ScoreBound.objects.get(board="solo:3", pages_completed=1).score == 300

    def test_takes_bounds_away(self) -> None:
        set_bounds(bound(solo_3=[0, 150]))

        assert set_bounds(dict) == ["solo:3"]

        assert not ScoreBound.objects.exists()


class TestClaims:
    @pytest.mark.parametrize(
        ("pages", "most"), [(0, 0), (1, 150), (2, 150), (3, 900), (4, 900), (100, 900)]
    )
    def test_d3_are_refused_above_the_bound(
        self, alice: User, now: datetime, pages: int, most: int
    ) -> None:
        set_bounds(bound(solo_3=[0, 150, 150, 900]))

        with pytest.raises(ScoreAboveBoundError) as refused:
            claim(alice, most + 1, pages, now=now)

        limit = f"Must be at most {most} with {pages} pages completed."
        assert refused.value.fields == {"score": [limit]}
        assert not Attempt.objects.exists()
        assert not Entry.objects.exists()
        assert claim(alice, most, pages, now=now) is Status.CREATED

    def test_d3_are_refused_also_where_they_would_change_nothing(
        self, alice: User, now: datetime
    ) -> None:
        claim(alice, 5000, 5, now=now)
        set_bounds(bound(solo_3=[0, 150]))

        with pytest.raises(ScoreAboveBoundError):
            claim(alice, 400, 1, now=now)

        assert claim(alice, 100, 1, now=now) is Status.UNCHANGED
        assert Attempt.objects.count() == 2

    def test_may_be_anything_on_a_board_without_a_bound(self, alice: User, now: datetime) -> None:
        set_bounds(bound(solo_4=[0, 150]))

        assert claim(alice, MAX_SCORE, 1, now=now) is Status.CREATED
        assert claim(alice, MAX_SCORE, 1, board="coop", now=now) is Status.CREATED
        assert claim(alice, -5000, 0, board="solo:4", level=4, now=now) is Status.CREATED

    @pytest.mark.parametrize("source", [Source.REFEREED, Source.MATCH])
    def test_alone_are_bounded(self, alice: User, now: datetime, source: Source) -> None:
        set_bounds(bound(solo_3=[0, 150]))

        assert claim(alice, 9000, 1, source=source, now=now) is Status.CREATED


@pytest.mark.django_db(transaction=True)
class TestRest:
    def test_d3_names_the_field_and_the_limit(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        unspend_limits(monkeypatch)
        restore_boards()
        set_bounds(bound(solo_3=[0, 150, 150, 900]))

        refused = submit(client, score=901, pages_completed=4)
        taken = submit(client, score=900, pages_completed=4)

        assert (refused.status_code, refused.json()["code"]) == (400, "score_above_bound")
        assert refused.json()["fields"] == {
            "score": ["Must be at most 900 with 4 pages completed."]
        }
        assert (taken.status_code, Entry.objects.get().score) == (201, 900)

    def test_costs_no_statement_more_on_postgresql(
        self, client: Client, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Any
    ) -> None:
        unspend_limits(monkeypatch)
        restore_boards()
        set_bounds(bound(solo_3=[0, 9000]))
        submit(client)

        with django_assert_max_num_queries(5 if connection.vendor == "postgresql" else 8):
            submit(client, score=1300)
