"""Refereed runs begin: with which pages, and in place of which other game."""

from datetime import datetime

import pytest

from accounts.errors import AccountBannedError
from accounts.models import User
from archives.errors import InvalidRunError, NothingToPlayError, RunOverError
from archives.models import Archive, CachedContent, PageVariant, Run, RunPage
from archives.queries import places
from archives.queries import runs as showing
from archives.queries.places import Place
from archives.rules import runs as rules
from archives.rules.playable import is_winnable
from archives.rules.runs import Mode
from archives.services import contents
from gamesessions.models import GameSession
from gamesessions.services import sessions
from leaderboard.models import Attempt, Entry
from tests.archives.playing import (
    LEVEL,
    TRUE,
    alice,
    archive,
    bob,
    go_on,
    here,
    page_of,
    run_of,
    seconds,
    seed_contents,
    seed_level,
    seed_variant,
    start,
    truths,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("boards")]


class TestStart:
    def test_begins_a_refereed_session_and_its_first_page(
        self, place: Place, now: datetime
    ) -> None:
        session, run = GameSession.objects.get(), Run.objects.get()
        assert (session.refereed, session.status, session.level) == (True, "active", LEVEL)
        assert (session.user.subject, session.score) == ("alice", 0)
        assert (run.session, run.mode, run.level, run.status) == (
            session,
            "level",
            LEVEL,
            "started",
        )
        assert (run.page_count, run.page_number, run.ended_at) == (2, 1, None)
        first, second = RunPage.objects.order_by("number")
        assert (first.started_at, first.level, first.fate) == (now, LEVEL, "")
        assert (second.started_at, second.level) == (None, None)
        assert place.page == first

    def test_copies_every_valid_variant_in_its_order(self, now: datetime) -> None:
        seed_level(pages=3, now=now)
        seed_variant(9, alteredContent="  ", now=now)
        seed_level(4, now=now)

        start(now=now)

        names = [page.content["id"] for page in RunPage.objects.order_by("number")]
        assert names == ["3-1", "3-2", "3-3"]

    def test_gives_sections_ids_that_tell_only_their_place(self, place: Place) -> None:
        page = page_of(place)

        assert [section["id"] for section in page.content["sections"]] == ["s1", "s2", "s3", "s4"]
        assert truths(page) == TRUE

    def test_makes_every_page_winnable_d27(self, now: datetime) -> None:
        seed_level(pages=0, now=now)
        seed_variant(1, alteredContent="<h1>All is well.</h1><img src='i.png'>", now=now)
        seed_variant(2, alteredContent="x", now=now)

        start(now=now)

        pages = [places.content_of(page) for page in RunPage.objects.all()]
        assert len(pages) == 2
        assert all(map(is_winnable, pages))

    @pytest.mark.parametrize("mode", Mode)
    def test_is_refused_if_there_is_nothing_to_play(self, now: datetime, mode: Mode) -> None:
        seed_level(4, now=now)
        seed_level(3, pages=0, now=now)
        level = LEVEL if mode is Mode.LEVEL else None

        with pytest.raises(NothingToPlayError):
            start(mode=mode, level=level, now=now)

        assert not GameSession.objects.exists()

    @pytest.mark.parametrize(
        ("mode", "level", "limit"),
        [
            (Mode.LEVEL, None, "Say which."),
            (Mode.LEVEL, 0, "Must be a whole number from 1 to 10."),
            (Mode.LEVEL, 11, "Must be a whole number from 1 to 10."),
            (Mode.QUICK, 11, "Must be a whole number from 1 to 10."),
            (Mode.DEMO, 1, "The demo has none."),
        ],
    )
    def test_is_refused_for_a_level_that_cannot_be(
        self, now: datetime, mode: Mode, level: int | None, limit: str
    ) -> None:
        with pytest.raises(InvalidRunError) as refused:
            start(mode=mode, level=level, now=now)

        assert refused.value.fields == {"level": [limit]}

    def test_abandons_the_run_before_and_keeps_what_was_archived_in_it(
        self, place: Place, now: datetime
    ) -> None:
        archive(place, now=now)

        second = start(now=now + seconds(60))

        first = here(place.run.session_id)
        assert (first.run.status, first.session.status) == ("abandoned", "abandoned")
        assert first.run.ended_at == now + seconds(60)
        assert Archive.objects.get().session_id == place.run.session_id
        assert run_of(second).status == "started"
        assert not Entry.objects.exists()

    def test_is_abandoned_for_any_other_game(self, place: Place, now: datetime) -> None:
        sessions.create_session(alice, now=now + seconds(1))

        assert run_of(place).status == "abandoned"
        with pytest.raises(RunOverError):
            archive(place, now=now + seconds(2))
        assert not Archive.objects.exists()

    def test_leaves_the_runs_of_others(self, place: Place, now: datetime) -> None:
        start(bob, now=now)

        assert run_of(place).status == "started"

    def test_is_not_for_the_banned(self, place: Place, now: datetime) -> None:
        User.objects.update(is_banned=True)

        with pytest.raises(AccountBannedError):
            start(now=now)
        with pytest.raises(AccountBannedError):
            archive(place, now=now)


