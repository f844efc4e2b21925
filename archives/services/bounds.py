"""What may be claimed on the boards follows from the content that is played for them."""

from collections import defaultdict
from collections.abc import Collection
from itertools import accumulate, zip_longest

from django.conf import settings

from archives.models import Level, PageVariant
from archives.rules import content as rules
from archives.rules.difficulty import PAGES_PER_SHORT_RUN
from archives.rules.scoring import BUNDLED_TRUE_SECTIONS, solo_bound
from leaderboard.services.bounds import Bounds, set_bounds

BUNDLED = [pages * BUNDLED_TRUE_SECTIONS for pages in range(PAGES_PER_SHORT_RUN + 1)]
"""How many sections may be correct on so many of the pages that clients carry themselves."""


def refresh_bounds() -> list[str]:
    """Let nobody claim more than the present content is worth; return the boards that hear of it.

    Without levels there is no bound: then what clients carry is all there is, and whatever that is
    they know themselves.
    """
    return set_bounds(_find_bounds)


def _find_bounds() -> Bounds:
    project = settings.DUST_PROJECT
    numbers = dict(Level.objects.filter(project_id=project).values_list("level_id", "difficulty"))
    variants = PageVariant.objects.filter(project_id=project, level_id__in=numbers, is_valid=True)
    worths: defaultdict[str, list[int]] = defaultdict(list)
    for level_id, worth in variants.values_list("level_id", "worth").iterator():
        worths[level_id].append(worth)
    if not worths:
        return {}
    return {
        f"solo:{number}": _bounds(
            [each for level_id, each in worths.items() if numbers[level_id] == number]
        )
        for number in range(rules.MIN_DIFFICULTY, rules.MAX_DIFFICULTY + 1)
    }


def _bounds(levels: Collection[Collection[int]]) -> list[int]:
    """Return the most points for no page, one, two and so on of whichever level has the most.

    Of a level they may be those with the most to be had. Any level may also have been played on
    what the client carries itself.
    """
    counts = [accumulate(sorted(worths, reverse=True), initial=0) for worths in levels]
    reached = [0] * (len(counts) + 1)
    bounds = []
    for now in zip_longest(BUNDLED, *counts):
        reached = [last if one is None else one for last, one in zip(reached, now, strict=True)]
        bounds.append(solo_bound(max(reached)))
    return bounds
