from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, connections, transaction
from django.db.models import Count, Exists, F, OuterRef, Prefetch, Q, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import Length

from dust.livequery import changes
from dust.livequery.capture import reading, recording
from dust.livequery.errors import RawSqlInQueryError, WriteInQueryError
from dust.livequery.readset import MAX_PIN_VALUES, Pins, TableRead
from tests.livequery_app.models import Entry, Player, Team, TimedEntry
from tests.livequery_app.noticing import Side, is_touched, reads_of, writes_of

pytestmark = pytest.mark.django_db

ADA, BOB = UUID(int=1), UUID(int=2)


@pytest.fixture
def red() -> Side:
    return Side.create("red")


def pins_in(reads: list[TableRead], model: Any) -> list[Pins]:
    return [read.pins for read in reads if read.table == model._meta.db_table]


class TestPins:
    @pytest.mark.parametrize(
        ("condition", "pins"),
        [
            (Q(board="x"), {"board": {"x"}}),
            (Q(board__in=["x", "y"]), {"board": {"x", "y"}}),
            (Q(player=ADA), {"player_id": {ADA}}),
            (Q(player_id=str(ADA)), {"player_id": {ADA}}),
            (Q(player=Player(pk=ADA)), {"player_id": {ADA}}),
            (Q(player__in=[ADA, Player(pk=BOB)]), {"player_id": {ADA, BOB}}),
            (Q(player__pk=ADA), {"player_id": {ADA}}),
            (Q(pk="7"), {"id": {7}}),
            (Q(hidden=True), {"hidden": {True}}),
            (Q(hidden=False), {"hidden": {False}}),
            (Q(board="x", score=3), {"board": {"x"}, "score": {3}}),
            (Q(board="x") & Q(board__in=["x", "y"]), {"board": {"x"}}),
            (Q(board="x") | Q(board="y"), {"board": {"x", "y"}}),
            (Q(board="x", score=3) | Q(board="y"), {"board": {"x", "y"}}),
            (Q(board="x") | Q(score=3), {}),
            (Q(board="x") ^ Q(board="y"), {}),
            (~Q(board="x"), {}),
            (~Q(~Q(board="x")), {}),
            (Q(score__gt=3), {}),
            (Q(board__startswith="x"), {}),
            (Q(board__iexact="x"), {}),
            (Q(board=Value("x")), {}),
            (Q(score=F("double")), {}),
            (Q(board__in=[Value("x"), "y"]), {}),
            (Q(board__length=1), {}),
            (Q(extra__a=1), {}),
            (Q(double=2), {}),
            (Q(score__in=range(MAX_PIN_VALUES + 1)), {}),
            (Q(), {}),
        ],
    )
    def test_hold_what_the_condition_leaves(self, condition: Q, pins: dict[str, set[Any]]) -> None:
        queryset = Entry.objects.alias(board__length=Length("board")).filter(condition)

        assert pins_in(reads_of(lambda: list(queryset)), Entry) == [pins]

    def test_hold_null(self) -> None:
        assert pins_in(reads_of(lambda: list(Team.objects.filter(captain=None))), Team) == [
            {"captain_id": {None}}
        ]

    def test_do_not_hold_the_null_of_an_outer_join(self) -> None:
        reads = reads_of(lambda: list(Player.objects.filter(entries=None)))

        assert pins_in(reads, Entry) == [{}]

    def test_pass_over_joins(self) -> None:
        reads = reads_of(lambda: list(Entry.objects.filter(player__pk=ADA, player__name="a")))

        assert pins_in(reads, Entry) == [{"player_id": {ADA}}]
        assert pins_in(reads, Player) == [{"id": {ADA}, "name": {"a"}}]

    def test_pass_over_outer_joins_to_what_is_joined(self) -> None:
        reads = reads_of(lambda: list(Player.objects.filter(team=5).select_related("team")))

        assert pins_in(reads, Player) == [{"team_id": {5}}]
        assert pins_in(reads, Team) == [{"id": {5}}]

    def test_are_of_each_occurrence_of_a_table(self) -> None:
        reads = reads_of(lambda: list(Player.objects.filter(pk=ADA, fans__name="b")))

        assert pins_in(reads, Player) == [{"id": {ADA}}, {"name": {"b"}}]

    def test_of_having_are_none(self) -> None:
        boards = Entry.objects.values("board").annotate(n=Count("pk")).filter(n=2, board="x")

        assert pins_in(reads_of(lambda: list(boards)), Entry) == [{"board": {"x"}}]


