"""The life of a game session, and what may be recorded of it. Limits stand here alone. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import chain
from math import isfinite
from types import MappingProxyType
from typing import Any, Final, TypeVar

import msgspec

from gamesessions.errors import (
    InvalidEventError,
    InvalidModerationError,
    InvalidProgressError,
    InvalidStateError,
)

MAX_SCORE = 2**53 - 1
"""The largest whole number that every client's arithmetic is exact with; scores may be negative."""
MIN_SCORE = -MAX_SCORE
MIN_LEVEL = 1
MAX_LEVEL = 10
MAX_COUNT = 2**31 - 1
"""The most pages, and the longest combo, that anybody will ever have."""
MAX_ACCURACY = 100

MAX_STATE_BYTES = 256 * 1024
"""Of a state, as of an event's data below: written as compact JSON in UTF-8, without white space
and with no escape that need not be, however its client has written it."""
MAX_DEPTH = 32
"""How deep arrays and objects may stand in one another in what clients keep here."""
MAX_SAVES = 20
"""How many copies a session's history keeps beside the present one."""

MAX_EVENTS_PER_CALL = 1_000
MAX_EVENTS = 5_000
"""How many events a session may have: several hundred pages, played with every tool."""
MAX_EVENT_BYTES = 2 * 1024
MAX_CLIENT_ID_LENGTH = 64
EVENT_LEEWAY = timedelta(minutes=5)
"""How far a player's clock may be ahead of ours."""

HISTORY_KEPT = timedelta(days=30)
"""How long a session's saves, events and state stay after its end. The session itself stays."""
MAX_SESSIONS = 1_000
"""How many of a player's sessions stay, the newest; with a session goes its run. Older ones stay as
long as an archive is kept of them."""

MAX_REASON_LENGTH = 200
MAX_PAGE = 100
DEFAULT_PAGE = 50
MAX_CURSOR_LENGTH = 64
STARTS_PER_MINUTE = 10
SAVES_PER_MINUTE = 120
BATCHES_PER_MINUTE = 30

Number = int | float


class Status(StrEnum):
    """Where in its life a session is."""

    ACTIVE = "active"
    COMPLETED = "completed"
    ABANDONED = "abandoned"


class EventType(StrEnum):
    """What a client records of a game that it plays while the server is away."""

    PAGE_STARTED = "page_started"
    SECTION_SELECTED = "section_selected"
    LIFELINE_USED = "lifeline_used"
    PAGE_ARCHIVED = "page_archived"


INITIAL = Status.ACTIVE
TRANSITIONS: Mapping[Status, frozenset[Status]] = MappingProxyType(
    {
        Status.ACTIVE: frozenset({Status.COMPLETED, Status.ABANDONED}),
        Status.COMPLETED: frozenset(),
        Status.ABANDONED: frozenset(),
    }
)
"""What may follow each status. Where nothing does, the session is over."""


S = TypeVar("S", bound=StrEnum)


def check_transitions(table: Mapping[S, frozenset[S]]) -> frozenset[S]:
    """Return the statuses that end a life, if the table makes sense. It begins with its first line.

    :raises ValueError: if a status is missing, cannot be reached, or no way leads to an end.
    """
    initial = next(iter(table))
    statuses = set(type(initial))
    if table.keys() != statuses:
        raise ValueError("Every status needs its line in the table.")
    reached, fresh = {initial}, {initial}
    while fresh:
        fresh = set().union(*(table[status] for status in fresh)) - reached
        reached |= fresh
    if reached != statuses:
        raise ValueError(f"Never reached: {', '.join(sorted(statuses - reached))}.")
    final = frozenset(status for status, following in table.items() if not following)
    if not final or initial in final:
        raise ValueError("There must be a beginning, and an end.")
    return final


FINAL = check_transitions(TRANSITIONS)


def can_become(status: Status, other: Status) -> bool:
    """Return whether a session of the one status may take the other."""
    return other in TRANSITIONS[status]


class Keep(StrEnum):
    """Stands where a state could, and leaves the one there is: any JSON may be a state."""

    STATE = "keep"


KEEP: Final = Keep.STATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a game has come. In what is asked for, None leaves a number as it is."""

    score: Number | None = None
    level: Number | None = None
    combo: Number | None = None
    pages_completed: Number | None = None
    accuracy: Number | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something a player did, in a game that the server has not seen."""

    client_id: str
    type: EventType
    occurred_at: datetime
    data: Any


def check_progress(asked: Progress, *, current: Progress) -> Progress:
    """Return the progress as it is recorded, or refuse it, naming each field out of bounds.

    Whole numbers may come as floats (3.0), as clients whose only number is a double send them.
    Pages that were completed stay so.

    :raises InvalidProgressError: if a number is not finite, not whole where it must be, or too far
        out.
    """
    given = {name: number for name, number in asdict(asked).items() if number is not None}
    merged: dict[str, Any] = asdict(current) | given
    limits = {
        "score": (MIN_SCORE, MAX_SCORE),
        "level": (MIN_LEVEL, MAX_LEVEL),
        "combo": (0, MAX_COUNT),
        "pages_completed": (current.pages_completed or 0, MAX_COUNT),
    }
    refused = {
        name: [f"Must be a whole number from {least} to {most}."]
        for name, (least, most) in limits.items()
        if not (_is_whole(merged[name]) and least <= merged[name] <= most)
    }
    accuracy = merged["accuracy"]
    if isinstance(accuracy, bool) or not 0 <= accuracy <= MAX_ACCURACY:
        refused["accuracy"] = [f"Must be a number from 0 to {MAX_ACCURACY}."]
    if refused:
        raise InvalidProgressError(fields=refused)
    whole = {name: int(merged[name]) for name in limits}
    return Progress(**whole, accuracy=accuracy + 0.0)  # a float, and never -0.0


