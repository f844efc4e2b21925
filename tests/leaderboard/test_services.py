"""Players' results, and what moderators do to them."""

import queue
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks, Settings

from accounts.models import User
from dust.identity import Identity
from dust.livequery.testing import Watch, assert_live
from dust.livequery.transactions import Isolation
from dust.livequery.writing import run_write
from leaderboard import rules
from leaderboard.errors import BoardNotFoundError, LevelMismatchError
from leaderboard.models import Attempt, Entry
from leaderboard.queries.ranks import get_rank
from leaderboard.rules import Play, Source, Status
from leaderboard.services import moderation, ranks, scores
from leaderboard.services.scores import Submission, submit_score
from tests.factories import (
    ISSUER,
    AttemptFactory,
    BoardFactory,
    EntryFactory,
    UserFactory,
    identity_of,
)
from tests.rest import restore_boards

PLAY = Play(score=1000, accuracy=88.5, level=3, pages_completed=5)
BOARD = "solo:3"
OTHER_BOARD = Watch("leaderboard:me", {"board": "solo:4"}, caller=Identity(ISSUER, "alice"))


@pytest.fixture
def alice(db: None) -> User:
    restore_boards()
    return UserFactory.create(username="alice")


@pytest.fixture
def bob(db: None) -> User:
    return UserFactory.create(username="bob")


@pytest.fixture
def moderator(db: None) -> User:
    return UserFactory.create(username="moderator", staff=True)


def submit(player: User, score: int, now: datetime, **other: Any) -> Submission:
    fields: dict[str, Any] = {
        "board": BOARD,
        "play": replace(PLAY, score=score),
        "source": Source.CLAIMED,
        **other,
    }
    return submit_score(fields.pop("board"), user_id=player.id, now=now, **fields)


