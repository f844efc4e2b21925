"""Players of servers that run in processes of their own."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import httpx
from django.test import override_settings

from dust.identity import local_issuer
from leaderboard.rules import LEVEL_OF_BOARD
from tests.dust.serving import PATIENCE_SECONDS, Serving


class Players:
    """Whoever one cares to name, to the servers whose data folder this is."""

    def __init__(self, data_folder: Path) -> None:
        self._data_folder = data_folder
        self._tokens: dict[str, str] = {}
        self._client = httpx.Client(timeout=PATIENCE_SECONDS)

    def token(self, name: str) -> str:
        """Return the player's token."""
        if name not in self._tokens:
            with override_settings(DATA_DIR=self._data_folder):
                issued = local_issuer.issue(name, now=datetime.now(UTC), ttl_seconds=3600)
            self._tokens[name] = issued
        return self._tokens[name]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._client.close()

    def submit(self, server: Serving, name: str, score: int, *, board: str = "solo:1") -> None:
        """Submit a result by REST."""
        level = LEVEL_OF_BOARD[board] or 1
        play = {"score": score, "accuracy": 92.5, "level": level, "pages_completed": 4}
        answer = self._client.post(
            f"{server.url}/api/v1/leaderboards/{board}/entries/",
            json=play,
            headers={"Authorization": f"Bearer {self.token(name)}"},
        )
        assert answer.is_success, answer.text
