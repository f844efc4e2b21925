"""The engine's own tables. What is written to them is never noticed, so no query may read them."""

from django.db import models
from django.db.models.functions import Now
from typing_extensions import override


class Request(models.Model):
    """A write that was asked for under a key, and what it answered: the same again to a repeat.

    Claimed by the first statement of the write's transaction and completed by its last, so no
    other transaction ever sees a row without an answer.
    """

    scope = models.CharField(max_length=300)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    response = models.BinaryField(null=True)
    ts = models.BigIntegerField(null=True)
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["scope", "key"], name="livequery_request_key")
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
