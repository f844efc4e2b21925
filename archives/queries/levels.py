"""Levels, and how many variants there are to play on each."""

from dataclasses import dataclass

from django.db.models import Count

from archives.errors import LevelNotFoundError
from archives.models import Level, PageVariant
from archives.rules import content as rules


@dataclass(frozen=True, slots=True)
class LevelCount:
    """How many variants of a level can be played."""

    level_id: str
    valid_variants: int


def list_levels(project_id: str) -> list[Level]:
    """Return a project's levels, easiest first."""
    levels = Level.objects.filter(project_id=project_id).order_by("difficulty", "level_id")
    return list(levels[: rules.MAX_LEVELS_IN_PROJECT])


def find_level(project_id: str, level_id: str) -> Level | None:
    """Return a level of a project, None if there is none of that name."""
    return Level.objects.filter(project_id=project_id, level_id=level_id).first()


def get_level(project_id: str, level_id: str) -> Level:
    """Return a level of a project.

    :raises LevelNotFoundError: if there is none of that name.
    """
    level = find_level(project_id, level_id)
    if level is None:
        raise LevelNotFoundError
    return level


def count_valid(project_id: str) -> list[LevelCount]:
    """Return how many variants can be played on each level that has any, by the level's name.

    Levels that were never described count too, such as that of variants not assigned to any. An
    index holds all that this reads.
    """
    valid = PageVariant.objects.filter(project_id=project_id, is_valid=True)
    counts = valid.values("level_id").annotate(count=Count("*")).order_by("level_id")
    found = counts.values_list("level_id", "count")[: rules.MAX_LEVELS_IN_PROJECT]
    return [LevelCount(level_id, count) for level_id, count in found]
