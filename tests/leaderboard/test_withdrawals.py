"""What the server takes back counts as if it had never been submitted."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import hypothesis
import pytest
from django.db import connection, transaction
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import User
from dust.errors import DustError
from dust.livequery.testing import Watch, assert_live
from leaderboard.models import Attempt, Entry
from leaderboard.queries.ranks import get_rank
from leaderboard.rules import Play, Source
from leaderboard.services import moderation, players, ranks
from leaderboard.services.moderation import Refereed, withdraw_results
from leaderboard.services.scores import Submission, submit_score
from tests.accounts.waiting import wait_until_somebody_waits
from tests.at_once import all_at_once
from tests.factories import EntryFactory, UserFactory
from tests.rest import restore_boards

BOARD = "solo:3"
SECOND = timedelta(seconds=1)


@pytest.fixture
def alice(db: None) -> User:
    restore_boards()
    return UserFactory.create(username="alice")


@pytest.fixture
def moderator(db: None) -> User:
    return UserFactory.create(username="moderator", staff=True)


def submit(
    player: User, score: int, at: datetime, source: Source = Source.REFEREED, **changed: Any
) -> Submission:
    fields = {"accuracy": 88.5, "level": 3, "pages_completed": 5} | changed
    play = Play(score=score, **fields)
    return submit_score(BOARD, play=play, user_id=player.id, source=source, now=at)


def withdraw(player: User, *moments: datetime) -> int:
    return withdraw_results([Refereed(BOARD, player.id, moment) for moment in moments])


class TestWithdraw:
    def test_leaves_the_best_of_what_else_was_submitted(self, alice: User, now: datetime) -> None:
        first = submit(alice, 700, now).best
        submit(alice, 900, now + SECOND, Source.CLAIMED, accuracy=61.5, pages_completed=4)
        submit(alice, 2000, now + 2 * SECOND)
        submit(alice, 800, now + 3 * SECOND)

        assert withdraw(alice, now + 2 * SECOND) == 1

        entry = Entry.objects.get()
        assert (entry.id, entry.score, entry.source) == (first.id, 900, "claimed")
        assert (entry.accuracy, entry.pages_completed) == (61.5, 4)
        assert entry.achieved_at == now + SECOND
        assert get_rank(BOARD, 899) == 2
        assert get_rank(BOARD, 900) == 1

    def test_leaves_the_earlier_of_equals(self, alice: User, now: datetime) -> None:
        submit(alice, 900, now, accuracy=50)
        submit(alice, 2000, now + SECOND)
        submit(alice, 900, now + 2 * SECOND, accuracy=60)

        withdraw(alice, now + SECOND)

        entry = Entry.objects.get()
        assert (entry.score, entry.accuracy, entry.achieved_at) == (900, 50, now)

    def test_leaves_what_ranks_rather_than_what_does_not(self, alice: User, now: datetime) -> None:
        with override_settings(LEADERBOARD_RANKED_SOURCES=["refereed"]):
            submit(alice, 5000, now, Source.CLAIMED)
            submit(alice, 10, now + SECOND)
            submit(alice, 20, now + 2 * SECOND)

            withdraw(alice, now + 2 * SECOND)
            ranking = Entry.objects.get()
            withdraw(alice, now + SECOND)
            other = Entry.objects.get()

        assert (ranking.score, ranking.is_listed) == (10, True)
        assert (other.score, other.is_listed) == (5000, False)
        assert get_rank(BOARD, 0) == 1

    def test_leaves_nothing_where_nothing_else_was(self, alice: User, now: datetime) -> None:
        submit(alice, 900, now)

        assert withdraw(alice, now) == 1

        assert not Entry.objects.exists()
        assert get_rank(BOARD, 0) == 1
        assert Attempt.objects.get().withdrawn

    def test_leaves_what_is_better(self, alice: User, now: datetime) -> None:
        submit(alice, 900, now)
        submit(alice, 1000, now + SECOND)

        assert withdraw(alice, now) == 0

        assert Entry.objects.get().score == 1000

    def test_never_brings_back_what_was_withdrawn(self, alice: User, now: datetime) -> None:
        for number, score in enumerate((100, 900, 1000)):
            submit(alice, score, now + number * SECOND)

        withdraw(alice, now + SECOND)
        withdraw(alice, now + 2 * SECOND)

        assert Entry.objects.get().score == 100

    def test_takes_several_back_at_once(self, alice: User, now: datetime) -> None:
        for number, score in enumerate((100, 1000, 900)):
            submit(alice, score, now + number * SECOND)
        bob = UserFactory.create(username="bob")
        submit(bob, 500, now + SECOND)

        assert withdraw(alice, now + SECOND, now + 2 * SECOND) == 1

        scores = Entry.objects.order_by("score").values_list("user__username", "score")
        assert list(scores) == [("alice", 100), ("bob", 500)]

    def test_never_brings_back_what_a_moderator_has_deleted(
        self, alice: User, moderator: User, now: datetime
    ) -> None:
        bots = submit(alice, 9999, now, Source.CLAIMED).best
        moderation.delete_entries([bots.id], reason="a bot", moderator_id=moderator.id)
        submit(alice, 50, now + SECOND)
        submit(alice, 60, now + 2 * SECOND)

        withdraw(alice, now + 2 * SECOND)
        assert Entry.objects.get().score == 50

        withdraw(alice, now + SECOND)
        assert not Entry.objects.exists()

    def test_keeps_what_was_hidden_hidden(
        self, alice: User, moderator: User, now: datetime
    ) -> None:
        submit(alice, 900, now)
        entry = submit(alice, 1000, now + SECOND).best
        moderation.hide_entries([entry.id], reason="a bot", moderator_id=moderator.id)

        withdraw(alice, now + SECOND)

        entry.refresh_from_db()
        assert (entry.score, entry.hidden, entry.hidden_reason) == (900, True, "a bot")
        assert get_rank(BOARD, 0) == 1
        moderation.unhide_entries([entry.id], reason="not one", moderator_id=moderator.id)
        assert get_rank(BOARD, 0) == 2

    def test_keeps_the_banned_off_the_board(self, alice: User, now: datetime) -> None:
        submit(alice, 900, now)
        submit(alice, 1000, now + SECOND)
        players.suspend_player(alice.id, suspended=True)

        withdraw(alice, now + SECOND)

        assert (Entry.objects.get().score, get_rank(BOARD, 0)) == (900, 1)
        players.suspend_player(alice.id, suspended=False)
        assert (get_rank(BOARD, 899), get_rank(BOARD, 900)) == (2, 1)

    def test_touches_no_claim_and_nobody_else(self, alice: User, now: datetime) -> None:
        submit(alice, 900, now, Source.CLAIMED)
        submit(UserFactory.create(username="bob"), 900, now)

        assert withdraw(alice, now) == 0
        assert withdraw_results([]) == 0

        assert Entry.objects.count() == 2
        assert not Attempt.objects.filter(withdrawn=True).exists()

    @pytest.mark.django_db(transaction=True)
    def test_is_live_on_that_board_alone(self, alice: User, now: datetime) -> None:
        restore_boards()
        submit(alice, 900, now)
        submit(alice, 1000, now + SECOND)
        EntryFactory.create(user=alice, board__key="solo:4", source=Source.REFEREED)
        elsewhere = Watch("leaderboard:top", {"board": "solo:4"})

        with assert_live("leaderboard:top", {"board": BOARD}, bystanders=(elsewhere,)):
            withdraw(alice, now + SECOND)


class Step(NamedTuple):
    """What happens: something is submitted, taken back, or done by a moderator."""

    kind: str
    score: int
    source: Source
    which: int


STEPS = st.builds(
    Step,
    kind=st.sampled_from(["submit"] * 4 + ["withdraw"] * 3 + ["hide", "unhide", "delete", "fold"]),
    score=st.integers(-3, 6),
    source=st.sampled_from([Source.REFEREED, Source.REFEREED, Source.CLAIMED, Source.MATCH]),
    which=st.integers(0, 5),
)


class Model:
    """What should be there: the history of one player without what does not count."""

    def __init__(self) -> None:
        self.counting: list[tuple[datetime, int, Source]] = []
        self.is_hidden = False

    def best(self) -> tuple[datetime, int, Source] | None:
        """Play the history through, as the entry is kept."""
        best: tuple[datetime, int, Source] | None = None
        for each in self.counting:
            if best is None or self._worth(each) > self._worth(best):
                best = each
        return best

    @staticmethod
    def _worth(result: tuple[datetime, int, Source]) -> tuple[bool, int]:
        return result[2] is not Source.MATCH, result[1]

    def is_as_it_should_be(self) -> bool:
        entry, best = Entry.objects.filter(board_id=BOARD).first(), self.best()
        if entry is None or best is None:
            return entry is None and best is None
        return (entry.achieved_at, entry.score, entry.source) == best and (
            entry.hidden,
            entry.ranked,
        ) == (self.is_hidden, best[2] is not Source.MATCH)


@pytest.mark.django_db(transaction=True)
class TestHistory:
    @pytest.fixture(autouse=True)
    def _boards(self, transactional_db: None) -> None:
        restore_boards()

    @hypothesis.settings(
        suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
    )
    @given(steps=st.lists(STEPS, max_size=14))
    def test_is_told_by_the_entry_as_if_nothing_withdrawn_had_been(
        self, now: datetime, steps: Sequence[Step]
    ) -> None:
        Entry.objects.all().delete()
        Attempt.objects.all().delete()
        alice = UserFactory.create(username="alice")
        moderator = UserFactory.create(username="moderator", staff=True)
        model = Model()

        with override_settings(LEADERBOARD_RANKED_SOURCES=["refereed", "claimed"]):
            for number, step in enumerate(steps):
                self._take(step, now + number * SECOND, model, alice, moderator)
                assert model.is_as_it_should_be()
            ranks.fold_rank_deltas(BOARD)
            assert ranks.check_ranks(BOARD).is_right

    @staticmethod
    def _take(step: Step, at: datetime, model: Model, alice: User, moderator: User) -> None:
        entries = list(Entry.objects.values_list("id", flat=True))
        refereed = [each for each in model.counting if each[2] is Source.REFEREED]
        match step.kind:
            case "submit":
                submit(alice, step.score, at, step.source)
                model.counting.append((at, step.score, step.source))
            case "withdraw" if refereed:
                taken = refereed[step.which % len(refereed)]
                withdraw(alice, taken[0])
                model.counting.remove(taken)
            case "hide" | "unhide" | "delete":
                work = getattr(moderation, f"{step.kind}_entries")
                work(entries, reason="a test", moderator_id=moderator.id)
                model.is_hidden = bool(entries) and step.kind == "hide"
                if step.kind == "delete":
                    model.counting.clear()
            case _:
                ranks.fold_rank_deltas(BOARD)
        model.is_hidden &= model.best() is not None


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    """Whoever submits while something is taken back: of both orders, one has come about."""

    @pytest.fixture(autouse=True)
    def _boards(self, transactional_db: None) -> None:
        restore_boards()

    def race(self, now: datetime, *works: Callable[[User], Any]) -> Entry | None:
        """Do these at the same moment for one who has 300, and 1000 since; return their entry."""
        Entry.objects.all().delete()
        Attempt.objects.all().delete()
        alice: User = UserFactory.create(username="alice")
        submit(alice, 300, now)
        submit(alice, 1000, now + SECOND)

        answers = all_at_once([lambda work=work: work(alice) for work in works])  # type: ignore[misc]

        assert not any(isinstance(answer, DustError) for answer in answers)
        ranks.fold_rank_deltas(BOARD)
        assert ranks.check_ranks(BOARD).is_right
        return Entry.objects.first()

    @pytest.mark.parametrize("score", [200, 300, 400, 1000, 2000])
    def test_an_entry_shows_the_best_that_counts(self, now: datetime, score: int) -> None:
        for _ in range(5):
            entry = self.race(
                now,
                lambda alice: withdraw(alice, now + SECOND),
                lambda alice: submit(alice, score, now + 2 * SECOND),
                lambda alice: submit(alice, 250, now + 2 * SECOND, Source.CLAIMED),
            )

            assert entry is not None
            assert entry.score == max(300, score)

    @pytest.mark.parametrize("withdraws_first", [True, False])
    @pytest.mark.parametrize(
        ("moments", "score", "left"), [((1,), 400, 400), ((1,), 200, 300), ((0, 1), 5, 5)]
    )
    def test_whoever_comes_second_waits_and_sees_what_the_first_did(
        self,
        now: datetime,
        withdraws_first: bool,
        moments: Sequence[int],
        score: int,
        left: int,
    ) -> None:
        if connection.vendor != "postgresql":
            return
        alice: User = UserFactory.create(username="alice")
        submit(alice, 300, now)
        submit(alice, 1000, now + SECOND)
        works: list[Callable[[], Any]] = [
            lambda: withdraw(alice, *(now + moment * SECOND for moment in moments)),
            lambda: submit(alice, score, now + 2 * SECOND),
        ]
        first, second = works if withdraws_first else works[::-1]

        with ThreadPoolExecutor(1) as pool:
            with transaction.atomic():
                first()
                waiting = pool.submit(all_at_once, [second])
                wait_until_somebody_waits()
            waiting.result(timeout=30)

        assert Entry.objects.get().score == left

    def test_an_entry_that_goes_gives_way_to_a_new_one(self, now: datetime) -> None:
        for _ in range(5):
            entry = self.race(
                now,
                lambda alice: withdraw(alice, now, now + SECOND),
                lambda alice: submit(alice, 5, now + 2 * SECOND),
            )

            assert entry is not None
            assert (entry.score, entry.is_listed) == (5, True)

    def test_two_moderators_take_both_back(self, now: datetime) -> None:
        for _ in range(5):
            entry = self.race(
                now,
                lambda alice: withdraw(alice, now),
                lambda alice: withdraw(alice, now + SECOND),
                lambda alice: submit(alice, 100, now + 2 * SECOND),
            )

            assert entry is not None
            assert entry.score == 100

    def test_one_who_deletes_leaves_only_what_came_after(
        self, now: datetime, moderator: User
    ) -> None:
        def delete(alice: User) -> None:
            ids = list(Entry.objects.values_list("id", flat=True))
            moderation.delete_entries(ids, reason="a bot", moderator_id=moderator.id)

        for _ in range(5):
            entry = self.race(
                now,
                delete,
                lambda alice: withdraw(alice, now + SECOND),
                lambda alice: submit(alice, 100, now + 2 * SECOND),
            )

            assert entry is None or entry.score == 100
