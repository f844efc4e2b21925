"""A page while it is played: its time, and the three tools against it. Pure.

The referee is not told of selections, only of what is archived in the end. So the tool that stops
the decay until the next selection stops it for a fixed time at most.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random

from archives.errors import LifelineUsedError, NothingToPurgeError, SectionNotOnPageError
from archives.rules.content import PageContent, Section
from archives.rules.difficulty import curve
from archives.rules.playable import selectable

FREEZE = timedelta(seconds=15)
"""How long a frozen page stays so, if no selection is told of."""
GRACE = timedelta(seconds=2)
"""How late an archive may come: clients send theirs when the time is over, and it travels."""


class Lifeline(StrEnum):
    """A tool that players have once for each page."""

    VERIFY = "verify"
    FREEZE = "freeze"
    PURGE = "purge"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageState:
    """A page that is being played, and what has been done to it.

    ``level`` is the run's, whose curve the page decays along; how long it takes is the page's own.
    """

    page: PageContent
    level: int
    started_at: datetime
    used: frozenset[Lifeline] = frozenset()
    purged: frozenset[str] = frozenset()
    frozen_at: datetime | None = None
    thawed_at: datetime | None = None


def deadline(state: PageState) -> datetime:
    """Return when the page will be gone, if nothing more is done to it."""
    return state.started_at + timedelta(seconds=state.page.decay_duration) + _frozen(state)


def is_early(state: PageState, *, now: datetime) -> bool:
    """Return whether the page has yet to begin."""
    return now < state.started_at


def is_over(state: PageState, *, now: datetime) -> bool:
    """Return whether it is too late for the page."""
    return now > deadline(state) + GRACE


def progress(state: PageState, *, now: datetime) -> float:
    """Return how far the page has decayed, along the curve of its level, from 0 to 1."""
    played = now - state.started_at - _frozen(state, until=now)
    return curve(played.total_seconds() / state.page.decay_duration, level=state.level)


def verify(state: PageState, section_id: str) -> tuple[PageState, bool]:
    """Tell whether a section is true.

    :raises LifelineUsedError: if this was done on this page before.
    :raises SectionNotOnPageError: if the section is not there, or cannot be chosen.
    """
    after = _use(state, Lifeline.VERIFY)
    section = _choice(state).get(section_id)
    if section is None:
        raise SectionNotOnPageError(fields={"section_id": ["Cannot be chosen."]})
    return after, section.is_true


def freeze(state: PageState, *, now: datetime) -> PageState:
    """Stop the decay until the next selection, or for ``FREEZE``.

    :raises LifelineUsedError: if this was done on this page before.
    """
    return replace(_use(state, Lifeline.FREEZE), frozen_at=now)


def thaw(state: PageState, *, now: datetime) -> PageState:
    """Let the page decay again, if it is frozen: something was selected."""
    if state.frozen_at is None or state.thawed_at is not None:
        return state
    return replace(state, thawed_at=min(now, state.frozen_at + FREEZE))


def purge(state: PageState, *, random: Random) -> tuple[PageState, str]:
    """Take a false section away, any of those that are left.

    :raises LifelineUsedError: if this was done on this page before.
    :raises NothingToPurgeError: if none is left. The tool is not used up by it.
    """
    after = _use(state, Lifeline.PURGE)
    false = [key for key, section in _choice(state).items() if not section.is_true]
    if not false:
        raise NothingToPurgeError
    purged = random.choice(false)
    return replace(after, purged=state.purged | {purged}), purged


def _use(state: PageState, lifeline: Lifeline) -> PageState:
    if lifeline in state.used:
        raise LifelineUsedError(data={"lifeline": lifeline})
    return replace(state, used=state.used | {lifeline})


def _choice(state: PageState) -> Mapping[str, Section]:
    return {each.id: each for each in selectable(state.page) if each.id not in state.purged}


def _frozen(state: PageState, *, until: datetime | None = None) -> timedelta:
    """Return how long the page is frozen altogether, or was until then."""
    if state.frozen_at is None:
        return timedelta()
    ends = [state.frozen_at + FREEZE, *(each for each in (state.thawed_at, until) if each)]
    return max(min(ends) - state.frozen_at, timedelta())
