"""The native WebSocket: a thin end of the engine that shows live queries to one peer.

It joins no channel-layer group (the process does, once), and nothing in here waits: neither for the
database, nor for the peer, nor for whoever vouches for a token.
"""

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, ClassVar

import msgspec
from channels.consumer import AsyncConsumer
from typing_extensions import override

from dust.errors import DustError, UnauthenticatedError
from dust.identity import (
    Identity,
    InvalidTokenError,
    ProviderUnavailableError,
    find_verified,
    verify_token,
)
from dust.identity.tokens import LEEWAY_SECONDS
from dust.livequery import metrics, runner
from dust.livequery.errors import InvalidArgumentsError
from dust.livequery.execution import ServerError
from dust.sockets import messages
from dust.sockets.display import Display
from dust.sockets.messages import Closing, ErrorMessage, ServerMessage
from dust.sockets.options import Options, parse_options
from dust.sockets.outbox import Outbox, open_outbox

PING_SECONDS = 15.0
"""How often every socket is sent a ping, so that a client can tell silence from a dead server."""

MISSED_PINGS = 2
"""How many pings in a row a peer may be too far behind to be sent, before it must come back."""

MESSAGES_PER_WINDOW = 100
WINDOW_SECONDS = 10.0
"""How much a peer may say; whoever says more is closed."""

SIGN_IN_SECONDS = 10.0
"""How long a socket that shows nothing to nobody waits for a token."""

MOST_HELD = 16
"""How many messages may wait until a token has been verified."""

ANY_ERRORS: Sequence[type[DustError]] = (
    messages.InvalidMessageError,
    InvalidArgumentsError,
    InvalidTokenError,
    ProviderUnavailableError,
    ServerError,
)
"""What any socket may have to say went wrong."""

_PING = msgspec.json.encode(messages.ServerPing())

logger = logging.getLogger(__name__)