class TestColumns:
    def test_are_those_that_the_statement_mentions(self) -> None:
        (read,) = reads_of(lambda: list(Entry.objects.filter(board="x").values("score")))

        assert read.columns is not None
        assert read.columns & {field.column for field in Entry._meta.fields} == {"board", "score"}

    def test_of_a_board_do_not_include_when_its_players_were_seen(self, red: Side) -> None:
        board = Entry.objects.filter(board="red").values("score", "player__name")
        reads = reads_of(lambda: list(board))

        seen = writes_of(lambda: Player.objects.update(last_seen="2026-03-14T00:00Z"))
        renamed = writes_of(lambda: Player.objects.update(name="new"))

        assert not is_touched(reads, seen)
        assert is_touched(reads, renamed)

    def test_of_an_outer_table_may_be_mentioned_by_a_subquery_alone(self, red: Side) -> None:
        equal = Entry.objects.filter(score=Length(OuterRef("motto"))).values("pk")
        query = Team.objects.filter(Exists(equal)).values_list("pk")

        writes = writes_of(lambda: Team.objects.update(motto="!"))

        assert is_touched(reads_of(lambda: list(query)), writes)

    def test_that_the_database_computes_change_with_others(self, red: Side) -> None:
        query = Entry.objects.filter(pk=red.entry.pk).values_list("double")

        writes = writes_of(lambda: Entry.objects.update(score=77))

        assert is_touched(reads_of(lambda: list(query)), writes)


class TestRecording:
    def test_records_an_equal_read_once(self, red: Side) -> None:
        assert len(reads_of(lambda: [Team.objects.get(pk=red.team.pk) for _ in range(3)])) == 1

    def test_records_every_part_of_prefetching(self, red: Side) -> None:
        players = Player.objects.filter(pk=red.captain.pk).prefetch_related(
            "fans", Prefetch("entries", Entry.objects.filter(hidden=False))
        )

        reads = reads_of(lambda: list(players))

        assert [read.table.removeprefix("livequery_app_") for read in reads] == [
            "player",
            "player",
            "player_fans",
            "entry",
        ]
        assert pins_in(reads, Entry) == [{"player_id": {red.captain.pk}, "hidden": {False}}]

    @pytest.mark.parametrize(
        "query",
        [
            lambda: list(Team.objects.none()),
            lambda: list(Team.objects.filter(pk__in=[])),
            lambda: Team.objects.filter(pk__in=[]).count(),
            lambda: list(Team.objects.filter(players__in=Player.objects.none())),
        ],
    )
    def test_leaves_out_what_is_empty_whatever_the_rows_say(self, query: Callable[[], Any]) -> None:
        assert reads_of(query) == []

    def test_leaves_out_an_empty_part_of_a_union(self) -> None:
        query = Entry.objects.filter(board="x").union(Entry.objects.filter(pk__in=[]))

        assert pins_in(reads_of(lambda: list(query)), Entry) == [{"board": {"x"}}]

    def test_keeps_what_was_read_before_an_error(self) -> None:
        with recording() as recorder, pytest.raises(Team.DoesNotExist):
            Team.objects.get(name="nobody's")

        assert pins_in(recorder.reads, Team) == [{"name": {"nobody's"}}]

    def test_tells_an_outer_recording(self) -> None:
        with recording() as outer, recording() as inner:
            Team.objects.filter(name="a").exists()

        assert outer.reads == inner.reads != []

    def test_is_over_afterwards(self, red: Side) -> None:
        with recording() as recorder:
            pass

        red.team.save()
        list(Team.objects.all())

        assert recorder.reads == []

    @pytest.mark.parametrize(
        "write",
        [
            lambda side: Team.objects.create(name="new"),
            lambda side: side.team.save(),
            lambda side: Team.objects.update(motto="new"),
            lambda side: Team.objects.filter(pk__in=[]).update(motto="new"),
            lambda side: side.team.delete(),
            lambda side: Team.objects.all()._raw_delete("default"),
            lambda side: side.captain.fans.add(side.captain),
            lambda side: Team.objects.get_or_create(name="new"),
            lambda side: changes.wrote(Team),
        ],
    )
    def test_refuses_writes(self, write: Callable[[Side], Any], red: Side) -> None:
        with pytest.raises(WriteInQueryError), transaction.atomic(), recording():
            write(red)

        assert not Team.objects.filter(Q(name="new") | Q(motto="new")).exists()
        assert Team.objects.count() == 1

    def test_lets_get_or_create_get(self, red: Side) -> None:
        with recording():
            assert Team.objects.get_or_create(name="red") == (red.team, False)

    def test_lets_savepoints_be(self, red: Side) -> None:
        with recording() as recorder, transaction.atomic():
            Team.objects.get(name="red")

        assert pins_in(recorder.reads, Team) == [{"name": {"red"}}]


