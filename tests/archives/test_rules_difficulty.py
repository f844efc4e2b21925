"""How long pages last, and along which curve they decay."""

import pytest

from archives.rules.difficulty import LEVELS, Tier, curve, decay_seconds, next_level

SECONDS = [120, 113, 107, 100, 93, 87, 80, 73, 67, 60]
TIERS = [*[Tier.EASY] * 3, *[Tier.MEDIUM] * 3, *[Tier.HARD] * 3, Tier.EXPERT]


class TestLevels:
    def test_last_as_the_table_says(self) -> None:
        assert [level.seconds for level in LEVELS] == SECONDS
        assert [decay_seconds(number) for number in range(1, 11)] == SECONDS

    def test_are_in_tiers(self) -> None:
        assert [level.tier for level in LEVELS] == TIERS

    @pytest.mark.parametrize(
        ("number", "seconds"), [(0, 120), (-5, 120), (11, 60), (10**9, 60), (5.0, 93)]
    )
    def test_are_from_1_to_10(self, number: float, seconds: int) -> None:
        assert decay_seconds(number) == seconds


class TestCurve:
    @pytest.mark.parametrize(
        ("level", "half", "most"),
        [(1, 0.5, 0.9), (4, 0.5, 0.972), (7, 0.25, 0.81), (10, 0.125, 0.729)],
    )
    def test_is_the_tiers(self, level: int, half: float, most: float) -> None:
        assert curve(0.5, level=level) == half
        assert curve(0.9, level=level) == pytest.approx(most)

    @pytest.mark.parametrize("level", range(1, 11))
    def test_runs_from_0_to_1_and_never_back(self, level: int) -> None:
        points = [curve(step / 100, level=level) for step in range(-10, 111)]

        assert (points[0], points[-1]) == (0, 1)
        assert points == sorted(points)


class TestNextLevel:
    def test_rises_from_the_fourth_page_on(self) -> None:
        levels = [1]
        for completed in range(4):
            levels.append(next_level(levels[-1], pages_completed=completed))

        assert levels == [1, 1, 1, 2, 3]

    def test_rises_to_10(self) -> None:
        assert next_level(10, pages_completed=50) == 10
