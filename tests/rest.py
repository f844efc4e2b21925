"""What tests of the REST door share: requests, fresh limits, the boards every database has."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from dust import limits
from dust.identity import local_issuer
from dust.limits import Limiter
from leaderboard import rules
from leaderboard.models import Board
from leaderboard.rules import Kind

BOARDS = "/api/v1/leaderboards/"
SOLO_3 = f"{BOARDS}solo:3/"
PLAY = {"score": 1250, "accuracy": 87.5, "level": 3, "pages_completed": 4}


def submit(client: Client, player: str = "alice", *, to: str = SOLO_3, **changed: Any) -> Any:
    """Submit a result; names with capitals are headers."""
    headers = {name: changed.pop(name) for name in list(changed) if name[0].isupper()}
    return client.post(
        f"{to}entries/",
        PLAY | changed,
        content_type="application/json",
        headers=bearer(player) | headers,
    )


def get(client: Client, path: str, player: str | None = None) -> Any:
    """Ask as this player, or as nobody."""
    return client.get(path, headers=bearer(player) if player else None)


def token(name: str, *, ttl_seconds: int = 60) -> str:
    """Return a token of this player's."""
    return local_issuer.issue(name, now=datetime.now(UTC), ttl_seconds=ttl_seconds)


def bearer(name: str) -> dict[str, str]:
    """Return the headers of a request that comes from this player."""
    return {"authorization": f"Bearer {token(name)}"}


def unspend_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin to count anew, by a limiter of the test's own."""
    own = Limiter(None)
    monkeypatch.setattr(limits, "limiter", lambda: own)


def restore_boards() -> None:
    """Create the boards again, which a migration made and the test before may have flushed."""
    Board.objects.bulk_create(
        [
            Board(key=key, level=level, kind=Kind.SOLO if level else Kind.COOP)
            for key, level in rules.LEVEL_OF_BOARD.items()
        ],
        ignore_conflicts=True,
    )
