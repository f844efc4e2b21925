"""Pages: live, without gaps, whatever comes and goes between them (PLAT-D3)."""

from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dust.livequery.errors import InvalidArgumentsError
from dust.livequery.live import Client
from dust.livequery.pagination import InvalidCursorError
from dust.livequery.registry import Kind, find_function
from dust.livequery.testing import LocalEngine, RecordingDoor, ask
from tests.livequery_app.models import Entry, Player

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = find_function("test:page", kind=Kind.QUERY)


def score(*scores: int, board: str = "solo") -> None:
    for number in scores:
        player = Player.objects.create(name=str(number))
        Entry.objects.create(board=board, player=player, score=number)


def read(cursor: str | None = None, *, items: float = 3, board: str = "solo", **opts: Any) -> Any:
    return ask("test:page", arguments(cursor, items=items, board=board, **opts))


def arguments(
    cursor: str | None = None, *, items: float = 3, board: str = "solo", **opts: Any
) -> dict[str, Any]:
    opts = {"numItems": items, "cursor": cursor, **opts}
    return {"name": board, "paginationOpts": opts}


class Reader:
    """A client that shows a list as ``usePaginatedQuery`` does: one subscription a page."""

    def __init__(self, engine: LocalEngine) -> None:
        self.engine = engine
        self.door = RecordingDoor()
        self.client: Client = engine.connect(self.door)
        self.pages: list[int] = []

    def load_more(self, items: int) -> None:
        cursor = self.latest(self.pages[-1])["continueCursor"] if self.pages else None
        self.pages.append(self.client.subscribe(PAGE, arguments(cursor, items=items)))
        self.engine.settle()

    def latest(self, page: int) -> Any:
        return self.door.latest(page).value

    @property
    def shown(self) -> list[int]:
        return [item for page in self.pages for item in self.latest(page)["page"]]

    @property
    def is_done(self) -> bool:
        return bool(self.latest(self.pages[-1])["isDone"])


@pytest.fixture
def engine(transactional_db: None) -> Iterator[LocalEngine]:
    engine = LocalEngine()
    yield engine
    engine.close()


class TestOnce:
    def test_follow_each_other_to_the_end(self) -> None:
        score(5, 4, 4, 4, 3, 2, 1)
        score(9, board="other")

        first = read()
        second = read(first["continueCursor"])
        third = read(second["continueCursor"])

        assert first["page"] + second["page"] + third["page"] == [5, 4, 4, 4, 3, 2, 1]
        assert [page["isDone"] for page in (first, second, third)] == [False, False, True]

    def test_end_of_an_exact_number_is_known(self) -> None:
        score(2, 1)

        assert read(items=2)["isDone"]

    def test_behind_the_end_are_empty(self) -> None:
        score(1)
        end = read()["continueCursor"]

        assert read(end) == {
            "page": [],
            "isDone": True,
            "continueCursor": end,
            "splitCursor": None,
            "pageStatus": None,
        }

    def test_end_where_they_are_told_to(self) -> None:
        score(6, 5, 4, 3, 2, 1)
        end = read(items=4)["continueCursor"]

        page = read(items=1, endCursor=end)

        assert page["page"] == [6, 5, 4, 3]
        assert page["continueCursor"] == end

    def test_can_be_parted_in_the_middle(self) -> None:
        score(6, 5, 4, 3, 2, 1)
        whole = read(items=6)

        first = read(endCursor=whole["splitCursor"])
        second = read(whole["splitCursor"], endCursor=whole["continueCursor"])

        assert first["page"] + second["page"] == whole["page"]
        assert first["page"]
        assert second["page"]

    def test_are_cut_off_at_the_most_rows_that_may_be_read(self) -> None:
        score(6, 5, 4, 3, 2, 1)
        end = read(items=6)["continueCursor"]

        page = read(endCursor=end, maximumRowsRead=4)

        assert page["page"] == [6, 5, 4, 3]
        assert page["pageStatus"] == "SplitRequired"
        assert page["splitCursor"]

    @pytest.mark.parametrize("items", [0, -1, 32_001])
    def test_of_an_impossible_length_are_refused(self, items: float) -> None:
        with pytest.raises(InvalidArgumentsError, match="numItems"):
            read(items=items)

    @pytest.mark.parametrize("cursor", ["", "!", "AAAA", "é", "gaJhYg"])
    def test_refuse_what_is_no_cursor(self, cursor: str) -> None:
        with pytest.raises(InvalidCursorError, match=r"^InvalidCursor") as caught:
            read(cursor)

        told = {"isConvexSystemError": True, "paginationError": "InvalidCursor"}
        assert caught.value.data == told

    def test_refuse_another_querys_cursor(self) -> None:
        score(3, 2, 1)

        with pytest.raises(InvalidCursorError):
            read(read(items=1)["continueCursor"], board="other")


class TestLive:
    def test_keep_their_ends_when_rows_come_and_go(self, engine: LocalEngine) -> None:
        score(60, 50, 40, 30, 20, 10)
        reader = Reader(engine)
        reader.load_more(3)
        reader.load_more(3)

        score(55, 45, 35, 5)
        Entry.objects.filter(score=60).delete()
        engine.settle()

        assert reader.latest(reader.pages[0])["page"] == [55, 50, 45, 40]
        assert reader.latest(reader.pages[1])["page"] == [35, 30, 20, 10, 5]
        assert reader.is_done

    def test_are_shared_by_nobody_who_begins_anew(self, engine: LocalEngine) -> None:
        score(6, 5, 4)
        old = Reader(engine)
        old.load_more(2)
        score(9, 8, 7)
        engine.settle()

        new = Reader(engine)
        new.load_more(2)

        assert old.shown == [9, 8, 7, 6, 5]
        assert new.shown == [9, 8]

    def test_go_on_from_their_journal(self, engine: LocalEngine) -> None:
        score(6, 5, 4)
        before = Reader(engine)
        before.load_more(2)
        journal = before.door.latest(before.pages[0]).journal
        before.client.close()
        score(9, 8, 7)

        again = Reader(engine)
        again.pages = [again.client.subscribe(PAGE, arguments(items=2), journal=journal)]
        engine.settle()

        assert again.shown == [9, 8, 7, 6, 5]

    @given(data=st.data())
    @hypothesis.settings(max_examples=15, deadline=None)
    def test_neither_repeat_nor_lose_a_row(self, data: Any) -> None:
        Entry.objects.all().delete()
        engine = LocalEngine()
        try:
            score(*data.draw(st.lists(st.integers(0, 20), max_size=12)))
            reader = Reader(engine)
            reader.load_more(data.draw(st.integers(1, 4)))
            for _ in range(data.draw(st.integers(1, 8))):
                self._step(reader, data)
                expected = Entry.objects.order_by("-score", "-pk").values_list("score", flat=True)
                shown = reader.shown
                assert shown == list(expected)[: len(shown)]
                assert len(shown) == len(expected) or not reader.is_done
        finally:
            engine.close()

    @staticmethod
    def _step(reader: Reader, data: Any) -> None:
        match data.draw(st.sampled_from(["more", "insert", "delete", "move"])):
            case "more" if not reader.is_done:
                reader.load_more(data.draw(st.integers(1, 4)))
            case "insert":
                score(data.draw(st.integers(0, 20)))
            case "delete":
                Entry.objects.filter(score=data.draw(st.integers(0, 20))).delete()
            case "move":
                entries = Entry.objects.filter(score=data.draw(st.integers(0, 20)))
                entries.update(score=data.draw(st.integers(0, 20)))
            case _:
                pass
        reader.engine.settle()
