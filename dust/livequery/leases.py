"""Leases: what a query holds for its caller while any of the caller's sockets subscribes to it.

Every process keeps one row for each (caller, key) that one of its sockets holds, and renews it. The
lease begins with the first row and ends when the last is deleted, by its process or, once it has
expired, by any other: so a process that was killed lets go too. Beginning and end are announced in
the same transaction that inserts or deletes the row, exactly once each.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial

from dust.livequery import changes, runner
from dust.livequery.models import LeaseRow
from dust.livequery.registry import Kind, Lease, find_function
from dust.livequery.writing import run_write

logger = logging.getLogger(__name__)

LIFETIME = timedelta(seconds=15)
"""How long a lease outlives the last sign of the process that holds it."""

_RENEWALS_PER_LIFETIME = 3
_WRITE_NAME = "livequery:lease"

HeldLease = tuple[str, str, str, str]
"""(function path, issuer, subject, key)"""


def acquire(held: HeldLease, *, origin: str, now: datetime) -> None:
    """Record that a process holds the lease; announce its beginning if nobody else does.

    A row that has expired but was not swept yet counts: its end has not been announced.
    """
    path, issuer, subject, key = held

    def work() -> None:
        rows = LeaseRow.objects.filter(path=path, issuer=issuer, subject=subject, key=key)
        is_first = not rows.exists()
        rows.update_or_create(
            path=path,
            issuer=issuer,
            subject=subject,
            key=key,
            origin=origin,
            defaults={"expires_at": now + LIFETIME},
        )
        rows.filter(expires_at__lte=now).delete()
        if is_first:
            _lease_of(path).acquired(issuer, subject, key)

    run_write(work, name=_WRITE_NAME)


def release(held: HeldLease, *, origin: str) -> None:
    """Record that a process no longer holds the lease; announce its end if nobody does."""
    path, issuer, subject, key = held

    def work() -> None:
        rows = LeaseRow.objects.filter(path=path, issuer=issuer, subject=subject, key=key)
        deleted, _ = rows.filter(origin=origin).delete()
        if deleted and not rows.exists():
            _lease_of(path).released(issuer, subject, key)

    run_write(work, name=_WRITE_NAME)


def renew(held: Iterable[HeldLease], *, origin: str, now: datetime) -> None:
    """Prolong the process's rows.

    Those that others have swept meanwhile are taken again; those that should have been released
    are.
    """
    held = set(held)
    rows = LeaseRow.objects.filter(origin=origin)
    rows.update(expires_at=now + LIFETIME)
    present = set(rows.values_list("path", "issuer", "subject", "key"))
    for lost in held - present:
        acquire(lost, origin=origin, now=now)
    for left_over in present - held:
        release(left_over, origin=origin)


def sweep(*, now: datetime) -> None:
    """End the leases of processes that have given no sign for a lifetime."""
    expired = LeaseRow.objects.filter(expires_at__lte=now)
    for path, issuer, subject, key, origin in expired.values_list(
        "path", "issuer", "subject", "key", "origin"
    ):
        release((path, issuer, subject, key), origin=origin)


def _lease_of(path: str) -> Lease:
    lease = find_function(path, kind=Kind.QUERY, internal=True).lease
    assert lease is not None
    return lease


class LeaseKeeper:
    """The leases of one process's sockets; its changes are written one after the other."""

    def __init__(self) -> None:
        self._held: Counter[HeldLease] = Counter()
        self._queue: asyncio.Queue[Callable[[], None]] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to write and renew."""
        self._tasks = [
            asyncio.create_task(self._write(), name="dust-lease-writer"),
            asyncio.create_task(self._renew(), name="dust-lease-renewer"),
        ]

    async def stop(self) -> None:
        """Let go of everything that is held, so that nobody has to wait for it to expire."""
        self.change(before=list(self._held.elements()), after=[])
        self._tasks[-1].cancel()
        await self._queue.join()
        self._tasks[0].cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def change(self, *, before: Iterable[HeldLease], after: Iterable[HeldLease]) -> None:
        """Take note of what a socket held and now holds."""
        gained, lost = Counter(after), Counter(before)
        gained, lost = gained - lost, lost - gained
        for held in gained:
            if not self._held[held]:
                self._queue.put_nowait(partial(_acquire_now, held))
            self._held[held] += 1
        for held in lost:
            self._held[held] -= 1
            if not self._held[held]:
                del self._held[held]
                self._queue.put_nowait(partial(release, held, origin=changes.ORIGIN))

    async def _write(self) -> None:
        while True:
            work = await self._queue.get()
            try:
                await runner.run(work)
            except Exception:
                # The border. What was not written is put right by the next renewal or sweep.
                logger.exception("lease not written", extra={"action": "lease.fail"})
            finally:
                self._queue.task_done()

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(LIFETIME.total_seconds() / _RENEWALS_PER_LIFETIME)
            self._queue.put_nowait(partial(_renew_now, list(self._held)))


def _acquire_now(held: HeldLease) -> None:
    acquire(held, origin=changes.ORIGIN, now=datetime.now(UTC))


def _renew_now(held: list[HeldLease]) -> None:
    now = datetime.now(UTC)
    renew(held, origin=changes.ORIGIN, now=now)
    sweep(now=now)
