"""Which ints of a result are 64-bit integers, by its declared type."""

from typing import Annotated, Any

import msgspec
import pytest

from dust.convex import values
from dust.convex.int64 import shape_of
from dust.livequery.shapes import Int64

FIVE = {"$integer": "BQAAAAAAAAA="}


class Counter(msgspec.Struct, tag="counter", tag_field="kind", rename="camel"):
    how_many: Int64
    plain: int = 5


class Gauge(msgspec.Struct, tag="gauge", tag_field="kind", rename="camel"):
    how_many: int
    note: str = ""


class Tree(msgspec.Struct):
    count: Int64 | None
    children: "list[Tree]" = []


class Bare(msgspec.Struct):
    count: Annotated[int, msgspec.Meta(ge=0)]
    again: "Bare | None" = None


def written(value: Any, declared: Any) -> Any:
    return values.encode(msgspec.to_builtins(value), shape_of(declared))


class TestShapeOf:
    @pytest.mark.parametrize(
        "declared",
        [int, Any, float | None, Bare, Gauge, list[Bare], dict[str, int], tuple[int, ...]],
    )
    def test_is_none_where_there_is_no_64_bit_integer(self, declared: Any) -> None:
        assert shape_of(declared) is None

    @pytest.mark.parametrize(
        ("declared", "value", "expected"),
        [
            (Int64, 5, FIVE),
            (Int64 | None, 5, FIVE),
            (Int64 | None, None, None),
            (Int64 | bool, True, True),
            (Int64 | str, "5", "5"),
            (Int64 | float, 5.0, 5.0),
            (list[Int64], [5, 5], [FIVE, FIVE]),
            (tuple[Int64, ...], (5,), [FIVE]),
            (dict[str, Int64], {"a": 5}, {"a": FIVE}),
            (dict[str, list[Int64 | None]], {"a": [5, None]}, {"a": [FIVE, None]}),
            (list[Int64] | dict[str, float], {"a": 5}, {"a": 5.0}),
            (list[Int64] | dict[str, float], [5], [FIVE]),
        ],
    )
    def test_finds_them_where_the_type_has_them(
        self, declared: Any, value: Any, expected: Any
    ) -> None:
        assert written(value, declared) == expected

    def test_goes_by_the_names_that_clients_see(self) -> None:
        assert written(Counter(5), Counter) == {"howMany": FIVE, "kind": "counter", "plain": 5.0}

    def test_tells_the_members_of_a_union_apart(self) -> None:
        assert written([Counter(5), Gauge(5), None], list[Counter | Gauge | None]) == [
            {"howMany": FIVE, "kind": "counter", "plain": 5.0},
            {"howMany": 5.0, "kind": "gauge", "note": ""},
            None,
        ]

    def test_follows_types_that_contain_themselves(self) -> None:
        assert written(Tree(5, [Tree(None), Tree(5)]), Tree) == {
            "children": [{"children": [], "count": None}, {"children": [], "count": FIVE}],
            "count": FIVE,
        }


class TestInt64:
    @pytest.mark.parametrize("number", [-(2**63) - 1, 2**63, 2**80])
    def test_holds_64_bits(self, number: int) -> None:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(number, Int64)
