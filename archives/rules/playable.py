"""The step after the adapter: pages that can be won, and what players may see of them. Pure.

A page is won by choosing all that is true on it and can be chosen, and nothing else. That spends
its energy exactly, by what energy is; so all that a page needs for it is something true and
something false to choose between.
"""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from archives.rules.content import (
    MAX_SECTIONS,
    SECTION_ID_MAX,
    TITLE_MAX,
    Category,
    Kind,
    PageContent,
    Section,
)
from archives.rules.sections import is_image, text_section, unique

NOTE = "The address of this page begins with “{}”."
NOTE_REASON = "The address of this page begins with something else."
NOTE_PREFIX = 8
OTHER_PREFIXES = ("gopher:/", "telnet:/")

_TRUTHS = (True, False)
_ID_KEPT = SECTION_ID_MAX - len("__") - len(str(MAX_SECTIONS))


def is_selectable(section: Section) -> bool:
    """Return whether players can choose the section (DUST-SC-2): it costs something.

    A picture cannot be chosen even if it does.
    """
    return section.archive_cost > 0 and not is_image(section)


def selectable(page: PageContent) -> list[Section]:
    """Return the sections that players can choose."""
    return [section for section in page.sections if is_selectable(section)]


def energy_of(page: PageContent) -> int:
    """Return what players have to spend on the page (DUST-SC-1): the cost of all they should keep.

    It gives away how much of the page is true, and never what.
    """
    return sum(int(section.archive_cost) for section in selectable(page) if section.is_true)


def is_winnable(page: PageContent) -> bool:
    """Return whether there is something true and something false to choose on the page."""
    return not _missing(page.sections)


def make_playable(page: PageContent) -> PageContent:
    """Return the page with something true and something false to choose: DUST-SC-1 and DUST-SC-2.

    A page that has both stays as it is. Where one is missing nothing is called true or false that
    was not before; instead

    1. headlines, which cost nothing, cost 1: it may be one of them, and all do, lest the one stand
       out;
    2. if that does not help, a sentence on the page's address is added, which anybody can check.

    What no page may have is cut: titles and ids too long, and sections too many, from behind, but
    for the first true and the first false one.
    """
    sections = list(page.sections)
    if _missing(sections):
        sections = [_with_cost(section) for section in sections]
    sections += [_note(truth=truth, url=page.url) for truth in _missing(sections)]
    sections = _first(sections)
    ids = unique([section.id[:_ID_KEPT] for section in sections])
    return replace(
        page,
        title=page.title[:TITLE_MAX],
        sections=[replace(each, id=own) for each, own in zip(sections, ids, strict=True)],
    )


def with_place_ids(page: PageContent) -> PageContent:
    """Return the page with ids that tell nothing but a section's place: s1, s2 and so on.

    The ids of content may tell more: what was put in last may have a kind of its own.
    """
    sections = [replace(section, id=f"s{n}") for n, section in enumerate(page.sections, 1)]
    return replace(page, sections=sections)


class SeenSection(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A section, as those see it who have yet to judge it."""

    id: str
    text: str
    category: Category
    decay_order: int
    archive_cost: int
    image_src: str | UnsetType = UNSET
    image_alt: str | UnsetType = UNSET


class SeenPage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page, as those see it who have yet to judge it."""

    id: str
    title: str
    content_type: Kind
    author: str
    date: str
    url: str
    difficulty: int
    decay_duration: float
    sections: list[SeenSection]


def redact(page: PageContent) -> SeenPage:
    """Return what players may see of the page before it is revealed (D20).

    Nothing in it follows from what is true: no reasons, no issues, and none of the hints, which
    name each lie. Pages that differ in nothing else become the same.
    """
    return SeenPage(
        id=page.id,
        title=page.title,
        content_type=page.content_type,
        author=page.author,
        date=page.date,
        url=page.url,
        difficulty=int(page.difficulty),
        decay_duration=page.decay_duration,
        sections=[_seen(section) for section in page.sections],
    )


def _seen(section: Section) -> SeenSection:
    return SeenSection(
        id=section.id,
        text=section.text,
        category=section.category,
        decay_order=int(section.decay_order),
        archive_cost=int(section.archive_cost),
        image_src=section.image_src,
        image_alt=section.image_alt,
    )


def _missing(sections: Sequence[Section]) -> list[bool]:
    """Return of true and false what there is none to choose of."""
    found = {section.is_true for section in sections if is_selectable(section)}
    return [truth for truth in _TRUTHS if truth not in found]


def _with_cost(section: Section) -> Section:
    is_free = not section.archive_cost and not is_image(section) and bool(section.text)
    return replace(section, archive_cost=1) if is_free else section


def _note(*, truth: bool, url: str) -> Section:
    start = url[:NOTE_PREFIX]
    if truth:
        return text_section("note", NOTE.format(start), category="metadata")
    other = next(prefix for prefix in OTHER_PREFIXES if prefix != start)
    false = text_section("note", NOTE.format(other), category="metadata")
    return replace(false, is_true=False, false_reason=NOTE_REASON)


def _first(sections: Sequence[Section]) -> list[Section]:
    """Return as many sections as a page may have, with the first true and the first false one."""
    choice = [(at, section) for at, section in enumerate(sections) if is_selectable(section)]
    needed = {next(at for at, each in choice if each.is_true is truth) for truth in _TRUTHS}
    others = [at for at in range(len(sections)) if at not in needed]
    return [sections[at] for at in sorted(needed.union(others[: MAX_SECTIONS - len(needed)]))]
