"""Every way to read, as queries about the rows of one side."""

from collections.abc import Callable
from typing import Any

from django.db import connection
from django.db.models import (
    Case,
    Count,
    Exists,
    FilteredRelation,
    OuterRef,
    Prefetch,
    Q,
    Subquery,
    Sum,
    When,
    Window,
)
from django.db.models.expressions import RawSQL
from django.db.models.functions import Rank, Upper

from dust.livequery.capture import reading
from tests.livequery_app.models import Entry, Player, Team, TimedEntry
from tests.livequery_app.noticing import Side

Read = Callable[[Side], Any]


def rows(queryset: Any) -> list[Any]:
    """Return what a client would see of the rows."""
    return list(queryset.values())


def raw_count(side: Side) -> Any:
    with reading(Entry, columns=["id"], board=side.board), connection.cursor() as cursor:
        cursor.execute("SELECT count(id) FROM livequery_app_entry WHERE board = %s", [side.board])
        return cursor.fetchone()


def refreshed(side: Side) -> Any:
    entry = Entry(pk=side.entry.pk)
    entry.refresh_from_db()
    return entry.board, entry.score


def followed(side: Side) -> Any:
    entry = Entry.objects.get(pk=side.entry.pk)
    return entry.player.name


def with_relations(side: Side) -> Any:
    entries = Entry.objects.filter(player=side.captain).select_related("player")
    return [(entry.score, entry.player.name) for entry in entries]


def prefetched(side: Side) -> Any:
    players = Player.objects.filter(team=side.team).prefetch_related(
        "fans", Prefetch("entries", Entry.objects.filter(hidden=False))
    )
    return [
        (player.name, *player.fans.all(), *map(repr, player.entries.all())) for player in players
    ]


def entries(side: Side, which: str = "") -> Any:
    return Entry.objects.filter(board=f"{side.board}{which}")


def with_raw_sql(side: Side) -> Any:
    with reading(Player):
        names = "SELECT max(name) FROM livequery_app_player"
        return rows(Team.objects.filter(pk=side.team.pk).annotate(last=RawSQL(names, [])))  # noqa: S611


