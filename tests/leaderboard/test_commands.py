"""What an operator runs."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from accounts.models import User
from dust.livequery.changes import unnoticed
from leaderboard.models import Attempt, Entry, RankCount
from leaderboard.queries.boards import get_top
from leaderboard.rules import LEVEL_OF_BOARD
from tests.factories import EntryFactory
from tests.rest import restore_boards

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _boards(db: None) -> None:
    restore_boards()


def run(*command: str) -> str:
    out = StringIO()
    call_command(*command, stdout=out)
    return out.getvalue()


class TestSeedDemo:
    def test_fills_every_board(self) -> None:
        out = run("seed_demo")

        assert out == f"Added {Entry.objects.count()} entries.\n"
        assert User.objects.count() == 40
        for board in LEVEL_OF_BOARD:
            standings = get_top(board, limit=100).standings
            assert 20 <= len(standings) <= 40
            assert len({standing.score for standing in standings}) > 10

    def test_changes_nothing_when_run_again(self) -> None:
        run("seed_demo")
        before = list(Entry.objects.order_by("id").values())

        assert run("seed_demo") == "Added 0 entries.\n"

        assert list(Entry.objects.order_by("id").values()) == before
        assert Attempt.objects.count() == len(before)
        assert User.objects.count() == 40

    def test_says_the_same_in_every_installation(self) -> None:
        def shown() -> list[tuple[str, int]]:
            return [(line.username, line.score) for line in get_top("solo:3").standings]

        run("seed_demo")
        before = shown()
        User.objects.all().delete()

        run("seed_demo")

        assert shown() == before


class TestCheckRanks:
    def test_reports_each_board(self) -> None:
        EntryFactory.create(board__key="coop")

        out = run("check_ranks").splitlines()

        assert [line.partition(" ")[0].rstrip(":") for line in out] == list(LEVEL_OF_BOARD)
        assert out[-1].startswith("coop: 1 listed entries, 0 counters")

    def test_fails_where_ranks_are_wrong_and_says_how_to_mend_them(
        self, settings: Settings
    ) -> None:
        EntryFactory.create(board__key="solo:3", source="claimed")
        settings.LEADERBOARD_RANKED_SOURCES = ["match"]

        with pytest.raises(
            CommandError, match=r"Wrong on solo:3; --repair mends them\."
        ) as failure:
            run("check_ranks")

        assert failure.value.returncode == 1
        assert "0 listed entries" in run("check_ranks", "--repair", "--board", "solo:3")
        assert Entry.objects.filter(ranked=False).exists()
        run("check_ranks")

    def test_mends_counters(self) -> None:
        if connection.vendor != "postgresql":
            return
        EntryFactory.create(board__key="coop")
        with unnoticed():
            RankCount.objects.create(board_key="coop", node=100, count=5)
        with pytest.raises(CommandError):
            run("check_ranks")

        out = run("check_ranks", "--repair", "--board", "coop").splitlines()

        assert out[0].endswith("1 counters wrong, 0 entries misjudged")
        assert out[1].startswith("coop: repaired, now 1 listed entries")
        assert out[1].endswith("0 counters wrong, 0 entries misjudged")

    def test_checks_one_board_if_asked_to(self) -> None:
        assert run("check_ranks", "--board", "coop").startswith("coop: 0 listed entries")
        with pytest.raises(CommandError, match="invalid choice"):
            run("check_ranks", "--board", "solo:11")
