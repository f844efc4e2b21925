from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.contrib.sessions.models import Session
from django.core.management import call_command

from dust.livequery import changes, crons, purge
from dust.livequery.models import Change, Job, JobState, Request
from dust.livequery.purge import CHANGES_KEPT, JOBS_KEPT, REQUESTS_KEPT, PurgeReport
from dust.livequery.testing import run_jobs

pytestmark = pytest.mark.django_db(transaction=True)

MOMENT = timedelta(milliseconds=1)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def make_change(seq: int, *, at: datetime) -> Change:
    return Change.objects.create(origin="aaaa", seq=seq, ts=seq, payload=b"", created_at=at)


def kept_changes() -> list[Change]:
    """Return what is left; a test database's own history does not count."""
    return list(Change.objects.filter(origin="aaaa"))


def make_request(key: str, *, at: datetime) -> Request:
    return Request.objects.create(scope="alice", key=key, fingerprint="", created_at=at)


def make_job(*, over: datetime | None, state: JobState = JobState.SUCCESS) -> Job:
    return Job.objects.create(
        path="test:note",
        kind="mutation",
        args="{}",
        scheduled_at=LONG_AGO,
        state=state,
        completed_at=over,
    )


def make_session(key: str, *, until: datetime) -> Session:
    """Return one of the admin's."""
    return Session.objects.create(session_key=key, session_data="", expire_date=until)


class TestPurge:
    def test_plat_j2_deletes_what_has_served_its_time_and_nothing_else(self, now: datetime) -> None:
        make_change(1, at=now - CHANGES_KEPT - MOMENT)
        young_change = make_change(2, at=now - CHANGES_KEPT)
        make_request("old", at=now - REQUESTS_KEPT - MOMENT)
        young_request = make_request("young", at=now - REQUESTS_KEPT)
        for state in (JobState.SUCCESS, JobState.FAILED, JobState.CANCELED):
            make_job(over=now - JOBS_KEPT - MOMENT, state=state)
        young_job = make_job(over=now - JOBS_KEPT)
        pending_job = make_job(over=None, state=JobState.PENDING)
        make_session("old", until=now - MOMENT)
        young_session = make_session("young", until=now)

        report = purge.purge(now=now)

        assert report == PurgeReport(deleted=6, may_go_on=False)
        assert kept_changes() == [young_change]
        assert list(Request.objects.all()) == [young_request]
        assert set(Job.objects.all()) == {young_job, pending_job}
        assert list(Session.objects.all()) == [young_session]

    def test_is_not_noticed_by_the_engine(self, now: datetime) -> None:
        make_change(1, at=LONG_AGO)
        make_request("old", at=LONG_AGO)
        make_job(over=LONG_AGO)
        make_session("old", until=LONG_AGO)
        noticed: list[changes.Commit] = []
        stop = changes.on_commit(noticed.append)

        purge.purge(now=now)
        stop()

        assert noticed == []
        assert kept_changes() == []
        assert not Session.objects.exists()


class TestPurgeCron:
    @pytest.fixture(autouse=True)
    def _no_other_crons(self, monkeypatch: pytest.MonkeyPatch) -> None:
        mine = {each.name: each for each in crons.all_crons() if each.name == "livequery:purge"}
        monkeypatch.setattr(crons, "_crons", mine)

    @pytest.mark.parametrize(("rows", "runs"), [(3, 2), (4, 3), (5, 3)])
    def test_comes_to_the_end_batch_by_batch(
        self, now: datetime, monkeypatch: pytest.MonkeyPatch, rows: int, runs: int
    ) -> None:
        monkeypatch.setattr(purge, "_BATCH", 2)
        for _ in range(rows):
            make_job(over=LONG_AGO)

        count = run_jobs(now=now)

        assert count == runs
        assert Job.objects.filter(completed_at=LONG_AGO).count() == 0

    def test_takes_expired_sessions_too(self, now: datetime) -> None:
        make_session("old", until=now - MOMENT)

        run_jobs(now=now)

        assert not Session.objects.exists()

    def test_is_due_every_ten_minutes(self, now: datetime) -> None:

        counts = [run_jobs(now=now + timedelta(minutes=minutes)) for minutes in (0, 9, 10)]

        assert counts == [1, 0, 1]

    def test_gives_up_jobs_whose_function_is_gone(self, now: datetime) -> None:
        orphan = make_job(over=None, state=JobState.PENDING)
        Job.objects.update(path="gone:function")

        run_jobs(now=now)

        orphan.refresh_from_db()
        assert (orphan.state, orphan.completed_at) == (JobState.FAILED, now)


class TestPurgeCommand:
    def test_goes_on_to_the_end_and_says_how_much_that_was(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(purge, "_BATCH", 2)
        for seq in range(5):
            make_change(seq, at=LONG_AGO)
        make_session("old", until=LONG_AGO)
        young = make_change(9, at=datetime.now(UTC))
        printed = StringIO()

        call_command("purge", stdout=printed)

        assert printed.getvalue() == "rows deleted: 6\n"
        assert kept_changes() == [young]
