"""The house keeps its measures."""

from tests.house import source

MOST_LINES = 400


class TestModules:
    def test_are_short_enough_to_read_in_one_go(self) -> None:
        lengths = {
            str(path): len((source.ROOT / path).read_text().splitlines())
            for path in source.modules()
        }

        assert {name: n for name, n in lengths.items() if n > MOST_LINES} == {}
