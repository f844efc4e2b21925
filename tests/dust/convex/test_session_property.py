"""Random clients on the real live set: what a client may rely on holds in every interleaving.

The client here is strict: it checks each message against what it knows, as the official ones do or
silently count on, and afterwards the world checks what the client was shown.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import hypothesis
import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from typing_extensions import override

from dust.convex import codec, messages
from dust.convex.codec import StateVersion
from dust.convex.effects import (
    Answered,
    Become,
    Effect,
    Effects,
    Run,
    Sync,
    Tell,
    Unwatch,
    Verify,
    Watch,
)
from dust.convex.encoding import describe
from dust.convex.messages import Success
from dust.convex.session import Session
from dust.livequery.connection import Connection
from dust.livequery.leases import LeaseKeeper
from dust.livequery.live import Transition, Unanswered
from dust.livequery.liveset import Plan
from tests.dust.convex.talking import SESSION_ID
from tests.dust.livequery.stage import ALICE, BOB, GET, MINE, Person, Stage, answer

KEYS = ("x", "y", ALICE.subject)
PEOPLE = {"alice": ALICE, "bob": BOB}
MOVES = st.lists(st.sampled_from(["cycle", "cycle", "mutation"]), max_size=6)
"""How the server gets on after each thing that a client does."""


@dataclass
class World(Stage):
    """A database of counters, with commits and snapshots as steps that others come between."""

    ts: int = 0
    requests: dict[int, int] = field(default_factory=dict)
    written: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        Stage.__init__(self)

    def issue(self) -> int:
        self.ts += 1
        return self.ts

    def snapshot(self) -> "Snapshot":
        return Snapshot(dict(self.store), frozenset(self.requests))


@dataclass
class Snapshot:
    """What a cycle sees: the counters, and which of the client's requests are in them."""

    store: Mapping[str, int]
    requests: frozenset[int]


