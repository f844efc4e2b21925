"""Wiring of the engine."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules
from typing_extensions import override


class LiveQueryConfig(AppConfig):
    """The engine's tables, every app's functions, and what each process does with its commits."""

    name = "dust.livequery"
    label = "livequery"
    default_auto_field = "django.db.models.BigAutoField"

    @override
    def ready(self) -> None:
        # They need the models, which are there only now.
        from dust.livequery import changes, chores, crons, hints  # noqa: PLC0415
        from dust.livequery.clock import process_clock  # noqa: PLC0415

        autodiscover_modules("functions")
        crons.check()
        clock = process_clock()
        changes.clock = clock.issue
        changes.on_commit(hints.announce)
        chores.every(1.0, lambda _now: clock.top_up(), name="clock")
