"""Many who save, begin and end at the same moment: nothing that was acknowledged is lost."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import hypothesis
import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from accounts.services import bans
from dust.identity import Identity
from gamesessions import rules
from gamesessions.errors import SessionOverError, StaleSaveError
from gamesessions.models import GameSession, PlayEvent, Save
from gamesessions.rules import Progress, Status
from gamesessions.services import events, sessions
from tests.at_once import all_at_once, write
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

alice = Identity("https://issuer.example", "alice")


class TestSaving:
    @pytest.mark.parametrize("savers", [8])
    def test_of_one_version_is_granted_once(self, now: datetime, savers: int) -> None:
        session = write(lambda: sessions.create_session(alice, now=now))

        def save(score: int) -> Callable[[], int]:
            return lambda: (
                sessions.save_session(
                    alice, session.id, based_on=1, progress=Progress(score=score), now=now
                ).score
            )

        answers = all_at_once(save(score) for score in range(1, savers + 1))

        granted = [answer for answer in answers if isinstance(answer, int)]
        session.refresh_from_db()
        assert granted == [session.score]
        assert sum(isinstance(answer, StaleSaveError) for answer in answers) == savers - 1

    @hypothesis.settings(
        max_examples=12,
        suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
    )
    @given(savers=st.lists(st.lists(st.booleans(), max_size=4), min_size=2, max_size=4))
    def test_loses_nothing_that_was_acknowledged(
        self, now: datetime, savers: list[list[bool]]
    ) -> None:
        """Each saver saves a few times, now with the version it knows, now without.

        Whatever the order they come in: every save that was acknowledged is the present copy or in
        the history, under the version that was answered and with exactly what was saved.
        """
        session = write(lambda: sessions.create_session(alice, now=now))

        def saver(number: int, has_version: list[bool]) -> dict[int, tuple[int, Any]]:
            acknowledged: dict[int, tuple[int, Any]] = {}
            known = 1
            for turn, is_versioned in enumerate(has_version):
                score, state = number * 100 + turn, {"saver": number, "turn": turn}
                try:
                    saved = write(
                        lambda: sessions.save_session(
                            alice,
                            session.id,
                            based_on=known if is_versioned else None,  # noqa: B023 - run at once
                            progress=Progress(score=score),  # noqa: B023
                            state=state,  # noqa: B023
                            now=now,
                        )
                    )
                except StaleSaveError as stale:
                    known = stale.current.version
                else:
                    known = saved.version
                    assert known not in acknowledged
                    acknowledged[known] = score, state
            return acknowledged

        found = run_savers(saver, savers)

        session.refresh_from_db()
        there: dict[int, tuple[int, Any]] = {session.version: (session.score, session.state)}
        for save in Save.objects.filter(session=session):
            there[save.version] = save.score, save.state
        acknowledged = [item for each in found for item in each.items()]
        assert len(dict(acknowledged)) == len(acknowledged)
        assert there == {1: (0, None)} | dict(acknowledged)
        assert sorted(there) == list(range(1, session.version + 1))

    def test_waits_for_the_end_and_then_changes_nothing(self, now: datetime) -> None:
        session = write(lambda: sessions.create_session(alice, now=now))

        def save() -> GameSession:
            return sessions.save_session(
                alice, session.id, based_on=None, progress=Progress(combo=7), now=now
            )

        def finish() -> GameSession:
            return sessions.finish_session(
                alice, session.id, based_on=None, progress=Progress(score=9), now=now
            )

        answers = all_at_once([save, finish, save, finish, save, finish])

        saved = [answer for answer in answers[::2] if isinstance(answer, GameSession)]
        refused = [answer for answer in answers[::2] if isinstance(answer, SessionOverError)]
        session.refresh_from_db()
        assert len(saved) + len(refused) == 3
        assert (session.status, session.score) == ("completed", 9)
        assert session.version == 2 + len(saved)
        assert session.combo == (7 if saved else 0)


def run_savers(
    saver: Callable[[int, list[bool]], dict[int, tuple[int, Any]]], savers: list[list[bool]]
) -> list[dict[int, tuple[int, Any]]]:
    def run(number: int) -> dict[int, tuple[int, Any]]:
        try:
            return saver(number, savers[number - 1])
        finally:
            connection.close()

    with ThreadPoolExecutor(len(savers)) as pool:
        return list(pool.map(run, range(1, len(savers) + 1)))


class TestBeginning:
    @pytest.mark.parametrize("is_new", [True, False])
    def test_leaves_one_game_that_is_played(self, now: datetime, is_new: bool) -> None:
        if not is_new:
            UserFactory.create(username="alice")

        answers = all_at_once([lambda: sessions.create_session(alice, now=now)] * 8)

        assert all(isinstance(answer, GameSession) for answer in answers), answers
        assert GameSession.objects.filter(status=Status.ACTIVE).count() == 1
        assert GameSession.objects.filter(status=Status.ABANDONED).count() == 7

    def test_abandons_nothing_that_was_just_finished(
        self, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told: list[UUID] = []
        monkeypatch.setattr(sessions, "_handlers", [])
        sessions.on_cut_off(lambda ids, _now: told.extend(ids))
        session = write(lambda: sessions.create_session(alice, now=now))

        for _ in range(8):
            key = session.id
            finished, begun = all_at_once(
                [
                    partial(
                        sessions.finish_session,
                        *(alice, key),
                        based_on=None,
                        progress=Progress(score=9),
                        now=now,
                    ),
                    partial(sessions.create_session, alice, now=now),
                ]
            )
            status = GameSession.objects.get(id=key).status
            assert isinstance(finished, SessionOverError) == (status == "abandoned")
            assert (key in told) == (status == "abandoned")
            assert isinstance(begun, GameSession)
            session = begun

    def test_does_not_stand_in_the_way_of_a_ban(self, now: datetime) -> None:
        user = UserFactory.create(username="alice")
        moderator = UserFactory.create(username="moderator", staff=True)

        def ban() -> Any:
            return bans.ban_user(user, reason="a bot", until=None, by=moderator, now=now)

        def begin() -> Any:
            return sessions.create_session(alice, now=now)

        all_at_once([begin, begin, begin, ban, begin, begin, begin])

        user.refresh_from_db()
        assert user.is_banned


class TestEvents:
    def test_count_once_however_often_a_batch_arrives(self, now: datetime) -> None:
        session = write(lambda: sessions.create_session(alice, now=now))
        rows = [
            {"client_id": f"e{number}", "type": "page_started", "occurred_at": now.isoformat()}
            for number in range(20)
        ]

        reports = all_at_once([lambda: events.add_events(alice, session.id, rows, now=now)] * 6)

        assert sorted(
            report.recorded for report in reports if isinstance(report, events.Report)
        ) == [
            *[0] * 5,
            20,
        ]
        assert PlayEvent.objects.count() == 20

    def test_never_exceed_the_limit(self, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rules, "MAX_EVENTS", 25)
        session = write(lambda: sessions.create_session(alice, now=now))

        def add(batch: int) -> Callable[[], events.Report]:
            rows = [
                {
                    "client_id": f"{batch}-{number}",
                    "type": "section_selected",
                    "occurred_at": now.isoformat(),
                }
                for number in range(10)
            ]
            return lambda: events.add_events(alice, session.id, rows, now=now)

        reports = all_at_once(add(batch) for batch in range(5))

        assert PlayEvent.objects.count() == 25
        assert sum(r.recorded for r in reports if isinstance(r, events.Report)) == 25
