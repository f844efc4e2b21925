"""What the functions of all apps have in common in their arguments and results."""

from datetime import datetime
from typing import Annotated

import msgspec

Millis = float
"""A time in milliseconds since the epoch."""

Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1, extra={"int64": True})]
"""A 64-bit integer. To Convex clients other numbers are doubles, exact up to 2**53 only."""


def in_table(name: str) -> msgspec.Meta:
    """Return what says of a ``str`` that it is the id of a row in the table of that public name.

    ``SessionId = Annotated[str, in_table("gameSessions")]``
    """
    return msgspec.Meta(extra={"table": name})


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What a function takes. Clients write the names of fields as JavaScript does."""


class NoArgs(Args, frozen=True):
    """Nothing."""


class AnyArgs(msgspec.Struct, frozen=True):
    """Anything, of which nothing is looked at."""


def milliseconds(moment: datetime) -> Millis:
    """Return the time as clients of functions are told it."""
    return moment.timestamp() * 1000