class TestShortRuns:
    def test_of_the_demo_have_its_pages_in_order(self, now: datetime) -> None:
        seed_contents(6, is_demo=True, now=now)
        seed_contents(3, is_demo=False, now=now)

        place = start(mode=Mode.DEMO, level=None, now=now)

        names = [page.content["id"] for page in RunPage.objects.order_by("number")]
        assert names == [f"demo-1-{number}" for number in range(5)]
        assert (place.run.level, place.session.level) == (None, 1)

    def test_of_quick_play_have_five_pages_about_as_hard_and_none_twice(
        self, now: datetime
    ) -> None:
        seed_contents(9, is_demo=False, difficulty=6, now=now)
        seed_contents(9, is_demo=False, difficulty=1, now=now)
        seed_contents(2, is_demo=True, now=now)
        drawn = []

        for seed in range(4):
            place = start(mode=Mode.QUICK, level=5, seed=seed, now=now)
            pages = RunPage.objects.filter(run=place.run).order_by("number")
            drawn.append([page.content["id"] for page in pages])
            assert (place.run.level, place.session.level) == (5, 1)

        assert all(len(set(names)) == 5 for names in drawn)
        assert all(name.startswith("cached-6") for names in drawn for name in names)
        assert len({*map(tuple, drawn)}) > 1

    def test_of_quick_play_make_do_with_what_there_is(self, now: datetime) -> None:
        seed_contents(2, is_demo=False, now=now)

        assert start(mode=Mode.QUICK, level=None, now=now).run.page_count == 2

    @pytest.mark.parametrize("mode", [Mode.QUICK, Mode.DEMO])
    def test_d28_never_stand_on_a_board(self, now: datetime, mode: Mode) -> None:
        """DUST-SO-1 wants it too."""
        seed_contents(5, is_demo=mode is Mode.DEMO, now=now)

        place = start(mode=mode, level=None, now=now)
        levels = []
        for number in range(5):
            place = go_on(place, now=now) if number else place
            levels.append(place.page and place.page.level)
            place = archive(place, ["s1", "s3"], now=now)

        run, session = run_of(place), place.session
        assert (run.status, run.board_status) == ("finished", "")
        assert (session.status, session.level, session.pages_completed) == ("completed", 3, 5)
        assert levels == [1, 1, 1, 2, 3]
        assert Archive.objects.get().total_items == 10
        assert not Entry.objects.exists()
        assert not Attempt.objects.exists()


class TestContent:
    def test_of_a_run_stays_what_it_was(self, place: Place, now: datetime) -> None:
        before = showing.access_run(alice, place.run.session_id, now=now)

        seed_variant(1, keys="b", now=now + seconds(1))
        seed_variant(2, keys="ab", now=now + seconds(1))
        contents.delete_rows(PageVariant.objects.all())
        CachedContent.objects.all().delete()

        assert showing.access_run(alice, place.run.session_id, now=now) == before
        place = go_on(archive(place, now=now), now=now)
        assert archive(place, now=now).run.status == "finished"

    def test_is_bounded_by_what_one_archive_can_hold(self, now: datetime) -> None:
        many = "acdefghijklmnopqrstuvwxyzACDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        seed_level(pages=12, keys=f"{many}b", now=now)

        place = start(now=now)

        assert place.run.page_count == 500 // len(many)

    def test_is_at_most_a_hundred_pages(
        self, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rules, "MAX_PAGES", 3)
        seed_level(pages=4, keys="ab", now=now)

        assert start(now=now).run.page_count == 3

    def test_has_at_most_so_many_bytes(
        self, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seed_level(pages=4, now=now)
        start(now=now)
        size = RunPage.objects.values_list("size", flat=True)[0]
        monkeypatch.setattr(rules, "MAX_PAGES_BYTES", 2 * size + 100)

        assert start(now=now).run.page_count == 2
