"""Every message of the sync protocol, each a struct with the protocol's names. Pure.

What clients send is read, and what they are sent is written, by ``codec`` alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from dust.convex.values import ValuesError

if TYPE_CHECKING:
    Arguments = dict[str, Any] | ValuesError
else:
    Arguments = Any  # to msgspec, which takes them as they come; ``codec`` puts in what they mean

U32 = Annotated[int, Meta(ge=0, le=2**32 - 1)]
Text = Annotated[str, Meta(pattern=r"^[^\ud800-\udfff]*$")]
"""Text that can be sent back: JSON can escape halves of characters, which are none."""

SessionId = Annotated[str, Meta(pattern=r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$")]
ClientMillis = Annotated[float, Meta(ge=-(2**53), le=2**53)]
LogLines = Sequence[str]
"""One string for each line, beginning with its level: ``[LOG] text``."""


class Timestamp(int):
    """The time of a commit in nanoseconds since the epoch; on the wire, text."""


class Message(msgspec.Struct, frozen=True, tag=True, tag_field="type", rename="camel"):
    """Anything with a type."""


# What clients say.


class Connect(Message, frozen=True):
    """The first message of a socket. ``client_ts`` is the client's clock in milliseconds."""

    session_id: SessionId
    connection_count: U32
    last_close_reason: str | None = None
    max_observed_timestamp: Timestamp | None = None
    client_ts: ClientMillis | None = None


class Call(Message, frozen=True, kw_only=True):
    """What is said of a function that is to run.

    ``args`` are plain values. If they cannot be, the message is good all the same: then ``args``
    are the error, which is the function's answer.
    """

    udf_path: Text
    args: Arguments
    component_path: Text | None = None


class Add(Call, frozen=True, kw_only=True):
    """Watch a query. ``journal`` is that of the last result the client had of it, if it had one."""

    query_id: U32
    journal: Text | None = None


class Remove(Message, frozen=True):
    """Watch a query no longer."""

    query_id: U32


class ModifyQuerySet(Message, frozen=True):
    """Change what is watched."""

    base_version: U32
    new_version: U32
    modifications: list[Add | Remove]


class Mutation(Call, frozen=True, kw_only=True):
    """Run a mutation. The session and ``request_id`` together say which, also when sent again."""

    request_id: U32


class Action(Call, frozen=True, kw_only=True):
    """Run an action."""

    request_id: U32


class Authenticate(Message, frozen=True):
    """Be somebody else, or nobody. ``value`` is a token or an admin key.

    ``impersonating`` are the attributes of the user as whom an admin acts.
    """

    base_version: U32
    token_type: Literal["User", "Admin", "None"]
    value: str = ""
    impersonating: dict[str, Any] | None = None
    acting_as: dict[str, Any] | None = msgspec.field(name="acting_as", default=None)

    def __post_init__(self) -> None:
        """Have one name for what has two on the wire."""
        if self.impersonating is None:
            msgspec.structs.force_setattr(self, "impersonating", self.acting_as)

    @property
    def is_nobody(self) -> bool:
        """Whether this is to sign out."""
        return self.token_type == "None"  # noqa: S105 - a kind of token, not one

    @property
    def is_admin(self) -> bool:
        """Whether ``value`` is an admin key."""
        return self.token_type == "Admin"  # noqa: S105


class Event(Message, frozen=True):
    """Telemetry, of which nothing is kept."""


ClientMessage = Connect | ModifyQuerySet | Mutation | Action | Authenticate | Event


# What the server says. Values are JSON already, since many sockets are told the same.


class QueryUpdated(Message, frozen=True):
    """A query's result is another one now."""

    value: Raw
    log_lines: LogLines = ()
    journal: str | None = None


class QueryFailed(Message, frozen=True):
    """A query fails now. To have any ``error_data``, even null, is to be an application's error."""

    error_message: str
    log_lines: LogLines = ()
    journal: str | None = None
    error_data: Raw | UnsetType = UNSET


class QueryRemoved(Message, frozen=True):
    """A query is not watched any more."""


class MutationResponse(Message, frozen=True):
    """How a mutation has ended. ``result`` is what it returned, or what went wrong, as text."""

    request_id: int
    success: bool
    result: Raw | str
    ts: str | None = None
    log_lines: LogLines = ()
    error_data: Raw | UnsetType = UNSET


class ActionResponse(Message, frozen=True):
    """How an action has ended. ``result`` is what it returned, or what went wrong, as text."""

    request_id: int
    success: bool
    result: Raw | str
    log_lines: LogLines = ()
    error_data: Raw | UnsetType = UNSET


class AuthError(Message, frozen=True):
    """A token is not good: the one just sent if an update was attempted, else the one in force.

    ``base_version`` is that of the identity in force.
    """

    error: str
    base_version: int
    auth_update_attempted: bool


class FatalError(Message, frozen=True):
    """Do not come back."""

    error: str


class Ping(Message, frozen=True):
    """Nothing, said often enough to show that the server is there."""


class TransitionChunk(Message, frozen=True):
    """A part of the text of a transition that is too long for one message."""

    chunk: str
    part_number: int
    total_parts: int
    transition_id: str


ServerMessage = MutationResponse | ActionResponse | AuthError | FatalError | Ping | TransitionChunk


# How what was asked for has ended, before it is known in which message that will be told.


@dataclass(frozen=True, slots=True)
class Success:
    """What a function returned, as JSON; ``ts`` is that of a mutation's commit."""

    value: bytes
    ts: int | None = None
    log_lines: LogLines = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a function failed, as its caller is told; ``data`` is the application's, as JSON."""

    message: str
    data: bytes | None = None
    log_lines: LogLines = ()
