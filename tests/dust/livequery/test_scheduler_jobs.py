"""The table of jobs: claims, signs of life, and that nothing is run twice whoever dies."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from prometheus_client import REGISTRY

from dust.livequery import crons, jobs, recovery
from dust.livequery.execution import run_mutation
from dust.livequery.jobs import Claim, ClaimLostError
from dust.livequery.models import Job, JobState, WorkerRow
from dust.livequery.recovery import LIFETIME
from dust.livequery.registry import Kind, find_function
from dust.livequery.scheduler import schedule
from dust.livequery.testing import run_jobs
from dust.livequery.worker import run_mutation_job
from dust.livequery.writing import Phases
from tests.dust.livequery.running import PATIENCE_SECONDS
from tests.dust.livequery.writers import IS_POSTGRESQL
from tests.livequery_app.models import Team

pytestmark = pytest.mark.django_db(transaction=True)

SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def _no_crons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crons, "_crons", {})


def make_jobs(count: int, *, at: datetime, path: str = "test:note") -> None:
    kind = find_function(path, kind=Kind.MUTATION, internal=True).kind.value
    Job.objects.bulk_create(
        (
            Job(path=path, kind=kind, args=f'{{"name":"{number}"}}', scheduled_at=at)
            for number in range(count)
        ),
        batch_size=5_000,
    )


def claim(*, now: datetime, worker: str = "one", limit: int = 1) -> list[Claim]:
    return jobs.claim(Kind.MUTATION, worker=worker, limit=limit, now=now)


def state_of(job_id: UUID) -> str:
    return Job.objects.get(pk=job_id).state


class TestClaim:
    def test_takes_the_longest_waiting_first_and_no_more_than_asked(self, now: datetime) -> None:
        third, first, second = (
            schedule("test:note", {"name": "red"}, at=now + at * SECOND) for at in (3, 1, 2)
        )

        claims = claim(now=now + 3 * SECOND, limit=2)

        assert [each.id for each in claims] == [first, second]
        assert {state_of(first), state_of(second)} == {JobState.IN_PROGRESS}
        assert state_of(third) == JobState.PENDING

    def test_takes_one_kind(self, now: datetime) -> None:
        schedule("test:noteByAction", {"name": "red"}, at=now)

        assert claim(now=now) == []
        [action] = jobs.claim(Kind.ACTION, worker="one", limit=9, now=now)
        assert (action.path, action.kind, action.number) == ("test:noteByAction", Kind.ACTION, 1)

    def test_leaves_what_this_version_does_not_know(self, now: datetime) -> None:
        for path, kind in (("gone:mutation", "mutation"), ("gone:action", "action")):
            Job.objects.create(path=path, kind=kind, args="{}", scheduled_at=now)
        known = schedule("test:note", {"name": "red"}, at=now)

        claims = claim(now=now, limit=9)
        recovery.fail_unknown(now=now + recovery.PATIENCE - SECOND)
        patient = set(Job.objects.filter(path__startswith="gone").values_list("state", flat=True))
        recovery.fail_unknown(now=now + recovery.PATIENCE)

        assert [each.id for each in claims] == [known]
        assert patient == {JobState.PENDING}
        assert {(job.state, job.error) for job in Job.objects.filter(path__startswith="gone")} == {
            (JobState.FAILED, "There is no function of this name any more.")
        }

    def test_plat_j4_is_found_in_an_index_among_many(self, now: datetime) -> None:
        make_jobs(10_000, at=now + SECOND)
        make_jobs(3, at=now)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE livequery_job")

        with CaptureQueriesContext(connection) as queries:
            claims, next_at = jobs.take("one", free={Kind.MUTATION: 2}, now=now)

        reads = [each["sql"] for each in queries if each["sql"].startswith("SELECT")]
        assert (len(claims), next_at) == (2, None)
        assert len(reads) == 2
        for sql in reads:
            assert "livequery_job_due" in plan_of(sql), plan_of(sql)


def plan_of(sql: str) -> str:
    explain = "EXPLAIN" if IS_POSTGRESQL else "EXPLAIN QUERY PLAN"
    with connection.cursor() as cursor:
        cursor.execute(f"{explain} {sql}")
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


class TestTake:
    def test_tells_when_the_next_is_due(self, now: datetime) -> None:
        schedule("test:note", {"name": "red"}, at=now + 2 * SECOND)
        schedule("test:noteByAction", {"name": "red"}, at=now + SECOND)

        claims, next_at = jobs.take("one", free={Kind.MUTATION: 1, Kind.ACTION: 1}, now=now)

        assert (claims, next_at) == ([], now + SECOND)

    def test_takes_nothing_that_there_is_no_room_for(self, now: datetime) -> None:
        schedule("test:note", {"name": "red"}, at=now)
        action = schedule("test:noteByAction", {"name": "red"}, at=now)

        claims, next_at = jobs.take("one", free={Kind.MUTATION: 0, Kind.ACTION: 1}, now=now)

        assert ([each.id for each in claims], next_at) == ([action], None)


class TestDeadWorker:
    def test_leaves_its_mutations_to_others_and_its_actions_failed(self, now: datetime) -> None:
        mutation = schedule("test:note", {"name": "red"}, at=now)
        action = schedule("test:noteByAction", {"name": "blue"}, at=now)
        recovery.renew("dead", running=(), now=now)
        claim(worker="dead", now=now)
        jobs.claim(Kind.ACTION, worker="dead", limit=1, now=now)

        early = run_jobs(now=now + LIFETIME - SECOND)
        late = run_jobs(now=now + LIFETIME)

        assert (early, late) == (0, 1)
        assert list(Team.objects.values_list("name", flat=True)) == ["red"]
        assert (state_of(mutation), state_of(action)) == (JobState.SUCCESS, JobState.FAILED)
        assert Job.objects.get(pk=action).error.startswith("It is not known how it ended")
        assert not WorkerRow.objects.exists()

    def test_is_not_one_that_gives_its_sign(self, now: datetime) -> None:
        schedule("test:note", {"name": "red"}, at=now)
        recovery.renew("one", running=(), now=now)
        [mine] = claim(now=now)

        recovery.renew("one", running={mine.id}, now=now + LIFETIME / 2)

        assert run_jobs(now=now + LIFETIME) == 0
        assert state_of(mine.id) == JobState.IN_PROGRESS

    def test_that_was_only_stalled_takes_no_effect(self, now: datetime) -> None:
        job_id = schedule("test:note", {"name": "red"}, at=now)
        recovery.renew("stalled", running=(), now=now)
        [stale] = claim(worker="stalled", now=now)
        recovery.recover(now=now + LIFETIME)
        [fresh] = claim(worker="other", now=now + LIFETIME)

        run_mutation_job(stale, now=now + LIFETIME)
        before = Team.objects.count()
        run_mutation_job(fresh, now=now + LIFETIME)
        jobs.settle(stale, error="too late", now=now + LIFETIME)

        assert (before, Team.objects.count()) == (0, 1)
        assert state_of(job_id) == JobState.SUCCESS

    def test_may_claim_the_same_job_again(self, now: datetime) -> None:
        schedule("test:note", {"name": "red"}, at=now)
        [first] = claim(now=now)
        recovery.put_back(first, now=now)
        [second] = claim(now=now)

        with pytest.raises(ClaimLostError), transaction.atomic():
            jobs.complete(first, now=now)
        with transaction.atomic():
            jobs.complete(second, now=now)

        assert state_of(first.id) == JobState.SUCCESS

    def test_is_not_tried_for_ever(self, now: datetime) -> None:
        job_id = schedule("test:note", {"name": "red"}, at=now)
        for _ in range(recovery.MOST_TRIES):
            assert claim(worker="dead", now=now)
            recovery.recover(now=now)

        assert claim(now=now) == []
        job = Job.objects.get(pk=job_id)
        assert (job.state, job.completed_at) == (JobState.FAILED, now)
        assert job.error == "It was begun 10 times and never came to an end."


class TestRenew:
    def test_gives_up_what_is_claimed_and_not_run(self, now: datetime) -> None:
        run, lost = (schedule("test:note", {"name": "red"}, at=now) for _ in range(2))
        recovery.renew("one", running=(), now=now)
        claim(now=now, limit=2)

        recovery.renew("one", running={run}, now=now)

        assert (state_of(run), state_of(lost)) == (JobState.IN_PROGRESS, JobState.PENDING)

    def test_gives_others_a_chance_after_all_seemed_dead(self, now: datetime) -> None:
        schedule("test:note", {"name": "red"}, at=now)
        for worker in ("one", "other"):
            recovery.renew(worker, running=(), now=now)
        [theirs] = claim(worker="other", now=now)
        later = now + 2 * LIFETIME

        recovery.renew("one", running=(), now=later)
        kept = state_of(theirs.id)
        recovery.renew("one", running=(), now=later + SECOND)

        assert (kept, state_of(theirs.id)) == (JobState.IN_PROGRESS, JobState.PENDING)


class TestSignOn:
    def test_recovers_at_once_where_there_is_one_worker_only(self, now: datetime) -> None:
        schedule("test:note", {"name": "red"}, at=now)
        recovery.renew("before", running=(), now=now)
        [theirs] = claim(worker="before", now=now)

        recovery.sign_on("after", now=now + SECOND)

        expected = JobState.IN_PROGRESS if IS_POSTGRESQL else JobState.PENDING
        assert state_of(theirs.id) == expected


def write_retries() -> float:
    return REGISTRY.get_sample_value("dust_livequery_write_retries_total") or 0.0


if IS_POSTGRESQL:

    class TestSeveralWorkers:
        def test_claim_each_job_once(self, now: datetime) -> None:
            make_jobs(300, at=now)

            def work(number: int) -> list[UUID]:
                mine: list[UUID] = []
                try:
                    while claims := claim(worker=f"worker {number}", limit=7, now=now):
                        mine += [each.id for each in claims]
                finally:
                    connections.close_all()
                return mine

            with ThreadPoolExecutor(8) as pool:
                claimed = [job for mine in pool.map(work, range(8)) for job in mine]

            assert len(claimed) == len(set(claimed)) == 300

        def test_do_not_wait_for_each_other(self, now: datetime) -> None:
            make_jobs(2, at=now)
            locked = Job.objects.order_by("scheduled_at", "id").select_for_update()

            def other() -> list[Claim]:
                try:
                    return claim(now=now, limit=2)
                finally:
                    connections.close_all()

            with ThreadPoolExecutor(1) as pool, transaction.atomic():
                held = locked.first()
                claims = pool.submit(other).result(PATIENCE_SECONDS)

            assert held is not None
            assert [each.id for each in claims] == list(
                Job.objects.exclude(pk=held.pk).values_list("pk", flat=True)
            )

        def test_give_up_no_mutation_whose_transaction_is_open(self, now: datetime) -> None:
            schedule("test:note", {"name": "red"}, at=now)
            [slow] = claim(worker="stalled", now=now)
            begun, recovered = threading.Event(), threading.Event()

            def run() -> None:
                def before() -> None:
                    jobs.complete(slow, now=now)
                    begun.set()
                    assert recovered.wait(PATIENCE_SECONDS)

                spec = find_function(slow.path, kind=Kind.MUTATION, internal=True)
                try:
                    run_mutation(spec, slow.args, None, now=now, phases=Phases(begun=before))
                finally:
                    connections.close_all()

            with ThreadPoolExecutor(1) as pool:
                running = pool.submit(run)
                assert begun.wait(PATIENCE_SECONDS)
                recovery.recover(now=now)
                recovered.set()
                running.result(PATIENCE_SECONDS)

            assert (state_of(slow.id), Team.objects.count()) == (JobState.SUCCESS, 1)

        def test_complete_cancel_and_schedule_jobs_without_conflict(self, now: datetime) -> None:
            """Serializable transactions that read what the others write would be tried again."""
            old = [schedule("test:note", {"name": "old"}, at=now + SECOND) for _ in range(2)]
            for name in ("red", "blue"):
                note = {"path": "test:note", "args": {"name": name}, "seconds": 9}
                schedule("test:later", note, at=now)
            claims = claim(now=now, limit=2)
            together = threading.Barrier(2, timeout=PATIENCE_SECONDS)
            retries = write_retries()

            def run(mine: Claim, other: UUID) -> None:
                def before() -> None:
                    jobs.complete(mine, now=now)
                    assert jobs.cancel(other, now=now)
                    assert not jobs.cancel(uuid4(), now=now)
                    together.wait()

                spec = find_function(mine.path, kind=Kind.MUTATION)
                try:
                    run_mutation(spec, mine.args, None, now=now, phases=Phases(begun=before))
                finally:
                    connections.close_all()

            with ThreadPoolExecutor(2) as pool:
                list(pool.map(run, claims, old))

            assert write_retries() == retries
            states = Job.objects.order_by("pk").values_list("state", flat=True)
            assert list(states) == ["canceled"] * 2 + ["success"] * 2 + ["pending"] * 2
