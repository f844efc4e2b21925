"""Convex values both ways, against what official clients write and the protocol's own rules."""

import json
import math
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dust.convex import values
from dust.convex.int64 import Shape, shape_of
from dust.convex.values import ValuesError
from dust.livequery.shapes import Int64

INT64: Shape | None = shape_of(Int64)
DEEPEST = 64

WRITTEN_BY_CLIENTS: list[tuple[Any, Any]] = [
    ({"$integer": "BQAAAAAAAAA="}, 5),
    ({"$integer": "//////////8="}, -1),
    ({"$float": "AAAAAAAA+H8="}, math.nan),
    ({"$float": "AAAAAAAAAIA="}, -0.0),
    ({"$float": "AAAAAAAA8P8="}, -math.inf),
    ({"$bytes": "AQL/"}, b"\x01\x02\xff"),
    (None, None),
    (True, True),
    ("Zoë 👋", "Zoë 👋"),
    (1.5, 1.5),
]

names = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=8).filter(
    lambda name: not name.startswith("$")
)
doubles = st.floats(width=64)
leaves = st.none() | st.booleans() | doubles | st.text(max_size=8) | st.binary(max_size=8)
plain_values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=20,
)


def same(left: Any, right: Any) -> bool:
    """Compare to the bit: NaN is NaN, and -0.0 is not 0.0."""
    if type(left) is not type(right):
        return False
    match left:
        case float():
            return struct.pack("<d", left) == struct.pack("<d", right)
        case list():
            return len(left) == len(right) and all(map(same, left, right))
        case dict():
            return left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
        case _:
            return bool(left == right)


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


def text_of(json_able: Any) -> str:
    return msgspec.json.encode(json_able).decode()


def refusal(encoded: Any) -> str:
    with pytest.raises(ValuesError) as caught:
        values.decode(encoded)
    return caught.value.message


def write_refusal(value: Any) -> str:
    with pytest.raises(ValuesError) as caught:
        values.encode(value)
    return caught.value.message


