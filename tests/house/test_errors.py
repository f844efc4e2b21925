"""Every error that a client can meet has a code of its own, a status and a sentence."""

import importlib
import re
from collections import Counter

import pytest

from dust.errors import DustError
from tests.house import source


def _subclasses(kind: type[DustError]) -> set[type[DustError]]:
    below = set(kind.__subclasses__())
    return below.union(*map(_subclasses, below))


def _errors() -> list[type[DustError]]:
    for path in source.modules():
        if path.name != "asgi.py":  # running it is what starts a server
            importlib.import_module(".".join(path.with_suffix("").parts))
    ours = {kind for kind in _subclasses(DustError) if not kind.__module__.startswith("test")}
    return sorted({DustError, *ours}, key=lambda kind: kind.__qualname__)


ERRORS = _errors()


class TestErrors:
    def test_have_codes_of_their_own(self) -> None:
        counts = Counter(kind.code for kind in ERRORS)

        assert [code for code, count in counts.items() if count > 1] == []

    @pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__qualname__)
    def test_have_a_stable_name_a_status_and_a_sentence(self, kind: type[DustError]) -> None:
        assert kind.__name__.endswith("Error")
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind.code)
        assert 400 <= kind.status < 600
        assert "__doc__" in vars(kind)
        assert kind.__doc__
