"""From a commit to the new result on the one socket that it concerns, among very many.

The engine runs in this process, with the database of the environment and no socket but ``Watcher``.
Imported by ``tests.bench.invalidate`` once the environment is set.
"""

import asyncio
import os
import statistics
import time
from collections.abc import Sequence
from functools import partial
from uuid import UUID, uuid4

os.environ["DJANGO_SETTINGS_MODULE"] = "dust.settings"

import django

django.setup()

# What follows needs the settings.
import msgspec  # noqa: E402
from django.core.management import call_command  # noqa: E402

from accounts.models import User  # noqa: E402
from dust.livequery import metrics, runner  # noqa: E402
from dust.livequery.context import QueryContext  # noqa: E402
from dust.livequery.engine import get_engine  # noqa: E402
from dust.livequery.live import Transition  # noqa: E402
from dust.livequery.registry import internal_query  # noqa: E402
from tests.bench.report import Row, percentile  # noqa: E402

_QUERY = "bench:name"
_CONNECTING_AT_ONCE = 1000
_WRITTEN = 10
"""Players that exist and are renamed; everybody else is watched in vain."""


class NameArgs(msgspec.Struct, forbid_unknown_fields=True):
    """Whose name."""

    user: UUID


@internal_query(_QUERY)
def find_name(ctx: QueryContext, args: NameArgs) -> str | None:
    """Return a player's name."""
    return User.objects.filter(pk=args.user).values_list("username", flat=True).first()


class Watcher:
    """A socket that counts what it gets and says when."""

    writable = True

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.at_ns = 0

    def deliver(self, transition: Transition) -> None:
        self.at_ns = time.perf_counter_ns()
        self.arrived.set()


async def measure(counts: Sequence[int], *, writes: int) -> list[Row]:
    """Return what a write costs with each number of live queries, all to different rows."""
    await runner.run(lambda: call_command("migrate", interactive=False, verbosity=0))
    users = await runner.run(_create_users)
    engine = get_engine()
    await engine.start()
    watchers: dict[UUID, Watcher] = {}
    rows: list[Row] = []
    for count in counts:
        start = time.perf_counter()
        await _watch([*users, *(uuid4() for _ in range(count))][len(watchers) : count], watchers)
        subscribing = time.perf_counter() - start
        rows.append({**await _row(watchers, users, writes), "s to subscribe": subscribing})
    await engine.stop()
    await asyncio.to_thread(runner.close)
    return rows


def _create_users() -> list[UUID]:
    users = [
        User(issuer="bench", subject=f"player{number}", username="before")
        for number in range(_WRITTEN)
    ]
    return [user.pk for user in User.objects.bulk_create(users)]


async def _watch(keys: Sequence[UUID], watchers: dict[UUID, Watcher]) -> None:
    for start in range(0, len(keys), _CONNECTING_AT_ONCE):
        part = keys[start : start + _CONNECTING_AT_ONCE]
        for key in part:
            watchers[key] = Watcher()
            connection = get_engine().connect(watchers[key])
            connection.subscribe(_QUERY, {"user": str(key)}, internal=True)
        for key in part:
            await watchers[key].arrived.wait()


async def _row(watchers: dict[UUID, Watcher], users: Sequence[UUID], writes: int) -> Row:
    reruns_before = metrics.reruns._value.get()
    committing, delivering = [], []
    for number in range(writes):
        user = users[number % len(users)]
        watcher = watchers[user]
        watcher.arrived.clear()
        name = f"player {len(watchers)} {number}"
        start = time.perf_counter_ns()
        committed = await runner.run(partial(_rename, user, name))
        await watcher.arrived.wait()
        committing.append((committed - start) / 1e6)
        delivering.append((watcher.at_ns - committed) / 1e6)
    return {
        "live queries": len(watchers),
        "ms to commit": statistics.median(committing),
        "ms commit to result": statistics.median(delivering),
        "p99": percentile(delivering, 99),
        "re-runs a write": (metrics.reruns._value.get() - reruns_before) / writes,
    }


def _rename(user: UUID, name: str) -> int:
    User.objects.filter(pk=user).update(username=name)
    return time.perf_counter_ns()
