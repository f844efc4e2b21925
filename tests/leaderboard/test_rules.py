"""What may be recorded on a board."""

import math
from dataclasses import replace
from typing import Any

import pytest

from leaderboard import rules
from leaderboard.errors import (
    BoardNotFoundError,
    InvalidPlayError,
    InvalidReasonError,
    LevelMismatchError,
)
from leaderboard.rules import Play

PLAY = Play(score=1013, accuracy=88.5, level=3, pages_completed=5)


class TestBoards:
    def test_are_one_for_each_level_and_one_for_teams(self) -> None:
        levels = {f"solo:{level}": level for level in range(1, 11)}

        assert dict(rules.LEVEL_OF_BOARD) == levels | {"coop": None}

    @pytest.mark.parametrize("key", ["solo:3", "solo:10", "coop"])
    def test_are_known_by_their_keys(self, key: str) -> None:
        assert rules.check_board(key) == key

    @pytest.mark.parametrize(
        "key", ["", "solo", "solo:0", "solo:11", "solo:9999", "solo:03", "COOP"]
    )
    def test_d24_are_no_others(self, key: str) -> None:
        with pytest.raises(BoardNotFoundError):
            rules.check_board(key)


class TestCheckPlay:
    def test_passes_what_is_within_bounds(self) -> None:
        assert rules.check_play("solo:3", PLAY) == PLAY

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("score", 2**53 - 1),
            ("score", -(2**53) + 1),
            ("score", 0),
            ("accuracy", 0),
            ("accuracy", 100),
            ("pages_completed", 0),
            ("pages_completed", 100),
        ],
    )
    def test_passes_the_bounds_themselves(self, field: str, value: int) -> None:
        checked = rules.check_play("solo:3", replace(PLAY, **{field: value}))

        assert getattr(checked, field) == value

    @pytest.mark.parametrize(
        ("field", "value", "limit"),
        [
            ("score", 2**53, "from -9007199254740991 to 9007199254740991"),
            ("score", -(2**53), "from -9007199254740991 to 9007199254740991"),
            ("score", 10**400, "from -9007199254740991 to 9007199254740991"),
            ("score", 1250.5, "a whole number"),
            ("score", math.nan, "a whole number"),
            ("score", math.inf, "a whole number"),
            ("score", -math.inf, "a whole number"),
            ("score", True, "a whole number"),
            ("accuracy", -0.1, "from 0 to 100"),
            ("accuracy", 100.1, "from 0 to 100"),
            ("accuracy", math.nan, "from 0 to 100"),
            ("accuracy", math.inf, "from 0 to 100"),
            ("accuracy", 10**400, "from 0 to 100"),
            ("accuracy", True, "from 0 to 100"),
            ("level", 0, "from 1 to 10"),
            ("level", 11, "from 1 to 10"),
            ("level", 2.5, "a whole number"),
            ("level", True, "a whole number"),
            ("pages_completed", -1, "from 0 to 100"),
            ("pages_completed", 101, "from 0 to 100"),
            ("pages_completed", 4.5, "a whole number"),
        ],
    )
    @pytest.mark.parametrize("board", ["solo:3", "coop"])
    def test_d24_names_the_field_and_the_limit(
        self, board: str, field: str, value: Any, limit: str
    ) -> None:
        with pytest.raises(InvalidPlayError) as refusal:
            rules.check_play(board, replace(PLAY, **{field: value}))

        assert list(refusal.value.fields) == [field]
        assert limit in refusal.value.fields[field][0]

    def test_names_every_field_at_once(self) -> None:
        with pytest.raises(InvalidPlayError) as refusal:
            rules.check_play("coop", Play(score=0.5, accuracy=101, level=0, pages_completed=-1))

        assert set(refusal.value.fields) == {"score", "accuracy", "level", "pages_completed"}

    def test_takes_whole_numbers_that_come_as_floats(self) -> None:
        play = rules.check_play("solo:3", Play(1250.0, 88, 3.0, 5.0))

        assert play == Play(1250, 88.0, 3, 5)
        assert [type(value) for value in (play.score, play.level, play.pages_completed)] == [
            int
        ] * 3
        assert type(play.accuracy) is float

    def test_makes_no_difference_between_zeros(self) -> None:
        play = rules.check_play("solo:3", replace(PLAY, score=-0.0, accuracy=-0.0))

        assert (str(play.score), str(play.accuracy)) == ("0", "0.0")

    def test_refuses_another_level_than_the_board_is_for(self) -> None:
        with pytest.raises(LevelMismatchError) as refusal:
            rules.check_play("solo:4", PLAY)

        assert refusal.value.code == "level_mismatch"
        assert refusal.value.fields == {"level": ["Must be 4."]}

    @pytest.mark.parametrize("level", range(1, 11))
    def test_leaves_the_level_free_for_teams(self, level: int) -> None:
        assert rules.check_play("coop", replace(PLAY, level=level)).level == level

    def test_refuses_a_board_that_is_not_there(self) -> None:
        with pytest.raises(BoardNotFoundError):
            rules.check_play("solo:11", replace(PLAY, level=11))


class TestCheckReason:
    def test_trims(self) -> None:
        assert rules.check_reason("  impossible score ") == "impossible score"

    @pytest.mark.parametrize("reason", ["", "   ", "x" * 201])
    def test_refuses_none_and_too_long_a_one(self, reason: str) -> None:
        with pytest.raises(InvalidReasonError) as refusal:
            rules.check_reason(reason)

        assert "1 to 200 characters" in refusal.value.fields["reason"][0]
