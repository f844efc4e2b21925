"""The leaderboard's WebSocket: a board's top for everybody, one's own place for those who ask."""

from typing import Literal, assert_never

from typing_extensions import override

from accounts.errors import REFUSALS
from dust.errors import DustError, NotFoundError
from dust.sockets import messages
from dust.sockets.consumer import ANY_ERRORS, LiveConsumer
from dust.sockets.messages import ClientMessage
from dust.sockets.options import Options
from leaderboard import rules
from leaderboard.errors import BoardNotFoundError
from leaderboard.functions import AroundResult, Limit, MeResult, Radius, TopResult


class BoardOptions(Options, frozen=True):
    """How many of the best are sent, and the version of ``top`` that the client has already."""

    limit: Limit = rules.DEFAULT_TOP
    version: str | None = None


class WatchMe(ClientMessage, tag="watch_me", frozen=True):
    """Be sent ``me``, one's own entry and rank, now and at every change.

    With the ``version`` that the client has, ``unchanged`` is sent if it is current.
    """

    version: str | None = None


class WatchAround(ClientMessage, tag="watch_around", frozen=True):
    """Be sent ``around``, so many entries on each side of one's own, now and at every change.

    With the ``version`` that the client has, ``unchanged`` is sent if it is current.
    """

    radius: Radius = rules.DEFAULT_RADIUS
    version: str | None = None


class Unwatch(ClientMessage, tag="unwatch", frozen=True):
    """Be sent ``what`` no more."""

    what: Literal["me", "around"]


class Top(TopResult, tag_field="type", tag="top", kw_only=True, frozen=True):
    """The board's best entries. ``version`` is a digest of them, the same on every server."""

    version: str


class Me(MeResult, tag_field="type", tag="me", kw_only=True, frozen=True):
    """The entry of whom the socket speaks for; null for nobody, and for whoever has none."""

    version: str


class Around(AroundResult, tag_field="type", tag="around", kw_only=True, frozen=True):
    """The entries around that one; none for nobody, and for whoever has none."""

    version: str


class LeaderboardConsumer(LiveConsumer):
    """One board, live: its top at once, then at every change. No token is needed to watch it."""

    name = "leaderboard"
    parameters = {"board": tuple(rules.LEVEL_OF_BOARD)}
    options_type = BoardOptions
    client_messages = messages.AnyClientMessage | WatchMe | WatchAround | Unwatch
    server_messages = messages.AnyServerMessage | Top | Me | Around
    raises = (*ANY_ERRORS, BoardNotFoundError, *REFUSALS)

    options: BoardOptions

    @override
    def opened(self) -> None:
        args = {"board": self._board, "limit": self.options.limit}
        self.display.watch("top", "leaderboard:top", args, version=self.options.version)

    @override
    def handle(self, message: WatchMe | WatchAround | Unwatch) -> None:
        match message:
            case WatchMe(version=version):
                self.display.watch("me", "leaderboard:me", {"board": self._board}, version=version)
            case WatchAround(radius=radius, version=version):
                args = {"board": self._board, "radius": radius}
                self.display.watch("around", "leaderboard:around", args, version=version)
            case Unwatch(what=what):
                self.display.unwatch(what)
            case _:
                assert_never(message)

    @override
    def failed(self, what: str, error: DustError) -> None:
        if isinstance(error, NotFoundError):
            self.close(messages.NOT_FOUND)

    @property
    def _board(self) -> str:
        return str(self.scope["url_route"]["kwargs"]["board"])
