"""The counters behind ranks are folded, cleared away, checked and mended."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pytest_django import Settings

from accounts.models import User
from dust.livequery.changes import unnoticed
from leaderboard.models import Entry, RankCount, RankDelta
from leaderboard.queries.ranks import get_rank, path_to
from leaderboard.rules import Source
from leaderboard.services import ranks
from tests.factories import EntryFactory, UserFactory
from tests.leaderboard.ranking import BOARD, HAS_COUNTERS, are_exact, in_thread, submit
from tests.rest import restore_boards


@pytest.fixture
def players(db: None, monkeypatch: pytest.MonkeyPatch) -> list[User]:
    restore_boards()
    monkeypatch.setattr(ranks, "SPLIT_ABOVE", 2)
    return UserFactory.create_batch(8)


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
            folded = pool.submit(in_thread, meanwhile).result(timeout=30)

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
