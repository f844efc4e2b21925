"""Wires the leaderboard app into Django."""

from django.apps import AppConfig
from typing_extensions import override

SECONDS_BETWEEN_FOLDS = 0.5


class LeaderboardConfig(AppConfig):
    """Boards, the best result of each player on each of them, and who stands where."""

    name = "leaderboard"

    @override
    def ready(self) -> None:
        # They need the models, which are there only now.
        from dust.livequery import chores  # noqa: PLC0415
        from leaderboard.services.ranks import fold_rank_deltas  # noqa: PLC0415

        chores.every(SECONDS_BETWEEN_FOLDS, lambda _now: fold_rank_deltas(), name="fold ranks")
