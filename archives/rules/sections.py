"""Steps 1 to 7 of the adapter, and 9 and 10: what a page's sections are. Pure.

Each step takes what the one before it has left. ``adapter`` puts them together.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from math import ceil
from types import MappingProxyType

from msgspec import UNSET
from msgspec.structs import replace

from archives.rules import texts
from archives.rules.content import Category, Section
from archives.rules.pieces import Piece
from archives.rules.sources import Mark

FREE_TAGS = frozenset({"img", "h1", "h2"})
NEVER_NOISE = frozenset({"h1", "h2"})
LEAST_LENGTH = 28
"""A shorter text that has neither a digit nor the end of a sentence is a button, not content."""

HEADLINE_ORDER = 5
FIRST_ORDER = 3
LAST_ORDER = 1

MERGED: frozenset[Category] = frozenset({"body", "quote", "attribution"})
MERGE_BELOW = 280
"""A section as long as this takes no other in."""
MERGED_BELOW = 220
"""A section as long as this is taken in by no other."""
MERGE_SENTENCES = 3
"""A section of so many sentences takes no other in."""

FALLBACK_EXCERPT = "Only fragments of this page were left when it was found."
FALLBACK_REST = "The rest of this page was gone when it was found."

_CATEGORIES: Mapping[str, Category] = MappingProxyType(
    {
        "h1": "headline",
        "h2": "headline",
        "h3": "headline",
        "blockquote": "quote",
        "figcaption": "attribution",
        "cite": "attribution",
        "time": "metadata",
        "span": "metadata",
    }
)


def sections_of(pieces: Sequence[Piece], marks: Sequence[Mark]) -> list[Section]:
    """Cut each text to whole sentences, drop noise, judge what is left: steps 1 to 5.

    A piece is judged by the whole of its text, also by what is cut.
    """
    is_false = _judge(marks)
    return [
        _section(piece, text, index=index, is_true=piece.is_image or not is_false(piece))
        for index, piece in enumerate(pieces)
        if not is_noise(text := texts.whole_sentences(piece.text), tag=piece.tag)
    ]


def is_noise(text: str, *, tag: str) -> bool:
    """Return whether an element of this text is nothing to play with. Pictures never are."""
    if tag == "img":
        return False
    if tag in NEVER_NOISE:
        return not text
    is_short = texts.length(text) < LEAST_LENGTH
    return is_short and not texts.has_digit(text) and not texts.sentence_ends(text)


def category_of(tag: str) -> Category:
    """Return what an element is, by its tag."""
    return _CATEGORIES.get(tag, "body")


def is_image(section: Section) -> bool:
    """Return whether the section is a picture, which nobody can choose."""
    return section.image_src is not UNSET


def merge_adjacent(sections: Sequence[Section]) -> list[Section]:
    """Make one of short neighbours of a kind, true only if both are: step 6."""
    merged: list[Section] = []
    for section in sections:
        if merged and _can_merge(merged[-1], section):
            merged[-1] = replace(
                merged[-1],
                text=f"{merged[-1].text} {section.text}",
                is_true=merged[-1].is_true and section.is_true,
            )
        else:
            merged.append(section)
    return merged


def limit_images(sections: Sequence[Section]) -> list[Section]:
    """Keep one picture before the first text, one after the last, and no other: step 7."""
    places = [index for index, section in enumerate(sections) if not is_image(section)]
    if not places:
        return list(sections[:1])
    before, after = sections[: places[0]], sections[places[-1] + 1 :]
    return [*before[:1], *(sections[index] for index in places), *after[:1]]


def at_least_two(sections: Sequence[Section], *, page_id: str, title: str) -> list[Section]:
    """Make two sections of one, or of nothing: step 9."""
    match sections:
        case []:
            return [
                text_section(f"{page_id}-title", title, category="headline", order=HEADLINE_ORDER),
                text_section(f"{page_id}-body", FALLBACK_EXCERPT, order=FIRST_ORDER),
            ]
        case [only]:
            return _halves(only)
        case _:
            return list(sections)


def at_least_one_false(sections: Sequence[Section]) -> list[Section]:
    """Where nothing is false, say that the first is which is no headline: step 9."""
    changed = list(sections)
    if all(section.is_true for section in sections):
        others = (at for at, section in enumerate(sections) if section.category != "headline")
        chosen = next(others, len(sections) - 1)
        changed[chosen] = replace(changed[chosen], is_true=False)
    return changed


def with_unique_ids(sections: Sequence[Section]) -> list[Section]:
    """Put ``__2`` behind the id of the second section that has it, and so on: step 10."""
    ids = [section.id for section in sections]
    return [replace(section, id=own) for section, own in zip(sections, unique(ids), strict=True)]


def text_section(
    key: str, text: str, *, category: Category = "body", order: int = LAST_ORDER, cost: int = 1
) -> Section:
    """Return a true section of this text."""
    return Section(
        id=key, text=text, is_true=True, category=category, decay_order=order, archive_cost=cost
    )


def unique(keys: Sequence[str]) -> Iterator[str]:
    """Yield each key, with a number behind it where it has been there before."""
    original, taken, counts = set(keys), set[str](), dict[str, int]()
    for key in keys:
        own, count = key, counts.get(key, 1)
        while own in taken or (own != key and own in original):
            count += 1
            own = f"{key}__{count}"
        counts[key] = count
        taken.add(own)
        yield own


def _judge(marks: Sequence[Mark]) -> Callable[[Piece], bool]:
    """Return what tells whether a piece is false: by its id, or by a snippet that is in it.

    An empty snippet is in every text.
    """
    ids = {texts.storable(mark.element_id) for mark in marks if mark.element_id}
    cleaned = [(mark.snippet, texts.clean(mark.snippet).lower()) for mark in marks]
    snippets = {snippet for given, snippet in cleaned if snippet or not given}

    def is_false(piece: Piece) -> bool:
        text = piece.text.lower()
        return piece.id in ids or any(snippet in text for snippet in snippets)

    return is_false


def _section(piece: Piece, text: str, *, index: int, is_true: bool) -> Section:
    category = category_of(piece.tag)
    orders = {"headline": HEADLINE_ORDER, "metadata": LAST_ORDER}
    src, alt = (piece.src or "", piece.alt) if piece.is_image else (UNSET, None)
    return Section(
        id=piece.id,
        text=text,
        is_true=is_true,
        category=category,
        decay_order=orders.get(category, max(FIRST_ORDER - index, LAST_ORDER)),
        archive_cost=0 if piece.tag in FREE_TAGS else 1,
        image_src=src,
        image_alt=UNSET if alt is None else alt,
    )


def _can_merge(previous: Section, section: Section) -> bool:
    return (
        previous.category == section.category
        and section.category in MERGED
        and not is_image(previous)
        and not is_image(section)
        and texts.length(previous.text) < MERGE_BELOW
        and texts.length(section.text) < MERGED_BELOW
        and len(texts.sentence_ends(previous.text)) < MERGE_SENTENCES
    )


def _halves(section: Section) -> list[Section]:
    """Return the section's two halves; where it has none, what stands for the second is true."""
    first, second = (section.text, "") if is_image(section) else _split(section.text)
    rest = text_section(
        section.id,
        second or FALLBACK_REST,
        category="body" if section.category == "headline" else section.category,
        order=max(int(section.decay_order) - 1, LAST_ORDER),
    )
    return [replace(section, text=first), replace(rest, is_true=section.is_true or not second)]


def _split(text: str) -> tuple[str, str]:
    """Return the first half of the sentences, or of the words of a single one, and the second.

    Sentences are put together again with a space too many, as browsers do it.
    """
    bounds = sorted({0, *texts.sentence_ends(text), len(text)})
    pieces = [text[start:end] for start, end in pairwise(bounds)]
    if len(pieces) == 1:
        pieces = texts.words(text)
    middle = ceil(len(pieces) / 2)
    return texts.trim(" ".join(pieces[:middle])), texts.trim(" ".join(pieces[middle:]))
