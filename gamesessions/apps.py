"""Wires the game sessions into Django."""

from django.apps import AppConfig
from typing_extensions import override


class GameSessionsConfig(AppConfig):
    """Games that players are in, come back to, and have finished."""

    name = "gamesessions"
    verbose_name = "Game sessions"

    @override
    def ready(self) -> None:
        # They need the models, which are there only now.
        from accounts.services import deletion, exports  # noqa: PLC0415
        from dust import moving  # noqa: PLC0415
        from gamesessions.queries import export_sessions  # noqa: PLC0415
        from gamesessions.services import importing  # noqa: PLC0415
        from gamesessions.services.retention import erase_sessions  # noqa: PLC0415

        deletion.register_part("gamesessions", erase_sessions)
        exports.register_part("sessions", export_sessions)
        moving.register_table("gameSessions", importing.SessionFields, importing.import_session)
