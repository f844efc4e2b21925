"""Who is told what and when, with a make-believe database in place of the real one."""

import pytest

from dust.livequery.lanes import BUDGET_SECONDS
from dust.livequery.readset import TableWrite
from tests.dust.livequery.stage import (
    ALICE,
    BOB,
    GET,
    MINE,
    SLOW,
    TOTAL,
    Person,
    Stage,
    commit,
    write,
)


@pytest.fixture
def stage() -> Stage:
    return Stage()


class TestSharing:
    def test_a_thousand_clients_share_one_run_and_one_result(self, stage: Stage) -> None:
        doors = []
        for _ in range(1_000):
            client, door = stage.client()
            client.subscribe(TOTAL, {})
            doors.append(door)

        stage.settle()

        assert stage.runs == ["test:total"]
        assert len({id(door.latest(0)) for door in doors}) == 1

    def test_a_write_to_one_of_ten_thousand_runs_one(self, stage: Stage) -> None:
        for number in range(10_000):
            stage.client()[0].subscribe(GET, {"key": str(number)})
        stage.settle()
        stage.runs.clear()

        stage.commit("77", 1)
        stage.settle()

        assert stage.runs == ["test:get"]

    def test_an_unchanged_result_is_not_sent_again(self, stage: Stage) -> None:
        client, door = stage.client()
        client.subscribe(TOTAL, {})
        stage.settle()

        stage.commit("a", 0)
        stage.settle()

        assert stage.runs == ["test:total"] * 2
        assert len(door.transitions) == 1

    def test_callers_that_a_query_tells_apart_share_nothing(self, stage: Stage) -> None:
        stage.store.update(alice=1, bob=2)
        watched = {person: stage.client(person) for person in (ALICE, BOB, None)}
        for client, _ in watched.values():
            client.subscribe(MINE, {})

        stage.settle()

        told = {
            who: [t.changes[0][1].value for t in d.transitions] for who, (_, d) in watched.items()
        }
        assert told == {ALICE: [1], BOB: [2], None: [None]}

    def test_callers_that_a_query_does_not_tell_apart_share_its_runs(self, stage: Stage) -> None:
        for person in (ALICE, BOB, None):
            stage.client(person)[0].subscribe(TOTAL, {})

        stage.settle()

        assert stage.runs == ["test:total"]


class TestClient:
    def test_is_told_of_all_its_subscriptions_in_one_transition(self, stage: Stage) -> None:
        client, door = stage.client()
        first = client.subscribe(GET, {"key": "a"})
        second = client.subscribe(TOTAL, {})
        stage.settle()
        door.transitions.clear()

        stage.commit("a", 5)
        stage.settle()

        (transition,) = door.transitions
        assert [(key, result.value) for key, result in transition.changes] == [
            (first, 5),
            (second, 5),
        ]

    def test_is_told_only_what_differs_after_signing_in(self, stage: Stage) -> None:
        stage.store["alice"] = 1
        client, door = stage.client()
        mine = client.subscribe(MINE, {})
        client.subscribe(TOTAL, {})
        stage.settle()
        door.transitions.clear()

        client.authenticate(ALICE)
        stage.settle()

        (transition,) = door.transitions
        assert [(key, result.value) for key, result in transition.changes] == [(mine, 1)]

    def test_runs_nothing_for_an_equal_caller(self, stage: Stage) -> None:
        client, _ = stage.client(ALICE)
        client.subscribe(MINE, {})
        stage.settle()
        stage.runs.clear()

        client.authenticate(Person("alice"))
        stage.settle()

        assert stage.runs == []

    def test_leaves_nothing_behind(self, stage: Stage) -> None:
        client, _ = stage.client(ALICE)
        client.subscribe(TOTAL, {})
        client.subscribe(MINE, {})
        stage.settle()

        client.close()

        assert (stage.live.families, stage.live._groups, len(stage.live.index)) == ({}, {}, 0)

    def test_skips_what_it_could_not_take_and_gets_the_newest(self, stage: Stage) -> None:
        client, door = stage.client()
        client.subscribe(TOTAL, {})
        stage.settle()
        door.writable = False
        for value in (1, 2, 3):
            stage.commit("a", value)
            stage.settle()

        door.writable = True
        client.drained()
        stage.settle()

        assert [t.changes[0][1].value for t in door.transitions] == [0, 3]

    def test_that_is_behind_has_nothing_run_for_it(self, stage: Stage) -> None:
        client, door = stage.client()
        client.subscribe(GET, {"key": "a"})
        stage.settle()
        door.writable = False
        stage.commit("a", 1)
        stage.settle()
        stage.runs.clear()

        for value in range(2, 5):
            stage.commit("a", value)
            stage.settle()

        assert stage.runs == []
        door.writable = True
        client.drained()
        stage.settle()
        assert stage.runs == ["test:get"]
        assert door.transitions[-1].changes[0][1].value == 4

    def test_that_is_behind_holds_back_nobody(self, stage: Stage) -> None:
        behind, stuck = stage.client()
        other, door = stage.client()
        for client in (behind, other):
            client.subscribe(TOTAL, {})
        stuck.writable = False

        stage.commit("a", 1)
        stage.settle()

        assert door.latest(0).value == 1
        assert stuck.transitions == []