class LiveConsumer(AsyncConsumer):
    """A socket that watches live queries.

    Subclasses have a ``name`` for the description of the protocol. They say which values the
    variables of their path have (``parameters``), what can be asked for in the query string
    (``options_type``), and which messages there are. On their ``display`` they watch queries, in
    ``opened`` and as ``handle`` is told by the client. One that ``needs_identity`` is opened when
    it is signed in, and closed when it is signed out, or not signed in for too long.

    Messages are obeyed in order. While a token is verified in a worker thread, those behind it are
    held back. Whatever goes wrong with one is answered, and the socket lives.
    """

    name: ClassVar[str]
    parameters: ClassVar[Mapping[str, Collection[str]]] = {}
    options_type: ClassVar[type[Options]] = Options
    client_messages: ClassVar[Any] = messages.AnyClientMessage
    server_messages: ClassVar[Any] = messages.AnyServerMessage
    raises: ClassVar[Sequence[type[DustError]]] = ANY_ERRORS
    needs_identity: ClassVar[bool] = False

    _decoder: ClassVar[msgspec.json.Decoder[Any]]

    display: Display
    options: Any
    _outbox: Outbox

    @override
    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._decoder = msgspec.json.Decoder(cls.client_messages)

    def __init__(self) -> None:
        self._held: deque[str] = deque()
        self._verifying: asyncio.Task[None] | None = None
        self._is_opened = False
        self._is_closed = False
        self._pings_missed = 0
        self._ping_timer: asyncio.TimerHandle | None = None
        self._expiry_timer: asyncio.TimerHandle | None = None
        self._window_ends = 0.0
        self._messages_in_window = 0

    # -- for subclasses -----------------------------------------------------------------------

    def opened(self) -> None:
        """Watch what the socket shows from the start."""

    def handle(self, message: Any) -> None:
        """Do what a message of the subclass's own asks for. What it raises is answered."""

    def failed(self, what: str, error: DustError) -> None:
        """Take note that a watched query has failed, which the client has been told."""

    def say(self, message: ServerMessage) -> None:
        """Send a message."""
        self._outbox.send(msgspec.json.encode(message))

    def close(self, closing: Closing) -> None:
        """Close the socket from this side, behind what has been sent."""
        self._stop()
        self._outbox.close(closing)

    # -- the socket's side --------------------------------------------------------------------

    @override
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Take the socket's events one by one, until it has ended.

        Unlike Channels' own loop it has no channel of its own to listen to as well, and does not
        visit a thread before each message to look after database connections it never uses.
        """
        self.scope = scope
        await receive()  # websocket.connect
        offered = scope.get("subprotocols") or []
        chosen = messages.SUBPROTOCOL if messages.SUBPROTOCOL in offered else None
        await send({"type": "websocket.accept", "subprotocol": chosen})
        self._outbox = open_outbox(scope, send, drained=self._drained)
        self.display = Display(self._outbox, failed=self.failed)
        try:
            self._begin(offered)
            while (event := await receive())["type"] != "websocket.disconnect":
                self._take(event.get("text"))
        finally:
            self._stop()
            self._outbox.stop()

    def _begin(self, offered: Sequence[str]) -> None:
        self._schedule_ping()
        with self._answering(is_fatal=True):
            self.options = parse_options(self.scope["query_string"], self.options_type)
            if self.needs_identity:
                loop = asyncio.get_running_loop()
                self._expiry_timer = loop.call_later(SIGN_IN_SECONDS, self._become, None)
            else:
                self._open()
        tokens = (item for item in offered if item.startswith(messages.BEARER_PREFIX))
        if (token := next(tokens, None)) and not self._is_closed:
            self._sign_in(token.removeprefix(messages.BEARER_PREFIX))

    def _open(self) -> None:
        if not self._is_opened:
            self._is_opened = True
            self.opened()

    def _take(self, text: str | None) -> None:
        if self._is_closed:
            return
        if text is None:
            self.close(messages.BINARY)
        elif self._is_flooding() or len(self._held) >= MOST_HELD:
            self.close(messages.TOO_MANY)
        elif self._can_obey:
            self._obey(text)
        else:
            self._held.append(text)

    @property
    def _can_obey(self) -> bool:
        return self._verifying is None and not self._is_closed

    def _obey(self, text: str) -> None:
        with self._answering():
            try:
                message = self._decoder.decode(text)
            except (msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
                raise messages.InvalidMessageError(f"The message is not understood: {exc}") from exc
            match message:
                case messages.Hello(token=None):
                    self._become(None)
                case messages.Hello(token=str(token)):
                    self._sign_in(token)
                case messages.ClientPing():
                    self.say(messages.ServerPong())
                case messages.ClientPong():
                    pass
                case _:
                    self.handle(message)

    @contextmanager
    def _answering(self, *, is_fatal: bool = False) -> Iterator[None]:
        """Tell the client what goes wrong inside; if that is fatal, close the socket then."""
        try:
            yield
        except DustError as exc:
            self._answer(exc, messages.INVALID if is_fatal else None)
        except Exception:  # the border: told as "Server Error", logged whole
            error = ServerError(secrets.token_hex(8))
            extra = {"action": "socket.fail", "request_id": error.request_id}
            logger.exception("message failed", extra=extra)
            self._answer(error, messages.FAILED if is_fatal else None)

    def _answer(self, error: DustError, closing: Closing | None) -> None:
        self.say(ErrorMessage.of(error))
        if closing is not None:
            self.close(closing)

    def _is_flooding(self) -> bool:
        now = asyncio.get_running_loop().time()
        if now >= self._window_ends:
            self._window_ends, self._messages_in_window = now + WINDOW_SECONDS, 0
        self._messages_in_window += 1
        return self._messages_in_window > MESSAGES_PER_WINDOW

    def _stop(self) -> None:
        self._is_closed = True
        self.display.connection.close()
        for waiting in (self._ping_timer, self._expiry_timer, self._verifying):
            if waiting is not None:
                waiting.cancel()

    # -- heartbeat ----------------------------------------------------------------------------

    def _schedule_ping(self) -> None:
        loop = asyncio.get_running_loop()
        self._ping_timer = loop.call_later(PING_SECONDS, self._ping)

    def _ping(self) -> None:
        """Send a ping, or give up a peer that has not taken what it was sent for too long."""
        if self._outbox.writable:
            self._outbox.send(_PING)
        else:
            self._pings_missed += 1
        if self._pings_missed >= MISSED_PINGS:
            metrics.sockets_closed_slow.inc()
            self.close(messages.RESYNC)
        else:
            self._schedule_ping()

    def _drained(self) -> None:
        self._pings_missed = 0
        self.display.connection.drained()

    # -- identity -----------------------------------------------------------------------------

    def _sign_in(self, token: str) -> None:
        now = datetime.now(UTC)
        identity = find_verified(token, now=now)
        if identity is None:
            verifying = self._verify(token, now=now)
            self._verifying = asyncio.create_task(verifying, name="dust-sign-in")
        else:
            self._become(identity)

    async def _verify(self, token: str, *, now: datetime) -> None:
        with self._answering():
            self._become(await runner.run(partial(verify_token, token, now=now)))
        self._verifying = None
        while self._held and self._can_obey:
            self._obey(self._held.popleft())

    def _become(self, identity: Identity | None) -> None:
        if self._expiry_timer is not None:
            self._expiry_timer.cancel()
            self._expiry_timer = None
        if identity is None and self.needs_identity:
            self._answer(UnauthenticatedError(), messages.UNAUTHENTICATED)
            return
        if identity is not None and identity.expires_at is not None:
            good_until = identity.expires_at + timedelta(seconds=LEEWAY_SECONDS)
            seconds = (good_until - datetime.now(UTC)).total_seconds()
            loop = asyncio.get_running_loop()
            self._expiry_timer = loop.call_later(max(seconds, 0.0), self._expire)
        self.display.connection.authenticate(identity)
        self.say(messages.Welcome(identity.subject if identity is not None else None))
        if self.needs_identity:
            self._open()

    def _expire(self) -> None:
        self.say(ErrorMessage.of(InvalidTokenError("The token has expired.")))
        self._become(None)
