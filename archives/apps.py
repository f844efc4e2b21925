"""Wires content and archives into Django."""

from django.apps import AppConfig
from django.db.models import Exists, OuterRef
from typing_extensions import override

from dust.identity.schemes import PathScheme, register_path_scheme

INGESTING = frozenset({"levels:upsert", "pages:upsert", "pageVariants:insert"})
"""The functions that the ingest tool calls."""


class ArchivesConfig(AppConfig):
    """The pages there are to play, and what players archived of them."""

    name = "archives"

    @override
    def ready(self) -> None:
        # They need the models, which are there only now.
        from accounts.services import deletion, exports  # noqa: PLC0415
        from archives.models import Archive  # noqa: PLC0415
        from archives.queries.archives import export_rows  # noqa: PLC0415
        from archives.queries.runs import export_runs  # noqa: PLC0415
        from archives.rules import content as rules  # noqa: PLC0415
        from archives.services import importing  # noqa: PLC0415
        from archives.services.credentials import check_token  # noqa: PLC0415
        from archives.services.run_ends import close_cut_off  # noqa: PLC0415
        from archives.services.run_trimming import erase_runs  # noqa: PLC0415
        from archives.services.saving import erase_archives  # noqa: PLC0415
        from dust import moving  # noqa: PLC0415
        from gamesessions.services import retention, sessions  # noqa: PLC0415

        register_path_scheme(PathScheme("ingest", check_token, INGESTING))
        sessions.on_cut_off(close_cut_off)
        retention.hold(Exists(Archive.objects.filter(session=OuterRef("id"))))
        deletion.register_part("archives", erase_archives)
        deletion.register_part("runs", erase_runs)
        exports.register_part("archives", export_rows)
        exports.register_part("runs", export_runs)
        moving.register_table("pages", rules.Page, importing.import_page)
        moving.register_table("levels", rules.Level, importing.import_level)
        moving.register_table("pageVariants", rules.Variant, importing.import_variant)
        moving.register_table("cachedContent", importing.ContentFields, importing.import_content)
        moving.register_table("archives", importing.ArchiveFields, importing.import_archive)
