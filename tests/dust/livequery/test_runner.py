"""Threads: the bridge to the ORM, actions beside it, and chores."""

import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import datetime

import pytest
from django.db import connection

from dust.livequery import actions, chores, runner
from dust.livequery.actions import Actions
from dust.livequery.chores import ChoreKeeper
from dust.livequery.errors import ActionTimeoutError
from dust.livequery.registry import FunctionSpec, Kind
from dust.livequery.runner import Runner
from tests.dust.livequery.running import PATIENCE_SECONDS
from tests.dust.livequery.writers import IS_POSTGRESQL
from tests.livequery_app.functions import NoArgs
from tests.livequery_app.models import Team

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def pool() -> AsyncIterator[Runner]:
    pool = Runner(2, name="test")
    yield pool
    await asyncio.to_thread(pool.close)


def backend() -> int:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_backend_pid()")
        else:
            cursor.execute("SELECT 1")
        return int(cursor.fetchone()[0])


class TestRunner:
    async def test_keeps_its_connections(self) -> None:
        pool = Runner(1, name="test")

        pids = {await pool.run(backend) for _ in range(3)}
        wrapper = await pool.run(lambda: connection._connections["default"])  # type: ignore[attr-defined]
        await asyncio.to_thread(pool.close)

        assert len(pids) == 1
        assert wrapper.connection is None

    async def test_runs_no_more_at_once_than_it_has_threads(self, pool: Runner) -> None:
        lock, running, most = threading.Lock(), 0, 0
        together = threading.Barrier(2, timeout=PATIENCE_SECONDS)

        def work() -> None:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            together.wait()
            with lock:
                running -= 1

        await asyncio.gather(*(pool.run(work) for _ in range(6)))

        assert most == 2

    async def test_raises_what_the_work_raises(self, pool: Runner) -> None:
        with pytest.raises(Team.DoesNotExist):
            await pool.run(lambda: Team.objects.get(name="nobody"))


class TestActions:
    async def test_of_one_socket_run_no_more_than_its_turns(self) -> None:
        running, most, lock = 0, 0, threading.Lock()
        together = threading.Barrier(2, timeout=PATIENCE_SECONDS)

        def handler(_ctx: object, _args: object) -> int:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            together.wait()
            with lock:
                running -= 1
            return 1

        spec = FunctionSpec("test:local", Kind.ACTION, handler, NoArgs, int)
        turn, pool = asyncio.Semaphore(2), Actions()

        await asyncio.gather(*(pool.run(spec, {}, None, turn=turn) for _ in range(6)))

        pool.close()
        assert most == 2

    async def test_are_given_up_after_the_longest_time(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(actions, "LONGEST_SECONDS", 0.01)
        done = threading.Event()

        def handler(_ctx: object, _args: object) -> int:
            done.wait(PATIENCE_SECONDS)
            return 1

        spec = FunctionSpec("test:local", Kind.ACTION, handler, NoArgs, int)
        pool = Actions()

        with pytest.raises(ActionTimeoutError):
            await pool.run(spec, {}, None, turn=asyncio.Semaphore(1))

        done.set()
        pool.close()


class TestChores:
    async def test_go_on_after_one_has_failed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        times: list[datetime] = []
        enough = asyncio.Event()
        loop = asyncio.get_running_loop()

        def work(now: datetime) -> None:
            times.append(now)
            if len(times) == 3:
                loop.call_soon_threadsafe(enough.set)
            raise RuntimeError("this time")

        monkeypatch.setattr(chores, "_chores", [])
        chores.every(0.001, work, name="test")
        keeper = ChoreKeeper()
        keeper.start()

        await asyncio.wait_for(enough.wait(), PATIENCE_SECONDS)

        await keeper.stop()
        assert times == sorted(times)


class TestDefaultRunner:
    async def test_opens_again_after_it_was_closed(self) -> None:
        await runner.run(Team.objects.count)
        await asyncio.to_thread(runner.close)

        assert await runner.run(Team.objects.count) == 0
        await asyncio.to_thread(runner.close)


if IS_POSTGRESQL:

    class TestConnections:
        async def test_notices_that_the_database_hung_up(self, pool: Runner) -> None:
            first, second = await asyncio.gather(pool.run(backend), pool.run(backend))
            other = Runner(1, name="other")

            def cut() -> None:
                with connection.cursor() as cursor:
                    cursor.execute(
                        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                        " WHERE pid = ANY (%s)",
                        [[first, second]],
                    )
                    cursor.fetchall()

            await other.run(cut)
            await asyncio.to_thread(other.close)

            assert await pool.run(Team.objects.count) == 0
