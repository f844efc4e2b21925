"""What is shown of content, and how little is read for it."""

import json
import random
from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from archives.errors import ContentNotFoundError, LevelNotFoundError, PageNotFoundError
from archives.models import CachedContent, Page, PageVariant
from archives.queries import contents as reading
from archives.queries import documents as stored
from archives.queries import levels, pages
from archives.queries.levels import LevelCount
from archives.rules import content as rules
from archives.services import contents
from dust.errors import ForbiddenError
from dust.ids import InvalidIdError
from tests.archives.documents import (
    PROJECT,
    read_content,
    read_level,
    read_page,
    read_variant,
)
from tests.factories import UserFactory, identity_of

pytestmark = pytest.mark.django_db

LEVEL = f"{PROJECT}_level_01"


def columns_read(queries: CaptureQueriesContext) -> str:
    return " ".join(query["sql"] for query in queries)


class TestLevels:
    def test_are_listed_by_difficulty_and_then_by_name_d28(self, now: datetime) -> None:
        for name, difficulty in [("c", 3), ("b", 1), ("a", 3), ("d", 2)]:
            contents.upsert_level(read_level(levelId=name, difficulty=difficulty), now=now)
        contents.upsert_level(read_level(levelId="e", projectId="swamp"), now=now)

        assert [level.level_id for level in levels.list_levels(PROJECT)] == ["b", "d", "a", "c"]

    def test_are_bounded_d23(self, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
        for number in range(3):
            contents.upsert_level(read_level(levelId=f"level-{number}"), now=now)
        monkeypatch.setattr(rules, "MAX_LEVELS_IN_PROJECT", 2)

        assert len(levels.list_levels(PROJECT)) == 2

    def test_are_found_by_project_and_name(self, now: datetime) -> None:
        contents.upsert_level(read_level(), now=now)

        assert levels.get_level(PROJECT, LEVEL).level_id == LEVEL
        assert levels.find_level("swamp", LEVEL) is None
        with pytest.raises(LevelNotFoundError):
            levels.get_level(PROJECT, "another")


def ingest(*places: tuple[str, str], now: datetime, **changed: Any) -> None:
    """Ingest a variant for each level and page."""
    for level, page in places:
        variant = read_variant(variantId=f"{level}:{page}", levelId=level, pageId=page, **changed)
        contents.upsert_variant(variant, now=now)


class TestCounts:
    def test_are_of_what_can_be_played(self, now: datetime) -> None:
        unassigned = f"{PROJECT}_unassigned"
        ingest((LEVEL, "a"), (LEVEL, "b"), (unassigned, "c"), now=now)
        ingest((LEVEL, "d"), ("empty", "a"), now=now, alteredContent=" ")
        ingest(("theirs", "a"), now=now, projectId="swamp")

        assert levels.count_valid(PROJECT) == [
            LevelCount(LEVEL, 2),
            LevelCount(unassigned, 1),
        ]
        assert levels.count_valid("nowhere") == []

    def test_read_no_body(
        self, now: datetime, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        ingest((LEVEL, "a"), (LEVEL, "b"), now=now)

        with django_assert_num_queries(1) as queries:
            levels.count_valid(PROJECT)

        for body in PageVariant.BODIES:
            assert body not in columns_read(queries)

    def test_need_nothing_but_an_index(self, now: datetime) -> None:
        for number in range(300):
            ingest((f"level-{number % 10}", f"page-{number}"), now=now)
        with CaptureQueriesContext(connection) as queries:
            levels.count_valid(PROJECT)
        [query] = queries

        with connection.cursor() as cursor:
            if connection.vendor != "postgresql":  # others look at rows, but not at their bodies
                cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
                assert "SCAN" not in str(cursor.fetchall())
                return
            cursor.execute("ANALYZE archives_pagevariant")
            cursor.execute("SET LOCAL enable_seqscan = off")  # which a table this small invites
            cursor.execute("SET LOCAL enable_bitmapscan = off")
            cursor.execute(f"EXPLAIN (FORMAT JSON) {query['sql']}")
            told = json.dumps(cursor.fetchall())
        assert "Index Only Scan" in told
        assert "archives_variant_valid" in told


class TestVariants:
    def test_are_listed_without_their_bodies(
        self, now: datetime, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        ingest(*((LEVEL, f"page-{number}") for number in range(3)), now=now)

        with django_assert_num_queries(2) as queries:
            first = pages.list_variants(PROJECT, LEVEL, limit=2)
            second = pages.list_variants(PROJECT, LEVEL, limit=2, cursor=first.next_cursor)

        assert [each.page_id for each in first.variants] == ["page-0", "page-1"]
        assert [each.page_id for each in second.variants] == ["page-2"]
        assert second.next_cursor is None
        for body in PageVariant.BODIES:
            assert body not in columns_read(queries)
        with pytest.raises(InvalidIdError):
            pages.list_variants(PROJECT, LEVEL, cursor="x")

    def test_are_whole_for_whoever_is_signed_in(self, now: datetime) -> None:
        ingest((LEVEL, "b"), (LEVEL, "a"), ("another", "a"), now=now)
        alice = identity_of(UserFactory.build(username="alice"))

        of_level = pages.list_whole_of_level(alice, LEVEL)
        of_page = pages.list_whole_of_page(alice, "a")

        assert [each.page_id for each in of_level] == ["b", "a"]
        assert all(each.fake_marks for each in of_level)
        assert [each.level_id for each in of_page] == [LEVEL, "another"]
        assert pages.list_whole_of_level(alice, "nowhere") == []

    def test_are_none_for_nobody_d20(self, now: datetime) -> None:
        ingest((LEVEL, "a"), now=now)

        assert pages.list_whole_of_level(None, LEVEL) == []
        assert pages.list_whole_of_page(None, "a") == []

    @pytest.mark.parametrize("described", [True, False])
    def test_are_those_of_the_project_whose_level_it_is(
        self, now: datetime, *, described: bool
    ) -> None:
        alice = identity_of(UserFactory.build(username="alice"))
        if described:
            contents.upsert_level(read_level(), now=now)
        ingest((LEVEL, "a"), now=now)
        contents.upsert_level(read_level(projectId="swamp"), now=now) if described else None
        theirs = read_variant(variantId="theirs", projectId="swamp")

        contents.upsert_variant(theirs, now=now)

        assert [each.project_id for each in pages.list_whole_of_level(alice, LEVEL)] == [PROJECT]

    def test_are_bounded_in_number_and_in_bytes_d23(
        self, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        alice = identity_of(UserFactory.build(username="alice"))
        ingest(*((LEVEL, f"page-{number}") for number in range(4)), now=now)
        size = PageVariant.objects.order_by("id").values_list("size", flat=True)[0]

        monkeypatch.setattr(rules, "MAX_LISTED", 3)
        assert len(pages.list_whole_of_level(alice, LEVEL)) == 3
        monkeypatch.setattr(rules, "MAX_LISTED_BYTES", 2 * size)
        assert [each.page_id for each in pages.list_whole_of_level(alice, LEVEL)] == [
            "page-0",
            "page-1",
        ]


class TestPages:
    def test_are_shown_without_their_bodies(
        self, now: datetime, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        contents.upsert_page(read_page(), now=now)

        with django_assert_num_queries(1) as queries:
            page = pages.get_page(PROJECT, "9f86d081884c7d65")

        assert page.title == "Lighthouses"
        for body in Page.BODIES:
            assert f'"{body}"' not in columns_read(queries)
        with pytest.raises(PageNotFoundError):
            pages.get_page("swamp", "9f86d081884c7d65")

    def test_are_whole_for_staff_alone(self, now: datetime) -> None:
        contents.upsert_page(read_page(title="first"), now=now)
        contents.upsert_page(read_page(title="second", projectId="swamp"), now=now)
        key = "9f86d081884c7d65"
        staff = UserFactory.create(username="staff", is_staff=True, is_superuser=True)
        alice = UserFactory.create(username="alice")

        found = pages.find_page(identity_of(staff), key)

        assert found is not None
        assert found.title == "second"
        assert pages.access_page(identity_of(staff), PROJECT, key).title == "first"
        assert pages.find_page(None, key) is None
        assert pages.find_page(identity_of(alice), key) is None
        with pytest.raises(ForbiddenError):
            pages.access_page(identity_of(alice), PROJECT, key)

    @pytest.mark.parametrize("state", ["is_active", "is_staff", "is_banned"])
    def test_are_shown_to_no_staff_that_is_kept_out(self, now: datetime, state: str) -> None:
        contents.upsert_page(read_page(), now=now)
        staff = UserFactory.create(
            username="staff",
            is_superuser=True,
            **{"is_staff": True, "is_active": True, "is_banned": False}
            | {state: state == "is_banned"},
        )

        assert pages.find_page(identity_of(staff), "9f86d081884c7d65") is None


class TestRandom:
    @pytest.fixture
    def shelf(self, now: datetime) -> dict[str, str]:
        """The ids of some pages: two easy ones, one hard one, and one of the demo."""
        kept = {}
        for key, kind, difficulty, is_demo in [
            ("easy", "news", 1, False),
            ("fair", "blog", 3, False),
            ("hard", "news", 9, False),
            ("demo", "news", 1, True),
        ]:
            content = read_content(key=key, isDemo=is_demo, contentType=kind, difficulty=difficulty)
            kept[key] = contents.save_content(content, now=now).row.public_id
        return kept

    def picks(self, **asked: Any) -> set[str]:
        """Return the keys of everything that chance may pick."""
        found = (
            reading.find_random(luck=random.Random(seed), **asked)  # noqa: S311 - a fixed one
            for seed in range(40)
        )
        return {"none" if each is None else each.key for each in found}

    def test_prefers_what_is_about_as_hard(self, shelf: dict[str, str]) -> None:
        assert self.picks(difficulty=1) == {"easy", "fair"}
        assert self.picks(difficulty=3) == {"easy", "fair"}
        assert self.picks(difficulty=5) == {"fair"}
        assert self.picks(difficulty=7) == {"hard"}

    def test_falls_back_on_all(self, shelf: dict[str, str]) -> None:
        assert self.picks(difficulty=6) == {"easy", "fair", "hard"}
        assert self.picks(difficulty=5, content_type="news") == {"easy", "hard"}

    def test_passes_over_what_was_seen(self, shelf: dict[str, str]) -> None:
        assert self.picks(difficulty=1, seen=[shelf["easy"]]) == {"fair"}
        assert self.picks(difficulty=1, seen=[shelf["easy"], shelf["fair"]]) == {"hard"}
        everything = list(shelf.values())
        assert self.picks(difficulty=1, seen=everything) == {"none"}
        with pytest.raises(ContentNotFoundError):
            reading.get_random(
                difficulty=1,
                content_type=None,
                seen=everything,
                luck=random.Random(1),  # noqa: S311 - a fixed one
            )

    def test_keeps_to_a_kind(self, shelf: dict[str, str]) -> None:
        assert self.picks(difficulty=3, content_type="blog") == {"fair"}
        assert self.picks(difficulty=3, content_type="wiki") == {"none"}

    def test_is_the_same_for_the_same_luck(self, shelf: dict[str, str]) -> None:
        def pick() -> CachedContent | None:
            luck = random.Random("luck")  # noqa: S311 - a fixed one
            return reading.find_random(difficulty=2, luck=luck)

        assert pick() == pick()

    def test_changes_no_pick_by_more_than_what_is_new(self, now: datetime) -> None:
        def picks() -> list[str]:
            found = (
                reading.find_random(difficulty=3, luck=random.Random(seed))  # noqa: S311
                for seed in range(50)
            )
            return [each.key for each in found if each]

        for number in range(4):
            contents.save_content(read_content(key=f"key-{number}"), now=now)
        before = picks()
        contents.save_content(read_content(key="new"), now=now)
        after = picks()

        assert len(set(before)) == 4
        assert all(new in {old, "new"} for old, new in zip(before, after, strict=True))

    def test_reads_one_body_at_most(
        self, shelf: dict[str, str], django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        luck = random.Random(1)  # noqa: S311 - a fixed one
        with django_assert_num_queries(2) as queries:
            reading.find_random(difficulty=3, luck=luck)
        assert '"content"' not in columns_read(queries)
        with django_assert_num_queries(2):
            found = reading.find_random(difficulty=3, luck=luck, with_bodies=True)
            assert found is not None
            assert found.content["sections"]


class TestDemo:
    def test_is_listed_in_its_order(self, now: datetime) -> None:
        for key, is_demo in [("b", True), ("a", True), ("c", False)]:
            contents.save_content(read_content(key=key, isDemo=is_demo), now=now)

        assert [each.key for each in reading.list_demo()] == ["b", "a"]
        assert [each.key for each in reading.list_demo(with_bodies=True)] == ["b", "a"]

    def test_is_bounded_d23(self, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
        for number in range(3):
            contents.save_content(read_content(key=f"key-{number}", isDemo=True), now=now)
        monkeypatch.setattr(rules, "MAX_LISTED", 2)

        assert len(reading.list_demo()) == 2
        assert len(reading.list_demo(with_bodies=True)) == 2


class TestExport:
    def test_holds_all_content_or_that_of_some_projects(
        self, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stored, "_READ_AT_ONCE", 2)
        ingest(*((LEVEL, f"page-{number}") for number in range(5)), now=now)
        contents.upsert_page(read_page(), now=now)
        contents.upsert_level(read_level(), now=now)
        contents.upsert_level(read_level(projectId="swamp"), now=now)
        contents.save_content(read_content(), now=now)

        rows = list(stored.export_rows())
        some = list(stored.export_rows([PROJECT]))

        assert [row["kind"] for row in rows] == [
            "page",
            "level",
            "level",
            *["variant"] * 5,
            "content",
        ]
        assert [row["pageId"] for row in rows if row["kind"] == "variant"] == [
            f"page-{number}" for number in range(5)
        ]
        assert [row["kind"] for row in some] == ["page", "level", *["variant"] * 5]
