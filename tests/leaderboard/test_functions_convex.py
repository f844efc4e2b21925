"""The functions of leaderboards, as Convex clients know them."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.errors import AccountBannedError
from accounts.models import User
from dust import ids
from dust.errors import DustError, RateLimitedError, UnauthenticatedError
from dust.identity import Identity, local_issuer
from dust.livequery.errors import InvalidArgumentsError
from dust.livequery.execution import run_query
from dust.livequery.registry import Kind, find_function
from dust.livequery.testing import Watch, ask, assert_live, mutate
from leaderboard.errors import BoardNotFoundError, InvalidPlayError, ScoreAboveBoundError
from leaderboard.models import Attempt, Entry
from leaderboard.services.bounds import set_bounds
from tests.factories import EntryFactory, UserFactory, identity_of
from tests.rest import restore_boards
from tests.rest import submit as submit_by_rest

pytestmark = pytest.mark.django_db(transaction=True)

ALICE = Identity(local_issuer.ISSUER, "alice", {"nickname": "ada"})
BOB = Identity(local_issuer.ISSUER, "bob")
PLAY: dict[str, Any] = {"score": 1013.0, "accuracy": 88.0, "level": 3.0, "pagesCompleted": 5.0}
SOLO_3: dict[str, Any] = {"leaderboardType": "solo", "level": 3.0}
COOP: dict[str, Any] = {"leaderboardType": "coop"}


@pytest.fixture(autouse=True)
def _boards(transactional_db: None) -> None:
    restore_boards()


def submit(caller: Identity | None = ALICE, **changed: Any) -> Any:
    return mutate("leaderboard:submit", PLAY | changed, caller=caller)


def get_top(**args: Any) -> Any:
    return ask("leaderboard:getTop", args)


def get_my_rank(caller: Identity | None = ALICE, **args: Any) -> Any:
    return ask("leaderboard:getMyRank", args, caller=caller)


def get_around_me(caller: Identity | None = ALICE, **args: Any) -> Any:
    return ask("leaderboard:getAroundMe", args, caller=caller)


def place(name: str, score: int, board: str = "solo:3", **changed: Any) -> Identity:
    """Have a player with an entry on the board."""
    user = UserFactory.create(username=name)
    EntryFactory.create(board__key=board, user=user, score=score, **changed)
    return identity_of(user)


class TestSubmit:
    def test_lb_2_says_what_became_of_a_result(self) -> None:
        first, better, same = submit(), submit(score=1014.0), submit(score=1014.0, accuracy=1.0)

        assert first == {"status": "created", "leaderboardUpdated": True, "boardKey": "solo:3"}
        assert better == first | {"status": "updated"}
        assert same == first | {"status": "unchanged", "leaderboardUpdated": False}
        entry = Entry.objects.get()
        assert (entry.score, entry.accuracy, entry.source) == (1014, 88.0, "claimed")

    def test_id_2_makes_the_player_from_the_token(self) -> None:
        submit()

        user = User.objects.get()
        assert (user.issuer, user.subject, user.username) == (local_issuer.ISSUER, "alice", "ada")

    @pytest.mark.parametrize(
        ("asked", "board"),
        [
            ({}, "solo:3"),
            (SOLO_3, "solo:3"),
            (COOP, "coop"),
            ({"level": 5.0, **COOP}, "coop"),
            ({"level": 10.0}, "solo:10"),
        ],
    )
    def test_is_for_the_board_of_the_level_or_the_teams(
        self, asked: Mapping[str, Any], board: str
    ) -> None:
        assert submit(**asked)["boardKey"] == board
        assert Entry.objects.get().board_id == board

    def test_is_not_open_to_nobody(self) -> None:
        with pytest.raises(UnauthenticatedError, match=r"^Must be logged in to submit scores$"):
            submit(None)

        assert not User.objects.exists()

    def test_is_not_open_to_the_banned(self) -> None:
        submit()
        User.objects.update(is_banned=True)

        with pytest.raises(AccountBannedError):
            submit(score=2000.0)

        assert Entry.objects.get().score == 1013

    @pytest.mark.parametrize(
        ("field", "value", "refusal"),
        [
            *(("score", value, InvalidPlayError) for value in (float("nan"), float("inf"), 0.5)),
            ("score", 2.0**53, InvalidPlayError),
            *(("accuracy", value, InvalidPlayError) for value in (-0.1, 100.1, float("nan"))),
            *(("level", value, InvalidPlayError) for value in (0.0, -1.0, 2.5, float("nan"))),
            *(("level", value, BoardNotFoundError) for value in (11.0, 9999.0, 1e300)),
            *(("pagesCompleted", value, InvalidPlayError) for value in (-1.0, 101.0, 1.5)),
            *(("score", value, InvalidArgumentsError) for value in ("9", None, True)),
            ("leaderboardType", "race", InvalidArgumentsError),
            ("leaderboardType", None, InvalidArgumentsError),
            ("clerkId", "user_bob", InvalidArgumentsError),
        ],
    )
    def test_lb_1_d24_refuses_what_cannot_be(
        self, field: str, value: Any, refusal: type[DustError]
    ) -> None:
        with pytest.raises(refusal):
            submit(**{field: value})

        assert not Attempt.objects.exists()
        assert not User.objects.exists()

    def test_d3_refuses_what_cannot_be_had(self) -> None:
        set_bounds(lambda: {"solo:3": [0, 150, 900]})

        with pytest.raises(ScoreAboveBoundError):
            submit(score=901.0)

        assert submit(score=900.0)["status"] == "created"

    def test_dec_2_keeps_scores_below_zero(self) -> None:
        submit(score=-250.0)

        assert get_my_rank(**SOLO_3)["entry"]["score"] == -250

    def test_lb_3_leaves_the_best_of_all_that_come_at_once(self) -> None:
        def send(score: int) -> str:
            try:
                return str(submit(score=float(score))["status"])
            finally:
                connection.close()

        with ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(send, range(16)))

        assert statuses.count("created") == 1
        assert Entry.objects.get().score == 15

    def test_takes_no_more_statements_than_it_needs(
        self, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        submit()

        # BEGIN, the user, the submission, the change, COMMIT; submitting takes more on SQLite.
        with django_assert_max_num_queries(5 if connection.vendor == "postgresql" else 8):
            submit(score=1300.0)


class TestLimit:
    def test_lb_4_is_thirty_a_minute_by_both_doors_together(self, client: Client) -> None:
        for score in range(15):
            submit(score=float(score))
            assert submit_by_rest(client, "alice", score=score).status_code == 200

        with pytest.raises(RateLimitedError) as refusal:
            submit(score=99.0)

        assert 0 < (refusal.value.retry_after_seconds or 0) <= 60
        assert submit_by_rest(client, "alice", score=99).status_code == 429
        assert Attempt.objects.count() == 30
        assert submit(BOB)["status"] == "created"

    def test_counts_nothing_that_is_no_submission(self) -> None:
        for _ in range(40):
            with pytest.raises(InvalidArgumentsError):
                submit(score="high")
            with pytest.raises(UnauthenticatedError):
                submit(None)

        assert submit()["status"] == "created"


class TestGetTop:
    def test_shows_whole_rows(self, now: datetime) -> None:
        user = UserFactory.create(username="ada", subject="user_2abc", avatar_url="https://a.b/c")
        entry = EntryFactory.create(board__key="solo:3", user=user, score=1013, achieved_at=now)

        [shown] = get_top(limit=50.0, **SOLO_3)

        created = shown.pop("_creationTime")
        assert shown == {
            "_id": ids.encode(Entry.TABLE_NUMBER, entry.id),
            "userId": ids.encode(User.TABLE_NUMBER, user.id),
            "clerkId": "user_2abc",
            "username": "ada",
            "avatarUrl": "https://a.b/c",
            "leaderboardType": "solo",
            "boardKey": "solo:3",
            "score": 1013,
            "accuracy": 90,
            "level": 3,
            "pagesCompleted": 5,
            "achievedAt": now.timestamp() * 1000,
        }
        assert created == pytest.approx(ids.made_at(entry.id).timestamp() * 1000)
        assert {type(shown[name]) for name in ("score", "level", "pagesCompleted")} == {float}

    def test_d28_shows_of_equals_the_earlier_first(self, now: datetime) -> None:
        place("late", 20, achieved_at=now + timedelta(seconds=1))
        place("early", 20, achieved_at=now)
        place("best", 30)

        assert [each["username"] for each in get_top(**SOLO_3)] == ["best", "early", "late"]

    def test_shows_each_board_alone(self) -> None:
        place("solo", 10)
        place("team", 20, "coop", level=7)

        assert [each["username"] for each in get_top(**SOLO_3)] == ["solo"]
        [team] = get_top(**COOP)
        assert (team["leaderboardType"], team["boardKey"], team["level"]) == ("coop", "coop", 7)

    @pytest.mark.parametrize("level", [0.0, -3.0, 2.5, float("nan"), float("inf"), 1.0])
    def test_takes_what_no_level_can_be_for_the_first(self, level: float) -> None:
        place("first", 10, "solo:1")

        assert len(get_top(level=level)) == len(get_top()) == 1

    @pytest.mark.parametrize("level", [11.0, 9999.0, 1e300])
    def test_d24_shows_nobody_on_a_board_that_there_is_not(self, level: float) -> None:
        submit()

        assert get_top(level=level) == []
        assert get_my_rank(level=level) is None
        assert get_around_me(level=level) == []

    @pytest.mark.parametrize(
        ("limit", "count"),
        [(0.0, 1), (-5.0, 1), (2.9, 2), (1e300, 100), (float("inf"), 100), (float("nan"), 1)],
    )
    def test_d24_keeps_the_limit_within_bounds(self, limit: float, count: int) -> None:
        EntryFactory.create_batch(101, board__key="solo:3")

        assert len(get_top(limit=limit, **SOLO_3)) == count

    def test_shows_fifty_unless_told_otherwise(self) -> None:
        EntryFactory.create_batch(51, board__key="solo:3")

        assert len(get_top(**SOLO_3)) == 50

    @pytest.mark.parametrize(
        "args", [{"limit": "5"}, {"limit": None}, {"level": None}, {"boardKey": "coop"}]
    )
    def test_takes_what_is_declared_alone(self, args: dict[str, Any]) -> None:
        with pytest.raises(InvalidArgumentsError):
            get_top(**args)

    def test_is_live(self) -> None:
        others = tuple(Watch("leaderboard:getTop", args) for args in (COOP, {"level": 4.0}))

        with assert_live("leaderboard:getTop", SOLO_3, bystanders=others[:1]):
            submit()
        with assert_live("leaderboard:getTop", SOLO_3, bystanders=others[1:]):
            User.objects.update(username="Ada")


class TestGetMyRank:
    def test_is_the_number_of_better_ones_and_one(self) -> None:
        ranked = [place(name, score) for name, score in (("a", 30), ("b", 20), ("c", 20))]
        last = place("d", 10)

        found = get_my_rank(last, **SOLO_3)

        assert (found["rank"], found["boardKey"]) == (4, "solo:3")
        assert found["entry"] == get_top(**SOLO_3)[-1]
        assert [get_my_rank(each, **SOLO_3)["rank"] for each in ranked] == [1, 2, 2]
        assert type(found["rank"]) is float

    def test_is_null_for_nobody_and_for_whoever_is_not_listed(self) -> None:
        hidden = place("hidden", 10, hidden=True)

        assert get_my_rank(None, **SOLO_3) is None
        assert get_my_rank(ALICE, **SOLO_3) is None
        assert get_my_rank(hidden, **SOLO_3) is None

    def test_is_live(self) -> None:
        mine = place("a", 10)

        with assert_live("leaderboard:getMyRank", SOLO_3, caller=mine):
            place("b", 20)


class TestGetAroundMe:
    def test_shows_the_neighbours_with_their_ranks(self) -> None:
        players = [place(f"{at}", score) for at, score in enumerate((50, 40, 40, 20, 10))]

        found = get_around_me(players[3], radius=1.0, **SOLO_3)

        whole = get_top(**SOLO_3)
        assert [each["rank"] for each in found] == [2, 4, 5]
        assert [each["entry"] for each in found] == whole[2:]
        assert {*chain(*found)} == {"rank", "entry"}

    @pytest.mark.parametrize(
        ("radius", "count"), [(0.0, 2), (float("nan"), 2), (2.5, 3), (1e300, 51), (None, 6)]
    )
    def test_keeps_the_radius_within_bounds(self, radius: float | None, count: int) -> None:
        EntryFactory.create_batch(60, board__key="solo:3", score=10)
        best = place("best", 20)
        args = {} if radius is None else {"radius": radius}

        assert len(get_around_me(best, **args, **SOLO_3)) == count

    def test_shows_nothing_to_nobody_and_to_whoever_is_not_listed(self) -> None:
        hidden = place("hidden", 10, hidden=True)

        assert get_around_me(None, **SOLO_3) == []
        assert get_around_me(ALICE, **SOLO_3) == []
        assert get_around_me(hidden, **SOLO_3) == []

    def test_is_live(self) -> None:
        mine = place("a", 10)

        with assert_live("leaderboard:getAroundMe", SOLO_3, caller=mine):
            place("b", 20)


class TestSharing:
    @pytest.mark.parametrize(
        ("name", "facts"),
        [
            ("getTop", set()),
            ("getMyRank", {"signed in", "subject"}),
            ("getAroundMe", {"signed in", "subject"}),
        ],
    )
    def test_is_as_wide_as_what_is_shown_allows(
        self, now: datetime, name: str, facts: set[str]
    ) -> None:
        spec = find_function(f"leaderboard:{name}", kind=Kind.QUERY)

        assert run_query(spec, spec.parse(SOLO_3), ALICE, now=now).facts == facts