class TestRawSql:
    @pytest.mark.parametrize(
        "query",
        [
            lambda: connection.cursor().execute("SELECT 1"),
            lambda: list(Team.objects.raw("SELECT id FROM livequery_app_team")),
            lambda: list(Team.objects.extra(where=["1 = 1"])),
            lambda: list(Team.objects.extra(select={"n": "(SELECT 1)"})),
            lambda: list(Team.objects.extra(tables=["livequery_app_player"])),
            lambda: list(Team.objects.annotate(n=RawSQL("SELECT 1", []))),
            lambda: list(Team.objects.filter(pk__in=RawSQL("SELECT 1", []))),
        ],
    )
    def test_must_be_declared(self, query: Callable[[], Any]) -> None:
        with recording() as recorder, pytest.raises(RawSqlInQueryError):
            query()

        with recording() as recorder, reading(Player):
            query()
        assert TableRead("livequery_app_player") in recorder.reads

    def test_is_known_by_its_declaration(self) -> None:
        with (
            recording() as recorder,
            reading(Entry, columns=["score"], board="x", player=[ADA, BOB]),
            reading(TimedEntry, pk=7),
        ):
            connection.cursor().execute("SELECT 1")

        assert recorder.reads == [
            TableRead(
                "livequery_app_entry",
                {"board": frozenset({"x"}), "player_id": frozenset({ADA, BOB})},
                frozenset({"board", "player_id", "score"}),
            ),
            TableRead("livequery_app_timedentry", {"entry_ptr_id": frozenset({7})}),
        ]

    def test_hides_which_columns_the_rest_of_its_statement_depends_on(self) -> None:
        with recording() as recorder, reading(Player):
            list(Team.objects.filter(name="a").extra(where=["motto = ''"]).values("pk"))

        assert recorder.reads[1] == TableRead("livequery_app_team", {"name": frozenset({"a"})})

    def test_is_refused_again_after_its_declaration(self) -> None:
        with recording():
            with reading(Player):
                pass

            with pytest.raises(RawSqlInQueryError):
                connection.cursor()

    def test_needs_no_declaration_elsewhere(self) -> None:
        with reading(Player), connection.cursor() as cursor:
            cursor.execute("SELECT 1")


class TestConnection:
    def test_may_be_opened_by_a_query(self) -> None:
        fresh = connections["default"].copy()

        with recording():
            fresh.ensure_connection()
            is_autocommit = fresh.get_autocommit()

        fresh.close()
        assert is_autocommit