class TestSubmitScore:
    def test_creates_an_entry(self, alice: User, now: datetime) -> None:
        submission = submit(alice, 1000, now)

        entry = Entry.objects.get()
        assert (submission.status, submission.best) == (Status.CREATED, entry)
        assert (entry.board_id, entry.user, entry.achieved_at) == (BOARD, alice, now)
        assert (entry.score, entry.accuracy, entry.level, entry.pages_completed) == (
            *(1000, 88.5, 3),
            5,
        )
        assert (entry.source, entry.ranked, entry.hidden) == ("claimed", True, False)
        assert entry.id.version == 7

    def test_replaces_a_lower_score_with_all_that_belongs_to_it(
        self, alice: User, now: datetime
    ) -> None:
        first = submit(alice, 1000, now)
        later = now + timedelta(days=1)

        second = submit_score(
            BOARD,
            play=Play(score=1001, accuracy=50, level=3, pages_completed=4),
            user_id=alice.id,
            source=Source.REFEREED,
            now=later,
        )

        entry = Entry.objects.get()
        assert (second.status, second.best, entry.id) == (Status.UPDATED, entry, first.best.id)
        assert (entry.score, entry.accuracy, entry.pages_completed) == (1001, 50, 4)
        assert (entry.source, entry.achieved_at) == ("refereed", later)

    @pytest.mark.parametrize("score", [1000, 999, -5])
    def test_leaves_an_equal_or_higher_score(self, alice: User, now: datetime, score: int) -> None:
        submit(alice, 1000, now)

        second = submit(alice, score, now + timedelta(days=1))

        entry = Entry.objects.get()
        assert (second.status, second.best) == (Status.UNCHANGED, entry)
        assert (entry.score, entry.achieved_at) == (1000, now)
        assert (second.best.score, second.best.achieved_at) == (1000, now)

    @pytest.mark.parametrize("score", [rules.MIN_SCORE, -1, 0, rules.MAX_SCORE])
    def test_stores_any_score_within_the_limits(
        self, alice: User, now: datetime, score: int
    ) -> None:
        assert submit(alice, score, now).best.score == score

    def test_keeps_boards_apart(self, alice: User, now: datetime) -> None:
        submit(alice, 1000, now)

        other = submit(alice, 10, now, board="coop")

        assert other.status is Status.CREATED
        assert Entry.objects.count() == 2

    def test_keeps_every_attempt(self, alice: User, now: datetime) -> None:
        for score in (1000, 900, 1100):
            submit(alice, score, now)

        attempts = Attempt.objects.order_by("id").values_list("score", "improved", "created_at")
        assert list(attempts) == [(1000, True, now), (900, False, now), (1100, True, now)]

    def test_refuses_what_the_rules_refuse(self, alice: User, now: datetime) -> None:
        with pytest.raises(LevelMismatchError):
            submit(alice, 1000, now, board="solo:4")
        with pytest.raises(BoardNotFoundError):
            submit(alice, 1000, now, board="solo:11")

        assert not Attempt.objects.exists()

    def test_takes_whole_floats(self, alice: User, now: datetime) -> None:
        submission = submit_score(
            BOARD,
            play=Play(1250.0, 88, 3.0, 5.0),
            user_id=alice.id,
            source=Source.CLAIMED,
            now=now,
        )

        assert (submission.best.score, type(submission.best.score)) == (1250, int)

    def test_is_one_statement(
        self, alice: User, now: datetime, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        if connection.vendor != "postgresql":
            return

        for score in (1000, 1001, 900):  # created, updated, unchanged
            with transaction.atomic(), django_assert_num_queries(1):
                submit(alice, score, now)

    def test_folds_the_deltas_every_so_often(
        self,
        alice: User,
        now: datetime,
        monkeypatch: pytest.MonkeyPatch,
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        folded: list[str] = []
        monkeypatch.setattr(scores, "fold_rank_deltas", folded.append)
        monkeypatch.setattr(scores, "UPKEEP_EVERY", 4)

        with django_capture_on_commit_callbacks(execute=True):
            for score in range(80):
                submit(alice, score, now)

        assert set(folded) == {BOARD}
        assert len(folded) < 60


class TestRankedSources:
    @pytest.fixture(autouse=True)
    def _only_refereed_results_rank(self, settings: Settings) -> None:
        settings.LEADERBOARD_RANKED_SOURCES = ["refereed"]

    def test_decide_what_is_listed(self, alice: User, now: datetime) -> None:
        claimed = submit(alice, 1000, now)

        assert not claimed.best.ranked
        assert get_rank(BOARD, 0) == 1

    def test_cannot_be_beaten_by_others(self, alice: User, now: datetime) -> None:
        submit(alice, 1000, now, source=Source.REFEREED)

        claimed = submit(alice, 5000, now)

        assert claimed.status is Status.UNCHANGED
        assert Entry.objects.get().score == 1000

    def test_beat_others_with_any_score(self, alice: User, now: datetime) -> None:
        submit(alice, 5000, now)

        refereed = submit(alice, 10, now, source=Source.REFEREED)

        assert refereed.status is Status.UPDATED
        assert (refereed.best.score, refereed.best.ranked) == (10, True)
        assert get_rank(BOARD, 9) == 2

    def test_leave_the_best_of_the_others(self, alice: User, now: datetime) -> None:
        submit(alice, 10, now)

        better = submit(alice, 20, now, source=Source.MATCH)

        assert (better.status, better.best.ranked) == (Status.UPDATED, False)


@pytest.mark.django_db(transaction=True)
class TestConcurrentSubmits:
    def test_dust_lb_3_leave_the_maximum(self, alice: User, now: datetime) -> None:
        found = random.Random(1).sample(range(10_000), 100)  # noqa: S311 - the same in every run

        def work(score: int) -> Status:
            try:
                return run_write(
                    lambda: submit(alice, score, now).status,
                    name="submit",
                    isolation=Isolation.READ_COMMITTED,
                ).value
            finally:
                connection.close()

        with ThreadPoolExecutor(20) as pool:
            statuses = list(pool.map(work, found))

        entry = Entry.objects.get()
        assert entry.score == max(found)
        assert statuses.count(Status.CREATED) == 1
        assert statuses.count(Status.UNCHANGED) == Attempt.objects.filter(improved=False).count()
        assert Attempt.objects.count() == 100
        ranks.fold_rank_deltas()
        assert [get_rank(BOARD, score) for score in (entry.score - 1, entry.score)] == [2, 1]

    def test_of_different_players_do_not_wait_for_each_other(
        self, alice: User, bob: User, now: datetime
    ) -> None:
        if connection.vendor != "postgresql":
            return

        def while_alice_is_not_done() -> Status:
            try:
                with transaction.atomic(), connection.cursor() as cursor:
                    cursor.execute("SET LOCAL lock_timeout = '5s'")
                    return submit(bob, 1000, now).status
            finally:
                connection.close()

        with ThreadPoolExecutor(1) as pool, transaction.atomic():
            submit(alice, 1000, now)
            status = pool.submit(while_alice_is_not_done).result(timeout=30)

        assert status is Status.CREATED

    @pytest.mark.parametrize("before", [[], [5]])
    def test_tell_the_loser_what_won(self, alice: User, now: datetime, before: list[int]) -> None:
        if connection.vendor != "postgresql":
            return
        for score in before:
            submit(alice, score, now)
        pids: queue.Queue[int] = queue.Queue()

        def lose() -> Submission:
            try:
                with transaction.atomic():
                    pids.put(_backend_pid())
                    return submit(alice, 10, now)
            finally:
                connection.close()

        with ThreadPoolExecutor(1) as pool:
            with transaction.atomic():
                submit(alice, 1000, now)
                loser = pool.submit(lose)
                _wait_until_blocked(pids.get(timeout=10))
            submission = loser.result(timeout=30)

        assert (submission.status, submission.best.score) == (Status.UNCHANGED, 1000)
        assert Attempt.objects.filter(improved=True).count() == 1 + len(before)


def _backend_pid() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def _wait_until_blocked(pid: int) -> None:
    with connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT cardinality(pg_blocking_pids(%s))", [pid])
            if cursor.fetchone()[0]:
                return


@pytest.mark.django_db(transaction=True)
class TestSubmitIsNoticed:
    @pytest.mark.parametrize("score", [900, 1100])
    def test_on_the_boards_top(self, alice: User, bob: User, now: datetime, score: int) -> None:
        submit(alice, 1000, now)

        with assert_live("leaderboard:top", {"board": BOARD}, bystanders=(OTHER_BOARD,)):
            submit(bob, score, now)

    def test_where_a_better_score_replaces_one(self, alice: User, now: datetime) -> None:
        submit(alice, 1000, now)

        with assert_live("leaderboard:top", {"board": BOARD}, bystanders=(OTHER_BOARD,)):
            submit(alice, 1100, now)

    def test_by_those_who_fall_behind(self, alice: User, bob: User, now: datetime) -> None:
        submit(alice, 1000, now)
        me = ("leaderboard:me", {"board": BOARD})

        with assert_live(*me, caller=identity_of(alice)):
            submit(bob, 1100, now)

    def test_by_nobody_if_the_entry_is_hidden(
        self, alice: User, bob: User, moderator: User, now: datetime
    ) -> None:
        if connection.vendor != "postgresql":
            return
        hidden = submit(bob, 1000, now).best
        moderation.hide_entries([hidden.id], reason="bot", moderator_id=moderator.id)
        watching = (Watch("leaderboard:top", {"board": BOARD}),)

        with (
            assert_live(
                "leaderboard:me", {"board": BOARD}, caller=identity_of(bob), bystanders=watching
            ),
            transaction.atomic(),
        ):
            submit(bob, 5000, now)


class TestTables:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"score": rules.MAX_SCORE + 1},
            {"score": rules.MIN_SCORE - 1},
            {"accuracy": 100.5},
            {"accuracy": -1},
            {"level": 4},
            {"level": 11, "board": "coop"},
            {"pages_completed": 101},
            {"pages_completed": -1},
            {"source": "hearsay"},
        ],
    )
    @pytest.mark.parametrize("factory", [EntryFactory, AttemptFactory])
    def test_refuse_what_the_rules_refuse(
        self, alice: User, factory: Any, wrong: dict[str, Any]
    ) -> None:
        board = BoardFactory.create(key=wrong.pop("board", BOARD))

        with pytest.raises(IntegrityError), transaction.atomic():
            factory.create(board=board, user=alice, **wrong)
