"""What is kept of all that players submit."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from pytest_django import DjangoCaptureOnCommitCallbacks

from accounts.models import User
from leaderboard import rules
from leaderboard.models import Attempt, Entry
from leaderboard.rules import Play, Source
from leaderboard.services import attempts, scores
from leaderboard.services.moderation import Refereed, withdraw_results
from tests.factories import AttemptFactory, BoardFactory, UserFactory
from tests.rest import restore_boards

BOARD = "solo:3"


@pytest.fixture
def alice(db: None) -> User:
    restore_boards()
    return UserFactory.create(username="alice")


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "BEST_ATTEMPTS_KEPT", 2)
    monkeypatch.setattr(rules, "NEWEST_ATTEMPTS_KEPT", 3)


def attempt(player: User, *scores: int, board: str = BOARD, withdrawn: bool = False) -> None:
    for score in scores:
        AttemptFactory.create(
            user=player,
            board=BoardFactory.create(key=board),
            score=score,
            withdrawn=withdrawn,
        )


def kept(player: User, board: str = BOARD) -> Sequence[int]:
    own = Attempt.objects.filter(user=player, board_id=board).order_by("id")
    return list(own.values_list("score", flat=True))


class TestTrimAttempts:
    def test_d23_keeps_the_best_and_the_newest(self, alice: User) -> None:
        attempt(alice, 50, 900, 60, 800, 70, 80, 10)

        assert attempts.trim_attempts(BOARD, alice.id) == 2

        assert kept(alice) == [900, 800, 70, 80, 10]

    def test_leaves_those_of_others_and_of_other_boards(self, alice: User) -> None:
        bob = UserFactory.create(username="bob")
        attempt(alice, *range(8))
        attempt(alice, *range(8), board="solo:4")
        attempt(bob, *range(8))

        attempts.trim_attempts(BOARD, alice.id)

        assert len(kept(alice)) < 8
        assert (len(kept(alice, "solo:4")), len(kept(bob))) == (8, 8)

    def test_does_nothing_where_there_are_few(self, alice: User) -> None:
        attempt(alice, 1, 2, 3)

        assert attempts.trim_attempts(BOARD, alice.id) == 0

        assert len(kept(alice)) == 3

    def test_keeps_the_best_of_those_that_count(self, alice: User) -> None:
        attempt(alice, 9000, 8000, withdrawn=True)
        attempt(alice, 900, 800, 10, 20, 30, 40)

        attempts.trim_attempts(BOARD, alice.id)

        assert kept(alice) == [900, 800, 20, 30, 40]

    def test_takes_a_batch_at_a_time(self, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(attempts, "DELETED_AT_ONCE", 2)
        attempt(alice, *range(10, 0, -1))

        assert [attempts.trim_attempts(BOARD, alice.id) for _ in range(4)] == [2, 2, 1, 0]

    def test_leaves_something_to_fall_back_to(self, alice: User, now: datetime) -> None:
        for number, score in enumerate((900, 1000, 10, 20, 30, 40)):
            play = Play(score=score, accuracy=50, level=3, pages_completed=1)
            at = now + timedelta(seconds=number)
            scores.submit_score(BOARD, play=play, user_id=alice.id, source=Source.REFEREED, now=at)
        attempts.trim_attempts(BOARD, alice.id)

        withdraw_results([Refereed(BOARD, alice.id, now + timedelta(seconds=1))])

        assert Entry.objects.get().score == 900

    def test_d23_is_done_as_players_submit(
        self,
        alice: User,
        now: datetime,
        monkeypatch: pytest.MonkeyPatch,
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        monkeypatch.setattr(scores, "UPKEEP_EVERY", 4)
        monkeypatch.setattr(scores, "fold_rank_deltas", lambda _board: 0)
        most = 0

        for score in range(200):
            play = Play(score=score, accuracy=50, level=3, pages_completed=1)
            with django_capture_on_commit_callbacks(execute=True):
                scores.submit_score(
                    BOARD, play=play, user_id=alice.id, source=Source.CLAIMED, now=now
                )
            most = max(most, len(kept(alice)))

        assert most < 60
