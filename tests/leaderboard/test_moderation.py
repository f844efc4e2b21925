"""What moderators do to entries."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection

from accounts.models import User
from dust.livequery.testing import Watch, assert_live
from leaderboard.errors import InvalidReasonError
from leaderboard.models import Attempt, Entry
from leaderboard.queries.ranks import get_rank
from leaderboard.rules import Play, Source, Status
from leaderboard.services import moderation
from leaderboard.services.scores import Submission, submit_score
from tests.factories import UserFactory, identity_of
from tests.rest import restore_boards

BOARD = "solo:3"


@pytest.fixture
def alice(db: None) -> User:
    restore_boards()
    return UserFactory.create(username="alice")


@pytest.fixture
def moderator(db: None) -> User:
    return UserFactory.create(username="moderator", staff=True)


def submit(player: User, score: int, now: datetime) -> Submission:
    play = Play(score=score, accuracy=88.5, level=3, pages_completed=5)
    return submit_score(BOARD, play=play, user_id=player.id, source=Source.CLAIMED, now=now)


class TestModeration:
    @pytest.fixture
    def entry(self, alice: User, now: datetime) -> Entry:
        return submit(alice, 1000, now).best

    def test_hides_and_shows_again(self, entry: Entry, moderator: User) -> None:
        hidden = moderation.hide_entries([entry.id], reason=" a bot ", moderator_id=moderator.id)

        entry.refresh_from_db()
        assert (hidden, entry.hidden, entry.hidden_reason) == (1, True, "a bot")
        assert get_rank(BOARD, 0) == 1

        shown = moderation.unhide_entries([entry.id], reason="not one", moderator_id=moderator.id)

        entry.refresh_from_db()
        assert (shown, entry.hidden, entry.hidden_reason) == (1, False, "")
        assert get_rank(BOARD, 0) == 2

    def test_leaves_an_entry_hidden_that_improves(
        self, entry: Entry, alice: User, moderator: User, now: datetime
    ) -> None:
        moderation.hide_entries([entry.id], reason="a bot", moderator_id=moderator.id)

        submission = submit(alice, 2000, now)

        assert (submission.status, submission.best.score) == (Status.UPDATED, 2000)
        assert submission.best.hidden
        assert get_rank(BOARD, 0) == 1

    def test_deletes_the_entry_but_not_the_evidence(
        self, entry: Entry, alice: User, moderator: User, now: datetime
    ) -> None:
        deleted = moderation.delete_entries([entry.id], reason="test", moderator_id=moderator.id)

        assert deleted == 1
        assert not Entry.objects.exists()
        assert Attempt.objects.count() == 1
        assert get_rank(BOARD, 0) == 1
        assert submit(alice, 5, now).status is Status.CREATED

    def test_is_logged_with_its_reason(self, entry: Entry, moderator: User) -> None:
        ids = [entry.id]
        moderation.hide_entries(ids, reason="a bot", moderator_id=moderator.id)
        moderation.unhide_entries(ids, reason="not a bot", moderator_id=moderator.id)
        moderation.delete_entries(ids, reason="asked for it", moderator_id=moderator.id)

        log = LogEntry.objects.filter(user=moderator, object_id=str(entry.id)).order_by("id")
        assert [line.get_change_message() for line in log] == [
            "Hidden: a bot",
            "No longer hidden: not a bot",
            "Deleted: asked for it",
        ]
        assert {line.object_repr for line in log} == {"1000 on solo:3"}

    def test_counts_and_logs_only_what_it_changed(self, entry: Entry, moderator: User) -> None:
        moderation.hide_entries([entry.id], reason="a bot", moderator_id=moderator.id)

        again = moderation.hide_entries([entry.id], reason="really", moderator_id=moderator.id)

        entry.refresh_from_db()
        assert (again, entry.hidden_reason) == (0, "a bot")
        assert LogEntry.objects.count() == 1

    @pytest.mark.parametrize("name", ["hide_entries", "unhide_entries", "delete_entries"])
    def test_needs_a_reason(self, entry: Entry, moderator: User, name: str) -> None:
        with pytest.raises(InvalidReasonError):
            getattr(moderation, name)([entry.id], reason=" ", moderator_id=moderator.id)

        assert Entry.objects.filter(hidden=False).exists()
        assert not LogEntry.objects.exists()

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("name", ["hide_entries", "delete_entries"])
    def test_changes_the_open_board(
        self, entry: Entry, alice: User, moderator: User, name: str
    ) -> None:
        elsewhere = Watch("leaderboard:me", {"board": "solo:4"}, caller=identity_of(alice))

        with assert_live("leaderboard:top", {"board": BOARD}, bystanders=(elsewhere,)):
            getattr(moderation, name)([entry.id], reason="a bot", moderator_id=moderator.id)


@pytest.mark.django_db(transaction=True)
class TestModerators:
    def test_at_work_on_the_same_entries_do_it_once_between_them(
        self, alice: User, moderator: User, now: datetime
    ) -> None:
        players = UserFactory.create_batch(20)
        ids = [submit(player, 1000, now).best.id for player in players]
        together = threading.Barrier(4)

        def hide(number: int) -> int:
            try:
                together.wait(timeout=30)
                found = ids if number % 2 else ids[::-1]
                return moderation.hide_entries(found, reason="bots", moderator_id=moderator.id)
            finally:
                connection.close()

        with ThreadPoolExecutor(4) as pool:
            hidden = list(pool.map(hide, range(4)))

        assert sorted(hidden) == [0, 0, 0, 20]
        assert LogEntry.objects.count() == 20
        assert get_rank(BOARD, 0) == 1
