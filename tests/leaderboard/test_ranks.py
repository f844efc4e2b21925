"""Ranks are exact, whatever is written and whenever the counters catch up."""

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

import hypothesis
import hypothesis.strategies as st
import pytest
from django.db import connection
from django.test import override_settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from pytest_django import DjangoAssertNumQueries, Settings
from typing_extensions import override

from accounts.models import User
from dust.livequery.changes import unnoticed
from dust.livequery.transactions import snapshot
from leaderboard import rules
from leaderboard.models import Entry, RankCount, RankDelta
from leaderboard.queries.ranks import get_rank, path_to, scores_in
from leaderboard.rules import Play, Source
from leaderboard.services import moderation, ranks
from leaderboard.services.scores import submit_score
from tests.factories import EntryFactory, UserFactory, create_boards

T = TypeVar("T")
HAS_COUNTERS = connection.vendor == "postgresql"

BOARD = "coop"
NOW = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
EXTREMES = [rules.MIN_SCORE, -1, 0, 1, rules.MAX_SCORE]
SCORES = st.one_of(
    st.sampled_from(EXTREMES),
    st.integers(-3, 3),
    st.integers(1000, 1200),
    st.integers(rules.MIN_SCORE, rules.MAX_SCORE),
)


def are_exact(*scores: int) -> bool:
    """Return whether these scores have the ranks that counting the entries gives them."""
    listed = Entry.objects.filter(board_id=BOARD).filter(ranked=True, hidden=False, suspended=False)
    there = list(listed.values_list("score", flat=True))
    counted = [1 + sum(other > score for other in there) for score in scores]
    return [get_rank(BOARD, score) for score in scores] == counted


def submit(player: User, score: int, source: Source = Source.MATCH) -> None:
    play = Play(score=score, accuracy=50, level=1, pages_completed=1)
    submit_score(BOARD, play=play, user_id=player.id, source=source, now=NOW)


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


def _in_thread(work: Callable[[], T]) -> T:
    try:
        return work()
    finally:
        connection.close()


@pytest.fixture
def players(db: None, monkeypatch: pytest.MonkeyPatch) -> list[User]:
    create_boards()
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
            looking = pool.submit(_in_thread, look)
            folding = pool.submit(_in_thread, fold)
            writing = [pool.submit(_in_thread, partial(write, players, seed)) for seed in range(4)]
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


def times_cleared() -> int:
    [(times,)] = ranks._execute(
        "SELECT vacuum_count FROM pg_stat_user_tables WHERE relname = 'leaderboard_rankdelta'"
    )
    return int(times)


class TestFolding:
    __test__ = HAS_COUNTERS

    def test_takes_a_batch_at_a_time_and_says_how_many(self, players: list[User]) -> None:
        for score, player in enumerate(players[:5]):
            submit(player, score)

        assert [ranks.fold_rank_deltas(limit=2) for _ in range(4)] == [2, 2, 1, 0]
        assert not RankDelta.objects.exists()
        assert are_exact(2)

    def test_folds_one_board_or_all(self, players: list[User]) -> None:
        submit(players[0], 10)
        EntryFactory.create(board__key="solo:1")

        assert ranks.fold_rank_deltas("solo:1") == 1
        assert ranks.fold_rank_deltas() == 1

    def test_splits_nodes_where_entries_are_many(self, players: list[User]) -> None:
        submit(players[0], -1000)
        for player in players[1:]:
            submit(player, 1000)

        ranks.fold_rank_deltas()

        split = set(RankCount.objects.filter(is_split=True).values_list("node", flat=True))
        assert split == set(path_to(1000)[:-1])
        assert are_exact(999)

    def test_splits_none_where_they_are_few(self, players: list[User]) -> None:
        submit(players[0], 1000)
        submit(players[1], 1001)

        ranks.fold_rank_deltas()

        counters = RankCount.objects.values_list("node", "count", "is_split")
        assert list(counters) == [(path_to(1000)[0], 2, False)]
        assert get_rank(BOARD, 1000) == 2

    def test_drops_counters_of_nothing(self, players: list[User]) -> None:
        submit(players[0], 1000)
        ranks.fold_rank_deltas()
        Entry.objects.all().delete()

        ranks.fold_rank_deltas()

        assert not RankCount.objects.exists()

    @pytest.mark.django_db(transaction=True)
    def test_is_done_by_one_at_a_time_and_holds_nobody_else_up(self, players: list[User]) -> None:
        submit(players[0], 10)

        def meanwhile() -> int:
            submit(players[1], 20)
            return ranks.fold_rank_deltas(BOARD)

        with ThreadPoolExecutor(1) as pool, ranks._alone_with_counters(BOARD):
            folded = pool.submit(_in_thread, meanwhile).result(timeout=30)

        assert folded == 0
        assert ranks.fold_rank_deltas(BOARD) == 2


