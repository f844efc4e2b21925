"""Whether the ranks are what the entries say."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from leaderboard.rules import LEVEL_OF_BOARD
from leaderboard.services.ranks import RankReport, check_ranks, repair_ranks


class Command(BaseCommand):
    """Compare every board's rank counters with its entries, and mend them if asked to."""

    help = (
        "Compare the rank counters of each board with its entries. Exits with 1 if they differ. "
        "Safe while players submit. Run it with --repair after changing LEADERBOARD_RANKED_SOURCES."
    )

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--board", choices=list(LEVEL_OF_BOARD), help="only this board")
        parser.add_argument("--repair", action="store_true", help="mend what is wrong")

    @override
    def handle(self, *, board: str | None, repair: bool, **options: Any) -> None:
        wrong = []
        for key in [board] if board else LEVEL_OF_BOARD:
            report = check_ranks(key)
            self._say(report)
            if repair and not report.is_right:
                repair_ranks(key)
                report = check_ranks(key)
                self._say(report, after="repaired, now ")
            if not report.is_right:
                wrong.append(key)
        if wrong:
            raise CommandError(f"Wrong on {', '.join(wrong)}; --repair mends them.")

    def _say(self, report: RankReport, *, after: str = "") -> None:
        self.stdout.write(
            f"{report.board}: {after}{report.listed} listed entries, {report.counters} counters, "
            f"{report.deltas} deltas; {report.wrong} counters wrong, "
            f"{report.misjudged} entries misjudged"
        )
