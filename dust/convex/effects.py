"""What a session asks of whoever carries it out, one struct each. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dust.convex import messages


@dataclass(frozen=True, slots=True)
class Watch:
    """Subscribe to a query; what refuses it is told to ``query_refused``."""

    query_id: int
    path: str
    args: dict[str, Any]
    journal: str | None


@dataclass(frozen=True, slots=True)
class Unwatch:
    """Subscribe to the query no longer."""

    query_id: int


@dataclass(frozen=True, slots=True)
class Run:
    """Run a mutation or an action as somebody; the outcome goes to ``ended``."""

    request_id: int
    path: str
    args: dict[str, Any]
    caller: Any
    is_admin: bool
    is_mutation: bool


@dataclass(frozen=True, slots=True)
class Verify:
    """Find out who that is, before the next message is taken; tell ``accepted`` or ``refused``."""

    credential: messages.Authenticate


@dataclass(frozen=True, slots=True)
class Become:
    """Let what is watched go on as somebody else, or as nobody."""

    caller: Any


@dataclass(frozen=True, slots=True)
class Observe:
    """Issue no timestamp at or below this one any more, before the next message is taken."""

    ts: int


@dataclass(frozen=True, slots=True)
class Answered:
    """The mutation's outcome has been sent: deliver news, which may and must show what it wrote."""


@dataclass(frozen=True, slots=True)
class Sync:
    """Deliver news, if only of the time, that shows all that was committed or asked for so far."""


@dataclass(frozen=True, slots=True)
class Tell:
    """Send the text of a message."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Close the socket behind what has been sent. Nothing follows."""

    code: int
    reason: str = ""


Effect = Watch | Unwatch | Run | Verify | Become | Observe | Answered | Sync | Tell | Close
Effects = Iterator[Effect]
