"""How hard a level is: how long its pages last, and along which curve they decay. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from archives.rules.content import MAX_DIFFICULTY, MIN_DIFFICULTY
from archives.rules.texts import round_half_up

LONGEST_SECONDS = 120
SHORTEST_SECONDS = 60

PAGES_PER_SHORT_RUN = 5
"""Demo and quick play end after so many pages; a level ends after its last."""
PAGES_BEFORE_CLIMBING = 2


class Tier(StrEnum):
    """A group of levels whose pages decay along one curve."""

    EASY = "easy"
    MEDIUM = "medium"
    HARD = "hard"
    EXPERT = "expert"


@dataclass(frozen=True, slots=True)
class Level:
    """What a level's number stands for. ``seconds`` is how long a page of this difficulty lasts."""

    number: int
    seconds: int
    tier: Tier


def clamp_level(number: float) -> int:
    """Return the level that the number stands for, of those from 1 to 10."""
    return int(max(MIN_DIFFICULTY, min(number, MAX_DIFFICULTY)))


def level_of(number: float) -> Level:
    """Return the level, or the nearest there is."""
    return LEVELS[clamp_level(number) - 1]


def decay_seconds(difficulty: float) -> int:
    """Return how long a page of this difficulty lasts, where it does not say so itself."""
    return level_of(difficulty).seconds


def curve(progress: float, *, level: float) -> float:
    """Return how far a page has decayed, when so much of its time is over; both from 0 to 1."""
    return _CURVES[level_of(level).tier](max(0.0, min(progress, 1.0)))


def next_level(level: int, *, pages_completed: int) -> int:
    """Return the run's level on its next page, with so many completed before the last one.

    It decides about the curve alone: a page's time is its own.
    """
    return clamp_level(level + (pages_completed >= PAGES_BEFORE_CLIMBING))


def _seconds(number: int) -> int:
    lost = (number - MIN_DIFFICULTY) * (LONGEST_SECONDS - SHORTEST_SECONDS)
    return round_half_up(LONGEST_SECONDS - lost / (MAX_DIFFICULTY - MIN_DIFFICULTY))


def _tier(number: int) -> Tier:
    bounds = {3: Tier.EASY, 6: Tier.MEDIUM, 9: Tier.HARD, 10: Tier.EXPERT}
    return next(tier for last, tier in bounds.items() if number <= last)


_CURVES: Mapping[Tier, Callable[[float], float]] = MappingProxyType(
    {
        Tier.EASY: lambda p: p,
        Tier.MEDIUM: lambda p: p * p * (3 - 2 * p),
        Tier.HARD: lambda p: p * p,
        Tier.EXPERT: lambda p: p * p * p,
    }
)

LEVELS = tuple(
    Level(number, _seconds(number), _tier(number))
    for number in range(MIN_DIFFICULTY, MAX_DIFFICULTY + 1)
)
