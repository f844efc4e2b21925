"""The shapes of REST keep to the rules, and to what the other doors show."""

from dataclasses import replace
from typing import Any

import pytest

from gamesessions import functions, rules, serializers
from gamesessions.errors import InvalidProgressError
from gamesessions.rules import Progress


class TestShapes:
    @pytest.mark.parametrize("field", sorted(Progress.__dataclass_fields__))
    def test_have_the_limits_that_the_rules_have(self, field: str) -> None:
        shown: Any = serializers.Change().fields[field]
        current = Progress(score=0, level=1, combo=0, pages_completed=0, accuracy=0)

        for within in (shown.min_value, shown.max_value):
            checked = rules.check_progress(replace(Progress(), **{field: within}), current=current)
            assert getattr(checked, field) == within
        for beyond in (shown.min_value - 1, shown.max_value + 1):
            with pytest.raises(InvalidProgressError):
                rules.check_progress(replace(Progress(), **{field: beyond}), current=current)

    def test_show_a_session_as_every_other_door_does(self) -> None:
        assert set(serializers.Session().fields) == set(functions.Session.__struct_fields__)
