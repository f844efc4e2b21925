"""Arbitrary queries over the test models, made from few keys so that writes meet them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import (
    Count,
    Exists,
    Model,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Window,
)
from django.db.models.functions import RowNumber
from hypothesis import strategies as st

from tests.livequery_app.models import Entry, Player, Team, TimedEntry

TEAMS = [1001, 1002, 1003]
PLAYERS = [UUID(int=number) for number in (1, 2, 3)]
ENTRIES = [1001, 1002, 1003, 1004]
NAMES = ["a", "b", "c", "d", "e"]
BOARDS = ["x", "y", "z"]
NUMBERS = [0, 1, 2, 3]
KEYS: dict[type[Model], list[Any]] = {
    Team: TEAMS,
    Player: PLAYERS,
    Entry: ENTRIES,
    TimedEntry: ENTRIES,
}

names = st.sampled_from(NAMES)
boards = st.sampled_from(BOARDS)
numbers = st.sampled_from(NUMBERS)
flags = st.booleans()
teams = st.sampled_from(TEAMS)
players = st.sampled_from(PLAYERS)
entries = st.sampled_from(ENTRIES)
models = st.sampled_from(list(KEYS))

_ENTRY: dict[str, st.SearchStrategy[Any]] = {
    "board": boards,
    "board__in": st.lists(boards, max_size=2),
    "player": players,
    "player__in": st.lists(players, max_size=2),
    "score": numbers,
    "score__gt": numbers,
    "double": numbers,
    "hidden": flags,
    "extra__a": numbers,
    "player__name": names,
    "player__team": teams,
    "player__team__name": names,
    "player__team__isnull": flags,
    "seen_by": teams,
    "seen_by__isnull": flags,
    "seen_by__captain": players,
}
LOOKUPS: dict[type[Model], dict[str, st.SearchStrategy[Any]]] = {
    Team: {
        "pk": teams,
        "name": names,
        "name__in": st.lists(names, max_size=2),
        "motto": names,
        "captain": players,
        "captain__isnull": flags,
        "captain__name": names,
        "captain__team": teams,
        "players__name": names,
        "players__isnull": flags,
        "players__entries__board": boards,
        "seen__board": boards,
        "seen__score": numbers,
    },
    Player: {
        "pk": players,
        "pk__in": st.lists(players, max_size=2),
        "name": names,
        "team": teams,
        "team__isnull": flags,
        "team__name": names,
        "team__captain": players,
        "entries__board": boards,
        "entries__score__gt": numbers,
        "entries__isnull": flags,
        "entries__timedentry__seconds": numbers,
        "fans": players,
        "fans__name": names,
        "fans__isnull": flags,
        "idols__team": teams,
        "captained__isnull": flags,
    },
    Entry: _ENTRY | {"pk": entries, "timedentry__seconds": numbers, "timedentry__isnull": flags},
    TimedEntry: _ENTRY | {"pk": entries, "seconds": numbers, "seconds__in": st.lists(numbers)},
}
RELATED: dict[type[Model], list[tuple[type[Model], str]]] = {
    Team: [(Player, "team"), (Entry, "seen_by")],
    Player: [(Entry, "player"), (TimedEntry, "player"), (Team, "captain"), (Player, "fans")],
    Entry: [(TimedEntry, "entry_ptr"), (Team, "seen")],
    TimedEntry: [(Team, "seen")],
}
PARENTS: dict[type[Model], str] = {
    Team: "captain__name",
    Player: "team__name",
    Entry: "player__name",
    TimedEntry: "player__name",
}


def _lookup(model: type[Model]) -> st.SearchStrategy[Q]:
    def with_value(item: tuple[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Q]:
        name, values = item
        return values.map(lambda value: Q(**{name: value}))

    return st.sampled_from(sorted(LOOKUPS[model].items(), key=lambda item: item[0])).flatmap(
        with_value
    )


def _subquery(model: type[Model]) -> st.SearchStrategy[Q]:
    def related(relation: tuple[type[Model], str]) -> st.SearchStrategy[Q]:
        other, link = relation
        return _lookup(other).flatmap(
            lambda inner: st.sampled_from(
                [
                    Q(Exists(_all(other).filter(inner, **{link: OuterRef("pk")}))),
                    Q(pk__in=_all(other).filter(inner).values(link)),
                ]
            )
        )

    return st.sampled_from(RELATED[model]).flatmap(related)


def simple_conditions(model: type[Model]) -> st.SearchStrategy[Q]:
    """Return a condition that is likely to be met by some row."""
    keys = [Q(**{query.name: query.value}) for query in queries_by_key() if query.model is model]
    return st.just(Q()) | st.sampled_from(keys)


def conditions(model: type[Model]) -> st.SearchStrategy[Q]:
    """Return any condition on the model's rows."""
    return _lookup(model) | st.recursive(
        st.just(Q()) | _lookup(model) | _lookup(model) | _subquery(model),
        lambda inner: (
            st.builds(lambda one, other: one & other, inner, inner)
            | st.builds(lambda one, other: one | other, inner, inner)
            | st.builds(lambda one, other: one ^ other, inner, inner)
            | st.builds(lambda one: ~one, inner)
        ),
        max_leaves=4,
    )


