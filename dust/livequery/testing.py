"""For tests: functions and jobs run by hand, and proof that a write reaches its readers."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dust.livequery import changes, crons, jobs, recovery, worker
from dust.livequery.actions import Surroundings, run_action
from dust.livequery.changes import Commit
from dust.livequery.context import Caller
from dust.livequery.engine import CycleSession
from dust.livequery.execution import Result, run_mutation, run_query_alone
from dust.livequery.jobs import Claim
from dust.livequery.live import Client, Transition
from dust.livequery.liveset import LiveSet
from dust.livequery.registry import Kind, find_function


@dataclass(frozen=True, slots=True)
class Watch:
    """A query, its arguments, and as whom it is watched."""

    path: str
    args: Mapping[str, Any] = field(default_factory=dict)
    caller: Caller | None = None


class RecordingDoor:
    """A socket that keeps what it is told."""

    def __init__(self) -> None:
        self.writable = True
        self.transitions: list[Transition] = []

    def deliver(self, transition: Transition) -> None:
        self.transitions.append(transition)

    def latest(self, subscription: int) -> Result:
        """Return the newest result of a subscription."""
        for transition in reversed(self.transitions):
            for key, result in transition.changes:
                if key == subscription:
                    return result
        raise AssertionError(f"Subscription {subscription} has had no result.")


class LocalEngine:
    """The real live set and the real cycle, moved on by hand; it sees this process's commits.

    ``runs`` counts how often each function was run.
    """

    def __init__(self) -> None:
        self.live = LiveSet(lambda: None)
        self.runs: Counter[str] = Counter()
        self._commits: list[Commit] = []
        self._ts = 0
        self._stop_listening = changes.on_commit(self._commits.append)

    def connect(self, door: RecordingDoor, caller: Caller | None = None) -> Client:
        """Return a client for the socket."""
        return self.live.connect(door, caller)

    def watch(self, watch: Watch) -> tuple[RecordingDoor, int]:
        """Subscribe a socket of its own; return it with the subscription's id."""
        door = RecordingDoor()
        spec = find_function(watch.path, kind=Kind.QUERY, internal=True)
        return door, self.connect(door, watch.caller).subscribe(spec, watch.args)

    def settle(self) -> None:
        """Apply all commits and run cycles until nothing is left to do."""
        commits, self._commits[:] = list(self._commits), []
        for commit in commits:
            self.live.apply(commit)
        while self.live.has_work(slow=False) or self.live.has_work(slow=True):
            self.cycle(slow=not self.live.has_work(slow=False))

    def cycle(self, *, slow: bool = False) -> None:
        """Run one cycle."""
        self._ts += 1
        plan = self.live.begin()
        session = CycleSession(list)
        session.open()
        plan.snapshot_at = session.opened_at
        self.live.choose(plan, slow=slow)
        outcomes = session.run(plan)
        self.runs.update(live.family.spec.path for live in outcomes)
        self.live.install(plan, outcomes)
        for group, _ in plan.groups[: plan.served]:
            for client, transition in self.live.news(plan, group, self._ts):
                client.door.deliver(transition)
        self.live.finish(plan)

    def close(self) -> None:
        """Hear of no more commits."""
        self._stop_listening()


@contextmanager
def assert_live(
    path: str,
    args: Mapping[str, Any] | None = None,
    *,
    caller: Caller | None = None,
    bystanders: tuple[Watch, ...] = (),
) -> Iterator[None]:
    """Prove that what is written inside the block reaches a subscriber of the query.

    Fails if the pushed result differs from a fresh run, if nothing changed (then the block proves
    nothing), or if one of the ``bystanders`` was run again although it had no reason to be.
    Needs real commits: a test inside a transaction pushes nothing.
    """
    args = args or {}
    engine = LocalEngine()
    try:
        door, subscription = engine.watch(Watch(path, args, caller))
        for bystander in bystanders:
            engine.watch(bystander)
        engine.settle()
        before = door.latest(subscription)
        runs_before = Counter(engine.runs)

        yield

        engine.settle()
        pushed = door.latest(subscription)
        spec = find_function(path, kind=Kind.QUERY, internal=True)
        fresh = run_query_alone(spec, args, caller)
        assert pushed.version == fresh.version, f"{path} is stale: {pushed.body!r}"
        assert pushed.version != before.version, f"{path} did not change: this proves nothing."
        for bystander in bystanders:
            assert engine.runs[bystander.path] == runs_before[bystander.path] or (
                bystander.path == path
            ), f"{bystander.path} was run again for nothing."
    finally:
        engine.close()


def ask(path: str, args: Mapping[str, Any] | None = None, *, caller: Caller | None = None) -> Any:
    """Run a public query once and return what it answers.

    :raises DustError: if it fails, or if there is none of that name.
    """
    spec = find_function(path, kind=Kind.QUERY)
    result = run_query_alone(spec, args or {}, caller)
    if result.error is not None:
        raise result.error
    return result.value


def mutate(
    path: str,
    args: Mapping[str, Any] | None = None,
    *,
    caller: Caller | None = None,
    now: datetime | None = None,
) -> Any:
    """Run a public mutation and return what it answers. To the function it is ``now``.

    :raises DustError: if it fails, or if there is none of that name.
    """
    spec = find_function(path, kind=Kind.MUTATION)
    return run_mutation(spec, args or {}, caller, now=now).value


_MOST_JOBS = 10_000
_WORKER = "test"


def run_jobs(*, now: datetime) -> int:
    """Run everything that is due at ``now``, and what that schedules for then; return how much.

    What a worker would do, in this thread and one after the other: new crons begin, those that are
    due are run, and what dead workers have claimed is given up. To the functions it is ``now``.
    Needs real commits.
    """
    recovery.renew(_WORKER, running=(), now=now)
    recovery.recover(now=now)
    crons.sync(now=now)
    crons.fire(now=now)
    count = 0
    while claim := _claim_next(now):
        if claim.kind is Kind.MUTATION:
            worker.run_mutation_job(claim, now=now)
        else:
            _act(claim, now)
        count += 1
        assert count < _MOST_JOBS, f"{claim.path} schedules itself for ever."
    recovery.sign_off(_WORKER)
    return count


def _claim_next(now: datetime) -> Claim | None:
    """Claim the first of all kinds."""
    times = {kind: jobs.find_earliest(kind) for kind in (Kind.MUTATION, Kind.ACTION)}
    waiting = [(at, kind) for kind, at in times.items() if at is not None]
    for _, kind in sorted(waiting, key=lambda each: each[0]):
        if claims := jobs.claim(kind, worker=_WORKER, limit=1, now=now):
            return claims[0]
    return None


def _act(claim: Claim, now: datetime) -> None:
    error = ""
    try:
        spec = find_function(claim.path, kind=Kind.ACTION, internal=True)
        here = Surroundings(clock=lambda: now, call=lambda work: work())
        run_action(spec, spec.parse(claim.args), None, surroundings=here)
    except Exception as exc:  # noqa: BLE001 - the border: noted and logged
        error = worker.note_failure(claim, exc)
    else:
        worker.note_success(claim)
    jobs.settle(claim, error=error, now=now)
