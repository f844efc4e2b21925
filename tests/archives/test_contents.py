"""Content is written whole or not at all, and the same again changes nothing."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from archives.errors import (
    DocumentTooLargeError,
    InvalidContentError,
    NoRoomError,
    VariantTakenError,
)
from archives.models import CachedContent, Level, Page, PageVariant
from archives.queries import documents as stored
from archives.queries.levels import count_valid
from archives.rules import content as rules
from archives.services import contents
from archives.services.contents import Kept, Outcome
from dust.livequery.testing import Watch, assert_live
from dust.livequery.writing import run_write
from tests.archives import documents
from tests.archives.documents import (
    PROJECT,
    mark,
    read_content,
    read_level,
    read_page,
    read_variant,
    section,
)

pytestmark = pytest.mark.django_db

LEVEL = f"{PROJECT}_level_01"

Keep = Callable[..., Kept[Any]]

KINDS: dict[str, tuple[Keep, Callable[..., Any], type[Any], dict[str, Any]]] = {
    # how it is kept, made and stored, and what is to be different in its second edition
    "page": (contents.upsert_page, read_page, Page, {"title": "Deserts"}),
    "level": (contents.upsert_level, read_level, Level, {"difficulty": 7}),
    "variant": (contents.upsert_variant, read_variant, PageVariant, {"alteredContent": "[]"}),
    "content": (contents.save_content, read_content, CachedContent, {"title": "Deserts"}),
}


@pytest.mark.parametrize("kind", KINDS)
class TestEveryKind:
    def test_is_created_once_and_then_left_alone(self, kind: str, now: datetime) -> None:
        keep, make, model, _ = KINDS[kind]
        first = keep(make(), now=now)
        before = model.objects.values().get()

        again = keep(make(), now=now + timedelta(days=1))

        assert (first.outcome, again.outcome) == (Outcome.CREATED, Outcome.UNCHANGED)
        assert model.objects.values().get() == before
        assert (before["created_at"], before["updated_at"]) == (now, now)

    def test_is_replaced_by_a_newer_edition(self, kind: str, now: datetime) -> None:
        keep, make, model, changed = KINDS[kind]
        first = keep(make(), now=now).row

        later = keep(make(**changed), now=now + timedelta(days=1))

        row = model.objects.get()
        assert later.outcome is Outcome.UPDATED
        assert row.id == first.id
        assert (row.created_at, row.updated_at) == (now, now + timedelta(days=1))

    def test_is_not_half_written(self, kind: str, now: datetime) -> None:
        keep, make, model, _ = KINDS[kind]
        name = "key" if kind == "content" else "projectId"

        with pytest.raises(InvalidContentError):
            keep(make(**{name: " "}), now=now)

        assert not model.objects.exists()

    def test_is_written_without_what_stays_the_same(self, kind: str, now: datetime) -> None:
        keep, make, model, changed = KINDS[kind]
        keep(make(), now=now)
        row = model.objects.get()
        untouched = {
            name: value
            for name, value in model.objects.values().get().items()
            if name not in {"updated_at", "size", "content", *row.BODIES}
        }

        keep(make(**changed), now=now + timedelta(days=1))

        later = model.objects.values().get()
        differ = {name for name in untouched if later[name] != untouched[name]}
        assert differ <= {"title", "difficulty"}


class TestPages:
    def test_hold_what_was_ingested(self, now: datetime) -> None:
        row = contents.upsert_page(read_page(), now=now).row

        row.refresh_from_db()
        assert stored.page_document(row) == documents.page()
        assert row.element_count == 2
        assert row.size > len(row.html)

    def test_of_two_projects_may_have_the_same_address_d22(self, now: datetime) -> None:
        ours = contents.upsert_page(read_page(title="ours"), now=now)
        theirs = contents.upsert_page(read_page(title="theirs", projectId="swamp"), now=now)

        assert (ours.outcome, theirs.outcome) == (Outcome.CREATED, Outcome.CREATED)
        assert set(Page.objects.values_list("project_id", "title")) == {
            (PROJECT, "ours"),
            ("swamp", "theirs"),
        }

    def test_are_so_many_in_a_project_and_no_more_d23(
        self, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rules, "MAX_PAGES_IN_PROJECT", 2)
        contents.upsert_page(read_page(pageId="a"), now=now)
        contents.upsert_page(read_page(pageId="b"), now=now)

        with pytest.raises(NoRoomError) as refused:
            contents.upsert_page(read_page(pageId="c"), now=now)

        assert refused.value.fields == {"document": ["There are 2 pages already."]}
        contents.upsert_page(read_page(pageId="b", title="a new title"), now=now)
        contents.upsert_page(read_page(pageId="c", projectId="swamp"), now=now)
        assert Page.objects.count() == 3


class TestLevels:
    def test_hold_what_was_ingested(self, now: datetime) -> None:
        row = contents.upsert_level(read_level(), now=now).row

        row.refresh_from_db()
        assert stored.level_document(row) == documents.level()
        assert row.page_count == 1

    def test_of_two_projects_may_have_the_same_name(self, now: datetime) -> None:
        contents.upsert_level(read_level(), now=now)

        kept = contents.upsert_level(read_level(projectId="swamp"), now=now)

        assert kept.outcome is Outcome.CREATED
        assert Level.objects.count() == 2

    def test_are_so_many_in_a_project_and_no_more_d23(
        self, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rules, "MAX_LEVELS_IN_PROJECT", 1)
        contents.upsert_level(read_level(), now=now)

        with pytest.raises(NoRoomError):
            contents.upsert_level(read_level(levelId="another"), now=now)


class TestVariants:
    def test_hold_what_was_ingested(self, now: datetime) -> None:
        row = contents.upsert_variant(read_variant(), now=now).row

        row.refresh_from_db()
        assert stored.variant_document(row) == documents.variant()
        assert (row.is_valid, row.mark_count) == (True, 1)

    def test_are_valid_if_there_is_anything_in_them(self, now: datetime) -> None:
        row = contents.upsert_variant(read_variant(alteredContent=" \n"), now=now).row
        assert not row.is_valid

        assert contents.upsert_variant(read_variant(), now=now).row.is_valid

    def test_make_no_level_longer_when_they_come_again_d21(self, now: datetime) -> None:
        def ingest(run: str) -> list[str]:
            for page in ("a", "b", "c"):
                variant = read_variant(
                    variantId=f"{run}-{page}", pageId=page, alteredContent=f"<p>{run}</p>"
                )
                contents.upsert_variant(variant, now=now)
            return list(PageVariant.objects.order_by("id").values_list("page_id", flat=True))

        first = ingest("monday")
        second = ingest("tuesday")

        assert first == second == ["a", "b", "c"]
        names = PageVariant.objects.order_by("id").values_list("variant_id", flat=True)
        assert list(names) == ["tuesday-a", "tuesday-b", "tuesday-c"]
        assert [(each.level_id, each.valid_variants) for each in count_valid(PROJECT)] == [
            (LEVEL, 3)
        ]

    def test_of_the_same_name_move_to_where_they_belong_now(self, now: datetime) -> None:
        first = contents.upsert_variant(read_variant(), now=now).row

        moved = contents.upsert_variant(read_variant(levelId="another"), now=now)

        assert (moved.row.id, moved.outcome) == (first.id, Outcome.UPDATED)
        assert PageVariant.objects.get().level_id == "another"

    def test_leave_nothing_where_they_were_when_they_replace_another(self, now: datetime) -> None:
        contents.upsert_variant(read_variant(variantId="old", levelId="another"), now=now)
        contents.upsert_variant(read_variant(variantId="moving"), now=now)

        contents.upsert_variant(read_variant(variantId="moving", levelId="another"), now=now)

        assert list(PageVariant.objects.values_list("variant_id", "level_id")) == [
            ("moving", "another")
        ]

    def test_cannot_be_taken_from_another_project(self, now: datetime) -> None:
        contents.upsert_variant(read_variant(), now=now)

        with pytest.raises(VariantTakenError):
            contents.upsert_variant(read_variant(projectId="swamp"), now=now)

        assert PageVariant.objects.get().project_id == PROJECT

    def test_are_so_many_on_a_level_and_no_more_d23(
        self, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rules, "MAX_VARIANTS_IN_LEVEL", 1)
        contents.upsert_variant(read_variant(), now=now)

        with pytest.raises(NoRoomError):
            contents.upsert_variant(read_variant(variantId="b", pageId="b"), now=now)

        contents.upsert_variant(read_variant(variantId="b"), now=now)
        contents.upsert_variant(read_variant(variantId="c", levelId="another"), now=now)
        with pytest.raises(NoRoomError):
            contents.upsert_variant(read_variant(variantId="c", pageId="c", levelId=LEVEL), now=now)
        assert PageVariant.objects.count() == 2


class TestPlayablePages:
    def test_hold_what_was_shipped(self, now: datetime) -> None:
        row = contents.save_content(read_content(isDemo=True), now=now).row

        row.refresh_from_db()
        assert stored.content_document(row) == documents.content(isDemo=True)
        assert (row.content_type, row.difficulty, row.section_count) == ("news", 3, 3)
        assert (row.title, row.is_demo) == ("A lighthouse in the desert", True)

    def test_are_no_larger_than_a_quarter_of_a_mebibyte(self, now: datetime) -> None:
        sections = [section(1, text="x" * 256 * 1024), section(2, isTrue=False)]

        with pytest.raises(DocumentTooLargeError):
            contents.save_content(read_content(sections=sections), now=now)

        assert not CachedContent.objects.exists()

    def test_are_so_many_and_no_more_d23(
        self, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rules, "MAX_CONTENTS", 1)
        contents.save_content(read_content(), now=now)

        with pytest.raises(NoRoomError):
            contents.save_content(read_content(key="another"), now=now)


class TestDatabase:
    """The limits hold for whoever does not come through the services, too."""

    @pytest.mark.parametrize(
        ("kind", "column", "value"),
        [
            ("page", "size", 1024 * 1024 + 1),
            ("page", "element_count", 8193),
            ("level", "difficulty", 11),
            ("level", "difficulty", 0),
            ("level", "page_count", 501),
            ("level", "fake_rate", 1.01),
            ("level", "subtlety", -0.01),
            ("level", "max_fake_spans", 0),
            ("variant", "difficulty", 11),
            ("variant", "mark_count", 0),
            ("variant", "mark_count", 65),
            ("content", "difficulty", 0),
            ("content", "section_count", 0),
            ("content", "content_type", "poem"),
            ("content", "size", 256 * 1024 + 1),
        ],
    )
    def test_refuses_what_is_out_of_bounds(
        self, kind: str, column: str, value: Any, now: datetime
    ) -> None:
        keep, make, model, _ = KINDS[kind]
        keep(make(), now=now)

        with pytest.raises(IntegrityError), transaction.atomic():
            model.objects.update(**{column: value})

    @pytest.mark.parametrize("kind", KINDS)
    def test_refuses_a_second_of_a_name(self, kind: str, now: datetime) -> None:
        keep, make, _, _ = KINDS[kind]
        row = keep(make(), now=now).row
        row.pk = None
        row.id = type(row)().id

        with pytest.raises(IntegrityError), transaction.atomic():
            row.save(force_insert=True)


class TestDeleting:
    @pytest.mark.parametrize("kind", KINDS)
    def test_takes_what_was_chosen(self, kind: str, now: datetime) -> None:
        keep, make, model, _ = KINDS[kind]
        keep(make(), now=now)

        assert contents.delete_rows(model.objects.all()) == 1

        assert not model.objects.exists()


class TestChanges:
    """Whatever depends on content hears of every change in one place."""

    def test_are_told_once_for_each_row_that_differs(
        self, now: datetime, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level("INFO", logger="archives"):
            contents.upsert_variant(read_variant(variantId="old", levelId="another"), now=now)
            contents.upsert_variant(read_variant(variantId="moving"), now=now)
            contents.upsert_variant(read_variant(variantId="moving"), now=now)
            contents.upsert_variant(read_variant(variantId="moving", levelId="another"), now=now)
            contents.delete_rows(PageVariant.objects.all())

        told = [record.__dict__["what"] for record in caplog.records]
        assert told == ["created", "created", "deleted", "updated", "deleted"]
        assert {record.__dict__["project"] for record in caplog.records} == {PROJECT}


@pytest.mark.django_db(transaction=True)
class TestLiveness:
    def test_of_levels_and_counts_is_by_project(self, now: datetime) -> None:
        elsewhere = Watch("levels:getByProject", {"projectId": "swamp"})

        with assert_live("levels:getByProject", {"projectId": PROJECT}):
            contents.upsert_level(read_level(), now=now)
        with assert_live(
            "pageVariants:countValidByProject", {"projectId": PROJECT}, bystanders=(elsewhere,)
        ):
            contents.upsert_variant(read_variant(), now=now)

    def test_of_counts_follows_validity(self, now: datetime) -> None:
        contents.upsert_variant(read_variant(), now=now)

        with assert_live("pageVariants:countValidByProject", {"projectId": PROJECT}):
            contents.upsert_variant(read_variant(alteredContent=""), now=now)

    def test_of_levels_ends_with_them(self, now: datetime) -> None:
        contents.upsert_level(read_level(), now=now)

        with assert_live("levels:getByProject", {"projectId": PROJECT}):
            contents.delete_rows(Level.objects.all())

    def test_leaves_counts_alone_where_only_bodies_change(self, now: datetime) -> None:
        contents.upsert_variant(read_variant(), now=now)
        counts = Watch("pageVariants:countValidByProject", {"projectId": PROJECT})
        levels = Watch("levels:getByProject", {"projectId": PROJECT})

        with assert_live("cachedContent:getDemo", bystanders=(counts, levels)):
            contents.save_content(read_content(isDemo=True), now=now)
            changed = read_variant(alteredContent="<p>Another lie.</p>", fakeMarks=[mark()])
            contents.upsert_variant(changed, now=now)


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_one_row_comes_of_many_that_are_the_same(self, now: datetime) -> None:
        def ingest(number: int) -> str:
            variant = read_variant(variantId=f"run-{number}", alteredContent=f"<p>{number}</p>")
            try:
                written = run_write(
                    lambda: contents.upsert_variant(variant, now=now).outcome, name="test"
                )
            finally:
                connection.close()
            return str(written.value)

        with ThreadPoolExecutor(4) as pool:
            outcomes = list(pool.map(ingest, range(12)))

        row = PageVariant.objects.get()
        assert outcomes.count("created") == 1
        assert outcomes.count("updated") == 11
        assert row.altered_content == f"<p>{row.variant_id.removeprefix('run-')}</p>"
