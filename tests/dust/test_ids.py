"""Ids at the doors, against a second implementation written from the format's description."""

import re
from datetime import UTC, datetime
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from dust import ids
from dust.ids import InvalidIdError

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
TABLE = 10001
KEY = UUID("01a1f84d-305a-77cb-802d-a3d5778379bd")

keys = st.uuids()
tables = st.integers(1, 2**32 - 1)


def plain_encode(table_number: int, key: UUID) -> str:
    """Encode with strings of bits, as one would by hand."""
    groups = []
    rest = table_number
    while True:
        rest, low = divmod(rest, 128)
        groups.append(low + (128 if rest else 0))
        if not rest:
            break
    body = [*groups, *key.bytes]
    sum1 = sum(body) % 256
    sum2 = sum((len(body) - place) * byte for place, byte in enumerate(body)) % 256
    bits = "".join(f"{byte:08b}" for byte in [*body, sum1, sum2])
    bits += "0" * (-len(bits) % 5)
    return "".join(ALPHABET[int(bits[at : at + 5], 2)] for at in range(0, len(bits), 5))


class TestEncode:
    @given(table=tables, key=keys)
    def test_agrees_with_the_plain_implementation(self, table: int, key: UUID) -> None:
        assert ids.encode(table, key) == plain_encode(table, key)

    @pytest.mark.parametrize(
        ("table", "beginning"), [(10001, "j57"), (10002, "j97"), (10003, "jd7")]
    )
    @given(key=keys)
    def test_begins_as_the_format_says(self, table: int, beginning: str, key: UUID) -> None:
        text = ids.encode(table, key)

        assert text[:2] == beginning[:2]
        assert len(text) == 32

    @given(table=tables, key=keys)
    def test_has_31_to_37_characters(self, table: int, key: UUID) -> None:
        assert 31 <= len(ids.encode(table, key)) <= 37

    @pytest.mark.parametrize("table", [-1, 0, 2**32])
    def test_refuses_a_number_no_table_has(self, table: int) -> None:
        with pytest.raises(ValueError, match="No table"):
            ids.encode(table, KEY)


class TestDecode:
    @given(table=tables, key=keys)
    def test_undoes_encode(self, table: int, key: UUID) -> None:
        assert ids.decode(ids.encode(table, key), table) == key

    @given(table=tables, other=tables, key=keys)
    def test_refuses_an_id_of_another_table(self, table: int, other: int, key: UUID) -> None:
        text = ids.encode(table, key)

        if other != table:
            with pytest.raises(InvalidIdError):
                ids.decode(text, other)

    @given(key=keys, data=st.data())
    def test_refuses_an_id_with_one_wrong_character(self, key: UUID, data: st.DataObject) -> None:
        text = ids.encode(TABLE, key)
        place = data.draw(st.integers(0, len(text) - 1))
        wrong = data.draw(st.sampled_from(ALPHABET.replace(text[place], "")))

        with pytest.raises(InvalidIdError):
            ids.decode(text[:place] + wrong + text[place + 1 :], TABLE)

    @given(text=st.one_of(st.text(ALPHABET, max_size=40), st.text(max_size=40)))
    def test_accepts_only_what_encode_writes(self, text: str) -> None:
        try:
            key = ids.decode(text, TABLE)
        except InvalidIdError:
            return
        assert ids.encode(TABLE, key) == text

    @pytest.mark.parametrize(
        "change",
        [
            str.upper,
            lambda text: text + "0",
            lambda text: text[:-1],
            lambda text: " " + text,
            lambda text: text + "\n",
            lambda text: text.replace(text[0], "o", 1),
            lambda _text: "",
            lambda text: text * 1000,
            lambda _text: str(KEY),
            lambda _text: "٣" * 32,
        ],
    )
    def test_refuses_what_is_almost_an_id(self, change: object) -> None:
        text = ids.encode(TABLE, KEY)

        assert callable(change)
        with pytest.raises(InvalidIdError) as refusal:
            ids.decode(change(text), TABLE)
        assert (refusal.value.code, refusal.value.status) == ("invalid_id", 400)

    @pytest.mark.parametrize("table", [1, TABLE, 2**32 - 1])
    def test_takes_only_what_looks_like_one(self, table: int) -> None:
        assert re.fullmatch(ids.PATTERN, ids.encode(table, KEY))

    def test_refuses_set_bits_after_the_last_byte(self) -> None:
        text = ids.encode(2**31, KEY)  # 23 bytes leave one bit of the last character unused
        last = ALPHABET[ALPHABET.index(text[-1]) | 1]

        assert last != text[-1]
        with pytest.raises(InvalidIdError):
            ids.decode(text[:-1] + last, 2**31)


class TestMadeAt:
    def test_is_what_a_key_begins_with(self) -> None:
        before = datetime.now(UTC).replace(microsecond=0)

        assert before <= ids.made_at(uuid7()) <= datetime.now(UTC)
        assert ids.made_at(KEY) == datetime(2026, 11, 20, 9, 32, 50, 650000, UTC)


class TestSplit:
    @given(table=tables, key=keys)
    def test_undoes_encode(self, table: int, key: UUID) -> None:
        assert ids.split(ids.encode(table, key)) == (table, key)


moments = st.datetimes(timezones=st.just(UTC)).filter(lambda moment: moment.year >= 1970)


class TestDated:
    @given(key=keys, at=moments)
    def test_is_a_key_of_that_moment(self, key: UUID, at: datetime) -> None:
        dated = ids.dated(key, at)

        assert (dated.version, dated.variant) == (7, RFC_4122)
        assert ids.made_at(dated) == at.replace(microsecond=at.microsecond // 1000 * 1000)

    @given(key=keys, at=moments)
    def test_is_told_by_the_key_that_it_comes_from(self, key: UUID, at: datetime) -> None:
        assert ids.is_dated(ids.dated(key, at), key)

    @given(key=keys, other=keys, at=moments)
    def test_differs_as_keys_do(self, key: UUID, other: UUID, at: datetime) -> None:
        differs = key.int >> 54 != other.int >> 54

        assert (ids.dated(key, at) != ids.dated(other, at)) == differs
        assert ids.is_dated(ids.dated(key, at), other) != differs
