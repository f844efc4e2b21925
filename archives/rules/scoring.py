"""What solo play is worth: pages archived or lost, and the most that can be had. Pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from archives.errors import (
    EnergyLeftError,
    EnergyOverspentError,
    SectionChosenTwiceError,
    SectionNotOnPageError,
)
from archives.rules.content import PageContent, Section
from archives.rules.playable import energy_of, is_selectable, make_playable
from archives.rules.texts import round_half_up

CORRECT = 100
MISINFORMATION = -150
CLUTCH = 50
"""What a correct section is worth more, late in the decay."""
CLUTCH_FROM = 0.9
"""How far a page must have decayed for it, along the run's curve."""
COMBO_STEPS = 4
"""So many correct sections in a row double what the next one is worth; fewer do their share."""
TIMEOUT = -400

BUNDLED_TRUE_SECTIONS = 7
"""How many true sections a page that comes with the clients has at most."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a run stands. A new one stands like this.

    ``archived`` and ``correct`` count sections, over all pages. The score may be negative.
    """

    score: int = 0
    combo: int = 0
    best_combo: int = 0
    archived: int = 0
    correct: int = 0
    pages_completed: int = 0

    @property
    def accuracy(self) -> int:
        """How much of what was archived is true, in percent."""
        return round_half_up(100 * self.correct / self.archived) if self.archived else 0


@dataclass(frozen=True, slots=True)
class Judged:
    """A section that was archived, and what it brought."""

    section: Section
    points: int

    @property
    def was_correct(self) -> bool:
        """Whether it was right to archive it."""
        return self.section.is_true


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a page: how the run stands after it, and what was archived."""

    standing: Standing
    judged: tuple[Judged, ...]
    is_clutch: bool

    @property
    def points(self) -> int:
        """What the page brought; it may have cost."""
        return sum(each.points for each in self.judged)


def chosen_sections(
    page: PageContent, section_ids: Sequence[str], *, purged: Collection[str] = ()
) -> list[Section]:
    """Return the sections in the order in which they were chosen, if they may be archived.

    :raises SectionNotOnPageError: if one is not there, cannot be chosen, or was purged.
    :raises SectionChosenTwiceError: if one is there twice.
    :raises EnergyOverspentError: if they cost more than the page's energy.
    :raises EnergyLeftError: if they cost less; it has to be spent to the last.
    """
    known = {each.id: each for each in page.sections if is_selectable(each)}
    seen = set(purged)
    for at, key in enumerate(section_ids):
        if key not in known or key in purged:
            raise SectionNotOnPageError(fields={f"section_ids.{at}": ["Cannot be chosen."]})
        if key in seen:
            raise SectionChosenTwiceError(fields={f"section_ids.{at}": ["Is there already."]})
        seen.add(key)
    chosen = [known[key] for key in section_ids]
    left = energy_of(page) - sum(int(section.archive_cost) for section in chosen)
    if left < 0:
        raise EnergyOverspentError(data={"energy": energy_of(page), "overspent": -left})
    if left:
        raise EnergyLeftError(data={"energy": energy_of(page), "left": left})
    return chosen


def score_archive(standing: Standing, sections: Iterable[Section], *, progress: float) -> Outcome:
    """Archive a page's sections, in the order in which they were chosen.

    ``progress`` is how far the page has decayed, along the run's curve.
    """
    is_clutch = progress >= CLUTCH_FROM
    judged = []
    for section in sections:
        is_true, combo = section.is_true, standing.combo
        points = section_points(is_true=is_true, is_clutch=is_clutch, combo=combo)
        standing = _after(standing, points=points, is_true=is_true)
        judged.append(Judged(section, points))
    standing = replace(standing, pages_completed=standing.pages_completed + 1)
    return Outcome(standing, tuple(judged), is_clutch)


def score_timeout(standing: Standing) -> Outcome:
    """Lose a page that was not archived in time: nothing of it is kept, and the combo is gone.

    The score does not fall below zero by it; one that is below already comes back to zero.
    """
    return Outcome(
        replace(
            standing,
            score=max(0, standing.score + TIMEOUT),
            combo=0,
            pages_completed=standing.pages_completed + 1,
        ),
        judged=(),
        is_clutch=False,
    )


def section_points(*, is_true: bool, is_clutch: bool, combo: int) -> int:
    """Return what archiving a section brings, after so many correct ones in a row."""
    if not is_true:
        return MISINFORMATION
    worth = CORRECT + CLUTCH * is_clutch
    return round_half_up(worth * (COMBO_STEPS + combo) / COMBO_STEPS)


def solo_bound(true_sections: int) -> int:
    """Return the most points that so many true sections can bring: all of them, in one combo, late.

    This is what ``score_archive`` gives for that, roundings up included, and so a little more than
    150 K + 18.75 K (K - 1).
    """
    correct = range(max(true_sections, 0))
    return sum(section_points(is_true=True, is_clutch=True, combo=combo) for combo in correct)


def bound_sections(page: PageContent) -> int:
    """Return how many sections of an adapted page may be correct, for ``solo_bound``.

    Browsers let players choose what costs nothing, and the server adds what a page lacks: whatever
    is more.
    """
    pages = (page, make_playable(page))
    return max(sum(section.is_true for section in each.sections) for each in pages)


def _after(standing: Standing, *, points: int, is_true: bool) -> Standing:
    combo = standing.combo + 1 if is_true else 0
    return replace(
        standing,
        score=standing.score + points,
        combo=combo,
        best_combo=max(standing.best_combo, combo),
        archived=standing.archived + 1,
        correct=standing.correct + is_true,
    )
