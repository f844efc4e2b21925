"""What is watched and by whom: live queries, the groups of clients that share them, their news.

Clients with the same subscriptions form a group, so that planning and comparing cost one step for a
thousand sockets that watch one board. Who is in which group is ``liveset``'s affair.
"""

import itertools
import math
import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from dust.livequery.context import Caller, fact_of
from dust.livequery.execution import Result
from dust.livequery.leases import HeldLease
from dust.livequery.registry import FunctionSpec

if TYPE_CHECKING:
    from dust.livequery.liveset import LiveSet

Versions = tuple[str | None, ...]
FamilyKey = tuple[str, bytes, str | None]


@dataclass(slots=True)
class Transition:
    """News for sockets: subscriptions and their new results, all read from one snapshot.

    Clients of a group that lack the same are told by the same object, so a door may keep in
    ``encodings`` what it has made for one of them.
    """

    ts: int
    changes: Sequence[tuple[int, Result]]
    encodings: dict[Hashable, bytes] = field(default_factory=dict)


class Door(Protocol):
    """A socket, as the engine sees it."""

    @property
    def writable(self) -> bool:
        """False while the peer is behind: it gets no news until ``Client.drained`` is called."""

    def deliver(self, transition: Transition) -> None:
        """Send the news; called on the event loop, must not block."""


@dataclass(slots=True, eq=False)
class Family:
    """All live queries of one function with one set of arguments.

    ``facts`` is what its runs have ever read of their callers. It only grows; when it does, the
    family's live queries split. ``journal`` is what each run begins with.
    """

    spec: FunctionSpec
    args: msgspec.Struct
    journal: str | None
    key: FamilyKey
    facts: frozenset[str] = frozenset()
    live: dict[tuple[Any, ...], "LiveQuery"] = field(default_factory=dict)

    def caller_key(self, caller: Caller | None) -> tuple[Any, ...]:
        return tuple(fact_of(caller, fact) for fact in sorted(self.facts))


@dataclass(slots=True, eq=False)
class LiveQuery:
    """One shared result.

    ``caller`` stands for all its callers. ``result`` is None until the first run. ``installed`` is
    the newest cycle that had begun when the result was installed: only later ones may rely on it,
    since the snapshots of the others may be older than the result. A stale query is not in the
    index: nothing more can happen to it before it is run again.
    """

    family: Family
    caller_key: tuple[Any, ...]
    caller: Caller | None
    result: Result | None = None
    installed: int = 0
    is_stale: bool = True
    groups: set["Group"] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class Group:
    """The clients that have the same subscriptions under the same ids.

    ``sent`` holds the versions that its clients were last told, in the order of ``entries``; one
    that differs (new here, or behind) has another tuple of its own.
    """

    entries: tuple[tuple[int, LiveQuery], ...]
    clients: dict["Client", None] = field(default_factory=dict)
    sent: Versions = ()
    is_queued: bool = False
    is_planned: bool = False

    def can_be_told(self) -> bool:
        """Return whether there is anybody in it who is not behind."""
        return any(not client.is_behind for client in self.clients)

    def families(self) -> frozenset[FamilyKey]:
        """Return what kind of interest this is, whoever the clients are."""
        return frozenset(live.family.key for _, live in self.entries)

    def to_run(self, cycle: int) -> list[LiveQuery]:
        """Return those of its queries whose results are not known to be valid in the cycle."""
        return [live for _, live in self.entries if live.is_stale or live.installed >= cycle]


class Unanswered:
    """A write of a socket's own that it has not been told the outcome of."""

    def __init__(self) -> None:
        self._since = math.inf

    def begin_commit(self) -> None:
        """Note that it may be seen from now on; called in the thread that writes."""
        self._since = min(self._since, time.perf_counter())

    def may_show(self, snapshot_at: float) -> bool:
        """Return whether a snapshot that was there at that time can contain it."""
        return snapshot_at >= self._since


