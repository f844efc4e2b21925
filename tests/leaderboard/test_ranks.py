"""Ranks are exact, whatever is written and whenever the counters catch up."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest
from django.test import override_settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from pytest_django import DjangoAssertNumQueries
from typing_extensions import override

from accounts.models import User
from dust.livequery.transactions import snapshot
from leaderboard import rules
from leaderboard.models import Entry, RankCount, RankDelta
from leaderboard.queries.ranks import get_rank, path_to, scores_in
from leaderboard.rules import Source
from leaderboard.services import moderation, ranks
from tests.factories import EntryFactory, UserFactory
from tests.leaderboard.ranking import BOARD, are_exact, in_thread, submit
from tests.rest import restore_boards

EXTREMES = [rules.MIN_SCORE, -1, 0, 1, rules.MAX_SCORE]
SCORES = st.one_of(
    st.sampled_from(EXTREMES),
    st.integers(-3, 3),
    st.integers(1000, 1200),
    st.integers(rules.MIN_SCORE, rules.MAX_SCORE),
)


def write(players: list[User], seed: int) -> None:
    """Submit for some time; delete, hide and unhide now and then."""
    luck = random.Random(seed)  # noqa: S311 - the same in every run
    for _ in range(60):
        player = luck.choice(players)
        if luck.random() < 0.7:
            submit(player, luck.randint(0, 50))
            continue
        moderate = getattr(moderation, f"{luck.choice(['delete', 'hide', 'unhide'])}_entries")
        ids = list(
            Entry.objects.filter(user__in=luck.sample(players, 3)).values_list("id", flat=True)
        )
        moderate(ids, reason="a test", moderator_id=players[0].id)


@pytest.fixture
def players(db: None, monkeypatch: pytest.MonkeyPatch) -> list[User]:
    restore_boards()
    monkeypatch.setattr(ranks, "SPLIT_ABOVE", 2)
    return UserFactory.create_batch(8)


class TestNodes:
    @pytest.mark.parametrize("score", EXTREMES)
    def test_hold_the_score_whose_path_they_are_on(self, score: int) -> None:
        for node in path_to(score):
            lowest, highest = scores_in(node)
            assert lowest <= score <= highest

    def test_narrow_down_to_the_score_alone(self) -> None:
        path = path_to(1013)

        assert scores_in(path[-1]) == (1013, 1013)
        assert [node >> 6 for node in path] == [1, *path[:-1]]

    def test_lie_next_to_each_other(self) -> None:
        for node in path_to(1013):
            assert scores_in(node)[1] + 1 == scores_in(node + 1)[0]


class Board(RuleBasedStateMachine):
    """A board to which everything happens that can; set ``players`` before running it."""

    players: list[User]

    @rule(player=st.integers(0, 7), score=SCORES, source=st.sampled_from(Source))
    def submit(self, player: int, score: int, source: Source) -> None:
        submit(self.players[player], score, source)

    @rule(player=st.integers(0, 7), name=st.sampled_from(["hide", "unhide", "delete"]))
    def moderate(self, player: int, name: str) -> None:
        ids = Entry.objects.filter(user=self.players[player]).values_list("id", flat=True)
        work = getattr(moderation, f"{name}_entries")
        work(list(ids), reason="a test", moderator_id=self.players[0].id)

    @rule(player=st.integers(0, 7), score=SCORES)
    def edit(self, player: int, score: int) -> None:
        Entry.objects.filter(user=self.players[player]).update(score=score)

    @rule(limit=st.integers(1, 5))
    def fold(self, limit: int) -> None:
        ranks.fold_rank_deltas(BOARD, limit=limit)

    @rule(sources=st.lists(st.sampled_from(Source), min_size=1, unique=True))
    def let_others_rank(self, sources: list[Source]) -> None:
        with override_settings(LEADERBOARD_RANKED_SOURCES=sources):
            ranks.repair_ranks(BOARD)

    @invariant()
    def ranks_are_exact(self) -> None:
        assert are_exact(0, *set(Entry.objects.values_list("score", flat=True)))

    @override
    def teardown(self) -> None:
        try:
            assert ranks.check_ranks(BOARD).wrong == 0
        finally:
            for model in (Entry, RankDelta, RankCount):
                model._default_manager.all().delete()


class TestRanks:
    @pytest.mark.parametrize("steps", [15, pytest.param(30, marks=pytest.mark.soak)])
    def test_are_exact_whatever_happens(self, players: list[User], steps: int) -> None:
        Board.players = players

        with override_settings(LEADERBOARD_RANKED_SOURCES=["refereed", "match"]):
            run_state_machine_as_test(
                Board, settings=hypothesis.settings(stateful_step_count=steps)
            )

    @pytest.mark.django_db(transaction=True)
    def test_are_exact_in_every_snapshot(self, players: list[User]) -> None:
        is_over = threading.Event()

        def look() -> int:
            looks = 0
            while not is_over.is_set():
                with snapshot():
                    assert are_exact(-1, 10, 25, 40, 49)
                looks += 1
            return looks

        def fold() -> None:
            while not is_over.is_set():
                ranks.fold_rank_deltas(BOARD, limit=7)

        with ThreadPoolExecutor(6) as pool:
            looking = pool.submit(in_thread, look)
            folding = pool.submit(in_thread, fold)
            writing = [pool.submit(in_thread, partial(write, players, seed)) for seed in range(4)]
            wait(writing)
            is_over.set()

        assert [future.exception() for future in (folding, *writing)] == [None] * 5
        assert looking.result() > 0
        assert ranks.check_ranks(BOARD).is_right

    @pytest.mark.django_db
    def test_are_one_query(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        with django_assert_num_queries(1):
            get_rank(BOARD, 1000)

    @pytest.mark.django_db
    def test_are_shared_by_equal_scores(self) -> None:
        for score in (30, 20, 20, 10):
            EntryFactory.create(board__key=BOARD, score=score)

        assert [get_rank(BOARD, score) for score in (31, 30, 20, 10)] == [1, 1, 2, 4]

    @pytest.mark.django_db
    def test_leave_out_hidden_and_unranked_entries_and_other_boards(self) -> None:
        EntryFactory.create(board__key=BOARD, score=10)
        EntryFactory.create(board__key=BOARD, score=20, hidden=True)
        EntryFactory.create(board__key=BOARD, score=30, ranked=False)
        EntryFactory.create(board__key="solo:1", score=40)

        assert get_rank(BOARD, 5) == 2


class TestRanksOfEntriesWrittenByOthers:
    """Ranks hold no matter who writes an entry, and how."""

    @pytest.fixture
    def entries(self, players: list[User]) -> list[Entry]:
        for score, player in enumerate(players[:5]):
            submit(player, score)
        ranks.fold_rank_deltas()
        return list(Entry.objects.order_by("score"))

    def test_survive_the_end_of_a_user(self, entries: list[Entry]) -> None:
        entries[-1].user.delete()

        assert get_rank(BOARD, 0) == 4

    @pytest.mark.parametrize(
        ("change", "rank"),
        [
            ({"score": -5}, 4),
            ({"hidden": True}, 4),
            ({"suspended": True}, 4),
            ({"ranked": False}, 4),
        ],
    )
    def test_follow_an_update(
        self, entries: list[Entry], change: dict[str, Any], rank: int
    ) -> None:
        Entry.objects.filter(id=entries[-1].id).update(**change)

        assert get_rank(BOARD, 0) == rank

    def test_follow_an_insert_of_many(self, entries: list[Entry]) -> None:
        board = entries[0].board
        users = UserFactory.create_batch(3)

        Entry.objects.bulk_create(
            EntryFactory.build(board=board, user=user, score=100) for user in users
        )

        assert get_rank(BOARD, 0) == 8
