"""``manage.py runserver``: daphne's server for development, which reloads changed code."""

from typing import Any

from daphne.management.commands.runserver import (  # type: ignore[import-untyped]
    Command as DaphneCommand,
)
from typing_extensions import override

from dust.management import starting
from dust.server import SOCKET_MESSAGE_BYTES


class Command(DaphneCommand):  # type: ignore[misc]  # daphne has no types
    """Serve for development; like ``serve``, alone on a SQLite file and with its limits."""

    @override
    def inner_run(self, *args: Any, **options: Any) -> None:
        starting.claim()
        self.websocket_max_frame_size = self.websocket_max_message_size = SOCKET_MESSAGE_BYTES
        super().inner_run(*args, **options)
