"""Crons: when they are due, and that each run is scheduled once whoever looks."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from django.db import IntegrityError, connections

from dust.livequery import crons, jobs, recovery
from dust.livequery.errors import InvalidArgumentsError, UnknownFunctionError
from dust.livequery.models import CronRow, Job, JobState
from dust.livequery.registry import Kind
from dust.livequery.scheduler import Crontab, Every, cron, daily, hourly, monthly, weekly
from dust.livequery.testing import run_jobs
from tests.dust.livequery.running import PATIENCE_SECONDS
from tests.dust.livequery.writers import IS_POSTGRESQL

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class TestEvery:
    def test_plat_j3_is_due_at_once_and_then_keeps_its_pace(self) -> None:
        start = at("2026-03-14 15:09:26")
        every = Every(minutes=10)

        assert every.first(now=start) == start
        assert every.following(start, now=start) == start + 10 * MINUTE
        late = start + 10 * MINUTE - SECOND
        assert every.following(start, now=late) == start + 10 * MINUTE
        assert every.following(start, now=start + 35 * MINUTE) == start + 40 * MINUTE

    def test_adds_up_its_units(self) -> None:
        assert Every(hours=1, minutes=1, seconds=1).interval == timedelta(seconds=3661)

    @pytest.mark.parametrize("seconds", [0, -1, 0.5])
    def test_is_at_most_once_a_second(self, seconds: float) -> None:
        with pytest.raises(ValueError, match="once a second"):
            Every(seconds=seconds)


class TestCrontab:
    @pytest.mark.parametrize(
        ("when", "now", "following"),
        [
            (Crontab("0 3 * * *"), "2026-03-14 02:59:59", "2026-03-14 03:00"),
            (Crontab("0 3 * * *"), "2026-03-14 03:00:00", "2026-03-15 03:00"),
            (Crontab("0 3 * * *"), "2026-12-31 03:00:01", "2027-01-01 03:00"),
            (Crontab("*/15 9-17 * * mon-fri"), "2026-03-13 17:45", "2026-03-16 09:00"),
            (Crontab("0 0 29 2 *"), "2026-03-14 00:00", "2028-02-29 00:00"),
            (hourly(30), "2026-03-14 15:09:26", "2026-03-14 15:30"),
            (hourly(5), "2026-03-14 15:09:26", "2026-03-14 16:05"),
            (daily(3), "2026-03-14 15:09:26", "2026-03-15 03:00"),
            (daily(23, 59), "2026-03-14 15:09:26", "2026-03-14 23:59"),
            (weekly("monday", 8, 15), "2026-03-14 15:09:26", "2026-03-16 08:15"),
            (weekly("sunday", 0), "2026-03-14 15:09:26", "2026-03-15 00:00"),
            (monthly(1, 0), "2026-03-14 15:09:26", "2026-04-01 00:00"),
            (monthly(31, 12, 30), "2026-03-31 12:30", "2026-05-31 12:30"),
        ],
    )
    def test_plat_j3_is_due_as_its_line_says(self, when: Crontab, now: str, following: str) -> None:
        assert when.first(now=at(now)) == at(following)
        assert when.following(at(now), now=at(now)) == at(following)

    def test_plat_j3_means_utc_whatever_the_clock_shows(self) -> None:
        now = at("2026-03-14 02:00").astimezone(timezone(timedelta(hours=9)))

        assert Crontab("0 3 * * *").first(now=now) == at("2026-03-14 03:00")

    def test_knows_no_summer_time(self) -> None:
        when, due = Crontab("30 2 * * *"), at("2026-03-28 02:30")

        assert when.following(due, now=due) == at("2026-03-29 02:30")

    @pytest.mark.parametrize(
        "line", ["", "* * * *", "* * * * * *", "60 * * * *", "0 0 30 2 *", "0 0 * * someday"]
    )
    def test_refuses_lines_that_make_no_sense(self, line: str) -> None:
        with pytest.raises(ValueError, match=r"\w"):
            Crontab(line)


@pytest.fixture
def _no_crons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crons, "_crons", {})


def every_minute(name: str = "note", path: str = "test:increment", **args: Any) -> None:
    cron(name, path, when=Every(minutes=1), args=args or {"name": "nowhere"})


@pytest.mark.usefixtures("_no_crons")
class TestDeclaration:
    def test_refuses_a_name_that_is_taken_or_no_name(self) -> None:
        every_minute()

        with pytest.raises(TypeError, match="twice"):
            every_minute()
        for name in ("", "x" * 101):
            with pytest.raises(TypeError, match="1 to 100"):
                every_minute(name)

    @pytest.mark.parametrize("path", ["test:nothing", "test:players"])
    def test_is_checked_for_its_function_when_all_are_there(self, path: str) -> None:
        every_minute(path=path)

        with pytest.raises(UnknownFunctionError):
            crons.check()

    def test_is_checked_for_its_arguments_too(self) -> None:
        every_minute(nobody="knows")

        with pytest.raises(InvalidArgumentsError):
            crons.check()


class TestTheProject:
    def test_declares_crons_that_can_be_run(self) -> None:
        assert list(crons.all_crons())
        crons.check()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_no_crons")
class TestCron:
    def runs(self) -> list[datetime]:
        return list(Job.objects.order_by("pk").values_list("scheduled_at", flat=True))

    def test_plat_j3_of_equal_intervals_runs_at_start_up_and_again_and_again(
        self, now: datetime
    ) -> None:
        every_minute()

        counts = [run_jobs(now=now + seconds * SECOND) for seconds in (0, 1, 59, 60, 61, 120)]

        assert counts == [1, 0, 0, 1, 0, 1]
        assert self.runs() == [now, now + MINUTE, now + 2 * MINUTE]

    def test_plat_j3_with_a_line_runs_when_its_time_has_come(self, now: datetime) -> None:
        cron("nightly", "test:note", when=daily(3), args={"name": "red"})
        night = at("2026-03-15 03:00")

        counts = [run_jobs(now=when) for when in (now, night - SECOND, night, night + SECOND)]

        assert counts == [0, 0, 1, 0]
        job = Job.objects.get()
        assert (job.cron, job.path, job.args) == ("nightly", "test:note", '{"name":"red"}')
        assert (job.scheduled_at, job.state) == (night, JobState.SUCCESS)

    def test_is_not_shifted_by_a_restart(self, now: datetime) -> None:
        every_minute()
        run_jobs(now=now)

        crons.sync(now=now + 30 * SECOND)

        assert CronRow.objects.get().next_at == now + MINUTE

    def test_begins_anew_if_its_times_change(
        self, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        every_minute()
        run_jobs(now=now)

        monkeypatch.setattr(crons, "_crons", {})
        cron("note", "test:increment", when=Every(minutes=2), args={"name": "nowhere"})
        crons.sync(now=now + SECOND)

        row = CronRow.objects.get()
        assert (row.schedule, row.next_at) == ("every 0:02:00", now + SECOND)

    def test_is_forgotten_with_its_declaration(
        self, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        every_minute()
        run_jobs(now=now)

        monkeypatch.setattr(crons, "_crons", {})
        count = run_jobs(now=now + MINUTE)

        assert count == 0
        assert not CronRow.objects.exists()

    def test_of_a_newer_version_is_left_to_it(
        self, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        every_minute()
        crons.sync(now=now)

        monkeypatch.setattr(crons, "_crons", {})
        crons.fire(now=now)

        assert self.runs() == []
        assert CronRow.objects.get().next_at == now

    def test_plat_j3_skips_runs_while_one_goes_on_and_says_so(
        self, now: datetime, caplog: pytest.LogCaptureFixture
    ) -> None:
        every_minute()
        recovery.renew("slow", running=(), now=now)
        crons.sync(now=now)
        crons.fire(now=now)
        [slow] = jobs.claim(Kind.MUTATION, worker="slow", limit=1, now=now)

        recovery.renew("slow", running={slow.id}, now=now + MINUTE)
        skipped = run_jobs(now=now + MINUTE)
        jobs.settle(slow, now=now + MINUTE)
        after = run_jobs(now=now + 2 * MINUTE)

        assert (skipped, after) == (0, 1)
        assert self.runs() == [now, now + 2 * MINUTE]
        [line] = [each for each in caplog.records if each.getMessage() == "cron run skipped"]
        assert line.levelname == "WARNING"
        assert (vars(line)["cron"], vars(line)["due"]) == ("note", now + MINUTE)

    def test_runs_once_for_all_the_times_when_nobody_could(
        self, now: datetime, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        every_minute()
        run_jobs(now=now)

        late = run_jobs(now=now + 5 * MINUTE + SECOND)
        on_time = run_jobs(now=now + 6 * MINUTE)

        assert (late, on_time) == (1, 1)
        assert self.runs() == [now, now + MINUTE, now + 6 * MINUTE]
        [line] = [each for each in caplog.records if each.getMessage() == "cron runs skipped"]
        assert (vars(line)["due"], vars(line)["reason"]) == (now + 2 * MINUTE, "no worker ran")

    def test_plat_j3_never_has_two_jobs_that_are_not_over(self, now: datetime) -> None:
        fields: dict[str, Any] = {"path": "test:note", "kind": "mutation", "args": "{}"}
        Job.objects.create(cron="note", scheduled_at=now, state=JobState.SUCCESS, **fields)
        Job.objects.create(cron="note", scheduled_at=now, state=JobState.IN_PROGRESS, **fields)

        with pytest.raises(IntegrityError):
            Job.objects.create(cron="note", scheduled_at=now, **fields)

    if IS_POSTGRESQL:

        def test_is_fired_once_by_many_workers(self, now: datetime) -> None:
            every_minute()
            crons.sync(now=now)
            together = threading.Barrier(8, timeout=PATIENCE_SECONDS)

            def look(_number: int) -> None:
                try:
                    together.wait()
                    crons.fire(now=now)
                finally:
                    connections.close_all()

            with ThreadPoolExecutor(8) as pool:
                list(pool.map(look, range(8)))

            assert self.runs() == [now]
            assert CronRow.objects.get().next_at == now + MINUTE
