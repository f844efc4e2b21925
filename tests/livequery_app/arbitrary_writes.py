"""Arbitrary writes over the test models, by every method that the ORM has for it."""

from collections.abc import Callable
from typing import Any

from django.db.models import Case, F, Manager, Model, Q, Value, When
from hypothesis import strategies as st

from tests.livequery_app.arbitrary_queries import (
    KEYS,
    boards,
    conditions,
    flags,
    models,
    names,
    numbers,
    players,
    simple_conditions,
    teams,
)
from tests.livequery_app.models import Entry, Player, Team, TimedEntry

Write = Callable[[], object]
AnyModel = type[Model]
Fields = dict[str, Any]
Key = Any

COLUMNS: dict[AnyModel, dict[str, st.SearchStrategy[Any]]] = {
    Team: {"name": names, "motto": names, "captain_id": st.none() | players},
    Player: {"name": names, "team_id": st.none() | teams},
    Entry: {
        "board": boards,
        "player_id": players,
        "score": numbers,
        "hidden": flags,
        "extra": st.builds(lambda number: {"a": number}, numbers),
    },
}
COLUMNS[TimedEntry] = COLUMNS[Entry] | {"seconds": numbers}


def _of(model: AnyModel) -> Manager[Any]:
    return model._default_manager


def _some(model: AnyModel) -> st.SearchStrategy[Fields]:
    return st.fixed_dictionaries({}, optional=COLUMNS[model]).filter(bool)


def _key(model: AnyModel) -> st.SearchStrategy[Key]:
    return st.sampled_from(KEYS[model])


def _create(model: AnyModel) -> st.SearchStrategy[Write]:
    def build(key: Key, fields: Fields) -> Write:
        return lambda: model(pk=key, **fields).save(force_insert=True)

    return st.builds(build, _key(model), st.fixed_dictionaries(COLUMNS[model]))


def _create_without_key(model: AnyModel) -> st.SearchStrategy[Write]:
    def build(fields: Fields) -> Write:
        return lambda: _of(model).create(**fields)

    return st.builds(build, st.fixed_dictionaries(COLUMNS[model]))


def _save(model: AnyModel) -> st.SearchStrategy[Write]:
    def build(key: Key, fields: Fields, names: list[str] | None) -> Write:
        def write() -> None:
            for row in _of(model).filter(pk=key):
                vars(row).update(fields)
                row.save(update_fields=names)

        return write

    return _some(model).flatmap(
        lambda fields: st.builds(
            build, _key(model), st.just(fields), st.sampled_from([None, list(fields)])
        )
    )


def _bulk_update(model: AnyModel) -> st.SearchStrategy[Write]:
    def build(keys: set[Key], fields: Fields) -> Write:
        def write() -> None:
            found = list(_of(model).filter(pk__in=keys))
            for row in found:
                vars(row).update(fields)
            _of(model).bulk_update(found, list(fields))

        return write

    return st.builds(build, st.sets(_key(model)), _some(model))


def _update(model: AnyModel) -> st.SearchStrategy[Write]:
    def build(condition: Q, fields: Fields) -> Write:
        return lambda: _of(model).filter(condition).order_by().update(**fields)

    return st.builds(build, simple_conditions(model) | conditions(model), _some(model))


def _compute(model: AnyModel) -> st.SearchStrategy[Write]:
    own = {field.attname for field in model._meta.local_concrete_fields} - {"extra"}

    field_of: Callable[[str], Any] = model._meta.get_field

    def build(condition: Q, fields: Fields, key: Key) -> Write:
        values = {
            name: Case(
                When(pk=key, then=Value(value)),
                default=F("score") + 1 if name == "score" else F(name),
                output_field=field_of(name),
            )
            for name, value in fields.items()
            if name in own
        }
        return lambda: _of(model).filter(condition).order_by().update(**values)

    return st.builds(build, simple_conditions(model) | conditions(model), _some(model), _key(model))


def _delete(model: AnyModel) -> st.SearchStrategy[Write]:
    def build(condition: Q) -> Write:
        return lambda: _of(model).filter(condition).delete()

    return st.builds(build, conditions(model))


def _bulk_create(model: AnyModel, unique: list[str]) -> st.SearchStrategy[Write]:
    def build(rows: list[Fields], updated: set[str], method: str) -> Write:
        options: dict[str, Fields] = {
            "insert": {},
            "ignore": {"ignore_conflicts": True},
            "update": {
                "update_conflicts": True,
                "unique_fields": unique,
                "update_fields": updated,
            },
        }
        return lambda: _of(model).bulk_create([model(**row) for row in rows], **options[method])

    return st.builds(
        build,
        st.lists(
            st.fixed_dictionaries(COLUMNS[model]),
            min_size=1,
            max_size=3,
            unique_by=lambda row: tuple(row[name] for name in unique),
        ),
        st.sets(st.sampled_from(sorted(COLUMNS[model].keys() - unique)), min_size=1),
        st.sampled_from(["insert", "ignore", "update"]),
    )


def _get_or_create(method: str, board: str, player: Key, score: int) -> Write:
    return lambda: getattr(Entry.objects, method)(
        board=board, player_id=player, defaults={"score": score}
    )


def _relate(model: AnyModel, relation: str, others: AnyModel) -> st.SearchStrategy[Write]:
    def build(key: Key, method: str, keys: set[Key]) -> Write:
        def write() -> None:
            for row in _of(model).filter(pk=key):
                found = list(_of(others).filter(pk__in=keys))
                arguments = {"set": [found], "clear": []}.get(method, found)
                getattr(getattr(row, relation), method)(*arguments)

        return write

    methods = st.sampled_from(["add", "remove", "set", "clear"])
    return st.builds(build, _key(model), methods, st.sets(_key(others)))


writes: st.SearchStrategy[Write] = st.one_of(
    *(
        models.flatmap(kind)
        for kind in (
            _create,
            _create_without_key,
            _save,
            _bulk_update,
            _update,
            _compute,
            _delete,
        )
    ),
    _bulk_create(Entry, ["board", "player_id"]),
    _bulk_create(Team, ["name"]),
    st.builds(
        _get_or_create,
        st.sampled_from(["get_or_create", "update_or_create"]),
        boards,
        players,
        numbers,
    ),
    _relate(Player, "fans", Player),
    _relate(Player, "idols", Player),
    _relate(Entry, "seen_by", Team),
    _relate(Team, "seen", Entry),
    _relate(Team, "players", Player),
)
