"""No result is ever stale: queries by every key and arbitrary ones, during arbitrary writes."""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.db import IntegrityError, transaction
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from typing_extensions import override

from dust.livequery.backends import rows
from dust.livequery.changes import Commit, on_commit, unnoticed
from tests.livequery_app.arbitrary_queries import (
    ABSENCES,
    ENTRIES,
    NAMES,
    PLAYERS,
    TEAMS,
    ArbitraryQuery,
    QueryByKey,
    Tables,
    all_tables,
    queries,
    queries_by_key,
)
from tests.livequery_app.arbitrary_writes import Write, writes
from tests.livequery_app.models import Entry, Player, Team, TimedEntry
from tests.livequery_app.noticing import is_touched, result_and_reads

pytestmark = pytest.mark.django_db(transaction=True)

counts: Counter[str] = Counter()
"""What happened in the test that runs."""


class Watched:
    """A query with its last result, run again exactly if a commit touches what it read."""

    def __init__(self, query: ArbitraryQuery | QueryByKey) -> None:
        self.query = query
        self.result, self.reads = result_and_reads(query)

    def check(self, commits: list[Commit], tables: Tables) -> None:
        """See whether the result is true, or would be run again.

        What a query by key reads depends on nothing but the key.
        """
        if isinstance(self.query, QueryByKey):
            fresh, reads = repr(self.query.result_in(tables)), self.reads
        else:
            fresh, reads = result_and_reads(self.query)
        if is_touched(self.reads, [write for commit in commits for write in commit.writes]):
            counts["re-runs"] += 1
            counts["needless"] += fresh == self.result
            self.result, self.reads = fresh, reads
        else:
            counts["left alone"] += 1
            assert fresh == self.result, (self.query, self.reads, commits)


class Watching(RuleBasedStateMachine):
    """Some rows, those who watch them, and those who write."""

    def __init__(self) -> None:
        super().__init__()
        self.commits: list[Commit] = []
        self.stop = on_commit(self.commits.append)
        self.fixed: list[Watched] = []
        self.arbitrary: deque[Watched] = deque(maxlen=6)

    @initialize(most_rows=st.sampled_from([1, 100]))
    def begin(self, most_rows: int) -> None:
        """Try two ideas of how many rows are too many to be read before they are written."""
        rows.MOST_ROWS = most_rows
        with unnoticed():
            for team, name in zip(TEAMS, NAMES, strict=False):
                Team.objects.create(pk=team, name=name)
            for player, team in zip(PLAYERS, TEAMS, strict=True):
                fan = Player.objects.create(pk=player, name="a", team_id=team)
                fan.idols.add(*Player.objects.all())
            Entry.objects.create(pk=ENTRIES[0], board="x", player_id=PLAYERS[0])
            TimedEntry.objects.create(pk=ENTRIES[1], board="x", player_id=PLAYERS[1], seconds=1)
        self.fixed = [*map(Watched, queries_by_key()), *map(Watched, ABSENCES)]

    @rule(query=queries)
    def watch(self, query: ArbitraryQuery) -> None:
        self.arbitrary.append(Watched(query))

    @rule(parts=st.lists(st.tuples(writes, st.booleans()), min_size=1, max_size=3))
    def write_together(self, parts: list[tuple[Write, bool]]) -> None:
        """Commit some writes; others are undone by their savepoint."""
        with _refusable(), transaction.atomic():
            for write, is_kept in parts:
                with _refusable(), transaction.atomic():
                    write()
                    transaction.set_rollback(not is_kept)
        self.check()

    @rule(parts=st.lists(writes, min_size=1, max_size=8))
    def write_apart(self, parts: list[Write]) -> None:
        """Write outside a transaction, in as many commits as it takes."""
        for write in parts:
            with _refusable():
                write()
            self.check()

    def check(self) -> None:
        counts["commits"] += len(self.commits)
        tables = all_tables()
        for watched in chain(self.fixed, self.arbitrary):
            watched.check(self.commits, tables)
        self.commits.clear()

    @override
    def teardown(self) -> None:
        self.stop()
        rows.MOST_ROWS = 100
        with unnoticed():
            for model in (Entry, Team, Player):
                model.objects.all().delete()


@contextmanager
def _refusable() -> Iterator[None]:
    """Let a write fail that makes no sense in the present state."""
    try:
        yield
    except (IntegrityError, ObjectDoesNotExist):
        counts["refused"] += 1


Record = Callable[[str, object], None]


class TestNoticing:
    def test_leaves_no_result_stale(self, record_property: Record) -> None:
        self.run(settings(max_examples=20, stateful_step_count=20), record_property)

    @pytest.mark.soak
    def test_leaves_no_result_stale_for_long(self, record_property: Record) -> None:
        self.run(settings(max_examples=250, stateful_step_count=40), record_property)

    def run(self, how_long: settings, record: Record) -> None:
        counts.clear()

        run_state_machine_as_test(Watching, settings=how_long)

        share = counts["needless"] / counts["re-runs"]
        record("needless re-runs", f"{share:.0%} of {dict(counts)}")
        assert counts["left alone"] > counts["re-runs"] > counts["needless"] > 0
