"""Wires content and archives into Django."""

from django.apps import AppConfig
from typing_extensions import override


class ArchivesConfig(AppConfig):
    """The pages there are to play, and what players archived of them."""

    name = "archives"

    @override
    def ready(self) -> None:
        # They need the models, which are there only now.
        from accounts.services import deletion, exports  # noqa: PLC0415
        from archives.queries.archives import export_rows  # noqa: PLC0415
        from archives.queries.runs import export_runs  # noqa: PLC0415
        from archives.services.run_ends import close_cut_off  # noqa: PLC0415
        from archives.services.run_trimming import erase_runs  # noqa: PLC0415
        from archives.services.saving import erase_archives  # noqa: PLC0415
        from gamesessions.services import sessions  # noqa: PLC0415

        sessions.on_cut_off(close_cut_off)
        deletion.register_part("archives", erase_archives)
        deletion.register_part("runs", erase_runs)
        exports.register_part("archives", export_rows)
        exports.register_part("runs", export_runs)
