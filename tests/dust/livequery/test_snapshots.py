"""Snapshots that are held for a while: by whom they can be read, and when they are let go."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection

from dust.livequery import runner
from dust.livequery.clock import process_clock
from dust.livequery.errors import InvalidArgumentsError, SnapshotUnavailableError
from dust.livequery.execution import Result, run_mutation
from dust.livequery.models import HeldSnapshot
from dust.livequery.registry import Kind, find_function
from dust.livequery.snapshots import HELD_FOR, MOST_HELD, SnapshotKeeper, run_together
from tests.dust.livequery.writers import IS_POSTGRESQL
from tests.livequery_app.models import Team

pytestmark = pytest.mark.django_db(transaction=True)

COUNT = find_function("test:count", kind=Kind.QUERY)
MEANWHILE = find_function("test:countMeanwhile", kind=Kind.QUERY)
SPOIL = find_function("test:spoil", kind=Kind.QUERY)
PLAYERS = find_function("test:players", kind=Kind.QUERY)
ADD = find_function("test:addTeam", kind=Kind.MUTATION)

on_postgresql = pytest.mark.skipif(
    not IS_POSTGRESQL, reason="One process serves a SQLite file, so nothing is exported."
)


@pytest.fixture
async def keeper(transactional_db: None) -> AsyncIterator[SnapshotKeeper]:
    keeper = SnapshotKeeper(process_clock())
    yield keeper
    await keeper.close()
    await asyncio.to_thread(runner.close)


@pytest.fixture
async def elsewhere(keeper: SnapshotKeeper) -> AsyncIterator[SnapshotKeeper]:
    """The keeper of another process."""
    other = SnapshotKeeper(process_clock())
    yield other
    await other.close()


async def add(name: str) -> int:
    return (await runner.run(partial(run_mutation, ADD, {"name": name}, None))).ts


async def count_at(keeper: SnapshotKeeper, ts: int, *, now: datetime) -> Any:
    result: Result = await keeper.query(ts, COUNT, {}, None, now=now)
    assert result.error is None
    return result.value


async def terminate_holders() -> None:
    """End every session that holds a snapshot, as an administrator would."""

    def terminate() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE state = 'idle in transaction' AND datname = current_database()"
            )

    await runner.run(terminate)


def lanes() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("dust-snapshot")]


class TestHold:
    async def test_shows_what_was_there_and_nothing_of_later(
        self, keeper: SnapshotKeeper, now: datetime
    ) -> None:
        await add("red")
        first = await keeper.hold(now=now)
        await add("blue")
        second = await keeper.hold(now=now)
        await add("green")

        for _ in range(2):
            assert await count_at(keeper, first, now=now) == 1
            assert await count_at(keeper, second, now=now) == 2

    async def test_shows_every_commit_that_was_answered_before(
        self, keeper: SnapshotKeeper, now: datetime
    ) -> None:
        committed = await add("red")

        ts = await keeper.hold(now=now)

        assert ts > committed
        assert await count_at(keeper, ts, now=now) == 1

    @on_postgresql
    async def test_is_for_every_process(
        self, keeper: SnapshotKeeper, elsewhere: SnapshotKeeper, now: datetime
    ) -> None:
        await add("red")
        ts = await keeper.hold(now=now)
        await add("blue")

        assert await count_at(elsewhere, ts, now=now) == 1

    async def test_is_for_a_while(self, keeper: SnapshotKeeper, now: datetime) -> None:
        ts = await keeper.hold(now=now)
        last = now + HELD_FOR - timedelta(microseconds=1)

        assert await count_at(keeper, ts, now=last) == 0
        with pytest.raises(SnapshotUnavailableError):
            await keeper.query(ts, COUNT, {}, None, now=now + HELD_FOR)

    async def test_makes_room_by_letting_go_of_the_oldest(
        self, keeper: SnapshotKeeper, now: datetime
    ) -> None:
        held = [await keeper.hold(now=now) for _ in range(MOST_HELD + 1)]

        with pytest.raises(SnapshotUnavailableError):
            await keeper.query(held[0], COUNT, {}, None, now=now)
        for ts in held[1:]:
            assert await count_at(keeper, ts, now=now) == 0
        assert len(lanes()) == MOST_HELD

    async def test_of_many_at_once_is_no_more_than_so_many(
        self, keeper: SnapshotKeeper, now: datetime
    ) -> None:
        held = await asyncio.gather(*(keeper.hold(now=now) for _ in range(MOST_HELD * 2)))

        assert len(set(held)) == MOST_HELD * 2
        assert len(lanes()) == MOST_HELD

    @on_postgresql
    async def test_forgets_those_of_processes_that_have_died(
        self, keeper: SnapshotKeeper, now: datetime
    ) -> None:
        left = {"ts": 1, "name": "00000003-0000001B-1", "expires_at": now}
        await runner.run(partial(HeldSnapshot.objects.create, **left))

        ts = await keeper.hold(now=now)

        kept = await runner.run(lambda: list(HeldSnapshot.objects.values_list("ts", flat=True)))
        assert kept == [ts]

    async def test_leaves_nothing_if_nobody_waits_for_it(
        self, keeper: SnapshotKeeper, now: datetime
    ) -> None:
        holding = asyncio.create_task(keeper.hold(now=now))
        await asyncio.sleep(0)
        holding.cancel()
        with suppress(asyncio.CancelledError):
            await holding

        assert lanes() == []


class TestQuery:
    async def test_knows_no_other_timestamps(self, keeper: SnapshotKeeper, now: datetime) -> None:
        ts = await keeper.hold(now=now)

        for other in (0, ts - 1, ts + 1, 2**63 - 1):
            with pytest.raises(SnapshotUnavailableError):
                await keeper.query(other, COUNT, {}, None, now=now)

    async def test_tells_of_arguments_that_do_not_fit(
        self, keeper: SnapshotKeeper, now: datetime
    ) -> None:
        ts = await keeper.hold(now=now)

        result = await keeper.query(ts, PLAYERS, {"name": 1}, None, now=now)

        assert isinstance(result.error, InvalidArgumentsError)

    async def test_goes_on_after_one_that_failed(
        self, keeper: SnapshotKeeper, now: datetime
    ) -> None:
        ts = await keeper.hold(now=now)

        result = await keeper.query(ts, SPOIL, {}, None, now=now)

        assert result.error is not None
        assert await count_at(keeper, ts, now=now) == 0

    @on_postgresql
    async def test_finds_nothing_that_was_held_by_the_dead(
        self, keeper: SnapshotKeeper, elsewhere: SnapshotKeeper, now: datetime
    ) -> None:
        ts = await keeper.hold(now=now)
        await terminate_holders()

        for each in (keeper, elsewhere):
            with pytest.raises(SnapshotUnavailableError):
                await each.query(ts, COUNT, {}, None, now=now)
        await keeper.close()
        assert lanes() == []


class TestClose:
    async def test_lets_go_of_all_threads_and_connections(
        self, keeper: SnapshotKeeper, now: datetime
    ) -> None:
        held = [await keeper.hold(now=now) for _ in range(3)]

        await keeper.close()

        assert lanes() == []
        for ts in held:
            with pytest.raises(SnapshotUnavailableError):
                await keeper.query(ts, COUNT, {}, None, now=now)
        await add("red")  # which on SQLite no reader keeps from being checkpointed


class TestTogether:
    def together(self, *calls: Any, now: datetime) -> list[Any]:
        results = run_together(calls, None, now=now)
        return [result.error.code if result.error else result.value for result in results]

    def test_queries_see_one_state(self, transactional_db: None, now: datetime) -> None:
        calls: list[Any] = [(COUNT, {}), (MEANWHILE, {"name": "red"}), (COUNT, {})]

        assert self.together(*calls, now=now) == [0, 0, 0]
        assert Team.objects.count() == 1

    def test_queries_fail_one_by_one(self, transactional_db: None, now: datetime) -> None:
        calls: list[Any] = [(PLAYERS, {}), (COUNT, {}), (PLAYERS, {"name": "red"})]

        assert self.together(*calls, now=now) == ["invalid_arguments", 0, []]

    def test_queries_share_what_breaks_their_snapshot(
        self, transactional_db: None, now: datetime
    ) -> None:
        calls: list[Any] = [(COUNT, {}), (SPOIL, {}), (COUNT, {})]

        last: Any = "server_error" if IS_POSTGRESQL else 0
        assert self.together(*calls, now=now) == [0, "server_error", last]
