"""What clients record of games that they play while the server is away."""

from datetime import datetime
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.errors import AccountBannedError
from accounts.models import User
from dust.identity import Identity
from gamesessions import rules
from gamesessions.errors import SessionNotFoundError, SessionOverError, SessionRefereedError
from gamesessions.models import GameSession, PlayEvent
from gamesessions.services import sessions
from gamesessions.services.events import Report, add_events
from tests.factories import GameSessionFactory, UserFactory, identity_of

alice = Identity("https://issuer.example", "alice")


@pytest.fixture
def session(db: None, now: datetime) -> GameSession:
    return sessions.create_session(alice, now=now)


def row(client_id: str, now: datetime, **changed: Any) -> dict[str, Any]:
    moment = now.isoformat()
    return {"client_id": client_id, "type": "page_started", "occurred_at": moment} | changed


def codes(report: Report) -> list[tuple[int, str]]:
    return [(each.index, each.code) for each in report.rejected]


class TestAddEvents:
    def test_records_them_in_order(self, session: GameSession, now: datetime) -> None:
        rows = [
            row("a", now, data={"page": 1}),
            row("b", now, type="lifeline_used", data="freeze"),
            row("c", now, type="page_archived"),
        ]

        report = add_events(alice, session.id, rows, now=now)

        assert (report.recorded, report.duplicates, report.rejected) == (3, 0, [])
        found = PlayEvent.objects.order_by("id").values_list("client_id", "type", "data")
        assert list(found) == [
            ("a", "page_started", {"page": 1}),
            ("b", "lifeline_used", "freeze"),
            ("c", "page_archived", None),
        ]
        assert {event.recorded_at for event in PlayEvent.objects.all()} == {now}

    def test_keeps_the_good_and_reports_the_bad_by_index(
        self, session: GameSession, now: datetime
    ) -> None:
        rows = [row("a", now), "nonsense", row("b", now, type="page_eaten"), row("c", now)]

        report = add_events(alice, session.id, rows, now=now)

        assert (report.recorded, codes(report)) == (
            2,
            [(1, "invalid_event"), (2, "invalid_event")],
        )
        assert list(report.rejected[1].fields) == ["type"]
        assert PlayEvent.objects.count() == 2

    def test_counts_a_batch_sent_twice_once(self, session: GameSession, now: datetime) -> None:
        rows = [row("a", now), row("b", now)]
        add_events(alice, session.id, rows, now=now)

        again = add_events(alice, session.id, [*rows, row("c", now)], now=now)

        assert (again.recorded, again.duplicates) == (1, 2)
        assert PlayEvent.objects.count() == 3

    def test_keeps_the_first_of_those_that_say_the_same(
        self, session: GameSession, now: datetime
    ) -> None:
        rows = [row("a", now, data=1), row("a", now, data=2)]

        report = add_events(alice, session.id, rows, now=now)

        assert (report.recorded, report.duplicates) == (1, 1)
        assert PlayEvent.objects.get().data == 1

    def test_tells_sessions_apart(self, session: GameSession, now: datetime) -> None:
        other = GameSessionFactory.create()
        add_events(alice, session.id, [row("a", now)], now=now)

        report = add_events(identity_of(other.user), other.id, [row("a", now)], now=now)

        assert report.recorded == 1

    def test_d23_takes_no_more_than_a_session_may_have(
        self, session: GameSession, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rules, "MAX_EVENTS", 3)
        add_events(alice, session.id, [row("a", now), row("b", now)], now=now)

        rows = [row("b", now), "nonsense", row("c", now), row("d", now), row("a", now)]
        report = add_events(alice, session.id, rows, now=now)

        assert (report.recorded, report.duplicates) == (1, 2)
        assert codes(report) == [(1, "invalid_event"), (3, "too_many_events")]
        assert "at most 3" in report.rejected[1].message

    def test_changes_nothing_else(self, session: GameSession, now: datetime) -> None:
        add_events(alice, session.id, [row("a", now)], now=now)

        fresh = GameSession.objects.get()
        assert (fresh.version, fresh.progress) == (session.version, session.progress)

    def test_takes_as_many_statements_for_many_as_for_few(
        self, session: GameSession, now: datetime, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        # The player, the session, what it has, how many, and what is new; around it a savepoint.
        with django_assert_num_queries(7):
            add_events(alice, session.id, [row(str(n), now) for n in range(100)], now=now)

    def test_is_for_games_that_are_played(self, session: GameSession, now: datetime) -> None:
        sessions.create_session(alice, now=now)

        with pytest.raises(SessionOverError):
            add_events(alice, session.id, [row("a", now)], now=now)

    def test_is_not_for_games_that_the_server_plays(self, db: None, now: datetime) -> None:
        session = sessions.create_session(alice, now=now, refereed=True)

        with pytest.raises(SessionRefereedError):
            add_events(alice, session.id, [row("a", now)], now=now)

    def test_d6_is_not_for_sessions_of_others(self, session: GameSession, now: datetime) -> None:
        bob = identity_of(UserFactory.create(username="bob"))

        with pytest.raises(SessionNotFoundError):
            add_events(bob, session.id, [row("a", now)], now=now)

        assert not PlayEvent.objects.exists()

    def test_is_not_for_the_banned(self, session: GameSession, now: datetime) -> None:
        User.objects.update(is_banned=True)

        with pytest.raises(AccountBannedError):
            add_events(alice, session.id, [row("a", now)], now=now)
