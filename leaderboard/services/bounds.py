"""The most that may be claimed on each board. Whoever knows what is played there says it here."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from django.db import transaction

from leaderboard.models import Board, ScoreBound

Bounds = Mapping[str, Sequence[int]]
"""For each board the most that can be had with no page completed, with one, with two and so on.

The last holds for all that follow. A board that is missing, or has none, takes any score.
"""


def set_bounds(find: Callable[[], Bounds]) -> list[str]:
    """Bound what may be claimed from now on; return the boards where that has changed.

    ``find`` is called when no other bounds are being set, and they are not until this transaction
    has ended: so whoever comes last has seen what the others went by.
    """
    with transaction.atomic():
        # Not the keys: entries go on referring to the boards meanwhile.
        boards = list(Board.objects.order_by("key").select_for_update(no_key=True))
        wanted = find()
        there: dict[str, dict[int, int]] = {board.key: {} for board in boards}
        rows = ScoreBound.objects.values_list("board_id", "pages_completed", "score")
        for key, pages, score in rows:
            there[key][pages] = score
        changed = {
            key: steps
            for key, old in there.items()
            if (steps := _steps(wanted.get(key, ()))) != old
        }
        ScoreBound.objects.filter(board_id__in=changed).delete()
        ScoreBound.objects.bulk_create(
            ScoreBound(board_id=key, pages_completed=pages, score=score)
            for key, steps in changed.items()
            for pages, score in steps.items()
        )
    return list(changed)


def _steps(bounds: Sequence[int]) -> dict[int, int]:
    """Return the bounds that differ from the one before, by the number of pages."""
    first = dict(enumerate(bounds[:1]))
    return first | {at: now for at, (last, now) in enumerate(pairwise(bounds), 1) if now != last}
