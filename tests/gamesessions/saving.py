"""Games that tests play: begun, saved and finished as their players do."""

import json
from datetime import datetime
from typing import Any

from django.test import Client

from dust.identity import Identity
from gamesessions.models import GameSession, Save
from gamesessions.rules import KEEP, Progress
from gamesessions.services import sessions
from tests.factories import ISSUER
from tests.rest import bearer

SESSIONS = "/api/v1/sessions/"

alice = Identity(ISSUER, "alice")
bob = Identity(ISSUER, "bob")
STATE = {"page": 3, "picked": ["a", "b"], "much": 1e300}


def begin(*, now: datetime) -> GameSession:
    """Begin a game of alice's, and save it once."""
    session = sessions.create_session(alice, now=now)
    return save(session, score=100, pages_completed=1, state=STATE, now=now)


def save(
    session: GameSession,
    *,
    now: datetime,
    caller: Identity = alice,
    based_on: int | None = None,
    state: Any = KEEP,
    **progress: Any,
) -> GameSession:
    return sessions.save_session(
        caller,
        session.id,
        based_on=based_on,
        progress=Progress(**progress),
        state=state,
        now=now,
    )


def finish(session: GameSession, caller: Identity = alice, **asked: Any) -> GameSession:
    fields: dict[str, Any] = {"based_on": None, "progress": Progress(score=9), **asked}
    return sessions.finish_session(caller, session.id, **fields)


def history(session: GameSession) -> list[tuple[int, int]]:
    rows = Save.objects.filter(session=session).order_by("version")
    return list(rows.values_list("version", "score"))


def send(
    client: Client,
    method: str,
    path: str,
    body: Any = None,
    *,
    player: str = "alice",
    **headers: str,
) -> Any:
    """Send a write as this player; the path is below the sessions'."""
    return client.generic(
        method,
        SESSIONS + path,
        b"" if body is None else json.dumps(body),
        "application/json",
        headers=bearer(player) | headers,
    )
