"""One socket's end of the engine, with a make-believe database behind it."""

import pytest

from dust.livequery.clock import Clock
from dust.livequery.connection import Connection
from dust.livequery.errors import UnknownFunctionError
from dust.livequery.leases import LeaseKeeper
from dust.livequery.live import Client, Unanswered
from dust.livequery.testing import RecordingDoor
from tests.dust.livequery.stage import TOTAL, Stage


@pytest.fixture
def stage() -> Stage:
    return Stage()


class Socket:
    """A connection, the client it looks after, and what that is told."""

    def __init__(self, stage: Stage) -> None:
        self.client: Client
        self.door: RecordingDoor
        self.client, self.door = stage.client()
        self.connection = Connection(self.client, LeaseKeeper(), Clock())

    @property
    def told(self) -> int:
        return len(self.door.transitions)


@pytest.fixture
def idle(stage: Stage) -> Socket:
    return Socket(stage)


@pytest.fixture
def watching(stage: Stage) -> Socket:
    socket = Socket(stage)
    socket.client.subscribe(TOTAL, {})
    stage.settle()
    socket.door.transitions.clear()
    return socket


class TestSync:
    def test_is_answered_at_once_where_nothing_is_watched(self, idle: Socket) -> None:
        idle.connection.sync()
        idle.connection.sync()

        first, second = idle.door.transitions
        assert (first.changes, second.changes) == ((), ())
        assert 0 < first.ts < second.ts

    def test_is_answered_by_the_next_cycle_where_something_is(
        self, stage: Stage, watching: Socket
    ) -> None:
        watching.connection.sync()
        assert watching.told == 0

        stage.settle()

        assert [list(each.changes) for each in watching.door.transitions] == [[]]

    def test_is_owed_no_more_once_nothing_is_watched(self, stage: Stage, watching: Socket) -> None:
        watching.connection.sync()
        watching.client.unsubscribe(0)
        watching.connection.sync()
        stage.settle()

        assert watching.told == 1

    @pytest.mark.parametrize("begins", [True, False], ids=["begins to commit", "only runs"])
    def test_tells_nothing_that_may_show_a_write_that_is_not_answered(
        self, idle: Socket, begins: bool
    ) -> None:
        idle.client.unanswered = Unanswered()
        if begins:
            idle.client.unanswered.begin_commit()

        idle.connection.sync()

        assert idle.told == (0 if begins else 1)


class TestAnswered:
    def test_is_followed_by_news_of_its_own(self, idle: Socket) -> None:
        idle.client.unanswered = Unanswered()
        idle.client.unanswered.begin_commit()

        idle.connection.answered()

        assert idle.told == 1

    def test_has_what_was_kept_back_told_in_one_transition(
        self, stage: Stage, watching: Socket
    ) -> None:
        watching.client.unanswered = Unanswered()
        watching.client.unanswered.begin_commit()
        stage.commit("a", 1)
        stage.cycle()
        kept_back = watching.told

        watching.connection.answered()
        stage.cycle()

        assert kept_back == 0
        (transition,) = watching.door.transitions
        assert [result.value for _, result in transition.changes] == [1]


class TestMutate:
    async def test_keeps_nothing_back_for_what_there_is_not(self, idle: Socket) -> None:
        with pytest.raises(UnknownFunctionError):
            await idle.connection.mutate("test:nothing", {}, None)

        assert idle.client.unanswered is None