def _all(model: Any) -> QuerySet[Any]:
    found: QuerySet[Any] = model._default_manager.all()
    return found


def _first_related(found: QuerySet[Any]) -> QuerySet[Any]:
    other, link = RELATED[found.model][0]
    inner = _all(other).filter(**{link: OuterRef("pk")}).order_by("pk")
    annotated: QuerySet[Any] = found.annotate(first=Subquery(inner.values("pk")[:1]))
    return annotated


ENDINGS: dict[str, Callable[[QuerySet[Any]], Any]] = {
    "rows": lambda found: list(found.order_by("pk").values()),
    "instances": lambda found: [str(row) for row in found.order_by("pk").distinct()],
    "keys": lambda found: list(found.order_by("pk").values_list("pk")),
    "count": lambda found: found.count(),
    "exists": lambda found: found.exists(),
    "sum": lambda found: found.aggregate(Count("pk", distinct=True)),
    "two": lambda found: list(found.order_by("-pk")[:2].values_list("pk")),
    "sum of two": lambda found: found.order_by("pk")[:2].aggregate(Count("pk")),
    "in_bulk": lambda found: sorted(map(str, found.distinct().in_bulk())),
    "subquery": lambda found: list(_first_related(found).order_by("pk").values_list("pk", "first")),
    "windows": lambda found: list(
        found.annotate(n=Window(RowNumber(), order_by="pk")).order_by("pk").values_list("pk", "n")
    ),
    "union": lambda found: sorted(
        map(
            str,
            found.order_by()
            .values_list("pk")
            .union(_all(found.model).values_list("pk").order_by()),
        )
    ),
    "parents": lambda found: list(found.order_by("pk").values_list("pk", PARENTS[found.model])),
    "by parent": lambda found: list(
        found.order_by()
        .values(PARENTS[found.model])
        .annotate(n=Count("pk", distinct=True))
        .order_by(PARENTS[found.model], "n")
    ),
}


@dataclass(frozen=True)
class ArbitraryQuery:
    model: type[Model]
    condition: Q
    ending: str

    def __call__(self) -> Any:
        return ENDINGS[self.ending](_all(self.model).filter(self.condition))


ABSENCES = [
    ArbitraryQuery(model, Q(**{f"{relation}__isnull": True}), "keys")
    for model, relation in [
        (Team, "players"),
        (Team, "seen"),
        (Player, "entries"),
        (Player, "fans"),
        (Player, "captained"),
        (Entry, "seen_by"),
        (Entry, "timedentry"),
    ]
]
"""Queries for rows that an outer join finds nothing for."""

queries = models.flatmap(
    lambda model: st.builds(
        ArbitraryQuery, st.just(model), conditions(model), st.sampled_from(sorted(ENDINGS))
    )
)


LINKS: type[Model] = Player.fans.through
Tables = dict[type[Model], list[dict[str, Any]]]


def all_tables() -> Tables:
    """Read everything."""
    return {
        model: list(model._default_manager.order_by("pk").values())
        for model in (Team, Player, LINKS, Entry, TimedEntry)
    }


@dataclass(frozen=True)
class QueryByKey:
    """The rows that have one value in one column, or only their number."""

    model: type[Model]
    name: str
    value: Any
    counted: bool

    def __call__(self) -> Any:
        found = self.model._default_manager.filter(**{self.name: self.value})
        return found.count() if self.counted else list(found.order_by("pk").values())

    def result_in(self, tables: Tables) -> Any:
        """Return what the query would, without asking the database once more."""
        found = [row for row in tables[self.model] if row[self.name] == self.value]
        return len(found) if self.counted else found


def queries_by_key() -> list[QueryByKey]:
    """Return the queries for every key of every model."""
    keys: list[tuple[type[Model], str, list[Any]]] = [
        (Team, "id", TEAMS),
        (Team, "name", NAMES),
        (Team, "captain_id", [*PLAYERS, None]),
        (Player, "id", PLAYERS),
        (Player, "team_id", [*TEAMS, None]),
        (LINKS, "from_player_id", PLAYERS),
        (LINKS, "to_player_id", PLAYERS),
        (Entry, "id", ENTRIES),
        (Entry, "board", BOARDS),
        (Entry, "player_id", PLAYERS),
        (Entry, "double", [2 * number for number in NUMBERS]),
        (TimedEntry, "entry_ptr_id", ENTRIES),
        (TimedEntry, "seconds", NUMBERS),
        (TimedEntry, "board", BOARDS),
    ]
    return [
        QueryByKey(model, name, value, counted)
        for model, name, values in keys
        for value in values
        for counted in (False, True)
    ]
