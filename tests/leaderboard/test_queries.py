"""What boards show."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from dust import ids
from leaderboard.errors import BoardNotFoundError, InvalidCursorError
from leaderboard.models import Entry
from leaderboard.queries import boards
from leaderboard.queries.boards import Standing
from leaderboard.rules import LEVEL_OF_BOARD
from tests.factories import EntryFactory, UserFactory, identity_of
from tests.rest import restore_boards

pytestmark = pytest.mark.django_db
BOARD = "solo:3"


@pytest.fixture(autouse=True)
def _boards(db: None) -> None:
    restore_boards()


def place(name: str, score: int, when: datetime | None = None, **other: Any) -> User:
    """Give a player of this name an entry."""
    user = UserFactory.create(username=name)
    if when is not None:
        other["achieved_at"] = when
    EntryFactory.create(board__key=BOARD, user=user, score=score, **other)
    return user


def shown(standings: list[Standing]) -> list[tuple[int | None, str]]:
    return [(standing.rank, standing.username) for standing in standings]


class TestListBoards:
    def test_returns_them_all_by_level(self) -> None:
        listed = [(board.key, board.level) for board in boards.list_boards()]

        assert listed == list(LEVEL_OF_BOARD.items())


class TestGetTop:
    def test_d28_puts_the_best_first_and_of_equals_the_earlier(self, now: datetime) -> None:
        place("late", 500, now + timedelta(microseconds=1))
        place("best", 900, now + timedelta(days=1))
        place("early", 500, now)
        place("worst", -10, now)

        page = boards.get_top(BOARD)

        assert shown(page.standings) == [(1, "best"), (2, "early"), (2, "late"), (4, "worst")]
        assert page.next_cursor is None

    def test_shows_what_there_is_to_an_entry(self, now: datetime) -> None:
        user = UserFactory.create(username="alice", avatar_url="https://img.example/a")
        entry = EntryFactory.create(board__key=BOARD, user=user, score=7, achieved_at=now)

        [standing] = boards.get_top(BOARD).standings

        assert standing == Standing(
            id=entry.id,
            board=BOARD,
            rank=1,
            user_id=user.id,
            subject="alice",
            username="alice",
            avatar_url="https://img.example/a",
            score=7,
            accuracy=90.0,
            level=3,
            pages_completed=5,
            source="claimed",
            achieved_at=now,
        )
        assert ids.decode(standing.public_id, Entry.TABLE_NUMBER) == entry.id

    def test_shows_the_name_that_a_player_has_now(self) -> None:
        alice = place("alice", 10)
        User.objects.filter(id=alice.id).update(username="Alice the Great")

        assert shown(boards.get_top(BOARD).standings) == [(1, "Alice the Great")]

    def test_leaves_out_hidden_and_unranked_entries_and_other_boards(self) -> None:
        place("shown", 10)
        place("hidden", 20, hidden=True)
        place("unranked", 30, ranked=False)
        EntryFactory.create(board__key="solo:4")

        assert shown(boards.get_top(BOARD).standings) == [(1, "shown")]

    def test_is_empty_where_nobody_has_played(self) -> None:
        page = boards.get_top(BOARD)

        assert (page.standings, page.next_cursor) == ([], None)

    def test_refuses_a_board_that_is_not_there(self) -> None:
        with pytest.raises(BoardNotFoundError):
            boards.get_top("solo:11")

    def test_costs_two_queries_and_a_page_further_down_up_to_five(
        self, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for score in (5, 5, 4, 3, 2):
            place(f"player {score}", score) if score != 5 else EntryFactory.create(
                board__key=BOARD, score=5
            )

        with django_assert_num_queries(2):
            first = boards.get_top(BOARD, limit=1)
        with django_assert_num_queries(5):  # equal scores, lower ones, two ranks, names
            boards.get_top(BOARD, limit=3, cursor=first.next_cursor)


class TestPages:
    def test_follow_each_other_without_gaps_through_ties(self, now: datetime) -> None:
        scores = [9, 5, 5, 5, 5, 5, 3, 3, 1]
        for index, score in enumerate(scores):
            place(f"player {index}", score, now + timedelta(seconds=index))

        pages: list[list[Standing]] = []
        cursor = None
        while not pages or cursor:
            page = boards.get_top(BOARD, limit=2, cursor=cursor)
            pages.append(page.standings)
            cursor = page.next_cursor

        assert [len(page) for page in pages] == [2, 2, 2, 2, 1]
        assert [standing.rank for page in pages for standing in page] == [
            *(1, 2, 2, 2, 2, 2),
            *(7, 7, 9),
        ]
        names = [standing.username for page in pages for standing in page]
        assert names == [f"player {index}" for index in range(9)]

    def test_go_on_where_the_last_one_ended_whatever_happened_since(self, now: datetime) -> None:
        for score in (9, 8, 7, 6):
            place(f"player {score}", score, now)
        first = boards.get_top(BOARD, limit=2)
        Entry.objects.filter(score=8).delete()
        place("newcomer", 10, now)

        second = boards.get_top(BOARD, limit=2, cursor=first.next_cursor)

        assert shown(second.standings) == [(3, "player 7"), (4, "player 6")]

    @given(scores=st.lists(st.integers(0, 3), max_size=12), limit=st.integers(1, 5))
    def test_show_every_rank_as_counting_does(self, scores: list[int], limit: int) -> None:
        Entry.objects.all().delete()
        for score in scores:
            EntryFactory.create(board__key=BOARD, score=score)  # all at the same moment

        found, cursor, is_first = [], None, True
        while is_first or cursor:
            page = boards.get_top(BOARD, limit=limit, cursor=cursor)
            found += page.standings
            cursor, is_first = page.next_cursor, False

        assert [standing.score for standing in found] == sorted(scores, reverse=True)
        assert [standing.rank for standing in found] == [
            1 + sum(other > standing.score for other in scores) for standing in found
        ]
        assert len({standing.id for standing in found}) == len(scores)

    @pytest.mark.parametrize("pattern", ["{}x", "A{}", "{}:", "\u00e9\x00"])
    def test_are_refused_for_a_cursor_that_was_tampered_with(self, pattern: str) -> None:
        place("alice", 9)
        place("bob", 8)
        cursor = boards.get_top(BOARD, limit=1).next_cursor

        with pytest.raises(InvalidCursorError):
            boards.get_top(BOARD, cursor=pattern.format(cursor))

    def test_are_refused_for_the_cursor_of_another_board(self) -> None:
        place("alice", 9)
        place("bob", 8)
        cursor = boards.get_top(BOARD, limit=1).next_cursor

        with pytest.raises(InvalidCursorError):
            boards.get_top("coop", cursor=cursor)


class TestFindMyEntry:
    def test_tells_rank_and_entry(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        place("winner", 30)
        alice = place("alice", 20)
        place("bob", 20)

        with django_assert_num_queries(3):
            standing = boards.find_my_entry(BOARD, caller=identity_of(alice))

        assert standing
        assert (standing.rank, standing.username, standing.score) == (2, "alice", 20)

    def test_is_none_for_nobody_and_for_those_without_one(self) -> None:
        alice = place("alice", 20)
        newcomer = UserFactory.build(username="newcomer")

        assert boards.find_my_entry(BOARD, caller=None) is None
        assert boards.find_my_entry(BOARD, caller=identity_of(newcomer)) is None
        assert boards.find_my_entry("coop", caller=identity_of(alice)) is None

    @pytest.mark.parametrize("flag", [{"hidden": True}, {"ranked": False}])
    def test_gives_no_rank_to_what_is_not_listed(self, flag: dict[str, Any]) -> None:
        alice = place("alice", 20, **flag)

        standing = boards.find_my_entry(BOARD, caller=identity_of(alice))

        assert standing
        assert (standing.rank, standing.score) == (None, 20)

    def test_refuses_a_board_that_is_not_there(self) -> None:
        with pytest.raises(BoardNotFoundError):
            boards.find_my_entry("solo:11", caller=None)


class TestListAround:
    @pytest.fixture
    def alice(self, now: datetime) -> User:
        for index, score in enumerate([90, 80, 80, 70]):
            place(f"better {index}", score, now + timedelta(seconds=index))
        alice = place("alice", 70, now + timedelta(minutes=1))
        for index, score in enumerate([70, 60, 60, 50]):
            place(f"worse {index}", score, now + timedelta(hours=1 + index))
        return alice

    def test_shows_neighbours_in_order_with_their_ranks(self, alice: User) -> None:
        around = boards.list_around(BOARD, caller=identity_of(alice), radius=3)

        assert shown(around) == [
            (2, "better 1"),
            (2, "better 2"),
            (4, "better 3"),
            (4, "alice"),
            (4, "worse 0"),
            (7, "worse 1"),
            (7, "worse 2"),
        ]

    def test_is_cut_off_at_both_ends_of_the_board(self, alice: User) -> None:
        around = boards.list_around(BOARD, caller=identity_of(alice), radius=50)

        assert [standing.rank for standing in around] == [1, 2, 2, 4, 4, 4, 7, 7, 9]

    def test_begins_with_a_tie_that_begins_further_up(self, alice: User) -> None:
        around = boards.list_around(BOARD, caller=identity_of(alice), radius=1)

        assert shown(around) == [(4, "better 3"), (4, "alice"), (4, "worse 0")]

    def test_costs_nine_queries_at_most(
        self, alice: User, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        with django_assert_num_queries(9):
            boards.list_around(BOARD, caller=identity_of(alice), radius=4)

    def test_is_empty_for_who_is_not_listed(self, alice: User) -> None:
        hidden = place("hidden", 75, hidden=True)
        newcomer = UserFactory.create(username="newcomer")

        assert boards.list_around(BOARD, caller=None) == []
        assert boards.list_around(BOARD, caller=identity_of(hidden)) == []
        assert boards.list_around(BOARD, caller=identity_of(newcomer)) == []

    def test_refuses_a_board_that_is_not_there(self) -> None:
        with pytest.raises(BoardNotFoundError):
            boards.list_around("solo:11", caller=None)
