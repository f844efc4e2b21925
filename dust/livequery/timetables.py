"""When something is due that is due again and again. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from croniter import croniter
from typing_extensions import override

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]

_SHORTEST = timedelta(seconds=1)
_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """Due at equal intervals, for the first time as soon as a worker starts that knows of it.

    Restarts do not shift it.
    """

    seconds: float = 0
    minutes: float = 0
    hours: float = 0

    def __post_init__(self) -> None:
        if self.interval < _SHORTEST:
            raise ValueError("A cron runs at most once a second.")

    @property
    def interval(self) -> timedelta:
        return timedelta(seconds=self.seconds, minutes=self.minutes, hours=self.hours)

    def first(self, *, now: datetime) -> datetime:
        """Return when a cron that is new is due."""
        return now

    def following(self, due: datetime, *, now: datetime) -> datetime:
        """Return when a cron that was due at ``due`` is due next; that is after ``now``."""
        return due + ((now - due) // self.interval + 1) * self.interval

    @override
    def __str__(self) -> str:
        return f"every {self.interval}"


@dataclass(frozen=True, slots=True)
class Crontab:
    """Due as the five fields of a crontab line say: minute, hour, day, month, weekday; in UTC."""

    line: str

    def __post_init__(self) -> None:
        if len(self.line.split()) != 5:
            raise ValueError(f"A crontab line has five fields: {self.line!r}.")
        self.first(now=_ANY_TIME)  # which raises ValueError if it makes no sense

    def first(self, *, now: datetime) -> datetime:
        """Return when a cron that is new is due."""
        return self.following(now, now=now)

    def following(self, due: datetime, *, now: datetime) -> datetime:
        """Return when a cron that was due at ``due`` is due next; that is after ``now``."""
        start = max(due, now).astimezone(UTC)
        found: datetime = croniter(self.line, start).get_next(datetime)
        return found

    @override
    def __str__(self) -> str:
        return self.line


def hourly(minute: int) -> Crontab:
    """Once an hour."""
    return Crontab(f"{minute} * * * *")


def daily(hour: int, minute: int = 0) -> Crontab:
    """Once a day."""
    return Crontab(f"{minute} {hour} * * *")


def weekly(weekday: Weekday, hour: int, minute: int = 0) -> Crontab:
    """Once a week."""
    return Crontab(f"{minute} {hour} * * {weekday[:3]}")


def monthly(day: int, hour: int, minute: int = 0) -> Crontab:
    """Once in every month that has such a day."""
    return Crontab(f"{minute} {hour} {day} * *")
