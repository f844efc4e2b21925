"""The live queries of a process: what is stale, and who is to be told. No I/O.

What is *not* here: running queries (``execution``), the event loop and its cycles (``engine``),
matching writes with reads (``subscriptions``), whose turn it is (``lanes``).

A cycle takes a plan (groups, and the stale queries they need), has those run in one snapshot, and
installs the outcomes. A live query that is not stale is known to be valid in any newer snapshot
until a commit that touches it is applied; so all that a group is told belongs to one snapshot.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from dust.livequery import metrics
from dust.livequery.changes import Commit, CommitKey
from dust.livequery.context import Caller
from dust.livequery.execution import Outcome, Result
from dust.livequery.lanes import BUDGET_SECONDS, Lanes
from dust.livequery.live import (
    Client,
    Door,
    Family,
    FamilyKey,
    Group,
    LiveQuery,
    Transition,
    Versions,
)
from dust.livequery.readset import TableWrite
from dust.livequery.registry import FunctionSpec
from dust.livequery.subscriptions import SubscriptionIndex

_SECONDS_PER_DELIVERY = 10e-6


@dataclass(slots=True, eq=False)
class Plan:
    """What one cycle does: groups to serve and, for each, the stale queries to run first.

    ``snapshot_at`` is a time (of ``time.perf_counter``) when its snapshot was there.

    ``applied`` collects the commits that were applied since before the cycle's snapshot was taken:
    they may be missing from it. ``results`` keeps what was valid when the groups were chosen, and
    then takes what the cycle has found; ``served`` counts the groups it came to.
    """

    cycle: int
    snapshot_at: float = math.inf
    applied: dict[CommitKey, Commit] = field(default_factory=dict)
    groups: list[tuple[Group, list[LiveQuery]]] = field(default_factory=list)
    results: dict[LiveQuery, Result] = field(default_factory=dict)
    served: int = 0

    def shows(self, commits: Iterable[Commit]) -> None:
        """Note that the cycle's snapshot shows these commits, whoever told of them first."""
        for commit in commits:
            self.applied.pop(commit.key, None)