LIMITED: dict[str, Read] = {
    "iteration": lambda side: [(entry.pk, entry.score) for entry in entries(side)],
    "get": lambda side: Player.objects.get(pk=side.captain.pk).name,
    "get by unique columns": lambda side: (
        Entry.objects.get(board=side.board, player=side.captain).score
    ),
    "count": lambda side: entries(side).count(),
    "exists": lambda side: entries(side).filter(score__gt=1).exists(),
    "aggregate": lambda side: entries(side).aggregate(Sum("score")),
    "aggregate over a subquery": lambda side: (
        entries(side).distinct()[:3].aggregate(total=Sum("score"))
    ),
    "slice": lambda side: rows(entries(side).order_by("-score")[:2]),
    "first": lambda side: repr(side.captain.entries.order_by("score").first()),
    "latest": lambda side: entries(side).latest("score").score,
    "earliest date": lambda side: list(
        Player.objects.filter(team=side.team).datetimes("last_seen", "day")
    ),
    "foreign key of another": lambda side: rows(Team.objects.filter(captain=side.captain)),
    "foreign key": lambda side: Team.objects.get(pk=side.team.pk).captain_id,
    "foreign key followed": followed,
    "reverse foreign key": lambda side: rows(side.team.players.order_by("name")),
    "select_related": with_relations,
    "values": lambda side: list(entries(side).values("score", "hidden")),
    "values of a relation": lambda side: list(
        Player.objects.filter(team=side.team).order_by("name").values("name", "team__name")
    ),
    "distinct values": lambda side: list(entries(side).values_list("score").distinct()),
    "group by": lambda side: list(
        side.captain.entries.values("hidden").annotate(n=Count("pk")).order_by("hidden")
    ),
    "having": lambda side: list(
        side.captain.entries.values("board").annotate(n=Sum("score")).filter(n__gt=3)
    ),
    "window": lambda side: list(
        entries(side).annotate(place=Window(Rank(), order_by="-score")).values("place", "score")
    ),
    "window filtered": lambda side: list(
        entries(side)
        .annotate(place=Window(Rank(), order_by="-score"))
        .filter(place=1)
        .values("score")
    ),
    "case": lambda side: list(
        entries(side).annotate(high=Case(When(score__gt=5, then=1), default=0)).values("high")
    ),
    "function": lambda side: list(
        Player.objects.filter(pk=side.captain.pk).values_list(Upper("name"))
    ),
    "generated column": lambda side: list(entries(side).values_list("double")),
    "union": lambda side: list(
        entries(side).values_list("score").union(side.captain.entries.values_list("score"))
    ),
    "in_bulk": lambda side: Player.objects.in_bulk([side.captain.pk, side.fan.pk]),
    "contains": lambda side: entries(side).contains(side.entry),
    "iterator": lambda side: [entry.score for entry in entries(side).iterator(chunk_size=1)],
    "refresh_from_db": refreshed,
    "several keys": lambda side: rows(
        Entry.objects.filter(board__in=[side.board, f"{side.board} timed"]).order_by("pk")
    ),
    "either key": lambda side: rows(
        Entry.objects.filter(Q(board=side.board) | Q(board=f"{side.board} timed")).order_by("pk")
    ),
    "a key that nothing has so far": lambda side: entries(side, " moved").count(),
    "a key in capitals": lambda side: Entry.objects.filter(board=side.board.upper()).count(),
    "a row without a parent": lambda side: Player.objects.filter(team=None, pk=side.fan.pk).count(),
    "multi-table child alone": lambda side: list(
        TimedEntry.objects.filter(pk=side.timed.pk).values_list("seconds")
    ),
    "multi-table child": lambda side: TimedEntry.objects.get(pk=side.timed.pk).score,
    "raw SQL": raw_count,
}
"""Reads of one side's rows, each limited to it in every table."""

UNLIMITED: dict[str, Read] = {
    "prefetch_related": prefetched,
    "many to many": lambda side: rows(side.captain.fans.order_by("name")),
    "many to many backwards": lambda side: rows(side.team.seen.order_by("pk")),
    "exists subquery": lambda side: list(
        Player.objects.filter(
            Exists(Entry.objects.filter(player=OuterRef("pk"), board=side.board))
        ).values_list("name")
    ),
    "scalar subquery": lambda side: list(
        Player.objects.annotate(
            best=Subquery(
                Entry.objects.filter(player=OuterRef("pk")).order_by("-score").values("score")[:1]
            )
        )
        .order_by("name")
        .values_list("name", "best")
    ),
    "in subquery": lambda side: list(
        Team.objects.filter(players__in=Player.objects.filter(entries__board=side.board))
    ),
    "join": lambda side: rows(Entry.objects.filter(player__team__name=side.team.name)),
    "left join": lambda side: list(Team.objects.values_list("name", "captain__name")),
    "left join without a match": lambda side: rows(Player.objects.filter(idols=None)),
    "filtered relation": lambda side: list(
        Team.objects.annotate(
            named=FilteredRelation("players", condition=Q(players__name__contains="fan"))
        ).values_list("name", "named__name")
    ),
    "count of a relation": lambda side: list(Team.objects.annotate(n=Count("seen")).values("n")),
    "exclude": lambda side: rows(Entry.objects.exclude(board=side.board).order_by("pk")),
    "exclude over a relation": lambda side: list(Team.objects.exclude(seen__board=side.board)),
    "exclusive or": lambda side: rows(
        Entry.objects.filter(Q(board=side.board) ^ Q(score=1)).order_by("pk")
    ),
    "ordering by a relation": lambda side: list(
        Entry.objects.order_by("-player__name").values_list("pk")
    ),
    "multi-table children": lambda side: rows(TimedEntry.objects.filter(board__startswith="r")),
    "extra columns of raw SQL": with_raw_sql,
}
"""Reads that depend, in some table, on rows that the conditions do not name."""
