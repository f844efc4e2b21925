"""Bans, and what their players write at the same time."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from django.db import connection, transaction

from accounts.errors import AccountBannedError
from accounts.models import Ban, User
from accounts.services import bans, players
from dust.livequery.transactions import Isolation
from dust.livequery.writing import run_write
from leaderboard.models import Entry
from leaderboard.queries.ranks import get_rank
from leaderboard.rules import Play, Source
from leaderboard.services.scores import submit_score
from tests.accounts.waiting import wait_until_somebody_waits
from tests.factories import UserFactory, identity_of
from tests.rest import restore_boards

BOARD = "solo:3"
PLAY = Play(score=1000, accuracy=88.5, level=3, pages_completed=5)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def alice(transactional_db: None) -> User:
    restore_boards()
    return UserFactory.create(username="alice")


@pytest.fixture
def moderator(transactional_db: None) -> User:
    return UserFactory.create(username="moderator", staff=True)


def ban(user: User, moderator: User, now: datetime, until: datetime | None = None) -> Ban:
    return bans.ban_user(user, reason=" a bot ", until=until, by=moderator, now=now)


class TestRaces:
    """On PostgreSQL others write while somebody is banned; SQLite has one writer at a time."""

    __test__ = connection.vendor == "postgresql"

    @pytest.mark.parametrize("isolation", Isolation)
    def test_a_ban_finds_what_was_being_submitted(
        self, alice: User, moderator: User, now: datetime, isolation: Isolation
    ) -> None:
        holds, banning = threading.Event(), threading.Event()

        def submit() -> None:
            key = players.ensure_user_key(identity_of(alice), now=now)
            holds.set()
            assert banning.wait(timeout=30)
            submit_score(BOARD, play=PLAY, user_id=key, source=Source.CLAIMED, now=now)

        def impose() -> None:
            try:
                ban(alice, moderator, now)
            finally:
                connection.close()

        def run() -> None:
            try:
                run_write(submit, name="tests.submit", isolation=isolation)
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as pool:
            submitting = pool.submit(run)
            assert holds.wait(timeout=30)
            imposing = pool.submit(impose)
            wait_until_somebody_waits()
            assert not imposing.done()
            banning.set()
            submitting.result(timeout=30)
            imposing.result(timeout=30)

        assert Entry.objects.get().suspended
        assert get_rank(BOARD, 0) == 1

    @pytest.mark.parametrize("isolation", Isolation)
    def test_what_is_submitted_while_a_ban_is_imposed_is_refused(
        self, alice: User, moderator: User, now: datetime, isolation: Isolation
    ) -> None:
        def submit() -> None:
            key = players.ensure_user_key(identity_of(alice), now=now)
            submit_score(BOARD, play=PLAY, user_id=key, source=Source.CLAIMED, now=now)

        def run() -> None:
            try:
                run_write(submit, name="tests.submit", isolation=isolation)
            finally:
                connection.close()

        with ThreadPoolExecutor(1) as pool:
            with transaction.atomic():
                ban(alice, moderator, now)
                submitting = pool.submit(run)
                wait_until_somebody_waits()
            with pytest.raises(AccountBannedError):
                submitting.result(timeout=30)

        assert not Entry.objects.exists()

    def test_a_match_that_ends_while_a_ban_is_imposed_shows_nothing(
        self, alice: User, moderator: User, now: datetime
    ) -> None:
        def end() -> None:
            submit_score(BOARD, play=PLAY, user_id=alice.id, source=Source.MATCH, now=now)

        def run() -> None:
            try:
                run_write(end, name="tests.end", isolation=Isolation.READ_COMMITTED)
            finally:
                connection.close()

        with ThreadPoolExecutor(1) as pool:
            with transaction.atomic():
                ban(alice, moderator, now)
                ending = pool.submit(run)
                wait_until_somebody_waits()
            ending.result(timeout=30)

        assert Entry.objects.get().suspended

    def test_writes_of_one_player_do_not_wait_for_each_other(
        self, alice: User, now: datetime
    ) -> None:
        def write() -> object:
            try:
                with transaction.atomic():
                    return players.ensure_user_key(identity_of(alice), now=now)
            finally:
                connection.close()

        with transaction.atomic(), ThreadPoolExecutor(1) as pool:
            players.ensure_user_key(identity_of(alice), now=now)

            assert pool.submit(write).result(timeout=30) == alice.id
