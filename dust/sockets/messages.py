"""The messages that every native WebSocket understands, and the reasons why one is closed.

Each message is a JSON object with a ``type``, and each struct here is one type. A consumer adds its
own to the two unions at the end; what is in neither is refused.
"""

from typing import Any, NamedTuple

import msgspec

from dust.errors import DustError, InvalidError
from dust.livequery.execution import ServerError

SUBPROTOCOL = "dust.v1"
BEARER_PREFIX = "bearer."
"""What a token begins with where it is offered as a subprotocol: browsers can set no header."""

_MAX_MESSAGE_CHARACTERS = 200  # what is told of an error may quote what the client has sent


class InvalidMessageError(InvalidError):
    """The message is not one that this socket understands."""

    code = "invalid_message"


class Closing(NamedTuple):
    """Why a socket is closed. Codes from 4400 on say that coming back the same way is no use."""

    code: int
    reason: str


# Those of the standard are the server's: not every ASGI server lets an application send them.
BINARY = Closing(4003, "Messages are text.")
RESYNC = Closing(4008, "Too far behind. Connect again for the present state.")
FAILED = Closing(4011, "The server failed. Connect again.")
TOO_MANY = Closing(4029, "Too many messages.")
INVALID = Closing(4400, "The address is not valid.")
UNAUTHENTICATED = Closing(4401, "Sign in to be shown this.")
NOT_FOUND = Closing(4404, "There is nothing here.")

BY_THE_SERVER = (
    Closing(1009, "The message is too large."),
    Closing(1011, "No pong came for the server's ping."),
    Closing(1012, "The server stops or restarts. Connect again."),
)
CLOSINGS = (
    *BY_THE_SERVER,
    BINARY,
    RESYNC,
    FAILED,
    TOO_MANY,
    INVALID,
    UNAUTHENTICATED,
    NOT_FOUND,
)


class ClientMessage(msgspec.Struct, tag_field="type", forbid_unknown_fields=True, frozen=True):
    """Something a client says."""


class ServerMessage(msgspec.Struct, tag_field="type", omit_defaults=True, frozen=True):
    """Something the server says."""


class Hello(ClientMessage, tag="hello", frozen=True):
    """Sign in with a bearer token, at any time and again with a fresher one; out, without one.

    Answered by ``welcome``.
    """

    token: str | None = None


class ClientPing(ClientMessage, tag="ping", frozen=True):
    """Ask whether the server is there. Answered by ``pong``."""


class ClientPong(ClientMessage, tag="pong", frozen=True):
    """Answer the server's ``ping``. May be left out: WebSocket pongs do as well."""


class Welcome(ServerMessage, tag="welcome", frozen=True):
    """Whom the socket speaks for from now on; null if nobody."""

    subject: str | None


class ServerPing(ServerMessage, tag="ping", frozen=True):
    """Sent every 15 seconds. Twice that long without any message means a dead connection."""


class ServerPong(ServerMessage, tag="pong", frozen=True):
    """The answer to the client's ``ping``."""


class Unchanged(ServerMessage, tag="unchanged", frozen=True):
    """What the client has of ``what`` is still current: it has the version that was asked for."""

    what: str
    version: str


class ErrorMessage(ServerMessage, tag="error", frozen=True):
    """Something went wrong. Unless a close follows, the socket lives on.

    Decide by ``code``, which is stable; ``message`` is for people. ``what`` is there if something
    that is watched has failed: it will be sent again when it works.
    """

    code: str
    message: str
    what: str | None = None
    data: Any = None
    request_id: str | None = None

    @classmethod
    def of(cls, error: DustError, what: str | None = None) -> "ErrorMessage":
        return cls(
            error.code,
            error.message[:_MAX_MESSAGE_CHARACTERS],
            what,
            error.data,
            error.request_id if isinstance(error, ServerError) else None,
        )


AnyClientMessage = Hello | ClientPing | ClientPong
AnyServerMessage = Welcome | ServerPing | ServerPong | Unchanged | ErrorMessage