@pytest.mark.django_db(transaction=True)
class TestRankKeeper:
    __test__ = HAS_COUNTERS

    def test_clears_away_what_it_has_folded_once_that_is_much(
        self, players: list[User], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ranks, "CLEAR_AFTER", 3)
        keeper, before = ranks.RankKeeper(), times_cleared()

        cleared = []
        for score, player in enumerate(players[:5]):
            submit(player, score)
            keeper.keep()
            cleared.append(times_cleared() - before)

        assert cleared == [0, 0, 1, 1, 1]
        assert are_exact(5)


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


class TestUpkeep:
    @pytest.fixture
    def right(self, players: list[User]) -> None:
        for player in players[:5]:
            submit(player, 1000)
        ranks.fold_rank_deltas()
        submit(players[0], 2000)

    def test_finds_nothing_wrong_where_nothing_is(self, right: None) -> None:
        report = ranks.check_ranks(BOARD)

        assert report.is_right
        assert report.listed == 5
        assert (report.counters > 0, report.deltas) == (HAS_COUNTERS, 2 * HAS_COUNTERS)

    @pytest.mark.parametrize("source", Source)
    def test_judges_entries_by_the_present_settings(
        self, right: None, settings: Settings, source: Source
    ) -> None:
        settings.LEADERBOARD_RANKED_SOURCES = [source]
        report = ranks.check_ranks(BOARD)

        ranks.repair_ranks(BOARD)

        assert report.misjudged == (0 if source is Source.MATCH else 5)
        assert get_rank(BOARD, 0) == (6 if source is Source.MATCH else 1)
        settings.LEADERBOARD_RANKED_SOURCES = list(Source)
        ranks.repair_ranks(BOARD)
        assert get_rank(BOARD, 0) == 6
        assert ranks.check_ranks(BOARD).is_right


class TestRepair:
    __test__ = HAS_COUNTERS

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda counters: counters.filter(node=path_to(1000)[-1]).update(count=77),
            lambda counters: counters.filter(node=path_to(1000)[4]).delete(),
            lambda counters: counters.all().delete(),
            lambda counters: counters.filter(node=path_to(1000)[0]).update(is_split=False),
            lambda counters: counters.create(board_key=BOARD, node=path_to(9999)[6], count=3),
        ],
    )
    def test_mends_what_a_check_finds(self, players: list[User], spoil: Any) -> None:
        for player in players[:5]:
            submit(player, 1000)
        ranks.fold_rank_deltas()
        submit(players[0], 2000)
        with unnoticed():
            spoil(RankCount.objects)
        report = ranks.check_ranks(BOARD)

        ranks.repair_ranks(BOARD)

        assert report.wrong > 0
        assert ranks.check_ranks(BOARD).is_right
        assert [get_rank(BOARD, score) for score in (0, 1000, 2000)] == [6, 2, 1]
        ranks.fold_rank_deltas()
        assert [get_rank(BOARD, score) for score in (0, 1000, 2000)] == [6, 2, 1]
