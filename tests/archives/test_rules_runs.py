"""The life of a refereed run."""

from archives.rules import runs
from archives.rules.runs import Mode, Status


class TestRuns:
    def test_end_in_one_of_three_ways(self) -> None:
        allowed = {
            (one, other) for one in Status for other in Status if runs.can_become(one, other)
        }

        assert allowed == {
            (Status.STARTED, Status.PLAYING),
            (Status.STARTED, Status.ABANDONED),
            (Status.STARTED, Status.EXPIRED),
            (Status.PLAYING, Status.FINISHED),
            (Status.PLAYING, Status.ABANDONED),
            (Status.PLAYING, Status.EXPIRED),
        }
        assert {Status.FINISHED, Status.ABANDONED, Status.EXPIRED} == runs.FINAL

    def test_d28_rank_on_levels_alone(self) -> None:
        assert {Mode.LEVEL} == runs.RANKED_MODES
