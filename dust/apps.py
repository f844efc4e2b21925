"""Wires the project package into Django."""

from django.apps import AppConfig
from typing_extensions import override


class DustConfig(AppConfig):
    """Commands and checks that belong to no app."""

    name = "dust"

    @override
    def ready(self) -> None:
        from dust.identity import checks  # noqa: F401, PLC0415 - registers itself
