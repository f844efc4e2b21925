"""Workers that run: in this process and in processes of their own, which are stopped and killed."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.conf import settings as project
from django.db import transaction

from dust.livequery import crons, runner, scheduler
from dust.livequery.engine import Engine
from dust.livequery.models import Job, JobState, WorkerRow
from dust.livequery.recovery import LIFETIME
from dust.livequery.scheduler import Every, schedule
from dust.livequery.testing import run_jobs
from tests.dust.livequery.other_process import ROOT, environment
from tests.dust.livequery.running import PATIENCE_SECONDS, AwaitedDoor
from tests.dust.livequery.writers import IS_POSTGRESQL
from tests.dust.serving import Process, manage
from tests.livequery_app.functions import begun, may_end
from tests.servers import Server, start_postgres

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _no_crons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crons, "_crons", {})


@pytest.fixture
def _no_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "LOOK_EVERY", HOUR)


@pytest.fixture
async def engine(transactional_db: None) -> AsyncIterator[Engine]:
    engine = Engine()
    yield engine
    await engine.stop()
    await asyncio.to_thread(runner.close)


@pytest.fixture
async def door(engine: Engine) -> AwaitedDoor:
    """A socket of this process that is told how many teams there are."""
    await engine.start()
    return await watch(engine)


async def watch(engine: Engine) -> AwaitedDoor:
    door = AwaitedDoor()
    engine.connect(door).subscribe("test:internal", {}, internal=True)
    await door.until_told(0, 0)
    return door


async def add(path: str, at: datetime | None = None, **args: Any) -> UUID:
    return await runner.run(partial(schedule, path, args, at=at or datetime.now(UTC)))


async def find(job_id: UUID) -> Job:
    return await runner.run(partial(Job.objects.get, pk=job_id))


class TestInsideAServer:
    @pytest.mark.usefixtures("_no_polls")
    async def test_plat_j4_is_woken_by_what_this_process_schedules(self, engine: Engine) -> None:
        await engine.start(runs_jobs=True)
        door = await watch(engine)

        await add("test:note", name="red")
        await door.until_told(0, 1)
        await add("test:noteByAction", name="blue")
        await door.until_told(0, 2)

    @pytest.mark.usefixtures("_no_polls")
    async def test_plat_j4_wakes_when_something_is_due(self, engine: Engine) -> None:
        await engine.start(runs_jobs=True)
        door = await watch(engine)
        at = datetime.now(UTC) + timedelta(seconds=0.1)

        job_id = await add("test:note", at, name="red")
        await door.until_told(0, 1)

        job = await find(job_id)
        assert job.completed_at is not None
        assert job.completed_at >= at

    @pytest.mark.usefixtures("_no_polls")
    async def test_plat_j4_is_woken_by_other_processes(self, engine: Engine) -> None:
        await engine.start(runs_jobs=True)
        door = await watch(engine)

        await asyncio.to_thread(schedule_elsewhere, project.REDIS_URL)

        await door.until_told(0, 1)

    async def test_finds_what_nobody_told_it_of(self, engine: Engine) -> None:
        await engine.start(runs_jobs=True)
        door = await watch(engine)

        await asyncio.to_thread(schedule_elsewhere, None)

        await door.until_told(0, 1)

    async def test_runs_crons(self, engine: Engine) -> None:
        crons.cron("note", "test:ensureTeam", when=Every(hours=1), args={"name": "red"})

        await engine.start(runs_jobs=True)
        door = AwaitedDoor()
        engine.connect(door).subscribe("test:internal", {}, internal=True)

        await door.until_told(0, 1)

    async def test_runs_none_unless_it_is_told_to(self, engine: Engine, door: AwaitedDoor) -> None:
        await add("test:note", name="red")

        assert not await runner.run(WorkerRow.objects.exists)
        assert (await runner.run(Job.objects.get)).state == JobState.PENDING


def schedule_elsewhere(redis_url: str | None) -> None:
    code = (
        "from datetime import UTC, datetime; from dust.livequery.scheduler import schedule;"
        "schedule('test:note', {'name': 'red'}, at=datetime.now(UTC))"
    )
    command = [sys.executable, "manage.py", "shell", "-v", "0", "-c", code]
    subprocess.run(command, check=True, cwd=ROOT, env=environment(redis_url=redis_url))


class TestStop:
    @pytest.fixture
    async def held(self, engine: Engine) -> AsyncIterator[UUID]:
        """An action that this process runs, and that does not end by itself."""
        begun.clear()
        may_end.clear()
        await engine.start(runs_jobs=True)
        job_id = await add("test:hold")
        assert await asyncio.to_thread(begun.wait, PATIENCE_SECONDS)
        yield job_id
        may_end.set()

    async def test_finishes_what_has_begun_and_begins_no_more(
        self, engine: Engine, held: UUID
    ) -> None:
        stopping = asyncio.create_task(engine.stop(job_grace_seconds=None))  # begins first
        later = await add("test:note", name="blue")
        lives = await runner.run(WorkerRow.objects.exists)
        may_end.set()
        await asyncio.wait_for(stopping, PATIENCE_SECONDS)

        assert lives
        assert not await runner.run(WorkerRow.objects.exists)
        assert (await find(held)).state == JobState.SUCCESS
        assert (await find(later)).state == JobState.PENDING

    async def test_leaves_an_action_that_takes_too_long_failed(
        self, engine: Engine, held: UUID
    ) -> None:
        await engine.stop(job_grace_seconds=0)
        may_end.set()

        await runner.run(partial(run_jobs, now=datetime.now(UTC)))

        assert (await find(held)).state == JobState.FAILED


class WorkerProcess(Process):
    """``manage.py worker`` on the test's database."""

    def __init__(self, *, folder: Path) -> None:
        super().__init__(
            *("manage.py", "worker", "--port", "0", "--no-migrate"),
            folder=folder,
            **environment(redis_url=project.REDIS_URL),
        )


