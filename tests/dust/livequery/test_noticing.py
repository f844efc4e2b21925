"""Every way to read, against every way to write."""

import copy
from functools import partial

import pytest
from django.db import transaction

from tests.livequery_app.every_read import LIMITED, UNLIMITED, Read
from tests.livequery_app.every_write import VAGUE, WRITES, Write
from tests.livequery_app.models import Entry, Player, Team, TimedEntry
from tests.livequery_app.noticing import Side, is_touched, result_and_reads, writes_of

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.livequery_app.urls")]

ALL: dict[str, Read] = LIMITED | UNLIMITED


@pytest.fixture
def red() -> Side:
    return Side.create("red")


@pytest.fixture
def blue() -> Side:
    return Side.create("blue")


class TestEveryWrite:
    @pytest.mark.parametrize("write", (WRITES | VAGUE).values(), ids=WRITES | VAGUE)
    def test_reaches_all_that_it_changes(self, write: Write, red: Side, blue: Side) -> None:
        before = {name: result_and_reads(partial(read, red)) for name, read in ALL.items()}

        writes = writes_of(lambda: write(copy.deepcopy(red)))

        after = {name: result_and_reads(partial(read, red)) for name, read in ALL.items()}
        changed = {name for name in ALL if before[name][0] != after[name][0]}
        assert changed
        assert changed <= {name for name in ALL if is_touched(before[name][1], writes)}

    @pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
    def test_reaches_nothing_that_is_limited_to_other_keys(
        self, write: Write, red: Side, blue: Side
    ) -> None:
        reads = {name: result_and_reads(partial(read, blue))[1] for name, read in LIMITED.items()}

        writes = writes_of(lambda: write(red))

        assert writes
        assert not {name for name in reads if is_touched(reads[name], writes)}

    def test_has_between_them_something_to_reach_for_every_read(self, red: Side) -> None:
        unchanged = ALL
        before = {name: result_and_reads(partial(read, red))[0] for name, read in unchanged.items()}

        for write in (WRITES | VAGUE).values():
            with transaction.atomic():
                write(copy.deepcopy(red))
                unchanged = {
                    name: read
                    for name, read in unchanged.items()
                    if result_and_reads(partial(read, red))[0] == before[name]
                }
                transaction.set_rollback(True)

        assert not unchanged


class TestUpdate:
    @pytest.fixture
    def entry(self) -> Entry:
        red = Team.objects.create(name="red")
        player = Player.objects.create(name="a", team=red, last_seen="2026-03-14T00:00Z")
        entry = Entry.objects.create(board="x", player=player, score=1)
        return Entry.objects.select_related("player").get(pk=entry.pk)

    def test_that_changes_nothing_is_no_write(self, entry: Entry) -> None:
        assert writes_of(entry.player.save) == ()
        assert writes_of(Team.objects.get().save) == ()
        assert writes_of(lambda: Entry.objects.update(score=1, hidden=False, board="x")) == ()

    def test_tells_which_columns_really_changed(self, entry: Entry) -> None:
        entry.player.name = "b"

        (write,) = writes_of(entry.player.save)

        assert write.columns == frozenset({"name"})

    def test_tells_the_keys_of_the_rows_that_really_changed(self, entry: Entry) -> None:
        other = Entry.objects.create(board="y", player=entry.player, score=2)

        (write,) = writes_of(lambda: Entry.objects.update(score=2))

        assert write.pins == {
            "id": {entry.pk},
            "board": {"x"},
            "player_id": {entry.player_id},
        }
        assert other.pk != entry.pk

    @pytest.mark.parametrize("value", [{"a": 1}, {}])
    def test_of_json_always_counts(self, entry: Entry, value: dict[str, int]) -> None:
        (write,) = writes_of(lambda: Entry.objects.update(extra=value))

        assert write.columns == frozenset({"extra", "double"})

    def test_writes_every_row_it_finds(self, entry: Entry) -> None:
        Player.objects.bulk_create(Player(name="many", team=entry.player.team) for _ in range(150))

        assert Player.objects.filter(name="many").update(name="more") == 150
        assert Player.objects.filter(name="more").count() == 150
        assert Player.objects.filter(name="more").delete()[0] == 150

    def test_answers_as_django_does(self, entry: Entry) -> None:
        TimedEntry.objects.create(board="y", player=entry.player, seconds=1)

        assert Entry.objects.filter(board="x").update(score=5) == 1
        assert Entry.objects.filter(board="z").update(score=5) == 0
        assert Entry.objects.filter(player__team__name="red").update(score=5) == 2
        assert TimedEntry.objects.update(seconds=5, score=5) == 1
        assert TimedEntry.objects.update(score=6) == 1
        assert Entry.objects.filter(board="z").delete()[0] == 0
        assert Entry.objects.filter(player__team__name="red", board="x").delete()[0] == 1