class Client:
    """One socket's subscriptions. Made by ``LiveSet.connect``; used on the event loop only.

    While a write of its own is ``unanswered`` it is told nothing that may show it, and counts as
    behind instead. One that ``is_owed`` an answer is told by the next cycle how things stand,
    even if nothing has changed.
    """

    __slots__ = (
        "added",
        "caller",
        "door",
        "group",
        "is_behind",
        "is_changing",
        "is_owed",
        "last_missed_cycle",
        "live",
        "live_set",
        "next_id",
        "sent",
        "unanswered",
    )

    def __init__(self, live_set: "LiveSet", door: Door, caller: Caller | None) -> None:
        self.live_set = live_set
        self.door = door
        self.caller = caller
        self.live: dict[int, LiveQuery] = {}
        self.group: Group | None = None
        self.sent: Versions = ()
        self.is_behind = False
        self.is_changing = False
        self.added: set[LiveQuery] = set()
        self.is_owed = False
        self.unanswered: Unanswered | None = None
        self.last_missed_cycle = 0
        self.next_id = itertools.count()

    def subscribe(
        self,
        spec: FunctionSpec,
        args: Mapping[str, Any],
        *,
        key: int | None = None,
        journal: str | None = None,
    ) -> int:
        """Watch a query; its first result comes with the next transition.

        :raises InvalidArgumentsError: if the arguments do not fit the function.
        """
        subscription = next(self.next_id) if key is None else key
        live = self.live_set.live_query(spec, spec.parse(args), self.caller, journal)
        with self.changing():
            self.live[subscription] = live
            self.added.add(live)
        return subscription

    def unsubscribe(self, subscription: int) -> None:
        """Stop watching."""
        with self.changing():
            self.live.pop(subscription, None)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Find the client's group once for all the changes inside, at the end."""
        if self.is_changing:
            yield
            return
        before, self.live = self.live, dict(self.live)
        self.is_changing = True
        try:
            yield
        finally:
            self.is_changing = False
            wanted, self.live = self.live, before
            taken_back = self.added - {*before.values(), *wanted.values()}
            self.added = set()
            self._watch(wanted)
            self.live_set.forget_unwatched(taken_back)

    def authenticate(self, caller: Caller | None) -> None:
        """Let all subscriptions continue as another caller; only what differs is sent."""
        self.caller = caller
        self.rekey()

    def owe(self) -> None:
        """Have the client told how things stand by a cycle that is yet to begin."""
        self.is_owed = True
        self.skip_cycles_under_way()
        if self.group is not None:
            self.live_set.enqueue(self.group)

    def skip_cycles_under_way(self) -> None:
        """Take news only from cycles that are yet to begin.

        Their snapshots show whatever was committed or sent before now.
        """
        self.last_missed_cycle = self.live_set.cycle

    def close(self) -> None:
        """Forget the client and whatever nobody else watches."""
        self._watch({})

    def drained(self) -> None:
        """Tell the client what it has missed while its socket could not take more."""
        if self.is_behind:
            self.is_behind = False
            if self.group is not None:
                self.live_set.enqueue(self.group)

    def leases(self) -> list[HeldLease]:
        """Return the leases that its subscriptions hold."""
        if self.caller is None:
            return []
        issuer, subject = self.caller.issuer, self.caller.subject
        return [
            (live.family.spec.path, issuer, subject, live.family.spec.lease.key(live.family.args))
            for live in self.live.values()
            if live.family.spec.lease is not None
        ]

    def rekey(self) -> None:
        """Find the live queries anew, after the caller or a family's facts have changed."""
        find = self.live_set.live_query
        self._watch(
            {
                key: find(live.family.spec, live.family.args, self.caller, live.family.journal)
                for key, live in self.live.items()
            }
        )

    def _watch(self, live: dict[int, LiveQuery]) -> None:
        if live == self.live:
            return
        told = dict(zip(self.live, self.sent, strict=True))
        before, self.live = self.live, live
        self.sent = tuple(told.get(key) for key in live)
        self.skip_cycles_under_way()
        self.live_set.move(self, before)
