"""What tests of noticing share: two sides that have nothing in common, and ways to look."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from django.core.exceptions import ObjectDoesNotExist
from django.db import DEFAULT_DB_ALIAS, connections

from dust.livequery import changes
from dust.livequery.capture import recording
from dust.livequery.changes import Commit, Ledger
from dust.livequery.readset import TableRead, TableWrite, touches
from tests.livequery_app.models import Entry, Player, Team, TimedEntry


@dataclass(frozen=True)
class Side:
    """Rows that belong together, none of which belongs to another side."""

    board: str
    team: Team
    captain: Player
    fan: Player
    entry: Entry
    timed: TimedEntry

    @classmethod
    def create(cls, name: str) -> "Side":
        team = Team.objects.create(name=name)
        captain = Player.objects.create(name=f"{name} captain", team=team)
        fan = Player.objects.create(name=f"{name} fan", team=team)
        team.captain = captain
        team.save()
        captain.fans.add(fan)
        entry = Entry.objects.create(board=name, player=captain, score=1)
        timed = TimedEntry.objects.create(board=f"{name} timed", player=fan, score=2, seconds=3)
        entry.seen_by.add(team)
        return cls(name, team, captain, fan, entry, timed)


def result_and_reads(query: Callable[[], Any]) -> tuple[Any, list[TableRead]]:
    """Run a query; equal results look the same to a client."""
    with recording() as recorder:
        try:
            result = repr(query())
        except ObjectDoesNotExist as exc:
            result = repr(exc)
    return result, recorder.reads


def reads_of(query: Callable[[], Any]) -> list[TableRead]:
    return result_and_reads(query)[1]


def writes_of(write: Callable[[], Any]) -> tuple[TableWrite, ...]:
    """Write in the transaction that is open, and return what would be handed over for it."""
    wrapper: Any = connections[DEFAULT_DB_ALIAS]
    outer, wrapper.ledger = wrapper.ledger, Ledger()
    try:
        write()
        return cast("Ledger", wrapper.ledger).take()
    finally:
        wrapper.ledger = outer


def is_touched(reads: Iterable[TableRead], writes: Iterable[TableWrite]) -> bool:
    writes = list(writes)
    return any(touches(write, read) for read in reads for write in writes)


@contextmanager
def commits() -> Iterator[list[Commit]]:
    """Listen to what is committed inside."""
    heard: list[Commit] = []
    stop = changes.on_commit(heard.append)
    try:
        yield heard
    finally:
        stop()
