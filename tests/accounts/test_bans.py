"""Bans: who is kept out, where, until when, and what of theirs is seen meanwhile."""

from datetime import datetime, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from pytest_django import DjangoAssertNumQueries

from accounts import queries
from accounts.errors import (
    AccountBannedError,
    AccountDisabledError,
    InvalidBanError,
    NotBannedError,
    StaffAccountError,
)
from accounts.models import Ban, User
from accounts.services import bans, players
from dust.livequery.models import Job
from dust.livequery.testing import Watch, assert_live, run_jobs
from leaderboard.models import Entry
from leaderboard.queries.ranks import get_rank
from leaderboard.rules import Play, Source
from leaderboard.services import moderation
from leaderboard.services.scores import submit_score
from tests.factories import EntryFactory, UserFactory, identity_of
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


def is_banned(user: User) -> bool:
    return User.objects.get(id=user.id).is_banned


class TestBanUser:
    def test_keeps_the_player_out_and_says_why(
        self, alice: User, moderator: User, now: datetime
    ) -> None:
        ban(alice, moderator, now, until=now + timedelta(days=1))

        alice.refresh_from_db()
        imposed = Ban.objects.get()
        assert alice.is_banned
        assert (imposed.user, imposed.reason, imposed.banned_by) == (alice, "a bot", moderator)
        assert (imposed.banned_at, imposed.until) == (now, now + timedelta(days=1))
        profile = queries.get_profile(identity_of(alice))
        assert profile.ban
        assert profile.ban.reason == "a bot"

    def test_is_in_the_admins_log(self, alice: User, moderator: User, now: datetime) -> None:
        ban(alice, moderator, now, until=now + timedelta(days=1))
        bans.unban_user(alice, reason="not a bot", by=moderator, now=now)
        ban(alice, moderator, now)

        log = LogEntry.objects.filter(user=moderator, object_id=str(alice.id)).order_by("id")
        assert [line.get_change_message() for line in log] == [
            "Banned until 2026-03-15 15:09 UTC: a bot",
            "No longer banned: not a bot",
            "Banned for good: a bot",
        ]

    def test_replaces_the_ban_in_force(self, alice: User, moderator: User, now: datetime) -> None:
        first = ban(alice, moderator, now, until=now + timedelta(days=1))
        bans.ban_user(alice, reason="worse", until=None, by=moderator, now=now)

        first.refresh_from_db()
        assert (first.lifted_at, first.lifted_reason) == (now, "Replaced: worse")
        assert Ban.objects.filter(lifted_at__isnull=True).get().reason == "worse"
        run_jobs(now=now + timedelta(days=2))
        alice.refresh_from_db()
        assert alice.is_banned

    @pytest.mark.parametrize(
        ("reason", "minutes", "fields"),
        [
            ("", 5, {"reason"}),
            (" \u200b ", 5, {"reason"}),
            ("x" * 201, 5, {"reason"}),
            ("a bot", 0, {"until"}),
            ("", -5, {"reason", "until"}),
        ],
    )
    def test_needs_a_reason_and_an_end_to_come(
        self,
        alice: User,
        moderator: User,
        now: datetime,
        reason: str,
        minutes: int,
        fields: set[str],
    ) -> None:
        until = now + timedelta(minutes=minutes)

        with pytest.raises(InvalidBanError) as refusal:
            bans.ban_user(alice, reason=reason, until=until, by=moderator, now=now)

        assert refusal.value.fields.keys() == fields
        assert not Ban.objects.exists()

    def test_is_not_for_staff(self, moderator: User, now: datetime) -> None:
        root = UserFactory.create(username="root", staff=True)

        with pytest.raises(StaffAccountError):
            ban(root, moderator, now)

        assert not LogEntry.objects.exists()


class TestUnbanUser:
    def test_lets_the_player_in_again(self, alice: User, moderator: User, now: datetime) -> None:
        imposed = ban(alice, moderator, now, until=now + timedelta(days=1))

        bans.unban_user(alice, reason="not a bot", by=moderator, now=now)

        alice.refresh_from_db()
        imposed.refresh_from_db()
        assert not alice.is_banned
        assert (imposed.lifted_at, imposed.lifted_by, imposed.lifted_reason) == (
            now,
            moderator,
            "not a bot",
        )
        assert imposed.job
        assert Job.objects.get(pk=imposed.job).state == "canceled"

    def test_needs_a_ban(self, alice: User, moderator: User, now: datetime) -> None:
        with pytest.raises(NotBannedError):
            bans.unban_user(alice, reason="why not", by=moderator, now=now)

    def test_needs_a_reason(self, alice: User, moderator: User, now: datetime) -> None:
        ban(alice, moderator, now)

        with pytest.raises(InvalidBanError):
            bans.unban_user(alice, reason=" ", by=moderator, now=now)


