"""Crons: jobs that apps declare in their ``functions.py``, to be run again and again.

The table tells when each is due next. Whichever worker first sees that one is due locks its row,
schedules the run as an ordinary job and moves the row on, all in one transaction, so no run is
scheduled twice; and an index lets no cron have two jobs that are not over.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Min

from dust.livequery import jobs
from dust.livequery.models import CronRow
from dust.livequery.registry import find_job_function
from dust.livequery.timetables import Crontab, Every

logger = logging.getLogger(__name__)

_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Cron:
    """One declared cron."""

    name: str
    path: str
    when: Every | Crontab
    args: Mapping[str, Any]


_crons: dict[str, Cron] = {}


def cron(
    name: str, path: str, *, when: Every | Crontab, args: Mapping[str, Any] | None = None
) -> None:
    """Have the mutation or action run whenever it is due, by one worker of all.

    A run that is due while the one before it has not ended is skipped, and so are all but one of
    those that were due while no worker ran.
    """
    if name in _crons:
        raise TypeError(f"The cron {name} is declared twice.")
    if not 0 < len(name) <= _LONGEST_NAME:
        raise TypeError(f"A cron's name has 1 to {_LONGEST_NAME} characters.")
    _crons[name] = Cron(name, path, when, dict(args or {}))


def all_crons() -> Iterable[Cron]:
    """Return every declared cron."""
    return _crons.values()


def check() -> None:
    """Make sure that every declared cron has its function, and the arguments for it.

    :raises DustError: if one has not.
    """
    for each in all_crons():
        find_job_function(each.path).parse(each.args)


def sync(*, now: datetime) -> None:
    """Bring the table to what this version declares.

    One whose times have changed, or that is new, begins anew; the others go on.
    """
    rows = dict(CronRow.objects.values_list("name", "schedule"))
    CronRow.objects.filter(name__in=rows.keys() - _crons.keys()).delete()
    CronRow.objects.bulk_create(
        [
            CronRow(name=each.name, schedule=str(each.when), next_at=each.when.first(now=now))
            for each in all_crons()
            if rows.get(each.name) != str(each.when)
        ],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["schedule", "next_at"],
    )


def fire(*, now: datetime) -> datetime | None:
    """Schedule a run of every cron that is due.

    Returns when the next one is, which is not known if there was one.
    """
    rows = CronRow.objects.filter(name__in=_crons)
    next_at: datetime | None = rows.aggregate(at=Min("next_at"))["at"]
    if next_at is None or next_at > now:
        return next_at
    with transaction.atomic(durable=True):
        for row in rows.filter(next_at__lte=now).select_for_update(skip_locked=True):
            _fire(_crons[row.name], due=row.next_at, now=now)
            row.next_at = _crons[row.name].when.following(row.next_at, now=now)
            row.save(update_fields=["next_at"])
    return None


def _fire(cron: Cron, *, due: datetime, now: datetime) -> None:
    if jobs.has_run_under_way(cron.name):
        logger.warning("cron run skipped", extra=_told(cron, due, "the one before it goes on"))
        return
    jobs.add(find_job_function(cron.path), cron.args, at=due, cron=cron.name)
    if (missed := cron.when.following(due, now=due)) <= now:
        logger.info("cron runs skipped", extra=_told(cron, missed, "no worker ran"))


def _told(cron: Cron, due: datetime, reason: str) -> dict[str, Any]:
    return {"action": "cron.skip", "cron": cron.name, "due": due, "reason": reason}
