"""Document ids: the opaque text that every door shows for a row's UUID. Pure.

The text holds the number of the row's table, the UUID's bytes and a checksum, in lower-case
Crockford base32 without padding; the format is Convex's, whose tools recognise it. Exactly one text
stands for each row, so ids can be compared as they come, and one of another table is refused.
"""

from base64 import b32decode, b32encode
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Final
from uuid import UUID

from dust.errors import InvalidError

_RFC_4648: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_CROCKFORD: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_TO_CROCKFORD: Final = bytes.maketrans(_RFC_4648.encode(), _CROCKFORD.encode())
_FROM_CROCKFORD: Final = str.maketrans(_CROCKFORD, _RFC_4648)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TABLE_NUMBER_MAX: Final = 2**32 - 1
_LONGEST: Final = 37

PATTERN: Final = "[0-9a-hjkmnp-tv-z]{31,37}"
"""What every id looks like, as a regular expression; not all that looks so is one."""


class InvalidIdError(InvalidError):
    """This is not an id of the kind that is expected here."""

    code = "invalid_id"


def encode(table_number: int, key: UUID) -> str:
    """Return the id of the row with this key in the table of this number.

    :raises ValueError: if no table can have that number.
    """
    if not 1 <= table_number <= _TABLE_NUMBER_MAX:
        raise ValueError(f"No table has the number {table_number}.")
    body = _varint(table_number) + key.bytes
    text = b32encode(body + _fletcher16(body)).rstrip(b"=")
    return text.translate(_TO_CROCKFORD).decode()


def decode(text: str, table_number: int) -> UUID:
    """Return the key of the row that the id names in the table of this number.

    :raises InvalidIdError: if the text is not an id, or one of another table.
    """
    number, key = split(text)
    if number != table_number:
        raise InvalidIdError
    return key


def split(text: str) -> tuple[int, UUID]:
    """Return the number of the table and the key that make up an id.

    :raises InvalidIdError: if the text is not an id.
    """
    if len(text) > _LONGEST:
        raise InvalidIdError
    try:
        raw = b32decode(text.translate(_FROM_CROCKFORD) + "=" * (-len(text) % 8))
        number = sum((byte & 0x7F) << 7 * at for at, byte in enumerate(raw[:-18]))
        key = UUID(bytes=raw[-18:-2])
        again = encode(number, key)
    except ValueError as exc:
        raise InvalidIdError from exc
    # Whatever else the text may hold, an id is what encoding its parts gives.
    if again != text:
        raise InvalidIdError
    return number, key


def made_at(key: UUID) -> datetime:
    """Return when a key was made, to the millisecond: a UUIDv7 begins with that."""
    return _EPOCH + timedelta(milliseconds=key.int >> 80)


def dated(key: UUID, at: datetime) -> UUID:
    """Return the UUIDv7 of that moment whose chance is the first 74 bits of another key.

    So rows from elsewhere, whose keys are all chance, take their place among ours, the same one
    each time.
    """
    milliseconds = (at - _EPOCH) // timedelta(milliseconds=1)
    first, second = key.int >> 116, key.int >> 54 & 2**62 - 1
    return UUID(int=milliseconds << 80 | 7 << 76 | first << 64 | 2 << 62 | second)


def is_dated(key: UUID, old: UUID) -> bool:
    """Return whether ``dated`` has made the one key of the other."""
    return dated(old, made_at(key)) == key


def _varint(number: int) -> bytes:
    """Write seven bits a byte, the low ones first; a set top bit says that more follow."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _fletcher16(data: bytes) -> bytes:
    """Return the checksum, low byte first, with both sums modulo 256 instead of the usual 255."""
    return bytes((sum(data) & 0xFF, sum(accumulate(data)) & 0xFF))
