"""Scheduling: what becomes of a job, from the transaction that schedules it to how it ends."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import transaction

from dust import ids
from dust.errors import DustError
from dust.livequery import crons, jobs, recovery, runner, scheduler
from dust.livequery.capture import recording
from dust.livequery.engine import Engine
from dust.livequery.errors import InvalidTimeError, TooManyJobsError, WriteInQueryError
from dust.livequery.execution import run_mutation
from dust.livequery.models import Job, JobState
from dust.livequery.registry import Kind, find_function
from dust.livequery.scheduler import Scheduler, cancel, schedule
from dust.livequery.shapes import milliseconds
from dust.livequery.testing import run_jobs
from tests.livequery_app.models import Team

pytestmark = pytest.mark.django_db(transaction=True)

SECOND = timedelta(seconds=1)
MOMENT = timedelta(microseconds=1)


@pytest.fixture(autouse=True)
def _no_crons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crons, "_crons", {})


def mutate(path: str, /, **args: Any) -> Any:
    return run_mutation(find_function(path, kind=Kind.MUTATION), args, None).value


def teams() -> list[str]:
    return list(Team.objects.order_by("pk").values_list("name", flat=True))


def key_of(job: str) -> UUID:
    return ids.decode(job, Job.TABLE_NUMBER)


class TestSchedule:
    def test_runs_a_mutation_at_its_time_as_nobody(self, now: datetime) -> None:
        job_id = schedule("test:note", {"name": "red"}, at=now)

        early = run_jobs(now=now - MOMENT)
        waiting = Job.objects.get(pk=job_id)
        due = run_jobs(now=now)
        again = run_jobs(now=now + SECOND)

        assert (early, due, again) == (0, 1, 0)
        assert (waiting.state, waiting.completed_at) == (JobState.PENDING, None)
        assert Team.objects.get().motto == f"nobody {now.isoformat()}"
        job = Job.objects.get(pk=job_id)
        assert (job.state, job.scheduled_at, job.completed_at, job.error, job.args) == (
            JobState.SUCCESS,
            now,
            now,
            "",
            '{"name":"red"}',
        )

    def test_runs_an_action(self, now: datetime) -> None:
        job_id = schedule("test:noteByAction", {"name": "red"}, at=now)

        run_jobs(now=now + SECOND)

        job = Job.objects.get(pk=job_id)
        assert (job.state, job.completed_at) == (JobState.SUCCESS, now + SECOND)
        assert Team.objects.get().motto == f"nobody {(now + SECOND).isoformat()}"

    def test_plat_j1_is_part_of_the_open_transaction(self, now: datetime) -> None:
        with transaction.atomic():
            schedule("test:note", {"name": "red"}, at=now)
            transaction.set_rollback(True)

        assert not Job.objects.exists()

    @pytest.mark.parametrize(
        ("path", "args", "code"),
        [
            ("test:nothing", {}, "unknown_function"),
            ("test:players", {"name": "red"}, "unknown_function"),
            ("test:note", {}, "invalid_arguments"),
            ("test:note", {"name": "red", "extra": 1}, "invalid_arguments"),
            ("test:note", {"name": object()}, "invalid_arguments"),
            ("test:note", {"name": "\ud800"}, "invalid_arguments"),
            ("test:increment", {"name": "red", "points": float("nan")}, "invalid_arguments"),
        ],
    )
    def test_refuses_at_once_what_could_not_be_run(
        self, now: datetime, path: str, args: dict[str, Any], code: str
    ) -> None:
        with pytest.raises(DustError) as refused:
            schedule(path, args, at=now)

        assert refused.value.code == code
        assert not Job.objects.exists()

    def test_refuses_a_time_without_a_zone(self, now: datetime) -> None:
        with pytest.raises(InvalidTimeError) as refused:
            schedule("test:note", {"name": "red"}, at=now.replace(tzinfo=None))

        assert refused.value.code == "invalid_time"

    def test_takes_a_time_of_any_zone(self, now: datetime) -> None:
        elsewhere = now.astimezone(timezone(timedelta(hours=-7)))

        job_id = schedule("test:note", {"name": "red"}, at=elsewhere)

        assert Job.objects.get(pk=job_id).scheduled_at == now

    def test_is_a_write_and_so_not_for_queries(self, now: datetime) -> None:
        with recording(), pytest.raises(WriteInQueryError):
            schedule("test:note", {"name": "red"}, at=now)

    def test_keeps_every_text_that_fits(self, now: datetime) -> None:
        name = 'nul \0, quote ", é, \U0001f980'

        job_id = schedule("test:ensureTeam", {"name": name}, at=now)
        [claim] = jobs.claim(Kind.MUTATION, worker="test", limit=1, now=now)

        assert (claim.id, claim.args) == (job_id, {"name": name})


class TestCancel:
    @pytest.fixture
    def job_id(self, now: datetime) -> UUID:
        return schedule("test:note", {"name": "red"}, at=now)

    def test_keeps_a_job_from_being_run(self, now: datetime, job_id: UUID) -> None:
        first = cancel(job_id, now=now - SECOND)
        second = cancel(job_id, now=now)

        assert (first, second) == (True, False)
        assert run_jobs(now=now) == 0
        job = Job.objects.get(pk=job_id)
        assert (job.state, job.completed_at) == (JobState.CANCELED, now - SECOND)

    def test_is_undone_with_its_transaction(self, now: datetime, job_id: UUID) -> None:
        with transaction.atomic():
            cancel(job_id, now=now)
            transaction.set_rollback(True)

        assert run_jobs(now=now) == 1

    def test_comes_too_late_for_one_that_has_begun(self, now: datetime, job_id: UUID) -> None:
        jobs.claim(Kind.MUTATION, worker="test", limit=1, now=now)

        assert not cancel(job_id, now=now)

    def test_comes_too_late_for_one_that_is_over(self, now: datetime, job_id: UUID) -> None:
        run_jobs(now=now)

        assert not cancel(job_id, now=now)
        assert Job.objects.get(pk=job_id).state == JobState.SUCCESS

    def test_finds_nothing_under_other_ids(self, now: datetime) -> None:
        assert not cancel(uuid4(), now=now)


class TestInAMutation:
    def test_schedules_after_a_while(self) -> None:
        before = datetime.now(UTC)

        shown = mutate("test:later", path="test:note", args={"name": "red"}, seconds=90)

        job = Job.objects.get()
        assert key_of(shown) == job.id
        passed = job.scheduled_at - before
        assert timedelta(seconds=90) <= passed < timedelta(seconds=120)

    def test_schedules_at_a_time(self, now: datetime) -> None:
        mutate("test:later", path="test:note", args={"name": "red"}, at=milliseconds(now))

        assert Job.objects.get().scheduled_at == now

    def test_plat_j1_leaves_no_job_if_it_fails(self) -> None:
        with pytest.raises(DustError, match="Not authorized"):
            mutate("test:later", path="test:note", args={"name": "red"}, fails=True)

        assert not Job.objects.exists()

    def test_plat_j1_cancels(self, now: datetime) -> None:
        shown = mutate("test:later", path="test:note", args={"name": "red"}, seconds=90)

        with pytest.raises(DustError, match="Not authorized"):
            mutate("test:cancel", job=shown, fails=True)
        kept = Job.objects.get().state
        done = mutate("test:cancel", job=shown)
        again = mutate("test:cancel", job=shown)

        assert (kept, done, again) == (JobState.PENDING, True, False)
        assert Job.objects.get().state == JobState.CANCELED

    def test_refuses_ids_of_other_things(self) -> None:
        with pytest.raises(ids.InvalidIdError):
            mutate("test:cancel", job=ids.encode(10001, uuid4()))

    @pytest.mark.parametrize("seconds", [-0.001, float("nan"), float("inf"), 1e300])
    def test_refuses_impossible_delays(self, now: datetime, seconds: float) -> None:
        ctx = Scheduler(clock=lambda: now, call=lambda work: work())

        with pytest.raises(InvalidTimeError):
            ctx.run_after(seconds, "test:note", {"name": "red"})

    def test_refuses_to_schedule_without_end(
        self, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(scheduler, "MOST_JOBS", 2)
        ctx = Scheduler(clock=lambda: now, call=lambda work: work())
        for _ in range(2):
            ctx.run_after(0, "test:note", {"name": "red"})

        with pytest.raises(TooManyJobsError) as refused:
            ctx.run_after(0, "test:note", {"name": "red"})

        assert refused.value.code == "too_many_jobs"


class TestInAnAction:
    async def test_plat_j1_is_done_at_once_whatever_becomes_of_the_action(self) -> None:
        engine = Engine()
        await engine.start()
        turn = asyncio.Semaphore(1)
        note = {"path": "test:note", "args": {"name": "red"}, "seconds": 90}

        shown = await engine.act("test:laterByAction", note, None, turn=turn)
        with pytest.raises(RuntimeError):
            await engine.act("test:laterByAction", note | {"fails": True}, None, turn=turn)
        canceled = await engine.act("test:cancelByAction", {"job": shown}, None, turn=turn)

        states = await runner.run(
            lambda: list(Job.objects.order_by("pk").values_list("id", "state"))
        )
        await engine.stop()
        await asyncio.to_thread(runner.close)
        assert canceled
        assert [state for _, state in states] == [JobState.CANCELED, JobState.PENDING]
        assert states[0][0] == key_of(shown)

    def test_counts_from_when_it_is_asked(self, now: datetime) -> None:
        note = {"path": "test:note", "args": {"name": "red"}, "seconds": 5}
        schedule("test:laterByAction", note, at=now)

        count = run_jobs(now=now + SECOND)

        assert count == 1
        assert Job.objects.get(path="test:note").scheduled_at == now + 6 * SECOND


class TestRunJobs:
    def test_runs_what_jobs_schedule_for_then_too(self, now: datetime) -> None:
        def note(name: str, seconds: float) -> dict[str, Any]:
            return {"path": "test:note", "args": {"name": name}, "seconds": seconds}

        schedule("test:later", note("red", 0), at=now)
        schedule("test:laterByAction", note("blue", 1), at=now)

        counts = run_jobs(now=now), run_jobs(now=now + SECOND)

        assert counts == (3, 1)
        assert teams() == ["red", "blue"]

    def test_keeps_the_order_of_their_times(self, now: datetime) -> None:
        for seconds, path in [(3, "test:noteByAction"), (2, "test:note"), (1, "test:noteByAction")]:
            schedule(path, {"name": f"at {seconds}"}, at=now + seconds * SECOND)

        run_jobs(now=now + 3 * SECOND)

        assert teams() == ["at 1", "at 2", "at 3"]


Story = Callable[[], list[logging.LogRecord]]


class TestFailure:
    @pytest.fixture
    def lines(self, caplog: pytest.LogCaptureFixture) -> Story:
        caplog.set_level(logging.WARNING)
        return lambda: caplog.records

    def failed(self, job_id: UUID) -> str:
        job = Job.objects.get(pk=job_id)
        assert (job.state, job.completed_at is not None) == (JobState.FAILED, True)
        return job.error

    def test_of_a_rule_leaves_its_sentence_and_nothing_else(
        self, now: datetime, lines: Story
    ) -> None:
        job_id = schedule("test:failLate", {"name": "red"}, at=now)

        count = run_jobs(now=now)

        [line] = lines()
        assert (count, run_jobs(now=now + SECOND)) == (1, 0)
        assert teams() == []
        assert self.failed(job_id) == f"Not authorized. ({vars(line)['request_id']})"
        assert (line.levelname, vars(line)["function"]) == ("WARNING", "test:failLate")

    def test_that_nobody_foresaw_is_logged_whole_and_told_by_its_id(
        self, now: datetime, lines: Story
    ) -> None:
        job_id = schedule("test:increment", {"name": "nowhere"}, at=now)

        run_jobs(now=now)

        [line] = lines()
        assert self.failed(job_id) == f"Server Error ({vars(line)['request_id']})"
        assert line.levelname == "ERROR"
        assert line.exc_info

    def test_of_a_query_in_an_action_is_logged_once(self, now: datetime, lines: Story) -> None:
        job_id = schedule("test:crash", {"name": "red"}, at=now)

        run_jobs(now=now)

        [line] = lines()
        assert self.failed(job_id) == f"Server Error ({vars(line)['request_id']})"

    def test_of_arguments_that_fitted_an_older_version(self, now: datetime) -> None:
        job_id = schedule("test:note", {"name": "red"}, at=now)
        action_id = schedule("test:noteByAction", {"name": "red"}, at=now)
        Job.objects.update(args="{}")

        run_jobs(now=now)

        assert self.failed(job_id).startswith("test:note: Object missing required field `name`")
        assert self.failed(action_id).startswith("test:noteByAction: Object missing")

    def test_of_too_many_conflicts_comes_after_many_tries(
        self, now: datetime, lines: Story
    ) -> None:
        job_id = schedule("test:conflict", {"name": "red"}, at=now)

        count = run_jobs(now=now)

        [line] = lines()
        assert count == recovery.MOST_TRIES
        assert self.failed(job_id) == "It was begun 10 times and never came to an end."
        assert vars(line)["job"] == job_id

    def test_keeps_no_more_than_a_sentence(self, now: datetime) -> None:
        args = {"path": "x" * 1_000, "args": {}}
        job_id = schedule("test:later", args, at=now)

        run_jobs(now=now)

        assert len(self.failed(job_id)) == jobs.LONGEST_ERROR