async def started(process: Process) -> None:
    await asyncio.to_thread(process.wait_for_line, "Running jobs")


class TestStoppedWorker:
    async def test_finishes_what_has_begun(self, door: AwaitedDoor, tmp_path: Path) -> None:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        with WorkerProcess(folder=tmp_path / "first") as worker:
            await started(worker)
            job_id = await add("test:waitForPipe", name="red", pipe=str(pipe))
            await door.until_told(0, 1)
            await asyncio.to_thread(stop_and_wait_until_it_hangs_up, worker)
            before = await find(job_id)
            await asyncio.to_thread(pipe.write_text, "")
            status = await asyncio.to_thread(worker.wait)

        assert (before.state, status) == (JobState.IN_PROGRESS, 0)
        assert (await find(job_id)).state == JobState.SUCCESS


def stop_and_wait_until_it_hangs_up(worker: WorkerProcess) -> None:
    """Send SIGTERM and return when the worker's server has begun to stop."""
    port = int(worker.said.partition("http://127.0.0.1:")[2].partition("/")[0])
    with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(4096)
        worker.send(signal.SIGTERM)
        while connection.recv(4096):
            pass


class TestKilledWorker:
    async def test_plat_j2_has_its_mutation_run_again_and_once(
        self, door: AwaitedDoor, tmp_path: Path
    ) -> None:
        marker = str(tmp_path / "died")
        with WorkerProcess(folder=tmp_path / "first") as first:
            await started(first)
            job_id = await add("test:dieOnce", name="red", marker=marker)
            status = await asyncio.to_thread(first.wait)
        left = await find(job_id)

        await runner.run(partial(run_jobs, now=datetime.now(UTC) + LIFETIME))

        job = await find(job_id)
        assert (status, left.state) == (-signal.SIGKILL, JobState.IN_PROGRESS)
        assert (job.state, job.tries) == (JobState.SUCCESS, 2)
        await door.until_told(0, 1)
        assert door.values(0) == [0, 1]

    async def test_plat_j2_has_its_action_failed_and_never_run_again(
        self, door: AwaitedDoor, tmp_path: Path
    ) -> None:
        marker = str(tmp_path / "died")
        with WorkerProcess(folder=tmp_path / "first") as first:
            await started(first)
            job_id = await add("test:dieOnceByAction", name="red", marker=marker)
            status = await asyncio.to_thread(first.wait)
        left = await find(job_id)

        await runner.run(partial(run_jobs, now=datetime.now(UTC) + LIFETIME))

        job = await find(job_id)
        assert (status, left.state) == (-signal.SIGKILL, JobState.IN_PROGRESS)
        assert (job.state, job.tries) == (JobState.FAILED, 1)
        await door.until_told(0, 1)


