"""Variants to make pages of, short to write."""

from collections.abc import Sequence

from archives.rules.sources import LooseMark, LooseVariant

LONG = "This paragraph says something at length, and says it in words enough to stand alone. "
"""A sentence; four of them are as long as a section that takes no other in."""

NOWHERE = "found in no text"


def mark(
    snippet: str = NOWHERE, *, element_id: str | None = None, explanation: str = "because reasons"
) -> LooseMark:
    return LooseMark(snippet=snippet, element_id=element_id, explanation=explanation)


def variant(
    content: str,
    marks: Sequence[LooseMark] = (),
    *,
    variant_id: str = "v1",
    difficulty: float = 1,
) -> LooseVariant:
    return LooseVariant(
        variant_id=variant_id,
        difficulty=difficulty,
        altered_content=content,
        fake_marks=list(marks),
    )


def paragraph(key: str, words: str = "") -> str:
    """Return a paragraph that no step merges with its neighbours."""
    return f'<p data-element-id="{key}">{words} {LONG * 4}</p>'


def page(*keys: str, before: str = "", after: str = "") -> str:
    return before + "".join(paragraph(key) for key in keys) + after