def check_state(state: Any) -> None:
    """Refuse a state that is no JSON that can be kept, too long as such, or too deep.

    :raises InvalidStateError: if it is; the limit is named.
    """
    if problem := _json_problem(state, most_bytes=MAX_STATE_BYTES):
        raise InvalidStateError(fields={"state": [problem]})


def check_event(row: Any, *, now: datetime) -> Event:
    """Return the event that a row of a batch stands for, or refuse it, naming what is wrong.

    :raises InvalidEventError: if a field is missing, unknown or not as it must be.
    """
    if not isinstance(row, Mapping):
        raise InvalidEventError("An event is an object.")
    given: dict[str, Any] = {"client_id": None, "type": None, "occurred_at": None, "data": None}
    unknown = sorted(_showable(str(name)) for name in row if name not in given)[:10]
    given |= row
    moment = _moment(given["occurred_at"])
    checks = {
        "client_id": None if _is_client_id(given["client_id"]) else _CLIENT_ID,
        "type": None if given["type"] in tuple(EventType) else _TYPE,
        "occurred_at": _moment_problem(moment, now=now),
        "data": _json_problem(given["data"], most_bytes=MAX_EVENT_BYTES),
    }
    refused = {name: [problem] for name, problem in checks.items() if problem}
    refused |= {name: ["Unknown field."] for name in unknown}
    if refused or moment is None:
        raise InvalidEventError(fields=refused)
    return Event(given["client_id"], EventType(given["type"]), moment, given["data"])


def check_reason(reason: str) -> str:
    """Return why a moderator did something, as it is logged.

    :raises InvalidModerationError: if it says nothing, or too much.
    """
    reason = reason.strip()
    if not 1 <= len(reason) <= MAX_REASON_LENGTH:
        limit = f"Must be 1 to {MAX_REASON_LENGTH} characters long."
        raise InvalidModerationError(fields={"reason": [limit]})
    return reason


_CLIENT_ID = f"Must be a text of 1 to {MAX_CLIENT_ID_LENGTH} printable characters."
_TYPE = f"Must be one of {', '.join(EventType)}."
_NO_TEXT = re.compile("[\0\ud800-\udfff]")


def _is_whole(number: Number) -> bool:
    return not isinstance(number, bool) and (isinstance(number, int) or number.is_integer())


def _is_client_id(text: Any) -> bool:
    return isinstance(text, str) and 1 <= len(text) <= MAX_CLIENT_ID_LENGTH and text.isprintable()


def _showable(name: str) -> str:
    """Return the name of a field as it can be told to whoever has chosen it."""
    return name[:MAX_CLIENT_ID_LENGTH].encode(errors="backslashreplace").decode()


def _moment(text: Any) -> datetime | None:
    """Read a time with its offset, as ISO 8601 writes it; None if it is anything else."""
    if not isinstance(text, str) or not text.isprintable():
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _moment_problem(moment: datetime | None, *, now: datetime) -> str | None:
    if moment is None:
        return "Must be a time with its offset, like 2026-01-31T12:00:00Z."
    if moment > now + EVENT_LEEWAY:
        return f"Must not be more than {EVENT_LEEWAY.seconds // 60} minutes ahead."
    return None


def _json_problem(value: Any, *, most_bytes: int) -> str | None:
    """Say what keeps the value from being kept as JSON, None if nothing does."""
    for depth, level in enumerate(_levels(value)):
        if depth == MAX_DEPTH and any(isinstance(item, Mapping | list | tuple) for item in level):
            return f"Must not be nested more than {MAX_DEPTH} deep."
        if problem := next(filter(None, map(_item_problem, level)), None):
            return problem
    try:
        length = len(msgspec.json.encode(value))
    except (ArithmeticError, TypeError, ValueError):
        return "Must be JSON."
    limit = f"Must not be longer than {most_bytes} bytes as compact JSON in UTF-8."
    return limit if length > most_bytes else None


def _item_problem(item: Any) -> str | None:
    """Say what is wrong with a number or a text, wherever it stands."""
    match item:
        case float() if not isfinite(item):
            return "Must hold no number that is too large, no NaN and no Infinity."
        case str() if _NO_TEXT.search(item):
            return "Must hold no text with a NUL or half of a surrogate pair in it."
        case _:
            return None


def _levels(value: Any) -> Iterator[list[Any]]:
    """Yield the value, then what stands in it, and so on inwards."""
    level = [value]
    while level:
        yield level
        level = [inner for outer in level for inner in _inside(outer)]


def _inside(value: Any) -> Iterable[Any]:
    match value:
        case Mapping():
            return chain(value, value.values())
        case list() | tuple():
            return value
        case _:
            return ()
