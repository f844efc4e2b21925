"""The tables that a team can bring along."""

import msgspec
import pytest

from dust import moving


class TestRegisterTable:
    def test_takes_each_name_once(self) -> None:
        before = dict(moving.tables())

        with pytest.raises(ValueError, match="named users"):
            moving.register_table("users", msgspec.Struct, lambda _row: True)

        assert moving.tables() == before
