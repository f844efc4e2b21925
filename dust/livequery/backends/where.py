"""From a query's conditions to pins: the columns that its rows must have one of a few values in.

What is not understood gives no pin, so it can only widen what a statement is taken to touch.
"""

from collections.abc import Mapping
from functools import reduce
from typing import Any

from django.db.models.expressions import Col
from django.db.models.fields.related_lookups import RelatedExact, RelatedIn, RelatedIsNull
from django.db.models.lookups import Exact, In, IntegerFieldExact, IsNull
from django.db.models.sql.constants import LOUTER
from django.db.models.sql.query import Query
from django.db.models.sql.where import AND, OR, WhereNode

from dust.livequery.columns import column_of, kind, known
from dust.livequery.readset import MAX_PIN_VALUES, Pins, Value

Values = frozenset[Value]
_Found = dict[tuple[str, str], Values]
"""(table alias, column) -> values."""


def sources(query: Query, where: WhereNode | None) -> list[tuple[str, Pins]]:
    """Return each table that the query reads and the pins of the rows that can matter to it.

    A table that occurs several times is told each time.
    """
    live = {
        alias: source for alias, source in query.alias_map.items() if query.alias_refcount[alias]
    }
    found = _find(where, query) if where is not None else {}
    _spread(found, {alias: source for alias, source in live.items() if source.parent_alias})
    return [(source.table_name, _of(alias, found)) for alias, source in live.items()]


def base_pins(query: Query) -> Pins:
    """Return the pins of the rows of its base table that the conditions let through."""
    return _of(query.get_initial_alias(), _find(query.where, query))


def _of(alias: str, found: _Found) -> Pins:
    return {column: values for (pinned, column), values in found.items() if pinned == alias}


def _find(node: object, query: Query) -> _Found:
    if not isinstance(node, WhereNode):
        return _find_in_lookup(node, query)
    combine = {AND: _both, OR: _either}.get(node.connector)
    if node.negated or combine is None or not node.children:
        return {}
    return reduce(combine, [_find(child, query) for child in node.children])


def _both(one: _Found, other: _Found) -> _Found:
    """Either of two pins on the same column is true, and the smaller says more."""
    result = one | other
    for key in one.keys() & other.keys():
        result[key] = min(one[key], other[key], key=len)
    return result


def _either(one: _Found, other: _Found) -> _Found:
    unions = {key: one[key] | other[key] for key in one.keys() & other.keys()}
    return {key: values for key, values in unions.items() if len(values) <= MAX_PIN_VALUES}


def _find_in_lookup(lookup: object, query: Query) -> _Found:
    """Understand ``column = value``, ``column IN (values)`` and ``column IS NULL``, nothing else.

    Subclasses may mean anything, so classes are compared, not instances. No value but NULL is
    equal to NULL.
    """
    column = getattr(lookup, "lhs", None)
    if type(column) is not Col:
        return {}
    values: Values | None = None
    match lookup:
        case Exact(rhs=value) if type(lookup) in {Exact, IntegerFieldExact, RelatedExact}:
            values = known(column.target, [value]) if lookup.rhs_is_direct_value() else None
        case In(rhs=several) if type(lookup) in {In, RelatedIn}:
            values = known(column.target, several) if lookup.rhs_is_direct_value() else None
        case IsNull(rhs=True) if type(lookup) in {IsNull, RelatedIsNull}:
            return {} if _may_be_missing(column.alias, query) else _null(column)
    values = values and values - {None}
    return {(column.alias, column_of(column.target)): values} if values else {}


def _null(column: Col) -> _Found:
    if kind(column.target) is None:
        return {}
    return {(column.alias, column_of(column.target)): frozenset([None])}


def _may_be_missing(alias: str, query: Query) -> bool:
    """Return whether NULLs may stand for a row that an outer join did not find.

    Then rows with other values matter too: without them there would be the NULLs.
    """
    source = query.alias_map.get(alias)
    return source is None or source.join_type == LOUTER


def _spread(found: _Found, joins: Mapping[str, Any]) -> None:
    """Carry pins over joins: columns that are joined by equality have the same values.

    First to the parents: the pin of a joined row by the conditions rules out rows of its parent
    that have another value, even in an outer join, since NULL meets no condition carried here.
    Then to the children, which only matter if they meet a row of the parent.
    """
    for alias, join in reversed(list(joins.items())):
        for parent, child in _equal(alias, join):
            if child in found:
                found.setdefault(parent, found[child])
    for alias, join in joins.items():
        for parent, child in _equal(alias, join):
            if parent in found:
                found.setdefault(child, found[parent])


def _equal(alias: str, join: Any) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    return [
        ((join.parent_alias, lhs.column), (alias, rhs.column))
        for lhs, rhs in join.join_fields or ()
        if kind(lhs) is not None and kind(lhs) is kind(rhs)
    ]
