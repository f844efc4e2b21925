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
        from accounts.services import bans, deletion, exports  # noqa: PLC0415
        from dust import moving  # noqa: PLC0415
        from dust.livequery import chores  # noqa: PLC0415
        from leaderboard.services import importing, players  # noqa: PLC0415
        from leaderboard.services.ranks import RankKeeper  # noqa: PLC0415

        keeper = RankKeeper()
        chores.every(SECONDS_BETWEEN_FOLDS, lambda _now: keeper.keep(), name="fold ranks")
        bans.on_ban(players.suspend_player)
        deletion.register_part("leaderboard", players.forget_player)
        exports.register_part("leaderboard_entries", players.export_entries)
        exports.register_part("leaderboard_attempts", players.export_attempts)
        moving.register_table("leaderboard", importing.EntryFields, importing.import_entry)
