"""Content and archives that come along from Convex."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from archives.models import Archive, CachedContent, Level, Page, PageVariant
from archives.services import contents
from dust import ids
from dust.livequery.testing import ask, assert_live
from leaderboard.models import ScoreBound
from tests import exported
from tests.archives import documents
from tests.archives.documents import PROJECT
from tests.exported import MADE_AT, Json, Report, ada, bob, import_rows
from tests.rest import restore_boards

pytestmark = pytest.mark.django_db(transaction=True)

LEVEL = f"{PROJECT}_level_01"
HOUR = 3_600_000


def page(name: str = "a", *, after: float = 0, **changed: Any) -> Json:
    return exported.document("pages", name, after=after, **documents.page(**changed))


def level(name: str = "a", *, after: float = 0, **changed: Any) -> Json:
    return exported.document("levels", name, after=after, **documents.level(**changed))


def variant(name: str = "a", *, after: float = 0, **changed: Any) -> Json:
    return exported.document("pageVariants", name, after=after, **documents.variant(**changed))


def content(name: str = "a", *, after: float = 0, **changed: Any) -> Json:
    stated = {
        "content": json.dumps(documents.playable()),
        "contentType": "news",
        "createdAt": MADE_AT + after,
        "difficulty": 3.0,
        "isDemo": True,
    }
    return exported.document("cachedContent", name, after=after, **{**stated, **changed})


def counts(report: Report, table: str) -> str:
    (line,) = [line for line in report.lines if line.startswith(f"{table}: ")]
    return line.removeprefix(f"{table}: ")


def variants(**of: Any) -> list[str]:
    found = ask("pageVariants:getByLevelId", {"levelId": LEVEL, **of}, caller=ada)
    return [each["variantId"] for each in found]


class TestContent:
    def test_is_what_it_was(self, tmp_path: Path) -> None:
        report = import_rows(
            tmp_path,
            pages=[page()],
            levels=[level()],
            pageVariants=[variant()],
            cachedContent=[content()],
        )

        assert report.error == ""
        assert {counts(report, name) for name in ("pages", "levels", "pageVariants")} == {
            "1 taken, 0 there already, 0 refused"
        }
        assert [kind.objects.count() for kind in (Page, Level, PageVariant, CachedContent)] == [
            *(1, 1, 1, 1)
        ]
        (shown,) = ask("pageVariants:getByLevelId", {"levelId": LEVEL}, caller=ada)
        given = variant()
        assert {name: shown[name] for name in given if name[0] != "_"} == documents.variant()
        (demo,) = ask("cachedContent:getDemo")
        assert demo["content"]["title"] == "A lighthouse in the desert"

    def test_keeps_the_time_it_was_made(self, tmp_path: Path) -> None:
        import_rows(tmp_path, levels=[level()], cachedContent=[content(after=HOUR)])

        (shown,) = ask("levels:getByProject", {"projectId": PROJECT})
        assert shown["_creationTime"] == pytest.approx(MADE_AT, abs=0.001)
        (demo,) = ask("cachedContent:getDemo")
        assert demo["_creationTime"] == demo["createdAt"]
        assert demo["createdAt"] == pytest.approx(MADE_AT + HOUR, abs=0.001)

    def test_stands_in_the_order_in_which_it_was_made(self, tmp_path: Path) -> None:
        rows = [
            variant(f"{at}", after=at, variantId=f"variant{at}", pageId=f"page{at}")
            for at in (2, 0, 3, 1)
        ]

        import_rows(tmp_path, pageVariants=rows)

        assert variants() == ["variant0", "variant1", "variant2", "variant3"]

    def test_comes_once(self, tmp_path: Path) -> None:
        def rows() -> list[list[Any]]:
            kinds: list[Any] = [Page, Level, PageVariant, CachedContent]
            return [list(kind.objects.order_by("id").values()) for kind in kinds]

        tables = {
            "pages": [page()],
            "levels": [level()],
            "pageVariants": [variant("old", after=-HOUR), variant()],
            "cachedContent": [content("old", after=-HOUR), content()],
        }
        import_rows(tmp_path, **tables)
        before = rows()

        report = import_rows(tmp_path, **tables)

        assert counts(report, "pageVariants") == "0 taken, 2 there already, 0 refused"
        assert rows() == before

    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
    def test_d21_is_the_newest_of_each_page_on_a_level(
        self, tmp_path: Path, order: tuple[int, ...]
    ) -> None:
        rows = [variant(f"{at}", after=at * HOUR, variantId=f"variant{at}") for at in order]

        import_rows(tmp_path, pageVariants=rows)

        assert variants() == ["variant2"]

    def test_that_changed_there_since_changes_here(self, tmp_path: Path) -> None:
        import_rows(tmp_path, pages=[page()])

        report = import_rows(tmp_path, pages=[page(title="Rebuilt")])

        assert counts(report, "pages") == "1 taken, 0 there already, 0 refused"
        assert Page.objects.get().title == "Rebuilt"

    def test_that_was_written_here_stays(self, tmp_path: Path) -> None:
        contents.upsert_page(documents.read_page(title="Ours"), now=datetime.now(UTC))

        report = import_rows(tmp_path, pages=[page(title="Theirs")])

        assert counts(report, "pages") == "0 taken, 1 there already, 0 refused"
        assert Page.objects.get().title == "Ours"

    def test_reaches_whoever_watches(self, tmp_path: Path) -> None:
        with assert_live("pageVariants:countValidByProject", {"projectId": PROJECT}):
            import_rows(tmp_path, pageVariants=[variant()])

    def test_bounds_what_may_be_claimed(self, tmp_path: Path, settings: Settings) -> None:
        restore_boards()
        settings.DUST_PROJECT = PROJECT

        import_rows(tmp_path, levels=[level()], pageVariants=[variant()])

        assert ScoreBound.objects.filter(board="solo:1").exists()

    @pytest.mark.parametrize(
        ("table", "row", "why"),
        [
            ("pages", page(pageId="no name"), "pageId: Must be 1 to 128 letters"),
            ("pages", page(pageId="nul\0"), "pageId: Must be 1 to 128 letters"),
            ("pages", page(html="x" * 2**20), "Must have at most 1048576 bytes"),
            ("pages", page(html="x\0"), "html: Must not hold a NUL."),
            ("levels", level(difficulty=11), "Expected `float` <= 10"),
            ("levels", level(colour="red"), "Object contains unknown field `colour`."),
            ("pageVariants", variant(fakeMarks=[]), "Expected `array` of length >= 1"),
            ("pageVariants", variant(fakeMarks=[documents.mark(snippet=" ")]), "fakeMarks.0.sn"),
            ("cachedContent", content(content="{"), "content: Must be JSON."),
            ("cachedContent", content(difficulty=4.0), "content: Must be of the kind"),
            ("cachedContent", content(content="[" * 9999), "content: Must be JSON."),
        ],
    )
    def test_is_refused_if_it_is_not_good(
        self, tmp_path: Path, table: str, row: Json, why: str
    ) -> None:
        report = import_rows(tmp_path, **{table: [row]})

        (refused,) = [line for line in report.lines if line.startswith(f"{table} line 1: refused.")]
        assert why in refused
        assert report.error == "Rows refused: 1."


class TestArchives:
    def test_are_as_they_were(self, tmp_path: Path) -> None:
        report = import_rows(
            tmp_path, gameSessions=[exported.session()], archives=[exported.archive()]
        )

        assert counts(report, "archives") == "1 taken, 0 there already, 0 refused"
        (shown,) = ask("archives:getUserArchive", caller=ada)
        expected = exported.archive()
        same = ("userId", "items", "totalItems", "correctItems", "savedAt")
        assert {name: shown[name] for name in same} == {name: expected[name] for name in same}
        assert shown["_creationTime"] == pytest.approx(MADE_AT, abs=1)

    def test_belong_to_the_game_that_they_belonged_to(self, tmp_path: Path) -> None:
        names = ["first", "second", "third"]
        import_rows(
            tmp_path,
            gameSessions=[exported.session(name, score=float(at)) for at, name in enumerate(names)],
            archives=[
                exported.archive(sessionId=exported.old_id("gameSessions", "second")),
            ],
        )

        assert Archive.objects.get().session.score == 1

    def test_stand_in_the_order_in_which_they_were_made(self, tmp_path: Path) -> None:
        hours = (2, 0, 3, 1)
        import_rows(
            tmp_path,
            gameSessions=[exported.session(f"{at}", after=at * HOUR) for at in hours],
            archives=[
                exported.archive(
                    f"{at}", after=at * HOUR, sessionId=exported.old_id("gameSessions", f"{at}")
                )
                for at in hours
            ],
        )

        shown = ask("archives:getUserArchive", caller=ada)
        times = [each["savedAt"] for each in shown]
        assert times == [int(MADE_AT + at * HOUR) for at in (3, 2, 1, 0)]
        assert [ids.made_at(row.id) for row in Archive.objects.order_by("id")] == [
            datetime.fromtimestamp(int(MADE_AT + at * HOUR) / 1000, UTC) for at in range(4)
        ]

    @pytest.mark.parametrize("order", [(0, 1), (1, 0)])
    def test_are_the_last_of_each_game(self, tmp_path: Path, order: tuple[int, ...]) -> None:
        rows = [
            exported.archive(f"{at}", after=at * HOUR, items=exported.archive()["items"][at:])
            for at in order
        ]
        tables = {"gameSessions": [exported.session()], "archives": rows}

        import_rows(tmp_path, **tables)
        again = import_rows(tmp_path, **tables)

        assert counts(again, "archives") == "0 taken, 2 there already, 0 refused"
        (shown,) = ask("archives:getUserArchive", caller=ada)
        assert (shown["totalItems"], shown["savedAt"]) == (1, int(MADE_AT + HOUR))

    def test_d7_are_of_ones_own_games(self, tmp_path: Path) -> None:
        report = import_rows(
            tmp_path, gameSessions=[exported.session()], archives=[exported.archive(of="bob")]
        )

        assert "sessionId: The player has no such game here." in " ".join(report.lines)
        assert ask("archives:getUserArchive", caller=bob) == []
        assert not Archive.objects.exists()

    @pytest.mark.parametrize(
        ("changed", "why"),
        [
            ({"sessionId": "first"}, "This is not an id"),
            ({"items": [documents.item(level=3.5)]}, "Expected `float` that's a multiple of 1.0"),
            ({"items": [documents.item(sectionText="x\0")]}, "Must not hold a NUL."),
            ({"items": [documents.item()] * 501}, "Expected `array` of length <= 500"),
            ({"savedAt": -1.0}, "savedAt: Must be a time"),
        ],
    )
    def test_are_possible(self, tmp_path: Path, changed: Json, why: str) -> None:
        rows = [exported.archive("odd", **changed), exported.archive()]

        report = import_rows(tmp_path, gameSessions=[exported.session()], archives=rows)

        assert why in next(line for line in report.lines if line.startswith("archives line 1:"))
        assert report.error == "Rows refused: 1."
        assert Archive.objects.get().total_items == 2
