"""Games that come along from Convex."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from dust import ids
from dust.livequery.testing import ask
from gamesessions import queries
from gamesessions.models import GameSession
from gamesessions.rules import Progress, Status
from gamesessions.services import sessions
from tests import exported
from tests.exported import MADE_AT, ada, import_rows

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = 3_600_000


def statuses() -> list[str]:
    """Return how it stands with ada's games, newest first."""
    return [each.status for each in queries.list_sessions(ada).sessions]


class TestSessions:
    def test_are_as_they_were(self, tmp_path: Path) -> None:
        report = import_rows(tmp_path, users=[exported.user()], gameSessions=[exported.session()])

        assert report.lines[1] == "gameSessions: 1 taken, 0 there already, 0 refused"
        (session,) = queries.list_sessions(ada).sessions
        assert session.progress == Progress(
            score=1250, level=3, combo=4, pages_completed=5, accuracy=87.5
        )
        assert (session.status, session.version, session.refereed) == ("completed", 1, False)
        assert session.started_at.timestamp() * 1000 == int(MADE_AT)
        assert session.ended_at is not None
        assert session.ended_at - session.started_at == timedelta(minutes=1, microseconds=250)

    def test_keep_the_time_they_were_made(self, tmp_path: Path) -> None:
        import_rows(tmp_path, gameSessions=[exported.session(endedAt=None)])

        shown = ask("gameSessions:getActive", caller=ada)
        assert shown["_creationTime"] == pytest.approx(MADE_AT, abs=1)
        assert ids.made_at(GameSession.objects.get().id).timestamp() * 1000 == int(MADE_AT)

    def test_stand_among_the_others_of_their_player(self, tmp_path: Path, now: datetime) -> None:
        newest = sessions.create_session(ada, now=now)

        import_rows(
            tmp_path,
            gameSessions=[exported.session(f"{hour}", after=hour * HOUR) for hour in (2, 0, 3, 1)],
        )

        listed = queries.list_sessions(ada).sessions
        assert listed[0].id == newest.id
        times = [each.started_at for each in listed]
        assert times == sorted(times, reverse=True)

    def test_of_players_without_a_row_make_one(self, tmp_path: Path) -> None:
        report = import_rows(tmp_path, gameSessions=[exported.session()])

        assert report.error == ""
        assert User.objects.get().username == "Archivist"
        assert statuses() == ["completed"]

    def test_come_once(self, tmp_path: Path) -> None:
        rows = [exported.session(), exported.session("second", endedAt=None)]
        import_rows(tmp_path, gameSessions=rows)
        before = list(GameSession.objects.order_by("id").values())

        report = import_rows(tmp_path, gameSessions=rows)

        assert "gameSessions: 0 taken, 2 there already, 0 refused" in report.lines
        assert list(GameSession.objects.order_by("id").values()) == before

    @pytest.mark.parametrize(
        ("changed", "why"),
        [
            ({"level": 11.0}, "level: Must be a whole number from 1 to 10."),
            ({"score": 1.5}, "score: Must be a whole number"),
            ({"combo": -1.0}, "combo: Must be"),
            ({"accuracy": 101.0}, "accuracy: Must be a number from 0 to 100."),
            ({"accuracy": {"$float": "AAAAAAAA+H8="}}, "accuracy: Must be a number"),
            ({"status": "paused"}, "Invalid enum value 'paused' - at `$.status`."),
            ({"status": "active"}, "endedAt: Must be there if"),
            ({"startedAt": -1.0}, "startedAt: Must be a time in milliseconds since 1970."),
            ({"endedAt": 1e300}, "endedAt: Must be a time in milliseconds since 1970."),
            ({"endedAt": {"$float": "AAAAAAAA+H8="}}, "endedAt: Must be a time"),
            ({"lives": 3.0}, "Object contains unknown field `lives`."),
            ({"score": "1250"}, "Expected `float`, got `str` - at `$.score`."),
        ],
    )
    def test_are_possible(self, tmp_path: Path, changed: dict[str, Any], why: str) -> None:
        rows = [exported.session(**changed), exported.session("second")]

        report = import_rows(tmp_path, gameSessions=rows)

        assert report.lines[1].startswith("gameSessions line 1: refused. ")
        assert why in report.lines[1]
        assert report.error == "Rows refused: 1."
        assert GameSession.objects.count() == 1


class TestActiveSessions:
    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
    def test_end_when_the_next_begins(self, tmp_path: Path, order: tuple[int, ...]) -> None:
        rows = [exported.session(f"{at}", after=at * HOUR, endedAt=None) for at in order]

        report = import_rows(tmp_path, gameSessions=rows)

        assert report.error == ""
        assert statuses() == ["active", "abandoned", "abandoned"]
        active = queries.find_active(ada)
        assert active is not None
        assert active.started_at.timestamp() * 1000 == int(MADE_AT + 2 * HOUR)

    def test_give_way_to_one_that_began_here(self, tmp_path: Path, now: datetime) -> None:
        here = sessions.create_session(ada, now=now)

        import_rows(tmp_path, gameSessions=[exported.session(endedAt=None)])

        assert statuses() == ["active", "abandoned"]
        imported = GameSession.objects.get(status=Status.ABANDONED)
        assert imported.ended_at == here.started_at

    @pytest.mark.parametrize(
        ("refereed", "expected"),
        [(False, ["active", "abandoned"]), (True, ["abandoned", "active"])],
    )
    def test_leave_the_servers_games_alone(
        self, tmp_path: Path, refereed: bool, expected: list[str]
    ) -> None:
        long_ago = datetime.fromisoformat("2026-01-01T00:00Z")
        here = sessions.create_session(ada, now=long_ago, refereed=refereed)
        old = ids.dated(here.id, long_ago)
        GameSession.objects.filter(id=here.id).update(id=old)

        import_rows(tmp_path, gameSessions=[exported.session(endedAt=None)])

        assert statuses() == expected
