"""What may be claimed on a board follows from the content of its level (DUST-LB-1)."""

from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from archives.models import Level, PageVariant
from archives.rules.scoring import solo_bound
from archives.services import contents
from archives.services.bounds import refresh_bounds
from leaderboard.models import Entry, ScoreBound
from tests.archives import documents
from tests.archives.playing import PROJECT, TRUE, play_through, seed_level, seed_variant
from tests.rest import restore_boards, submit, unspend_limits

pytestmark = pytest.mark.django_db

SEVEN = "abcdefgh"
"""The keys of a page with seven true sections and a false one."""
NINE = "abcdefghij"
BUNDLED = [0, 7, 14, 21, 28, 35]


@pytest.fixture(autouse=True)
def _boards(db: None) -> None:
    restore_boards()


def bounds(board: str = "solo:3") -> list[int]:
    """Return the bounds of a board's steps."""
    rows = ScoreBound.objects.filter(board_id=board).order_by("pages_completed")
    return list(rows.values_list("score", flat=True))


def points(*true_sections: int) -> list[int]:
    return [solo_bound(count) for count in true_sections]


class TestBounds:
    def test_are_none_without_levels(self, now: datetime) -> None:
        seed_variant(1, now=now)
        contents.upsert_level(documents.read_level(), now=now)
        contents.upsert_variant(documents.read_variant(), now=now)

        assert not ScoreBound.objects.exists()

    def test_are_what_clients_carry_themselves_at_least(self, now: datetime) -> None:
        seed_level(pages=2, now=now)

        assert bounds() == bounds("solo:7") == points(*BUNDLED)
        assert not bounds("coop")

    def test_take_the_pages_with_the_most_first(self, now: datetime) -> None:
        seed_level(pages=1, now=now)
        seed_variant(2, keys=NINE, now=now)
        seed_variant(3, keys=SEVEN, now=now)
        for page in range(4, 8):
            seed_variant(page, keys=NINE, now=now)

        assert bounds() == points(0, 9, 18, 27, 36, 45, 52, 55)
        assert bounds("solo:4") == points(*BUNDLED)

    def test_are_those_of_the_level_with_the_most(self, now: datetime) -> None:
        seed_level(pages=6, keys=SEVEN, now=now)
        other = documents.read_level(levelId="other", projectId=PROJECT, difficulty=3)
        contents.upsert_level(other, now=now)
        seed_variant(20, levelId="other", keys=NINE, now=now)

        assert bounds() == points(0, 9, 14, 21, 28, 35, 42)

    def test_count_what_can_be_played_alone(self, now: datetime) -> None:
        seed_level(pages=6, keys=SEVEN, now=now)
        seed_variant(7, alteredContent=" ", now=now)
        seed_variant(8, levelId="elsewhere", keys=NINE, now=now)

        assert bounds() == points(*BUNDLED, 42)

    def test_follow_every_change_of_content(self, now: datetime) -> None:
        seed_level(pages=6, keys=SEVEN, now=now)
        before = bounds()

        seed_variant(6, keys=NINE, now=now)
        more = bounds()
        seed_variant(6, levelId="elsewhere", keys=NINE, now=now)
        moved = bounds()
        level = documents.read_level(levelId=f"{PROJECT}_level_03", projectId=PROJECT, difficulty=4)
        contents.upsert_level(level, now=now)
        harder = bounds(), bounds("solo:4")
        contents.delete_rows(PageVariant.objects.all())

        assert before == points(*BUNDLED, 42)
        assert more == points(0, 9, 16, 23, 30, 37, 44)
        assert moved == points(*BUNDLED)
        assert harder == (points(*BUNDLED), points(*BUNDLED))
        assert not ScoreBound.objects.exists()

    def test_follow_a_level_that_goes(self, now: datetime) -> None:
        seed_level(pages=1, now=now)

        contents.delete_rows(Level.objects.all())

        assert not ScoreBound.objects.exists()

    def test_are_those_of_the_project_that_is_played(self, now: datetime, settings: Any) -> None:
        seed_level(pages=6, keys=SEVEN, now=now)
        settings.DUST_PROJECT = "another"

        assert refresh_bounds() == [f"solo:{level}" for level in sorted(range(1, 11), key=str)]
        assert refresh_bounds() == []
        assert not ScoreBound.objects.exists()


@pytest.mark.django_db(transaction=True)
class TestClaims:
    def test_d3_above_what_the_level_is_worth_are_refused(
        self, client: Client, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        unspend_limits(monkeypatch)
        restore_boards()
        seed_level(pages=6, keys=SEVEN, now=now)
        most = solo_bound(42)

        refused = submit(client, score=most + 1, pages_completed=6)
        race = submit(client, "bob", score=4000, pages_completed=5)
        taken = submit(client, score=most, pages_completed=6)

        assert (refused.status_code, refused.json()["code"]) == (400, "score_above_bound")
        assert refused.json()["fields"] == {
            "score": [f"Must be at most {most} with 6 pages completed."]
        }
        assert (race.status_code, taken.status_code) == (201, 201)

    def test_are_never_below_what_the_referee_gives(self, now: datetime) -> None:
        restore_boards()
        seed_level(pages=6, keys=NINE, now=now)
        right = [f"s{number}" for number in (1, *range(3, 11))]

        play_through(now=now, pages=[right] * 6)

        assert TRUE[0] in right
        assert Entry.objects.get().score <= bounds()[-1] == solo_bound(54)
