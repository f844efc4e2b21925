"""A live set on a make-believe database: functions, a store, and cycles moved on by hand."""

import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from dust.livequery.changes import Commit
from dust.livequery.context import SIGNED_IN, SUBJECT
from dust.livequery.execution import Outcome, Result
from dust.livequery.live import Client, LiveQuery
from dust.livequery.liveset import LiveSet, Plan
from dust.livequery.readset import TableRead, TableWrite
from dust.livequery.registry import FunctionSpec, Kind
from dust.livequery.testing import RecordingDoor


class NoArgs(msgspec.Struct, forbid_unknown_fields=True):
    pass


class KeyArgs(msgspec.Struct, forbid_unknown_fields=True):
    key: str


def spec(name: str, args: type[msgspec.Struct] = NoArgs) -> FunctionSpec:
    return FunctionSpec(name, Kind.QUERY, lambda _ctx, _args: None, args, Any)


GET = spec("test:get", KeyArgs)
TOTAL = spec("test:total")
MINE = spec("test:mine")
SLOW = spec("test:slow", KeyArgs)


@dataclass(frozen=True)
class Person:
    subject: str
    issuer: str = "test"
    claims: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def key(self) -> str:
        return self.subject


ALICE, BOB = Person("alice"), Person("bob")


def write(key: str) -> TableWrite:
    return TableWrite("cell", {"key": frozenset({key})}, frozenset({"value"}))


_numbers = itertools.count(1)


def commit(*writes: TableWrite) -> Commit:
    return Commit("stage", next(_numbers), 0, writes)


def answer(live: LiveQuery, store: Mapping[str, int], *, seconds: float = 0.0) -> Outcome:
    """Run the query on a state of the make-believe database."""
    facts: frozenset[str] = frozenset()
    key: str | None = None
    match live.family.spec.path:
        case "test:total":
            value: Any = sum(store.values())
        case "test:mine":
            facts = frozenset({SIGNED_IN, SUBJECT} if live.caller else {SIGNED_IN})
            key = live.caller.subject if live.caller else None
            value = store.get(key, 0) if key else None
        case _:
            key = live.family.args.key  # type: ignore[attr-defined]
            value = store.get(key, 0)
    pins = {"key": frozenset({key})} if key else {}
    reads = () if value is None else (TableRead("cell", pins, frozenset({"key", "value"})),)
    return Outcome(Result.of(value), reads, facts, seconds)


class Stage:
    """A live set, the store it reads, and cycles moved on step by step."""

    def __init__(self) -> None:
        self.live = LiveSet(lambda: None)
        self.store: dict[str, int] = {}
        self.runs: list[str] = []
        self.seconds: dict[str, float] = {}

    def client(self, caller: Person | None = None) -> tuple[Client, RecordingDoor]:
        door = RecordingDoor()
        return self.live.connect(door, caller), door

    def commit(self, key: str, value: int) -> None:
        self.store[key] = value
        self.live.apply(commit(write(key)))

    def cycle(self, *, slow: bool = False) -> Plan:
        plan = self.live.begin()
        plan.snapshot_at = time.perf_counter()
        self.live.choose(plan, slow=slow)
        self.finish(plan, dict(self.store))
        return plan

    def finish(self, plan: Plan, snapshot: Mapping[str, int]) -> None:
        outcomes: dict[LiveQuery, Outcome] = {}
        for _, queries in plan.groups:
            for live in queries:
                if live not in outcomes:
                    path = live.family.spec.path
                    self.runs.append(path)
                    seconds = self.seconds.get(path, 0.0)
                    outcomes[live] = answer(live, snapshot, seconds=seconds)
        plan.served = len(plan.groups)
        self.live.install(plan, outcomes)
        for group, _ in plan.groups:
            for client, transition in self.live.news(plan, group, plan.cycle):
                client.door.deliver(transition)
        self.live.finish(plan)

    def settle(self) -> None:
        while self.live.has_work(slow=False) or self.live.has_work(slow=True):
            self.cycle(slow=not self.live.has_work(slow=False))
