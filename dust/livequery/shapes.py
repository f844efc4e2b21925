"""What the functions of all apps have in common in their arguments and results."""

from datetime import datetime

import msgspec

Millis = float
"""A time in milliseconds since the epoch."""


class Args(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What a function takes. Clients write the names of fields as JavaScript does."""


class NoArgs(Args, frozen=True):
    """Nothing."""


def milliseconds(moment: datetime) -> Millis:
    """Return the time as clients of functions are told it."""
    return moment.timestamp() * 1000