class TestDecode:
    @pytest.mark.parametrize(("encoded", "plain"), WRITTEN_BY_CLIENTS)
    def test_reads_what_clients_write(self, encoded: Any, plain: Any) -> None:
        assert same(values.decode(encoded), plain)

    @pytest.mark.parametrize("encoded", [5, 5.0, 2**70, -0.0])
    def test_takes_every_number_for_a_double(self, encoded: float) -> None:
        assert same(values.decode(encoded), float(encoded))

    @pytest.mark.parametrize(
        "encoded", [10**400, math.inf, -math.inf, math.nan], ids=["huge", "inf", "-inf", "nan"]
    )
    def test_refuses_numbers_that_json_has_not(self, encoded: float) -> None:
        assert refusal(encoded) == "value is not a finite number."

    @pytest.mark.parametrize("number", [0.0, 1.5, -(2.0**60)])
    def test_refuses_ordinary_numbers_in_disguise(self, number: float) -> None:
        disguised = {"$float": values.to_base64(struct.pack("<d", number))}

        assert refusal(disguised) == "value is a $float that JSON has a number for."

    @pytest.mark.parametrize("marker", ["$integer", "$float", "$bytes"])
    @pytest.mark.parametrize(
        "encoded", [None, 5, [], "AQL", "AQL/=", "AQK=\n", "AR==", "é", "A-_/"]
    )
    def test_refuses_what_is_not_base64(self, marker: str, encoded: Any) -> None:
        assert refusal({marker: encoded}) == "value is not in padded base64."

    @pytest.mark.parametrize("marker", ["$integer", "$float"])
    def test_refuses_numbers_of_another_length(self, marker: str) -> None:
        assert refusal({marker: "AQL/"}) == "value has 3 bytes instead of 8."

    @pytest.mark.parametrize(
        "encoded", [{"$set": []}, {"$map": []}, {"$commitTs": None}, {"$integer": "", "b": 1}]
    )
    def test_refuses_other_names_that_begin_with_a_dollar(self, encoded: Any) -> None:
        assert "has a field name that begins with $" in refusal(encoded)

    @pytest.mark.parametrize("name", ["é", "a\tb", "\x7f", "\ud800"])
    def test_refuses_names_that_are_not_printable_ascii(self, name: str) -> None:
        assert refusal({name: 1}) == (
            f"value has a field name that is not printable ASCII: {name!a}."
        )

    def test_takes_names_of_1024_characters_and_no_longer_ones(self) -> None:
        assert values.decode({"a" * 1024: None, "": None})

        assert refusal({"a" * 1025: 1}) == (
            "value has a field name of 1025 characters: at most 1024."
        )

    def test_takes_1024_fields_and_no_more(self) -> None:
        fields = {f"f{number}": None for number in range(1024)}

        assert values.decode(fields) == fields
        assert refusal(fields | {"one": 1}) == "value has 1025 fields: at most 1024."

    def test_takes_8192_elements_and_no_more(self) -> None:
        assert values.decode([None] * 8192) == [None] * 8192
        assert refusal([None] * 8193) == "value has 8193 elements: at most 8192."

    def test_takes_64_levels_and_no_more(self) -> None:
        assert values.decode(nested(DEEPEST)) == nested(DEEPEST)
        assert refusal(nested(DEEPEST + 1)).endswith("is nested too deeply: at most 64 levels.")
        assert refusal({"a": nested(DEEPEST)}).endswith("is nested too deeply: at most 64 levels.")

    def test_takes_what_is_one_value_for_no_level(self) -> None:
        deepest: Any = {"$bytes": "AQL/"}
        for _ in range(DEEPEST):
            deepest = {"a": deepest}

        assert values.decode(deepest)

    def test_refuses_halves_of_characters(self) -> None:
        assert refusal("half \ud83d") == "value is not valid Unicode."

    def test_says_where_the_fault_is(self) -> None:
        encoded: Any = {"items": [None, {}, [], {"name": "\ud800", "other": "\ud800"}]}

        with pytest.raises(ValuesError, match=r"^args\.items\[3\]\.name is not valid Unicode\.$"):
            values.decode(encoded, name="args")


class TestDecodeArguments:
    def test_returns_plain_values(self) -> None:
        assert values.decode_arguments({"n": {"$integer": "BQAAAAAAAAA="}, "m": 1}) == {
            "n": 5,
            "m": 1.0,
        }

    def test_refuses_a_value_in_the_form_of_an_object(self) -> None:
        with pytest.raises(ValuesError, match="args must be an object"):
            values.decode_arguments({"$integer": "BQAAAAAAAAA="})

    def test_refuses_more_than_16_mebibytes(self) -> None:
        most = {"text": "x" * (16 * 2**20 - 2 - 5 - 2)}

        assert values.decode_arguments(most) == most
        with pytest.raises(
            ValuesError, match=r"too large \(actual: 16777217 bytes, limit: 16777216\)"
        ):
            values.decode_arguments({"text": most["text"] + "x"})


