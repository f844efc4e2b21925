"""What a client is owed, what is kept from it, and how it changes what it watches."""

import time

import pytest

from dust.livequery.live import Client, Unanswered
from dust.livequery.testing import RecordingDoor
from tests.dust.livequery.stage import GET, SLOW, TOTAL, Stage


@pytest.fixture
def stage() -> Stage:
    return Stage()


class TestOwed:
    @pytest.fixture
    def watching(self, stage: Stage) -> tuple[Client, RecordingDoor]:
        client, door = stage.client()
        client.subscribe(TOTAL, {})
        stage.settle()
        door.transitions.clear()
        return client, door

    def test_is_told_once_how_things_stand_even_if_nothing_is_new(
        self, stage: Stage, watching: tuple[Client, RecordingDoor]
    ) -> None:
        client, door = watching
        other, other_door = stage.client()
        other.subscribe(TOTAL, {})
        stage.settle()
        other_door.transitions.clear()

        client.owe()
        stage.settle()
        stage.cycle()

        assert [list(each.changes) for each in door.transitions] == [[]]
        assert other_door.transitions == []

    @pytest.mark.parametrize("value", [0, 1], ids=["nothing new", "news"])
    def test_while_its_group_is_planned_is_told_by_the_next_cycle(
        self, stage: Stage, watching: tuple[Client, RecordingDoor], value: int
    ) -> None:
        client, door = watching
        stage.commit("a", value)
        plan = stage.live.begin()
        stage.live.choose(plan, slow=False)

        client.owe()
        stage.finish(plan, stage.store)
        by_the_first = list(door.transitions)
        stage.settle()

        assert by_the_first == []
        (transition,) = door.transitions
        assert transition.ts > plan.cycle
        assert [result.value for _, result in transition.changes] == [1] * value

    def test_waits_until_it_can_take_it(
        self, stage: Stage, watching: tuple[Client, RecordingDoor]
    ) -> None:
        client, door = watching
        door.writable = False
        client.owe()
        stage.settle()
        assert door.transitions == []

        door.writable = True
        client.drained()
        stage.settle()

        assert [list(each.changes) for each in door.transitions] == [[]]

    def test_is_owed_by_nobody_without_subscriptions(self, stage: Stage) -> None:
        client, door = stage.client()

        client.owe()
        stage.settle()

        assert door.transitions == []


class TestUnanswered:
    def test_may_be_shown_from_the_first_commit_that_was_tried(self) -> None:
        unanswered = Unanswered()
        before = time.perf_counter()
        assert not unanswered.may_show(before)

        unanswered.begin_commit()
        between = time.perf_counter()
        unanswered.begin_commit()

        assert not unanswered.may_show(before)
        assert unanswered.may_show(between)

    def test_is_kept_from_its_own_client_and_from_nobody_else(self, stage: Stage) -> None:
        (writer, door), (other, other_door) = stage.client(), stage.client()
        for client in (writer, other):
            client.subscribe(TOTAL, {})
        stage.settle()
        writer.unanswered = Unanswered()

        stage.commit("a", 1)
        stage.cycle()
        before = door.latest(0).value
        writer.unanswered.begin_commit()
        stage.commit("a", 2)
        stage.cycle()
        meanwhile = door.latest(0).value, other_door.latest(0).value
        writer.unanswered = None
        writer.drained()
        stage.cycle()

        assert before == 1
        assert meanwhile == (1, 2)
        assert door.latest(0).value == 2


class TestChange:
    def test_of_many_subscriptions_is_one_to_the_live_set(self, stage: Stage) -> None:
        client, door = stage.client()
        with client.changing():
            for number in range(3):
                client.subscribe(GET, {"key": str(number)})
            client.unsubscribe(1)
            groups = len(stage.live._groups)

        stage.settle()

        assert groups == 0
        (transition,) = door.transitions
        assert [key for key, _ in transition.changes] == [0, 2]

    def test_that_takes_back_what_it_adds_leaves_nothing_behind(self, stage: Stage) -> None:
        client, _ = stage.client()
        other, door = stage.client()
        other.subscribe(TOTAL, {})
        client.subscribe(SLOW, {"key": "a"}, key=0)
        with client.changing():
            client.subscribe(GET, {"key": "a"}, key=1)
            client.subscribe(TOTAL, {}, key=2)
            client.subscribe(SLOW, {"key": "a"}, key=3)
            for key in range(4):
                client.unsubscribe(key)

        stage.settle()

        assert [family.spec for family in stage.live.families.values()] == [TOTAL]
        assert door.latest(0).value == 0
