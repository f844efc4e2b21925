"""Files of JSON lines, of which no line is read into memory that is too long."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import msgspec

LONGEST_LINE_BYTES = 8 * 1024 * 1024
"""A line that is longer is passed over without being read into memory."""


@dataclass(frozen=True, slots=True)
class Line:
    """What a line says; ``problem`` tells why it says nothing, and is empty if it does."""

    number: int
    data: Any = None
    problem: str = ""


def read_lines(file: IO[bytes]) -> Iterator[Line]:
    """Yield the lines that are not blank, counted from 1."""
    number = 0
    while line := file.readline(LONGEST_LINE_BYTES + 1):
        number += 1
        is_too_long = len(line) > LONGEST_LINE_BYTES
        while line and is_too_long and not line.endswith(b"\n"):
            line = file.readline(LONGEST_LINE_BYTES)
        if is_too_long:
            yield Line(number, problem=f"It has more than {LONGEST_LINE_BYTES} bytes.")
        elif line.strip():
            yield _decoded(line, number)


def _decoded(line: bytes, number: int) -> Line:
    try:
        return Line(number, msgspec.json.decode(line))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as exc:
        return Line(number, problem=f"It is no JSON: {exc}.")
