"""Any interleaving of transactions and reads: nothing is missed, and nothing comes twice."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dust.livequery.catchup import ChangeReader
from dust.livequery.changes import Commit
from tests.dust.livequery.writers import IS_POSTGRESQL, Writer, read

WRITERS = 4 if IS_POSTGRESQL else 1  # SQLite has one writer at a time
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["begin", "commit", "roll back", "hint", "read", "read and fail"]),
        st.integers(0, WRITERS - 1),
    ),
    max_size=60,
)


class Story:
    """Some writers and a reader, and what the reader has yet to find."""

    def __init__(self) -> None:
        self.writers = [Writer(name) for name in ("alice", "bob", "charlie", "dora")[:WRITERS]]
        self.running: dict[Writer, Commit] = {}
        self.unseen: list[Commit] = []
        self.reader = ChangeReader()
        self.reader.mark_applied(read(self.reader))

    def take(self, step: str, writer: Writer) -> None:
        if step == "begin" and writer not in self.running:
            self.running[writer] = writer.begin()
        elif step == "commit" and writer in self.running:
            writer.commit()
            self.unseen.append(self.running.pop(writer))
        elif step == "roll back" and writer in self.running:
            writer.roll_back()
            del self.running[writer]
        elif step == "hint" and self.unseen:
            self.reader.mark_applied([self.unseen.pop()])
        elif step == "read":
            self.reader.mark_applied(self.read())
            self.unseen = []
        elif step == "read and fail":
            self.read()

    def read(self) -> list[Commit]:
        found = read(self.reader)
        assert sorted(found, key=_key) == sorted(self.unseen, key=_key)
        return found


def _key(commit: Commit) -> tuple[str, int]:
    return commit.origin, commit.seq


@pytest.mark.django_db(transaction=True)
class TestEveryCommit:
    @given(steps=STEPS)
    def test_is_found_once_by_the_first_snapshot_that_shows_it(
        self, steps: list[tuple[str, int]]
    ) -> None:
        story = Story()
        with contextlib.ExitStack() as stack:
            for writer in story.writers:
                stack.callback(writer.close)

            for step, number in steps:
                story.take(step, story.writers[number])
            for writer in story.writers:
                story.take("commit", writer)
            story.take("read", story.writers[0])
