"""The live set under any order of events, against a store that can be looked at."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from typing_extensions import override

from dust.livequery.changes import Commit
from dust.livequery.lanes import BUDGET_SECONDS
from dust.livequery.live import Client
from dust.livequery.liveset import Plan
from dust.livequery.registry import FunctionSpec
from dust.livequery.testing import RecordingDoor
from tests.dust.livequery.stage import (
    ALICE,
    BOB,
    GET,
    MINE,
    SLOW,
    TOTAL,
    Person,
    Stage,
    answer,
    commit,
    write,
)

KEYS = ["a", "b", "alice", "bob"]
keys = st.sampled_from(KEYS)


class LiveSetMachine(RuleBasedStateMachine):
    """Clients, commits, and two kinds of cycles in any order.

    Every transition must show one state of the store, the cycle's own; no client may go back in
    time; and when all is done everybody must have been told the final state.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage()
        self.stage.seconds["test:slow"] = BUDGET_SECONDS * 2
        self.stage.live._lanes.learn("test:slow", BUDGET_SECONDS * 2)
        self.clients: list[tuple[Client, RecordingDoor]] = []
        self.unheard: list[Commit] = []
        self.plans: dict[bool, Plan] = {}
        self.snapshots: dict[bool, dict[str, int]] = {}
        self.revealed: dict[bool, list[Commit]] = {}
        self.opened: set[bool] = set()
        self.chosen: set[bool] = set()
        self.clock = 0
        self.shown: dict[Client, dict[int, Any]] = {}
        self.seen: dict[Client, int] = {}
        # Two that share a query and are served by different kinds of cycle.
        for specs in ([SLOW, TOTAL], [TOTAL]):
            self.connect(None)
            for which in specs:
                self.watch(self.clients[-1][0], which, "a")

    @rule(caller=st.sampled_from([ALICE, BOB, None]))
    def connect(self, caller: Person | None) -> None:
        client, door = self.stage.client(caller)
        self.clients.append((client, door))
        self.shown[client] = {}
        self.seen[client] = 0

    def pick(self, data: st.DataObject) -> tuple[Client, RecordingDoor]:
        return data.draw(st.sampled_from(self.clients))

    @precondition(lambda self: self.clients)
    @rule(data=st.data(), key=keys, which=st.sampled_from([GET, SLOW, TOTAL, MINE]))
    def subscribe(self, data: st.DataObject, key: str, which: FunctionSpec) -> None:
        self.watch(self.pick(data)[0], which, key)

    @staticmethod
    def watch(client: Client, which: FunctionSpec, key: str) -> None:
        client.subscribe(which, {"key": key} if which in (GET, SLOW) else {})

    @precondition(lambda self: any(client.live for client, _ in self.clients))
    @rule(data=st.data())
    def unsubscribe(self, data: st.DataObject) -> None:
        client, _ = data.draw(st.sampled_from([c for c in self.clients if c[0].live]))
        subscription = data.draw(st.sampled_from(sorted(client.live)))
        client.unsubscribe(subscription)
        self.shown[client].pop(subscription, None)

    @precondition(lambda self: self.clients)
    @rule(data=st.data(), caller=st.sampled_from([ALICE, BOB, None]))
    def authenticate(self, data: st.DataObject, caller: Person | None) -> None:
        self.pick(data)[0].authenticate(caller)

    @precondition(lambda self: self.clients)
    @rule(data=st.data())
    def block(self, data: st.DataObject) -> None:
        self.pick(data)[1].writable = False

    @precondition(lambda self: self.clients)
    @rule(data=st.data())
    def drain(self, data: st.DataObject) -> None:
        client, door = self.pick(data)
        door.writable = True
        client.drained()

    @rule(key=keys)
    def commit(self, key: str) -> None:
        self.clock += 1
        self.stage.store[key] = self.clock
        self.unheard.append(commit(write(key)))

    @rule()
    def hear(self) -> None:
        for heard in self.unheard:
            self.stage.live.apply(heard)
        self.unheard.clear()

    @rule(slow=st.booleans(), steps=st.integers(1, 5))
    def advance(self, slow: bool, steps: int) -> None:
        """Take a cycle on by some of its steps: begin, take the snapshot, choose, finish."""
        for _ in range(steps):
            if slow not in self.plans:
                self.plans[slow] = self.stage.live.begin()
            elif slow not in self.snapshots:
                self.snapshots[slow] = dict(self.stage.store)
                self.revealed[slow] = list(self.unheard)
            elif slow not in self.opened:
                self.open(slow)
            elif slow not in self.chosen:
                self.chosen.add(slow)
                self.stage.live.choose(self.plans[slow], slow=slow)
            else:
                self.finish(slow)
                return

    def open(self, slow: bool) -> None:
        """Apply, before the choice, what the snapshot shows and was not heard of meanwhile."""
        self.opened.add(slow)
        shown = self.revealed.pop(slow)
        for told in shown:
            if told in self.unheard:
                self.unheard.remove(told)
                self.stage.live.apply(told)
        self.plans[slow].shows(shown)

    def finish(self, slow: bool) -> None:
        self.chosen.discard(slow)
        self.opened.discard(slow)
        snapshot = self.snapshots.pop(slow)
        self.stage.finish(self.plans.pop(slow), snapshot)
        self.check(snapshot)

    def check(self, snapshot: Mapping[str, int]) -> None:
        age = max(snapshot.values(), default=0)
        for client, door in self.clients:
            for transition in door.transitions:
                self.shown[client].update({key: result.value for key, result in transition.changes})
                expected = {
                    key: answer(live, snapshot).result.value
                    for key, live in client.live.items()
                    if key in self.shown[client]
                }
                assert self.shown[client] == expected
                assert age >= self.seen[client]
                self.seen[client] = age
            door.transitions.clear()

    @invariant()
    def stale_queries_are_not_indexed(self) -> None:
        live_set = self.stage.live
        for family in live_set.families.values():
            for live in family.live.values():
                assert (live in live_set.index) != live.is_stale

    @override
    def teardown(self) -> None:
        self.hear()
        for slow in list(self.plans):
            self.advance(slow, 5)
        for client, door in self.clients:
            door.writable = True
            client.drained()
        while any(self.stage.live.has_work(slow=slow) for slow in (False, True)):
            for slow in (False, True):
                self.advance(slow, 5)
        for client, _ in self.clients:
            final = {k: answer(v, self.stage.store).result.value for k, v in client.live.items()}
            assert self.shown[client] == final


TestLiveSetMachine = LiveSetMachine.TestCase