class TestExpiry:
    def test_lets_the_player_in_again_at_its_time_and_not_before(
        self, alice: User, moderator: User, now: datetime
    ) -> None:
        EntryFactory.create(user=alice, board__key=BOARD)
        imposed = ban(alice, moderator, now, until=now + timedelta(hours=1))

        run_jobs(now=now + timedelta(minutes=59))
        assert is_banned(alice)

        run_jobs(now=now + timedelta(hours=1))
        imposed.refresh_from_db()
        assert not is_banned(alice)
        assert (imposed.lifted_at, imposed.lifted_by) == (now + timedelta(hours=1), None)
        assert get_rank(BOARD, 0) == 2

    def test_comes_even_if_the_job_for_it_has_failed(
        self, alice: User, moderator: User, now: datetime
    ) -> None:
        ban(alice, moderator, now, until=now + timedelta(hours=1))
        for_good = UserFactory.create()
        ban(for_good, moderator, now)
        Job.objects.filter(path=bans.EXPIRE).update(state="failed")

        run_jobs(now=now + timedelta(minutes=59))
        assert is_banned(alice)

        run_jobs(now=now + timedelta(hours=2))
        assert not is_banned(alice)
        assert is_banned(for_good)

    def test_of_a_ban_that_was_lifted_does_nothing(
        self, alice: User, moderator: User, now: datetime
    ) -> None:
        imposed = ban(alice, moderator, now, until=now + timedelta(hours=1))
        bans.unban_user(alice, reason="not a bot", by=moderator, now=now)
        ban(alice, moderator, now)

        assert not bans.expire_ban(imposed.id, now=now + timedelta(hours=1))

        alice.refresh_from_db()
        assert alice.is_banned


class TestRefusal:
    def test_is_of_every_read_and_write_for_the_player(
        self, alice: User, moderator: User, now: datetime
    ) -> None:
        ban(alice, moderator, now)
        caller = identity_of(alice)

        for refused in (
            lambda: queries.find_player_key(caller),
            lambda: queries.find_player(caller),
            lambda: players.ensure_user(caller, now=now),
            lambda: players.ensure_user_key(caller, now=now),
        ):
            with pytest.raises(AccountBannedError):
                refused()

    def test_is_also_of_disabled_accounts(self, alice: User) -> None:
        User.objects.update(is_active=False)

        with pytest.raises(AccountDisabledError):
            queries.find_player_key(identity_of(alice))

    def test_costs_one_query_and_another_for_who_has_no_row(
        self, alice: User, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        stranger = identity_of(UserFactory.build(username="stranger"))

        with django_assert_num_queries(1):
            assert queries.find_player_key(identity_of(alice)) == alice.id
        with django_assert_num_queries(2):
            assert queries.find_player_key(stranger) is None
        assert queries.find_player_key(None) is None

    @pytest.mark.parametrize("path", ["leaderboard:me", "leaderboard:around"])
    def test_reaches_the_players_open_queries_and_nobody_elses(
        self, alice: User, moderator: User, now: datetime, path: str
    ) -> None:
        EntryFactory.create(user=alice, board__key=BOARD)
        bob = EntryFactory.create(board__key="solo:4").user
        others = (
            Watch(path, {"board": "solo:4"}, caller=identity_of(bob)),
            Watch("leaderboard:top", {"board": "solo:4"}),
        )
        mine = (path, {"board": BOARD})

        with assert_live(*mine, caller=identity_of(alice), bystanders=others):
            ban(alice, moderator, now)
        with assert_live(*mine, caller=identity_of(alice), bystanders=others):
            bans.unban_user(alice, reason="not a bot", by=moderator, now=now)


class TestBoards:
    @pytest.fixture
    def entries(self, alice: User) -> list[Entry]:
        return [
            EntryFactory.create(user=alice, board__key=key, score=50) for key in (BOARD, "coop")
        ]

    def test_lose_a_banned_player_and_get_them_back(
        self, alice: User, moderator: User, entries: list[Entry], now: datetime
    ) -> None:
        top = ("leaderboard:top", {"board": BOARD})

        with assert_live(*top):
            ban(alice, moderator, now)
        assert (get_rank(BOARD, 0), get_rank("coop", 0)) == (1, 1)
        assert not Entry.objects.listed().exists()

        with assert_live(*top):
            bans.unban_user(alice, reason="not a bot", by=moderator, now=now)
        assert (get_rank(BOARD, 0), get_rank("coop", 0)) == (2, 2)

    def test_keep_hidden_what_a_moderator_has_hidden(
        self, alice: User, moderator: User, entries: list[Entry], now: datetime
    ) -> None:
        moderation.hide_entries([entries[0].id], reason="odd", moderator_id=moderator.id)
        ban(alice, moderator, now)
        moderation.hide_entries([entries[1].id], reason="odd too", moderator_id=moderator.id)
        moderation.unhide_entries([entries[0].id], reason="fine", moderator_id=moderator.id)

        bans.unban_user(alice, reason="not a bot", by=moderator, now=now)

        listed = Entry.objects.listed().values_list("board_id", flat=True)
        assert list(listed) == [BOARD]
        assert (get_rank(BOARD, 0), get_rank("coop", 0)) == (2, 1)

    def test_do_not_show_what_a_banned_player_wins_in_a_match(
        self, alice: User, moderator: User, now: datetime
    ) -> None:
        ban(alice, moderator, now)

        submitted = submit_score(BOARD, play=PLAY, user_id=alice.id, source=Source.MATCH, now=now)

        assert submitted.best.suspended
        assert get_rank(BOARD, 0) == 1
        bans.unban_user(alice, reason="not a bot", by=moderator, now=now)
        assert get_rank(BOARD, 0) == 2
