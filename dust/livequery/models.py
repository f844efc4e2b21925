"""The engine's own tables. What is written to them is never noticed, so no query may read them."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from typing_extensions import override
from uuid_utils.compat import uuid7


class Request(models.Model):
    """A write that was asked for under a key, and what it answered: the same again to a repeat.

    Claimed by the first statement of the write's transaction and completed by its last, so no
    other transaction ever sees a row without an answer. ``owner`` is as in ``writing.RequestKey``.
    """

    scope = models.CharField(max_length=300)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    owner = models.CharField(max_length=32, blank=True, default="", db_default="")
    response = models.BinaryField(null=True)
    ts = models.BigIntegerField(null=True)
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["scope", "key"], name="livequery_request_key")
        ]
        indexes = [
            models.Index(
                fields=["owner"], condition=~models.Q(owner=""), name="livequery_request_owner"
            )
        ]

    @override
    def __str__(self) -> str:
        return f"{self.scope} {self.key}"


class Change(models.Model):
    """What one commit wrote, inserted just before it; ``payload`` by ``changes.encode_writes``.

    On PostgreSQL the table has one more column, ``xid``: the transaction that committed, by which
    readers tell what they have seen (ids become visible out of order).
    """

    origin = models.CharField(max_length=16)
    seq = models.BigIntegerField()
    ts = models.BigIntegerField()
    payload = models.BinaryField()
    created_at = models.DateTimeField(db_default=Now(), db_index=True)

    @override
    def __str__(self) -> str:
        return f"{self.origin} {self.seq}"


class Clock(models.Model):
    """The one row under which no process issues a timestamp once it has started."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    high_water = models.BigIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="livequery_clock_single")
        ]

    @override
    def __str__(self) -> str:
        return str(self.high_water)


class HeldSnapshot(models.Model):
    """A snapshot that some process holds on PostgreSQL, for any to read; see ``snapshots``.

    ``name`` is what PostgreSQL calls it. Two processes may hold one each for the same timestamp.
    """

    ts = models.BigIntegerField(db_index=True)
    name = models.CharField(max_length=64)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "livequery_snapshot"

    @override
    def __str__(self) -> str:
        return str(self.ts)


class LeaseRow(models.Model):
    """A lease that a process holds for one of its callers until it expires; see ``leases``."""

    path = models.CharField(max_length=200)
    issuer = models.CharField(max_length=255)
    subject = models.CharField(max_length=255)
    key = models.CharField(max_length=255)
    origin = models.CharField(max_length=16)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "livequery_lease"
        constraints = [
            models.UniqueConstraint(
                fields=["path", "issuer", "subject", "key", "origin"], name="livequery_lease_once"
            )
        ]

    @override
    def __str__(self) -> str:
        return f"{self.path} {self.key}"


class JobState(models.TextChoices):
    """Where a job stands; the last three are for good."""

    PENDING = "pending", "pending"
    IN_PROGRESS = "inProgress", "in progress"
    SUCCESS = "success", "success"
    FAILED = "failed", "failed"
    CANCELED = "canceled", "canceled"


class Job(models.Model):
    """A mutation or an action that is to be run at its time, and what became of it; see ``jobs``.

    ``args`` is JSON text. While it is in progress, ``claimed_by`` names the worker that runs it;
    ``tries`` counts its claims. ``cron`` names the cron that it is a run of, if it is one.
    """

    TABLE_NUMBER: ClassVar[int] = 9001

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    path = models.CharField(max_length=200)
    kind = models.CharField(max_length=8)
    args = models.TextField()
    state = models.CharField(max_length=10, choices=JobState.choices, default=JobState.PENDING)
    scheduled_at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=300, blank=True, default="")
    cron = models.CharField(max_length=100, blank=True, default="")
    claimed_by = models.CharField(max_length=16, blank=True, default="")
    tries = models.SmallIntegerField(default=0)

    class Meta:
        indexes = [
            models.Index(
                fields=["kind", "scheduled_at", "id"],
                condition=models.Q(state="pending"),
                name="livequery_job_due",
            ),
            models.Index(
                fields=["claimed_by"],
                condition=models.Q(state="inProgress"),
                name="livequery_job_claimed",
            ),
            models.Index(
                fields=["completed_at"],
                condition=models.Q(completed_at__isnull=False),
                name="livequery_job_over",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["cron"],
                condition=models.Q(state__in=["pending", "inProgress"]) & ~models.Q(cron=""),
                name="livequery_job_cron_alone",
            )
        ]

    @override
    def __str__(self) -> str:
        return f"{self.path} {self.id}"


class CronRow(models.Model):
    """When a declared cron is due next; ``schedule`` tells whether its declaration has changed."""

    name = models.CharField(max_length=100, primary_key=True)
    schedule = models.CharField(max_length=100)
    next_at = models.DateTimeField()

    class Meta:
        db_table = "livequery_cron"
        verbose_name = "cron"

    @override
    def __str__(self) -> str:
        return self.name


class WorkerRow(models.Model):
    """A process that runs jobs. Once this has expired, its claims are anybody's; see ``jobs``."""

    name = models.CharField(max_length=16, primary_key=True)
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "livequery_worker"

    @override
    def __str__(self) -> str:
        return self.name
