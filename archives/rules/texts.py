"""Text and numbers as the browser's engine has them, where Python's own would differ.

Players' browsers adapt pages too, and must come to the same ones: what is white space, what is a
digit, how long a text is and which way a half is rounded is what JavaScript says.
"""

import math
import re

SPACES = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
"""JavaScript's white space. Python's has U+001C to U+001F and U+0085 as well, but not U+FEFF."""

_SPACE_RUN = re.compile(f"[{SPACES}]+")
# Nothing is tried twice, and only the first mark of several is a beginning: a text of nothing but
# full stops takes as long as any other.
_SENTENCE_END = re.compile(
    rf"(?<![.!?])[.!?]++[\"'\u2019\u201d\u00bb)\]]*+(?=[{SPACES}]|\Z)",
)
_DIGIT = re.compile("[0-9]")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")

_LEAST_KEPT = 80


def clean(text: str) -> str:
    """Return the text as a browser shows it: runs of white space are one space, none around it.

    What no database and no UTF-8 holds (a NUL, half a surrogate pair) becomes U+FFFD.
    """
    return _SPACE_RUN.sub(" ", storable(text)).strip(" ")


def storable(text: str) -> str:
    """Return the text with U+FFFD for what no database and no UTF-8 holds."""
    return _UNSTORABLE.sub("\ufffd", text)


def trim(text: str) -> str:
    """Return the text without the white space around it."""
    return text.strip(SPACES)


def words(text: str) -> list[str]:
    """Return what stands between white space."""
    return [word for word in _SPACE_RUN.split(text) if word]


def length(text: str) -> int:
    """Return how many UTF-16 code units the text has."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def code_sum(text: str) -> int:
    """Return the sum of the text's UTF-16 code units."""
    encoded = text.encode("utf-16-le", "surrogatepass")
    return sum(encoded[::2]) + 256 * sum(encoded[1::2])


def sentence_ends(text: str) -> list[int]:
    """Return where each sentence ends: behind its mark, and behind what closes with it."""
    return [found.end() for found in _SENTENCE_END.finditer(text)]


def has_digit(text: str) -> bool:
    """Return whether there is a digit in it, of those from 0 to 9."""
    return bool(_DIGIT.search(text))


def whole_sentences(text: str) -> str:
    """Return the text without the beginning of a sentence that it breaks off in.

    It stays whole where that would leave too little: less than half, and less than 80 characters.
    """
    ends = sentence_ends(text)
    if not ends:
        return text
    kept = text[: ends[-1]]
    last = length(kept) - 1
    return kept if last >= min(_LEAST_KEPT, length(text) / 2) else text


def round_half_up(number: float) -> int:
    """Round to the nearest whole number, a half towards the greater one."""
    below = math.floor(number)
    return below + (number - below >= 0.5)
