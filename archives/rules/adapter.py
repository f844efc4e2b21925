"""How a variant of a page becomes the page that is played. Pure.

Browsers do the same with the variants that they fetch, so nothing here is free to be better: what
these steps leave unplayable, ``playable`` mends. The same variant always makes the same page.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from archives.rules import sections as steps
from archives.rules.content import Kind, PageContent, Section
from archives.rules.difficulty import decay_seconds
from archives.rules.factcheck import fact_check
from archives.rules.pieces import pieces_of
from archives.rules.sources import Original, Variant
from archives.rules.texts import clean

DEFAULT_TITLE = "Archived Page"
UNKNOWN_AUTHOR = "Unknown author"
UNKNOWN_DATE = "Unknown date"

_KEYWORDS: Mapping[Kind, tuple[str, ...]] = MappingProxyType(
    {
        "wiki": ("wiki", "encyclopedia"),
        "blog": ("blog", "medium"),
        "social": ("thread", "social", "twitter", "reddit"),
    }
)


def adapt(variant: Variant, original: Original | None = None) -> PageContent:
    """Return the page that is played, as a browser makes it of the variant.

    Not every such page can be won: see ``playable.make_playable``.
    """
    found = steps.sections_of(pieces_of(variant.altered_content), variant.fake_marks)
    found = steps.limit_images(steps.merge_adjacent(found))
    title = title_of(found, original)
    found = drop_title(found, title)
    found = steps.at_least_two(found, page_id=variant.variant_id, title=title)
    found = steps.with_unique_ids(steps.at_least_one_false(found))
    url = clean((original and original.url) or "") or f"archive://sector-{variant.variant_id}"
    kind = kind_of(f"{url} {title}")
    return PageContent(
        id=variant.variant_id,
        title=title,
        content_type=kind,
        author=UNKNOWN_AUTHOR,
        date=_date((original and original.captured_at) or ""),
        url=url,
        difficulty=variant.difficulty,
        decay_duration=decay_seconds(variant.difficulty),
        sections=found,
        fact_check_data=fact_check(found, variant, kind=kind),
    )


def title_of(sections: Sequence[Section], original: Original | None) -> str:
    """Return the title that was supplied, else the first headline: step 8."""
    headlines = (section.text for section in sections if section.category == "headline")
    supplied = clean((original and original.title) or "")
    return supplied or next(headlines, DEFAULT_TITLE)


def drop_title(sections: Sequence[Section], title: str) -> list[Section]:
    """Drop a first headline that repeats the title, unless it is all there is: step 8."""
    match sections:
        case [Section(category="headline", text=text), _, *_] if text == title:
            return list(sections[1:])
        case _:
            return list(sections)


def kind_of(text: str) -> Kind:
    """Return what kind of page it is, by the words of its address and title: step 11."""
    text = text.lower()
    kinds = (kind for kind, found in _KEYWORDS.items() if any(word in text for word in found))
    return next(kinds, "news")


def _date(captured_at: str) -> str:
    try:
        day = datetime.fromisoformat(captured_at)
    except ValueError:
        return UNKNOWN_DATE
    return f"{day.day} {day:%B} {day.year}"
