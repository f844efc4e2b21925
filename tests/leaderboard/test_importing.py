"""Results that come along from Convex."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from accounts.models import User
from accounts.services import bans, players
from dust.livequery.testing import ask, assert_live
from leaderboard.models import Attempt, Entry
from leaderboard.rules import LEVEL_OF_BOARD, Play, Source
from leaderboard.services import attempts, moderation
from leaderboard.services.bounds import set_bounds
from leaderboard.services.ranks import check_ranks
from leaderboard.services.scores import submit_score
from tests import exported
from tests.exported import MADE_AT, ada, import_rows
from tests.factories import UserFactory
from tests.rest import restore_boards

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = 3_600_000


@pytest.fixture(autouse=True)
def _boards(db: None) -> None:
    restore_boards()


def top(**args: Any) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = ask("leaderboard:getTop", {"level": 3.0, **args})
    return shown


def names(**args: Any) -> list[tuple[str, float]]:
    return [(each["username"], each["score"]) for each in top(**args)]


def submit(player: User, score: int, *, source: Source = Source.REFEREED, now: datetime) -> None:
    play = Play(score=score, accuracy=50, level=3, pages_completed=1)
    submit_score("solo:3", play=play, user_id=player.id, source=source, now=now)


class TestEntries:
    def test_are_shown_as_they_were(self, tmp_path: Path) -> None:
        report = import_rows(tmp_path, users=[exported.user()], leaderboard=[exported.entry()])

        assert "leaderboard: 1 taken, 0 there already, 0 refused" in report.lines
        (shown,) = top()
        assert shown.pop("_id")
        assert shown.pop("_creationTime") == int(MADE_AT)
        assert shown.pop("userId") == ask("users:current", caller=ada)["_id"]
        expected = exported.entry()
        assert shown == {name: expected[name] for name in shown}
        assert Entry.objects.get().source == Source.CLAIMED

    def test_arrive_on_open_boards(self, tmp_path: Path) -> None:
        with assert_live("leaderboard:getTop", {"level": 3.0}):
            import_rows(tmp_path, leaderboard=[exported.entry()])

    def test_have_the_ranks_that_they_had(self, tmp_path: Path) -> None:
        rows = [exported.entry(f"p{number}", score=float(number // 3)) for number in range(30)] + [
            exported.entry("ada", score=8.0)
        ]

        import_rows(tmp_path, leaderboard=rows)

        assert ask("leaderboard:getMyRank", {"level": 3.0}, caller=ada)["rank"] == 4
        assert all(check_ranks(board).is_right for board in LEVEL_OF_BOARD)

    def test_of_equals_show_the_earlier_first(self, tmp_path: Path) -> None:
        rows = [exported.entry(name, after=after) for name, after in (("b", 2), ("c", 3), ("a", 1))]

        import_rows(tmp_path, leaderboard=rows)

        assert [name for name, _ in names()] == ["a", "b", "c"]

    def test_are_the_best_of_each_player_and_board(self, tmp_path: Path) -> None:
        rows = [
            exported.entry(name="low", score=-5.0),
            exported.entry(name="late", score=90.0, after=2 * HOUR),
            exported.entry(name="early", score=90.0, after=HOUR),
            exported.entry(name="team", score=7.0, leaderboardType="coop", boardKey="coop"),
        ]

        import_rows(tmp_path, leaderboard=rows)

        (best,) = top()
        assert (best["score"], best["achievedAt"]) == (90, int(MADE_AT + HOUR))
        assert names(leaderboardType="coop") == [("ada", 7)]
        assert Attempt.objects.count() == 4

    def test_come_once(self, tmp_path: Path) -> None:
        rows = [exported.entry(), exported.entry(name="better", score=2000.0)]
        import_rows(tmp_path, leaderboard=rows)
        before = [list(kind.objects.order_by("id").values()) for kind in (Entry, Attempt)]

        report = import_rows(tmp_path, leaderboard=rows)

        assert "leaderboard: 0 taken, 2 there already, 0 refused" in report.lines
        after = [list(kind.objects.order_by("id").values()) for kind in (Entry, Attempt)]
        assert after == before

    def test_older_than_boards_belong_to_the_one_of_their_level(self, tmp_path: Path) -> None:
        old = exported.entry()
        del old["boardKey"], old["leaderboardType"]

        import_rows(tmp_path, leaderboard=[old])

        assert names() == [("ada", 1250)]

    def test_are_bounded_by_no_content_of_today(self, tmp_path: Path) -> None:
        set_bounds(lambda: {"solo:3": [0, 10]})

        report = import_rows(tmp_path, leaderboard=[exported.entry(score=99_999.0)])

        assert report.error == ""
        assert names() == [("ada", 99_999)]

    def test_rank_as_claims_do(self, tmp_path: Path, settings: Settings) -> None:
        settings.LEADERBOARD_RANKED_SOURCES = ["refereed"]

        import_rows(tmp_path, leaderboard=[exported.entry()])

        assert names() == []
        assert check_ranks("solo:3").is_right

    @pytest.mark.parametrize(
        ("changed", "why"),
        [
            ({"boardKey": "solo:9999", "level": 9999.0}, "There is no such leaderboard."),
            ({"boardKey": "solo:4"}, "level: Must be 4."),
            ({"score": {"$float": "AAAAAAAA8H8="}}, "score: Must be a whole number"),
            ({"score": 0.5}, "score: Must be a whole number"),
            ({"accuracy": 100.5}, "accuracy: Must be a number from 0 to 100."),
            ({"pagesCompleted": 101.0}, "pages_completed: Must be"),
            ({"achievedAt": -1.0}, "achievedAt: Must be a time"),
            ({"leaderboardType": "race"}, "Invalid enum value 'race'"),
            ({"clerkId": ""}, "It names nobody who could sign in."),
        ],
    )
    def test_are_possible(self, tmp_path: Path, changed: dict[str, Any], why: str) -> None:
        rows = [exported.entry("bob"), exported.entry(**changed)]

        report = import_rows(tmp_path, leaderboard=rows)

        (refused,) = [line for line in report.lines if line.startswith("leaderboard line 2: ")]
        assert why in refused
        assert report.error == "Rows refused: 1."
        assert names() == [("bob", 1250)]


class TestBesideWhatIsHere:
    @pytest.fixture
    def player(self, now: datetime) -> User:
        return players.ensure_user(ada, now=now)

    @pytest.mark.parametrize(("here", "shown"), [(1249, 1250), (1251, 1251)])
    def test_the_better_one_counts(
        self, tmp_path: Path, player: User, now: datetime, here: int, shown: int
    ) -> None:
        submit(player, here, now=now)

        import_rows(tmp_path, leaderboard=[exported.entry()])

        assert [score for _, score in names()] == [shown]
        assert check_ranks("solo:3").is_right

    def test_of_equals_the_earlier_one_counts(
        self, tmp_path: Path, player: User, now: datetime
    ) -> None:
        submit(player, 1250, now=now)

        import_rows(tmp_path, leaderboard=[exported.entry()])

        assert Entry.objects.get().achieved_at < now

    def test_one_is_fallen_back_to(self, tmp_path: Path, player: User, now: datetime) -> None:
        submit(player, 5000, now=now)
        import_rows(tmp_path, leaderboard=[exported.entry()])
        Attempt.objects.filter(score=5000).update(withdrawn=True)

        attempts.fall_back(Entry.objects.get())

        assert [score for _, score in names()] == [1250]

    def test_what_moderators_took_away_stays_away(self, tmp_path: Path) -> None:
        moderator = UserFactory.create(username="moderator", staff=True)
        rows = [exported.entry("ada"), exported.entry("bob")]
        import_rows(tmp_path, leaderboard=rows)
        hidden, deleted = (entry.id for entry in Entry.objects.order_by("user__subject"))
        moderation.hide_entries([hidden], reason="a bot", moderator_id=moderator.id)
        moderation.delete_entries([deleted], reason="a bot", moderator_id=moderator.id)

        better = exported.entry("ada", name="better", score=9999.0)
        import_rows(tmp_path, leaderboard=[*rows, better])

        assert names() == []
        assert Entry.objects.get().score == 9999

    def test_of_the_banned_are_suspended(self, tmp_path: Path, player: User, now: datetime) -> None:
        moderator = UserFactory.create(username="moderator", staff=True)
        bans.ban_user(player, reason="a bot", until=None, by=moderator, now=now)

        import_rows(tmp_path, leaderboard=[exported.entry()])
        assert names() == []

        bans.unban_user(player, reason="no bot", by=moderator, now=datetime.now(UTC))
        assert [score for _, score in names()] == [1250]
