"""The life of a refereed run, which pages it has, and what it may count for. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

import msgspec

from archives.errors import InvalidRunError, PageArchivedError, PageTimedOutError
from archives.rules.content import MAX_DIFFICULTY, MAX_ITEMS, MIN_DIFFICULTY, PageContent
from archives.rules.play import GRACE, PageState, deadline
from archives.rules.playable import energy_of, selectable
from dust.errors import ConflictError
from gamesessions.rules import check_transitions

MAX_PAGES = 100
"""How many pages a run has at most: as many as boards take."""
MAX_PAGES_BYTES = 4 * 1024 * 1024
"""How large the pages of a run may be together, as JSON."""
SECTION_PLACE_MAX = 8
"""How long the ids of sections are in a run, where they are places."""

MOST_IDLE = timedelta(hours=1)
"""How long a run waits for its player between two pages."""
PAGES_KEPT = timedelta(days=7)
"""How long the pages of a run stay after its end. The run itself stays."""

STARTS_PER_MINUTE = 10
MOVES_PER_MINUTE = 120


class Mode(StrEnum):
    """What a run is played on: a level's pages, some near a level, or the demo's."""

    LEVEL = "level"
    QUICK = "quick"
    DEMO = "demo"


RANKED_MODES = frozenset({Mode.LEVEL})
"""The runs whose results may stand on a board."""


class Fate(StrEnum):
    """What has become of a page."""

    ARCHIVED = "archived"
    TIMED_OUT = "timed_out"


OVER: Mapping[Fate, type[ConflictError]] = MappingProxyType(
    {Fate.ARCHIVED: PageArchivedError, Fate.TIMED_OUT: PageTimedOutError}
)
"""Why nothing more can be done on a page."""


class Status(StrEnum):
    """Where in its life a run is."""

    STARTED = "started"
    """No page has ended yet."""
    PLAYING = "playing"
    FINISHED = "finished"
    ABANDONED = "abandoned"
    """The player left, or began another."""
    EXPIRED = "expired"
    """Nobody came back to it in time."""


INITIAL = Status.STARTED
TRANSITIONS: Mapping[Status, frozenset[Status]] = MappingProxyType(
    {
        Status.STARTED: frozenset({Status.PLAYING, Status.ABANDONED, Status.EXPIRED}),
        Status.PLAYING: frozenset({Status.FINISHED, Status.ABANDONED, Status.EXPIRED}),
        Status.FINISHED: frozenset(),
        Status.ABANDONED: frozenset(),
        Status.EXPIRED: frozenset(),
    }
)
"""What may follow each status. Where nothing does, the run is over."""

FINAL = check_transitions(TRANSITIONS)


def can_become(status: Status, other: Status) -> bool:
    """Return whether a run of the one status may take the other."""
    return other in TRANSITIONS[status]


def check_start(mode: Mode, level: int | None) -> int:
    """Return the level on which a run begins that was asked for like this.

    :raises InvalidRunError: if a level is missing, out of bounds, or asked for where there is none.
    """
    problem = None
    if mode is Mode.DEMO and level is not None:
        problem = "The demo has none."
    elif mode is Mode.LEVEL and level is None:
        problem = "Say which."
    elif level is not None and not MIN_DIFFICULTY <= level <= MAX_DIFFICULTY:
        problem = f"Must be a whole number from {MIN_DIFFICULTY} to {MAX_DIFFICULTY}."
    if problem:
        raise InvalidRunError(fields={"level": [problem]})
    return MIN_DIFFICULTY if level is None or mode is not Mode.LEVEL else level


def fitting(pages: Iterable[PageContent]) -> list[PageContent]:
    """Return as many of the pages as one run may have, in their order.

    All that can be archived on them together fits into one archive.
    """
    kept: list[PageContent] = []
    items = total = 0
    for page in pages:
        items += min(energy_of(page), len(selectable(page)))
        total += len(msgspec.json.encode(page))
        if len(kept) == MAX_PAGES or items > MAX_ITEMS or total > MAX_PAGES_BYTES:
            break
        kept.append(page)
    return kept


def over_at(state: PageState) -> datetime:
    """Return the first moment that is too late for the page, if nothing more is done to it."""
    return deadline(state) + GRACE + datetime.resolution
