"""The WebSocket of game sessions: the game that one is in, on every screen that one has open."""

from typing_extensions import override

from accounts.errors import REFUSALS
from dust.errors import UnauthenticatedError
from dust.sockets import messages
from dust.sockets.consumer import ANY_ERRORS, LiveConsumer
from dust.sockets.options import Options
from gamesessions.functions import ActiveResult


class SessionOptions(Options, frozen=True):
    """The version of ``active`` that the client has already."""

    version: str | None = None


class Active(ActiveResult, tag_field="type", tag="active", kw_only=True, frozen=True):
    """The game that the player is in, or null. ``version`` is a digest, the same on every server.

    The client's ``state`` is not sent along: when ``session.version`` is not the client's own, the
    session was saved elsewhere, and REST has the whole of it.
    """

    version: str


class SessionConsumer(LiveConsumer):
    """The game that one is in, live: at once, then at every change. It needs a token.

    Until there is one nothing is shown; without one, or when it has expired, the socket is closed.
    """

    name = "session"
    options_type = SessionOptions
    server_messages = messages.AnyServerMessage | Active
    raises = (*ANY_ERRORS, UnauthenticatedError, *REFUSALS)
    needs_identity = True

    options: SessionOptions

    @override
    def opened(self) -> None:
        self.display.watch("active", "gamesessions:active", {}, version=self.options.version)