class LiveSet:
    """All live queries of a process.

    Invariant: a live query is in the index exactly while it is not stale. A group is queued exactly
    while one of its queries is stale, or while a client that could take news lacks some; unless a
    plan has the group, after which it is looked at again, or all of its clients are behind, so that
    nothing is run for them until one has drained.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self.families: dict[FamilyKey, Family] = {}
        self.index: SubscriptionIndex[LiveQuery] = SubscriptionIndex()
        self.cycle = 0
        self._groups: dict[tuple[tuple[int, LiveQuery], ...], Group] = {}
        self._lanes = Lanes()
        self._plans: list[Plan] = []
        self._wake = wake

    # -- clients ------------------------------------------------------------------------------

    def connect(self, door: Door, caller: Caller | None) -> Client:
        """Return a client without subscriptions for the socket."""
        return Client(self, door, caller)

    def live_query(
        self,
        spec: FunctionSpec,
        args: msgspec.Struct,
        caller: Caller | None,
        journal: str | None = None,
    ) -> LiveQuery:
        """Return the live query that this caller shares."""
        family = self._family(spec, args, journal)
        caller_key = family.caller_key(caller)
        live = family.live.get(caller_key)
        if live is None:
            live = family.live[caller_key] = LiveQuery(family, caller_key, caller)
            metrics.live_queries.inc()
        return live

    def _family(self, spec: FunctionSpec, args: msgspec.Struct, journal: str | None) -> Family:
        key = spec.path, msgspec.msgpack.encode(args, order="sorted"), journal
        family = self.families.get(key)
        if family is None:
            family = self.families[key] = Family(spec, args, journal, key)
        return family

    def move(self, client: Client, before: Mapping[int, LiveQuery]) -> None:
        """Put the client into the group of its present subscriptions."""
        if client.group is not None:
            self._leave(client.group, client)
            metrics.clients.dec()
        entries = tuple(client.live.items())
        if entries:
            self._join(entries, client)
            metrics.clients.inc()
        self.forget_unwatched(set(before.values()))

    def _join(self, entries: tuple[tuple[int, LiveQuery], ...], client: Client) -> None:
        group = self._groups.get(entries)
        if group is None:
            group = self._groups[entries] = Group(entries)
            for _, live in entries:
                live.groups.add(group)
        group.clients[client] = None
        client.group = group
        self.enqueue(group)

    def _leave(self, group: Group, client: Client) -> None:
        del group.clients[client]
        client.group = None
        if not group.clients:
            del self._groups[group.entries]
            for _, live in group.entries:
                live.groups.discard(group)

    def forget_unwatched(self, queries: Iterable[LiveQuery]) -> None:
        """Forget those of the live queries, each named once, that nobody watches."""
        for live in queries:
            if not live.groups:
                self.index.discard(live)
                metrics.live_queries.dec()
                self._leave_family(live)

    def _leave_family(self, live: LiveQuery) -> None:
        if live.family.live.get(live.caller_key) is live:
            del live.family.live[live.caller_key]
        if not live.family.live:
            self.families.pop(live.family.key, None)

    # -- what is stale ------------------------------------------------------------------------

    def apply(self, commit: Commit) -> None:
        """Mark stale whatever the commit can have changed."""
        for plan in self._plans:
            plan.applied[commit.key] = commit
        self._invalidate(commit.writes)

    def _invalidate(self, writes: Iterable[TableWrite]) -> None:
        for write in writes:
            for live in self.index.touched(write):
                live.is_stale = True
                self.index.discard(live)
                for group in live.groups:
                    self.enqueue(group)

    def enqueue(self, group: Group) -> None:
        """Have the group looked at by a coming cycle."""
        if group.is_queued or group.is_planned or not group.can_be_told():
            return
        self._lanes.add(group)
        self._wake()

    # -- cycles -------------------------------------------------------------------------------

    def has_work(self, *, slow: bool) -> bool:
        """Return whether a group waits for a cycle of this kind."""
        return self._lanes.has_work(slow=slow)

    def begin(self) -> Plan:
        """Start a cycle: from here on, writes are kept for it. To be called before its snapshot."""
        self.cycle += 1
        plan = Plan(self.cycle)
        self._plans.append(plan)
        return plan

    def choose(self, plan: Plan, *, slow: bool) -> None:
        """Fill the plan with as many groups as its budget is expected to serve.

        Lanes take turns, the oldest news of each first. A group that alone would take longer than
        the budget is left to the slow cycles, which run beside the others.
        """
        needed: set[LiveQuery] = set()
        expected = 0.0
        while expected < BUDGET_SECONDS:
            group = self._lanes.take(slow=slow)
            if group is None:
                return
            stale = group.to_run(plan.cycle)
            if not slow and self._lanes.cost(stale) > BUDGET_SECONDS:
                self._lanes.add_slow(group)
                self._wake()
                continue
            expected += self._lanes.cost(live for live in stale if live not in needed)
            expected += len(group.clients) * _SECONDS_PER_DELIVERY
            needed.update(stale)
            self._plan(plan, group, stale)

    def _plan(self, plan: Plan, group: Group, stale: list[LiveQuery]) -> None:
        group.is_planned = True
        plan.groups.append((group, stale))
        for _, live in group.entries:
            if live not in stale and live.result is not None:
                plan.results[live] = live.result

    def install(self, plan: Plan, outcomes: Mapping[LiveQuery, Outcome]) -> None:
        """Take in what the cycle's queries found, and what was written meanwhile."""
        for live, outcome in outcomes.items():
            plan.results[live] = outcome.result
            self._lanes.learn(live.family.spec.path, outcome.seconds)
            if live.groups:
                self._install(live, outcome)
        self._plans.remove(plan)
        for commit in plan.applied.values():
            self._invalidate(commit.writes)

    def _install(self, live: LiveQuery, outcome: Outcome) -> None:
        metrics.reruns.inc()
        if live.result is not None and live.result.version == outcome.result.version:
            metrics.needless_reruns.inc()
        else:
            live.result = outcome.result
        live.installed = self.cycle
        live.is_stale = False
        self.index.add(live, outcome.reads)
        journal = outcome.result.journal
        if journal is not None and journal != live.family.journal:
            self._adopt(live, journal)
        if not outcome.facts <= live.family.facts:
            self._split(live.family, outcome.facts)

    def _adopt(self, live: LiveQuery, journal: str) -> None:
        """Let the next runs begin with the journal, and nobody else join who has none."""
        before, facts = live.family, live.family.facts
        self._leave_family(live)
        live.family = self._family(before.spec, before.args, journal)
        live.caller_key = live.family.caller_key(live.caller)
        if not facts <= live.family.facts:
            self._split(live.family, facts)
        if live.family.live.setdefault(live.caller_key, live) is not live:
            self._rekey_clients(live)

    def _split(self, family: Family, facts: frozenset[str]) -> None:
        """Part the callers that are no longer alike, now that more is read of them.

        Each live query keeps its result, which belongs to the caller it was run for.
        """
        family.facts |= facts
        queries = list(family.live.values())
        for live in queries:
            live.caller_key = family.caller_key(live.caller)
        family.live = {live.caller_key: live for live in queries}
        for live in queries:
            self._rekey_clients(live)

    @staticmethod
    def _rekey_clients(live: LiveQuery) -> None:
        for group in list(live.groups):
            for client in list(group.clients):
                client.rekey()

    def news(self, plan: Plan, group: Group, ts: int) -> Iterator[tuple[Client, Transition]]:
        """Yield what each client of a served group has to be told, and count it as told."""
        if any(live not in plan.results for _, live in group.entries):
            return
        results = [plan.results[live] for _, live in group.entries]
        versions: Versions = tuple(result.version for result in results)
        if versions == group.sent:
            versions = group.sent
        group.sent = versions
        told: Versions | None = None
        transition = Transition(ts, ())
        for client in list(group.clients):
            if client.group is not group or (client.sent is versions and not client.is_owed):
                continue
            if not self._can_take(client, plan):
                continue
            is_owed, client.is_owed = client.is_owed, False
            if client.sent is not told:
                told = client.sent
                changes = [
                    (key, result)
                    for (key, _), result, old in zip(group.entries, results, told, strict=True)
                    if result.version != old
                ]
                transition = Transition(ts, changes)
            client.sent = versions
            client.skip_cycles_under_way()
            if transition.changes or is_owed:
                yield client, transition

    def _can_take(self, client: Client, plan: Plan) -> bool:
        if client.last_missed_cycle >= plan.cycle:
            return False
        if client.unanswered is not None and client.unanswered.may_show(plan.snapshot_at):
            client.is_behind = True
            return False
        if not client.door.writable:
            client.is_behind = True
            metrics.outbox_skips.inc()
            return False
        return True

    def finish(self, plan: Plan) -> None:
        """Let go of the plan's groups, and queue again those that there is more to do for."""
        for group, _ in plan.groups:
            group.is_planned = False
            if self._lacks_news(group):
                self.enqueue(group)

    def _lacks_news(self, group: Group) -> bool:
        if any(live.is_stale or live.result is None for _, live in group.entries):
            return True
        versions: Versions = tuple(live.result.version for _, live in group.entries if live.result)
        if versions == group.sent:
            versions = group.sent
        return any(
            not client.is_behind and (client.is_owed or client.sent != versions)
            for client in group.clients
        )