class StrictClient:
    """What the client at the other end knows, and what it insists on."""

    def __init__(self) -> None:
        self.version = StateVersion(0, 0, 0)
        self.watched: dict[int, tuple[str, str]] = {}
        self.added_in: dict[int, int] = {}
        self.removed_in: dict[int, int] = {}
        self.shown: dict[int, Any] = {}
        self.awaits_transition = False
        self.answered_ts = 0

    def take(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "Transition":
                self._move(message)
            case "MutationResponse" | "ActionResponse":
                self.awaits_transition = True
                if message["success"] and message.get("ts"):
                    self.answered_ts = codec.decode_ts(message["ts"])
            case other:
                raise AssertionError(f"{other} was not asked for")

    def _move(self, message: dict[str, Any]) -> None:
        start, end = (_version(message[name]) for name in ("startVersion", "endVersion"))
        assert start == self.version
        assert all(new >= old for new, old in zip(end, start, strict=True))
        assert end.ts > self.answered_ts
        for change in message["modifications"]:
            self._change(change)
        for query_id, since in self.added_in.items():
            assert query_id in self.shown or since > end.query_set
        for query_id, since in list(self.removed_in.items()):
            assert since > end.query_set, f"it was not told that {query_id} is gone"
        self.version = end
        self.awaits_transition = False

    def _change(self, change: dict[str, Any]) -> None:
        query_id = change["queryId"]
        if change["type"] == "QueryRemoved":
            del self.removed_in[query_id]
            self.shown.pop(query_id, None)
        else:
            assert change["type"] == "QueryUpdated"
            assert query_id in self.watched
            assert self.shown.get(query_id, ...) != change["value"], "nothing has changed"
            self.shown[query_id] = change["value"]


def _version(told: dict[str, Any]) -> StateVersion:
    return StateVersion(told["querySet"], told["identity"], codec.decode_ts(told["ts"]))


class Connections(RuleBasedStateMachine):
    """One client, connecting again and again, in a world where others write too."""

    @initialize()
    def begin(self) -> None:
        self.world = World()
        self.next_request = 0
        self.unreflected: dict[int, str] = {}
        self.snapshot: Snapshot | None = None
        self.plan: Plan | None = None
        self._connect()
        self._change(["x"], removes=False)

    # -- the socket ---------------------------------------------------------------------------

    @property
    def writable(self) -> bool:
        return self.can_write

    def deliver(self, transition: Transition) -> None:
        snapshot = self.snapshot if transition.changes or self.engine.live else None
        snapshot = snapshot or self.world.snapshot()
        self._do_all(self.session.news(transition))
        self._check_shown(snapshot)
        reflected = [each for each in self.unreflected if each in self.answered]
        for request in reflected:
            assert request in snapshot.requests, "its own write is not shown"
            del self.unreflected[request]

    def _check_shown(self, snapshot: Snapshot) -> None:
        if self.run is not None:
            assert self.run.request_id not in snapshot.requests - self.committed_before
        caller = self.callers[self.client.version.identity]
        for query_id, (path, key) in self.client.watched.items():
            if self.client.added_in[query_id] > self.client.version.query_set:
                continue
            if path == MINE.path:
                expected = None if caller is None else snapshot.store.get(caller.subject, 0)
            else:
                expected = snapshot.store.get(key, 0)
            assert self.client.shown[query_id] == expected

    def _connect(self) -> None:
        self.session = Session(encode=encode, describe=describe)
        self.engine = self.world.live.connect(self, None)
        # Of leases there are none, and of a clock no more is asked than this.
        self.connection = Connection(self.engine, LeaseKeeper(), self.world)  # type: ignore[arg-type]
        self.client = StrictClient()
        self.can_write = True
        self.run: Run | None = None
        self.outcome_ts: int | None = None
        self.answered: set[int] = set()
        self.committed_before = frozenset(self.world.requests)
        self.callers: list[Person | None] = [None]
        self.query_set = self.identity = self.next_query = 0
        self.verifying: Person | None = None
        self._say(messages.Connect(SESSION_ID, 0))
        for request, key in list(self.unreflected.items()):
            self._mutate(request, key)

    def _say(self, message: messages.ClientMessage) -> None:
        self._do_all(self.session.receive(message, now_ms=0))

    def _do_all(self, effects: Effects) -> None:
        for effect in effects:
            if isinstance(effect, Tell):
                self.client.take(json.loads(effect.text))
            else:
                self._do(effect)

    def _do(self, effect: Effect) -> None:
        match effect:
            case Watch():
                spec = MINE if effect.path == MINE.path else GET
                self.engine.subscribe(spec, effect.args, key=effect.query_id)
            case Unwatch():
                self.engine.unsubscribe(effect.query_id)
            case Run():
                assert self.run is None, "two mutations run at once"
                self.run, self.engine.unanswered = effect, Unanswered()
            case Become():
                self.engine.authenticate(effect.caller)
            case Answered():
                self.run = None
                self.connection.answered()
            case Sync():
                self.connection.sync()
            case _:
                raise AssertionError(effect)

    # -- what the client does -----------------------------------------------------------------

    @rule(
        keys=st.lists(st.sampled_from([*KEYS, "mine"]), max_size=3),
        removes=st.booleans(),
        moves=MOVES,
    )
    def changes_what_it_watches(self, keys: list[str], removes: bool, moves: list[str]) -> None:
        self._change(keys, removes=removes)
        self._get_on(moves)

    def _change(self, keys: list[str], *, removes: bool) -> None:
        base, self.query_set = self.query_set, self.query_set + 1
        modifications: list[messages.Add | messages.Remove] = []
        if removes and self.client.watched:
            gone = next(iter(self.client.watched))
            del self.client.watched[gone], self.client.added_in[gone]
            self.client.removed_in[gone] = self.query_set
            modifications.append(messages.Remove(gone))
        for key in keys:
            path, args = (MINE.path, {}) if key == "mine" else (GET.path, {"key": key})
            self.client.watched[self.next_query] = path, key
            self.client.added_in[self.next_query] = self.query_set
            modifications.append(messages.Add(udf_path=path, args=args, query_id=self.next_query))
            self.next_query += 1
        self._say(messages.ModifyQuerySet(base, self.query_set, modifications))

    @rule(name=st.sampled_from([None, "alice", "bob"]), moves=MOVES)
    def becomes_somebody(self, name: str | None, moves: list[str]) -> None:
        self._become(name)
        self._get_on(moves)

    def _become(self, name: str | None) -> None:
        self.identity += 1
        self.callers.append(PEOPLE.get(name or ""))
        if name is None:
            self._say(messages.Authenticate(self.identity - 1, "None"))
            return
        (verify,) = self.session.receive(
            messages.Authenticate(self.identity - 1, "User", name), now_ms=0
        )
        assert isinstance(verify, Verify)
        self._do_all(self.session.accepted(PEOPLE[name]))

    @rule(key=st.sampled_from(KEYS), moves=MOVES)
    def mutates(self, key: str, moves: list[str]) -> None:
        self.unreflected[self.next_request] = key
        self._mutate(self.next_request, key)
        self.next_request += 1
        self._get_on(moves)

    def _mutate(self, request: int, key: str) -> None:
        self._say(messages.Mutation(udf_path="test:add", args={"key": key}, request_id=request))

    @rule()
    def loses_its_connection(self) -> None:
        self.session.is_over = True
        self.engine.close()
        self._connect()

    @rule(can_write=st.booleans())
    def reads_or_does_not(self, can_write: bool) -> None:
        self.can_write = can_write
        if can_write:
            self.engine.drained()

    # -- what the server does -----------------------------------------------------------------

    def _get_on(self, moves: list[str]) -> None:
        for move in moves:
            self._get_on_with_cycle() if move == "cycle" else self._get_on_with_mutation()

    def _get_on_with_mutation(self) -> None:
        if self.run is not None and self.outcome_ts is None:
            self._commit(self.run)
        elif self.run is not None:
            self._answer(self.run)

    def _commit(self, run: Run) -> None:
        request = run.request_id
        if request in self.world.requests:
            self.outcome_ts = self.world.requests[request]
            return
        assert self.engine.unanswered is not None
        self.engine.unanswered.begin_commit()
        self.world.written.append(request)
        self.outcome_ts = self.world.requests[request] = self.world.issue()
        self.world.commit(run.args["key"], self.world.store.get(run.args["key"], 0) + 1)

    def _answer(self, run: Run) -> None:
        assert self.outcome_ts is not None
        outcome, self.outcome_ts = Success(b"null", self.outcome_ts), None
        self.answered.add(run.request_id)
        self._do_all(self.session.ended(run, outcome))

    @rule(key=st.sampled_from(KEYS), value=st.integers(0, 3), moves=MOVES)
    def others_write(self, key: str, value: int, moves: list[str]) -> None:
        self.world.issue()
        self.world.commit(key, value)
        self._get_on(moves)

    def _get_on_with_cycle(self) -> None:
        if self.plan is None:
            self._begin_cycle()
        elif self.plan_snapshot is None:
            self._take_snapshot(self.plan)
        else:
            self._end_cycle(self.plan, self.plan_snapshot)

    def _begin_cycle(self) -> None:
        if self.world.live.has_work(slow=False):
            self.plan = self.world.live.begin()
            self.plan_ts = self.world.issue()
            self.plan_snapshot: Snapshot | None = None

    def _take_snapshot(self, plan: Plan) -> None:
        self.plan_snapshot = self.world.snapshot()
        plan.snapshot_at = time.perf_counter()
        plan.applied.clear()  # all that was applied so far is in it
        self.world.live.choose(plan, slow=False)

    def _end_cycle(self, plan: Plan, snapshot: Snapshot) -> None:
        self.plan, self.snapshot = None, snapshot
        stale = {live for _, queries in plan.groups for live in queries}
        plan.served = len(plan.groups)
        self.world.live.install(plan, {live: answer(live, snapshot.store) for live in stale})
        for group, _ in plan.groups:
            for client, transition in self.world.live.news(plan, group, self.plan_ts):
                client.door.deliver(transition)
        self.world.live.finish(plan)
        self.snapshot = None

    # -- what always holds --------------------------------------------------------------------

    @invariant()
    def each_mutation_has_run_once_and_in_order(self) -> None:
        assert self.world.written == sorted(set(self.world.written))

    @override
    def teardown(self) -> None:
        """Let everything come to rest: then the client knows all there is to know."""
        self.can_write = True
        self.engine.drained()
        while self.run is not None:
            self._get_on_with_mutation()
        while self.plan is not None or self.world.live.has_work(slow=False):
            self._get_on_with_cycle()
        assert self.client.version[:2] == (self.query_set, self.identity)
        assert not self.client.awaits_transition
        assert self.unreflected == {}
        assert sorted(self.world.written) == list(range(self.next_request))
        self._check_shown(self.world.snapshot())


def encode(path: str, result: Any) -> bytes:
    """Encode a result of the stage, whose functions are in no registry."""
    return codec.updated(json.dumps(result.value).encode())


TestConnections = Connections.TestCase
# Four times as many as usual: each takes milliseconds, and most interleavings are harmless.
TestConnections.settings = hypothesis.settings(
    max_examples=4 * hypothesis.settings.default.max_examples  # type: ignore[union-attr]
)