class TestRestartedWorker:
    async def test_plat_j2_goes_on_where_the_one_before_it_stopped(
        self, door: AwaitedDoor, tmp_path: Path
    ) -> None:
        with WorkerProcess(folder=tmp_path / "first") as first:
            await started(first)
            await add("test:note", name="red")
            await door.until_told(0, 1)
            status = await asyncio.to_thread(first.stop)
        job_id = await add("test:note", name="blue")

        with WorkerProcess(folder=tmp_path / "second"):
            await door.until_told(0, 2)

        assert status == 0
        assert (await find(job_id)).state == JobState.SUCCESS


if IS_POSTGRESQL:

    class TestTwoWorkers:
        async def test_plat_j2_run_every_job_exactly_once(
            self, door: AwaitedDoor, tmp_path: Path
        ) -> None:
            """One that is run twice would fail the second time: names of teams are unique."""
            with (
                WorkerProcess(folder=tmp_path / "first") as first,
                WorkerProcess(folder=tmp_path / "second") as second,
            ):
                await started(first)
                await started(second)
                await runner.run(schedule_many)
                await door.until_told(0, 2 * MANY)
                codes = [await asyncio.to_thread(each.stop) for each in (first, second)]

            rows = await runner.run(
                lambda: list(
                    Job.objects.filter(cron="").values_list("state", "claimed_by", "tries")
                )
            )
            assert codes == [0, 0]
            assert len(rows) == 2 * MANY
            assert {(state, tries) for state, _, tries in rows} == {(JobState.SUCCESS, 1)}
            assert len({worker for _, worker, _ in rows}) == 2

    MANY = 150

    def schedule_many() -> None:
        at = datetime.now(UTC)
        with transaction.atomic():
            for number in range(MANY):
                schedule("test:note", {"name": f"{number}"}, at=at)
                schedule("test:noteByAction", {"name": f"{number} by action"}, at=at)

    @pytest.fixture(scope="module")
    def postgres() -> Iterator[Server]:
        """Start a server of its own, with the tables of the test models too."""
        with start_postgres() as postgres:
            done = manage("migrate", "--run-syncdb", **on(postgres))
            assert done.returncode == 0, done.stderr
            yield postgres

    class TestWithoutItsDatabase:
        """The worker goes on while the database is away, with a job of its that is under way."""

        @pytest.fixture
        def pipe(self, tmp_path: Path) -> Path:
            pipe = tmp_path / "pipe"
            os.mkfifo(pipe)
            return pipe

        def test_tells_how_an_action_has_ended_when_it_is_back(
            self, postgres: Server, tmp_path: Path, pipe: Path
        ) -> None:
            with work_on(postgres, tmp_path) as worker:
                worker.wait_for_line("Running jobs")
                schedule_on(postgres, "test:waitForPipe", pipe)
                with pipe.open("w"):  # as soon as it reads
                    postgres.kill()
                worker.send(signal.SIGTERM)
                postgres.start()
                status = worker.wait()

            assert (status, outcome_on(postgres, "test:waitForPipe")) == (0, ("success", 1))

        def test_begins_a_mutation_again_when_it_is_back(
            self, postgres: Server, tmp_path: Path, pipe: Path
        ) -> None:
            with work_on(postgres, tmp_path) as worker:
                worker.wait_for_line("Running jobs")
                schedule_on(postgres, "test:waitForPipeInside", pipe)
                with pipe.open("w"):
                    postgres.kill()
                postgres.start()
                with pipe.open("w"):
                    worker.send(signal.SIGTERM)
                status = worker.wait()

            assert (status, outcome_on(postgres, "test:waitForPipeInside")) == (0, ("success", 2))

    def on(postgres: Server) -> dict[str, str]:
        return {"DATABASE_URL": postgres.url, "REDIS_URL": project.REDIS_URL or ""}

    def work_on(postgres: Server, folder: Path) -> Process:
        return Process(
            *("manage.py", "worker", "--port", "0", "--no-migrate"), folder=folder, **on(postgres)
        )

    def schedule_on(postgres: Server, path: str, pipe: Path) -> None:
        code = (
            "from datetime import UTC, datetime; from dust.livequery.scheduler import schedule;"
            f"schedule({path!r}, {{'name': {path!r}, 'pipe': {str(pipe)!r}}}, at=datetime.now(UTC))"
        )
        done = manage("shell", "-v", "0", "-c", code, **on(postgres))
        assert done.returncode == 0, done.stderr

    def outcome_on(postgres: Server, path: str) -> Any:
        with psycopg.connect(postgres.url) as connection:
            found = "SELECT state, tries FROM livequery_job WHERE path = %s"
            return connection.execute(found, [path]).fetchone()
