"""Jobs and crons in the admin: looked at, found, and never changed."""

from datetime import datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from dust import ids
from dust.livequery import crons, jobs
from dust.livequery.models import Job, JobState
from dust.livequery.scheduler import schedule
from tests.dust.livequery.writers import IS_POSTGRESQL

pytestmark = pytest.mark.django_db
JOBS = "/admin/livequery/job/"
CRONS = "/admin/livequery/cronrow/"


@pytest.fixture
def staff(client: Client) -> Client:
    users = get_user_model().objects
    client.force_login(users.create_superuser("root", "correct horse battery"))
    return client


def page(staff: Client, path: str, **query: str) -> str:
    answer = staff.get(path, query)
    assert answer.status_code == 200
    return answer.content.decode()


class TestJobs:
    def test_are_listed_with_their_state_newest_first(self, staff: Client, now: datetime) -> None:
        schedule("test:note", {"name": "red"}, at=now)
        failed = schedule("test:noteByAction", {"name": "red"}, at=now)
        Job.objects.filter(pk=failed).update(state=JobState.FAILED, error="It went wrong.")

        shown = page(staff, JOBS)

        assert shown.index("test:noteByAction") < shown.index("test:note<")
        assert "It went wrong." in shown
        assert ids.encode(Job.TABLE_NUMBER, failed) in shown

    def test_are_found_by_id_function_and_state(self, staff: Client, now: datetime) -> None:
        wanted = schedule("test:note", {"name": "red"}, at=now)
        other = schedule("test:noteByAction", {"name": "red"}, at=now)
        jobs.cancel(wanted, now=now)
        shown = {key: ids.encode(Job.TABLE_NUMBER, key) for key in (wanted, other)}

        for query in ({"q": shown[wanted]}, {"q": "test:note"}, {"state__exact": "canceled"}):
            found = page(staff, JOBS, **query)
            assert shown[wanted] in found
            assert shown[other] not in found

    def test_are_shown_whole_and_cannot_be_changed(self, staff: Client, now: datetime) -> None:
        job_id = schedule("test:note", {"name": "red"}, at=now)

        shown = page(staff, f"{JOBS}{job_id}/change/")
        change = staff.post(f"{JOBS}{job_id}/change/", {"state": "success"})
        add = staff.get(f"{JOBS}add/")
        delete = staff.post(f"{JOBS}{job_id}/delete/", {"post": "yes"})

        assert "{&quot;name&quot;:&quot;red&quot;}" in shown
        assert (change.status_code, add.status_code, delete.status_code) == (403, 403, 403)
        assert Job.objects.get().state == JobState.PENDING

    def test_are_not_all_counted(self, staff: Client, now: datetime) -> None:
        schedule("test:note", {"name": "red"}, at=now)

        with CaptureQueriesContext(connection) as queries:
            page(staff, JOBS)

        counts = [each["sql"] for each in queries if "COUNT(" in each["sql"]]
        assert counts
        assert all("LIMIT 10000" in sql for sql in counts)

    if IS_POSTGRESQL:

        def test_are_read_in_the_order_of_an_index(self, staff: Client, now: datetime) -> None:
            Job.objects.bulk_create(
                Job(path="test:note", kind="mutation", args="{}", scheduled_at=now + at)
                for at in (timedelta(seconds=number) for number in range(5_000))
            )
            with connection.cursor() as cursor:
                cursor.execute("ANALYZE livequery_job")
            with CaptureQueriesContext(connection) as queries:
                page(staff, JOBS)

            [listed] = [
                each["sql"]
                for each in queries
                if '"args"' in each["sql"] and "COUNT(" not in each["sql"]
            ]
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN {listed}")
                plan = "\n".join(row[0] for row in cursor.fetchall())
            assert "Index Scan Backward using livequery_job_pkey" in plan


class TestCrons:
    def test_are_listed_with_their_next_time(self, staff: Client, now: datetime) -> None:
        crons.sync(now=now)

        shown = page(staff, CRONS)

        assert "livequery:purge" in shown
        assert "every 0:10:00" in shown
