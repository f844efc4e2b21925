"""What clients record of games that they play while the server is away."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from dust.errors import InvalidError
from dust.livequery.context import Caller
from gamesessions import rules
from gamesessions.errors import InvalidEventError, TooManyEventsError
from gamesessions.models import GameSession, PlayEvent
from gamesessions.rules import Event
from gamesessions.services.sessions import check_playable, lock_own_session


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why the row at this index of a batch was not kept, as the error says that stands for it."""

    index: int
    code: str
    message: str
    fields: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, index: int, error: InvalidError) -> "Rejection":
        return cls(index, error.code, error.message, error.fields)


@dataclass(slots=True)
class Report:
    """What became of a batch: each of its rows is in one of the three."""

    recorded: int = 0
    duplicates: int = 0
    rejected: list[Rejection] = field(default_factory=list)


def add_events(caller: Caller, session_id: UUID, rows: Sequence[Any], *, now: datetime) -> Report:
    """Record a batch of events; bad rows are reported, the good ones kept.

    An event whose ``client_id`` the session knows counts no second time, whatever else it says: a
    batch may be sent again when its answer was lost. They change nothing and never rank.

    :raises SessionNotFoundError: if there is no such session, or if it is somebody else's.
    :raises SessionRefereedError: if the server keeps it.
    :raises SessionOverError: if it has ended.
    :raises AccountBannedError: if the caller is banned; the other refusals likewise.
    """
    report = Report()
    good = dict(_good(rows, report, now=now))
    with transaction.atomic():
        session = lock_own_session(caller, session_id, now=now, with_state=False)
        check_playable(session)
        fresh = list(_fresh(session, good, report))
        PlayEvent.objects.bulk_create(
            PlayEvent(
                session=session,
                client_id=event.client_id,
                type=event.type,
                occurred_at=event.occurred_at,
                recorded_at=now,
                data=event.data,
            )
            for event in fresh
        )
    report.recorded = len(fresh)
    report.rejected.sort(key=lambda rejection: rejection.index)
    return report


def _good(rows: Sequence[Any], report: Report, *, now: datetime) -> Iterator[tuple[int, Event]]:
    for index, row in enumerate(rows):
        try:
            yield index, rules.check_event(row, now=now)
        except InvalidEventError as error:
            report.rejected.append(Rejection.of(index, error))


def _fresh(session: GameSession, events: dict[int, Event], report: Report) -> Iterator[Event]:
    """Yield the events that the session does not have, as long as it has room for them."""
    own = PlayEvent.objects.filter(session=session)
    offered = {event.client_id for event in events.values()}
    known = set(own.filter(client_id__in=offered).values_list("client_id", flat=True))
    room = rules.MAX_EVENTS - own.count()
    for index, event in events.items():
        if event.client_id in known:
            report.duplicates += 1
        elif room > 0:
            known.add(event.client_id)
            room -= 1
            yield event
        else:
            limit = f"A session has at most {rules.MAX_EVENTS} events."
            report.rejected.append(Rejection.of(index, TooManyEventsError(limit)))