class TestEncode:
    @given(value=plain_values)
    def test_is_what_decode_reads(self, value: Any) -> None:
        text = msgspec.json.encode(values.encode(value))

        assert same(values.decode(msgspec.json.decode(text)), value)
        assert same(values.decode(json.loads(text)), value)

    @given(number=st.integers(-(2**63), 2**63 - 1))
    def test_is_what_decode_reads_of_64_bit_integers(self, number: int) -> None:
        assert values.decode(values.encode(number, INT64)) == number

    @pytest.mark.parametrize(("encoded", "plain"), WRITTEN_BY_CLIENTS)
    def test_writes_what_clients_write(self, encoded: Any, plain: Any) -> None:
        assert values.encode(plain, INT64) == encoded

    def test_writes_numbers_with_a_point(self) -> None:
        result = {"int": 5, "float": 5.0, "items": [1, -(2**53), 2**80]}

        assert text_of(values.encode(result)) == (
            '{"float":5.0,"int":5.0,"items":[1.0,-9007199254740992.0,1.2089258196146292e24]}'
        )

    @pytest.mark.parametrize("number", [2**53 + 1, -(2**53) - 1, 10**400])
    @pytest.mark.parametrize("wrap", [lambda n: n, lambda n: {"n": n}], ids=["bare", "in a field"])
    def test_rounds_no_integer(self, wrap: Any, number: int) -> None:
        assert "is an integer that no double can hold" in write_refusal(wrap(number))

    @pytest.mark.parametrize("count", [3, 100])
    def test_writes_fields_in_the_order_of_their_names(self, count: int) -> None:
        names = [f"f{number:03}" for number in range(count)]

        assert list(values.encode(dict.fromkeys(reversed(names)))) == names

    def test_writes_tuples_as_arrays(self) -> None:
        assert values.encode(("a", None)) == ["a", None]

    def test_keeps_to_the_limits(self) -> None:
        assert values.encode(nested(DEEPEST)) == nested(DEEPEST)

        assert "at most 64 levels" in write_refusal(nested(DEEPEST + 1))
        assert "at most 8192" in write_refusal([None] * 8193)
        assert "at most 1024" in write_refusal({f"f{number}": None for number in range(1025)})
        assert "begins with $" in write_refusal({"$a": 1})
        assert "is not printable ASCII" in write_refusal({"é": 1})
        assert write_refusal({5: 1}) == "value has a field whose name is no text: 5."

    def test_says_where_the_fault_is(self) -> None:
        result = {"rows": [{"ok": 1}, {"ok": 1, "tags": {"a"}}], "z": "\ud800"}

        assert write_refusal(result) == (
            "value.rows[1].tags is a Python set, which clients have no value for."
        )
        assert write_refusal({"z": "\ud800"}) == "value.z is not valid Unicode."


class TestClean:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (math.nan, '"NaN"'),
            (math.inf, '"Infinity"'),
            (-math.inf, '"-Infinity"'),
            (-0.0, "-0.0"),
            (2**62, '"4611686018427387904"'),
            (b"\x01\x02\xff", '"AQL/"'),
            (1.0, "1.0"),
            ("text", '"text"'),
        ],
    )
    def test_is_easy_to_read(self, value: Any, text: str) -> None:
        assert text_of(values.clean(value, INT64)) == text

    def test_shows_other_integers_as_doubles(self) -> None:
        assert text_of(values.clean({"n": 5})) == '{"n":5.0}'

    def test_refuses_what_encode_refuses(self) -> None:
        with pytest.raises(ValuesError, match=r"^result\.a is not valid Unicode"):
            values.clean({"a": "\ud800"}, name="result")


class TestExport:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (2**62, "4611686018427387904"),
            (1.0, "1.0"),
            (-0.0, '{"$float":"AAAAAAAAAIA="}'),
            (math.nan, '{"$float":"AAAAAAAA+H8="}'),
            (b"\x01\x02\xff", '{"$bytes":"AQL/"}'),
        ],
    )
    def test_tells_the_kinds_of_numbers_apart(self, value: Any, text: str) -> None:
        assert text_of(values.export(value, INT64)) == text

    def test_shows_other_integers_as_doubles(self) -> None:
        assert text_of(values.export([5])) == "[5.0]"

    def test_refuses_what_encode_refuses(self) -> None:
        with pytest.raises(ValuesError, match=r"^result\.a is not valid Unicode"):
            values.export({"a": "\ud800"}, name="result")


class TestSize:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (None, 1),
            (True, 1),
            (5, 9),
            (5.0, 9),
            ("", 2),
            ("ö👋", 2 + 2 + 4),
            (b"abc", 2 + 3),
            ([], 2),
            ([1.0, None], 2 + 9 + 1),
            ({}, 2),
            ({"ab": [True], "c": "d"}, 2 + (2 + 1 + 3) + (1 + 1 + 3)),
        ],
    )
    def test_counts_as_clients_do(self, value: Any, expected: int) -> None:
        assert values.size(value) == expected