class TestCycle:
    def test_runs_again_what_was_written_behind_its_snapshot(self, stage: Stage) -> None:
        client, door = stage.client()
        client.subscribe(TOTAL, {})
        plan = stage.live.begin()
        snapshot = dict(stage.store)
        stage.commit("a", 1)
        stage.live.choose(plan, slow=False)
        stage.finish(plan, snapshot)

        stage.settle()

        assert [t.changes[0][1].value for t in door.transitions] == [0, 1]

    def test_does_not_run_again_what_its_snapshot_showed(self, stage: Stage) -> None:
        client, _ = stage.client()
        client.subscribe(TOTAL, {})
        stage.settle()
        stage.runs.clear()

        stage.store["a"] = 1
        shown = commit(write("a"))
        plan = stage.live.begin()
        stage.live.apply(shown)
        plan.shows([shown])
        stage.live.choose(plan, slow=False)
        stage.finish(plan, stage.store)
        stage.settle()

        assert stage.runs == ["test:total"]

    def test_does_not_let_a_crowd_hold_back_those_who_watch_something_else(
        self, stage: Stage
    ) -> None:
        stage.seconds["test:mine"] = BUDGET_SECONDS / 10
        for number in range(200):
            client, _ = stage.client(Person(str(number)))
            client.subscribe(MINE, {})
            client.subscribe(GET, {"key": "board"})
        stage.settle()
        bystander, door = stage.client()
        bystander.subscribe(GET, {"key": "other"})
        stage.settle()

        stage.live.apply(commit(TableWrite("cell")))
        stage.store["other"] = 1
        plan = stage.cycle()

        assert len(plan.groups) < 20
        assert door.latest(0).value == 1

    def test_leaves_a_query_beyond_the_budget_to_the_slow_cycles(self, stage: Stage) -> None:
        stage.seconds["test:slow"] = BUDGET_SECONDS * 2
        client, slow_door = stage.client()
        client.subscribe(SLOW, {"key": "a"})
        quick, quick_door = stage.client()
        quick.subscribe(GET, {"key": "a"})
        stage.settle()
        stage.runs.clear()

        stage.commit("a", 1)
        stage.cycle()

        assert stage.runs == ["test:get"]
        assert (quick_door.latest(0).value, slow_door.latest(0).value) == (1, 0)
        stage.settle()
        assert slow_door.latest(0).value == 1

    def test_does_not_rely_on_results_newer_than_its_snapshot(self, stage: Stage) -> None:
        stage.seconds["test:slow"] = BUDGET_SECONDS * 2
        both, _ = stage.client()
        both.subscribe(SLOW, {"key": "a"})
        both.subscribe(TOTAL, {})
        quick, door = stage.client()
        quick.subscribe(TOTAL, {})
        stage.settle()
        stage.commit("a", 1)
        stage.cycle()
        older = stage.live.begin()
        snapshot = dict(stage.store)
        stage.commit("a", 2)
        stage.cycle(slow=True)

        stage.live.choose(older, slow=False)
        stage.finish(older, snapshot)

        assert door.latest(0).value == 1
        stage.settle()
        assert door.latest(0).value == 2

    def test_tells_nobody_who_came_after_it_began(self, stage: Stage) -> None:
        first, _ = stage.client()
        first.subscribe(TOTAL, {})
        plan = stage.live.begin()
        snapshot = dict(stage.store)
        stage.live.choose(plan, slow=False)
        stage.commit("a", 1)
        second, door = stage.client()
        second.subscribe(TOTAL, {})

        stage.finish(plan, snapshot)

        assert door.transitions == []
        stage.settle()
        assert [t.changes[0][1].value for t in door.transitions] == [1]

    def test_that_failed_is_made_up_for_by_the_next(self, stage: Stage) -> None:
        client, door = stage.client()
        client.subscribe(TOTAL, {})
        plan = stage.live.begin()
        stage.live.choose(plan, slow=False)
        stage.live.install(plan, {})
        stage.live.finish(plan)

        stage.settle()

        assert door.latest(0).value == 0
