"""The socket of Convex clients: carries messages to the session, and out what it asks for."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, TypeVar

from channels.consumer import AsyncConsumer
from django.db import Error
from typing_extensions import override

from dust.convex import codec, keys, messages, requests
from dust.convex.effects import (
    Answered,
    Become,
    Close,
    Effect,
    Observe,
    Run,
    Sync,
    Tell,
    Unwatch,
    Verify,
    Watch,
)
from dust.convex.encoding import describe, encode_result, encode_value
from dust.convex.errors import transport_error
from dust.convex.messages import Success
from dust.convex.reading import LARGE_CHARACTERS, read_large
from dust.convex.session import TRY_AGAIN, Outcome, Session
from dust.convex.versions import ClientVersionUnsupportedError, find_version
from dust.errors import DustError, UnavailableError
from dust.http import Scope, Send, can_deny, denying, send_json
from dust.identity import Identity, find_verified, verify_token
from dust.identity.tokens import LEEWAY_SECONDS
from dust.livequery import console, metrics, runner
from dust.livequery.actions import PER_SOCKET
from dust.livequery.engine import get_engine
from dust.livequery.errors import DatabaseLostError, RequestRunningError, WriteConflictError
from dust.livequery.execution import unanticipated
from dust.livequery.live import Transition
from dust.livequery.writing import RequestKey, Written
from dust.server import FRAMES_EXTENSION
from dust.sockets.messages import Closing
from dust.sockets.outbox import open_outbox

MESSAGE_BYTES: Final = 32 * 1024 * 1024
"""The longest message that a client may send."""

PING_SECONDS: Final = 15.0
"""How long the socket is silent at most; clients take a longer silence for a dead server."""

MISSED_PINGS: Final = 2
"""How many times in a row a peer that is behind may have taken nothing since the time before."""

MOST_UNSENT_BYTES: Final = 1024 * 1024
"""How much the peer may have yet to take for one more of its messages to be read."""

MOST_LARGE_UNFINISHED: Final = 8
"""How many requests may be unfinished for one more that is large to be read."""

LONGEST_WAIT_SECONDS: Final = 30.0
"""How long a mutation is waited for that another connection has sent before."""

_RETRY_SECONDS: Final = 0.05

_PING: Final = codec.encode(messages.Ping())

T = TypeVar("T")

logger = logging.getLogger(__name__)

_running: set[asyncio.Task[None]] = set()
"""What was begun is finished, also if the client is gone; only this keeps it alive meanwhile."""


class SyncConsumer(AsyncConsumer):
    """One connection. Messages are taken in order; a token is verified before the next is."""

    _expiry_timer: asyncio.TimerHandle | None = None
    _ping_timer: asyncio.TimerHandle | None = None
    _pings_missed = 0
    _last_sent = 0.0
    _unsent_before = 0

    @override
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Take the socket's events one by one, until it has ended."""
        await receive()  # websocket.connect
        try:
            self._version = find_version(
                scope["headers"], path_version=scope["url_route"]["kwargs"].get("version")
            )
        except ClientVersionUnsupportedError as exc:
            await _refuse(exc, scope, send)
            return
        frames = (scope.get("extensions") or {}).get(FRAMES_EXTENSION)
        if frames is not None:
            # Whoever has not been sent the last transition is skipped by the next.
            frames.limit(message_bytes=MESSAGE_BYTES, unsent_bytes=0)
        await send({"type": "websocket.accept"})
        self._loop = asyncio.get_running_loop()
        self._outbox = open_outbox(scope, send, drained=self._drained)
        self._engine = get_engine()
        self._connection = self._engine.connect(self)
        self._turn = asyncio.Semaphore(PER_SOCKET)
        self._room = asyncio.Event()
        self._session = Session(encode=encode_result, describe=describe)
        try:
            self._ping_in(PING_SECONDS)
            while (event := await receive())["type"] != "websocket.disconnect":
                with self._breaking_off():
                    await self._take(event.get("text"))
        finally:
            self._stop()
            self._outbox.stop()

    async def _take(self, text: str | None) -> None:
        if self._session.is_over:
            return
        try:
            message = await self._read(text)
        except codec.ProtocolError as exc:
            self._do_all(self._session.failed(exc))
            return
        effects = self._session.receive(message, now_ms=_now_ms())
        if isinstance(message, messages.ModifyQuerySet):
            self._change(effects)
            return
        for effect in effects:
            if isinstance(effect, Verify):
                await self._verify(effect.credential)
            elif isinstance(effect, Observe):
                await self._observe(effect.ts)
            else:
                self._do(effect)

    async def _read(self, text: str | None) -> messages.ClientMessage:
        is_large = text is not None and len(text) > LARGE_CHARACTERS
        await self._until_there_is_room(is_large=is_large)
        return await read_large(text) if is_large else codec.decode_client(text)

    def _change(self, effects: Iterable[Effect]) -> None:
        """Watch and unwatch what a message says as one change, and then do the rest."""
        effects = iter(effects)
        with self._connection.changing():
            for effect in effects:
                if not isinstance(effect, Watch | Unwatch):
                    break
                self._obey(effect)
            else:
                return
        self._do(effect)
        self._do_all(effects)

    async def _until_there_is_room(self, *, is_large: bool) -> None:
        """Read nothing more for now, so that what one client asks for cannot fill the memory."""
        while not self._session.is_over and (
            self._outbox.unsent > MOST_UNSENT_BYTES
            or (is_large and self._session.unfinished >= MOST_LARGE_UNFINISHED)
        ):
            self._room.clear()
            await self._room.wait()

    def _do_all(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            self._do(effect)

    def _do(self, effect: Effect) -> None:
        if isinstance(effect, Tell):
            self._send(effect.text)
        elif isinstance(effect, Close):
            self._close(effect)
        else:
            self._obey(effect)

    def _obey(self, effect: Effect) -> None:
        match effect:
            case Watch():
                self._watch(effect)
            case Unwatch():
                self._connection.unsubscribe(effect.query_id)
            case Run():
                task = asyncio.create_task(self._run(effect), name="dust-convex-run")
                _running.add(task)
                task.add_done_callback(_running.discard)
            case Become():
                self._become(effect.caller)
            case Answered():
                self._connection.answered()
            case Sync():
                self._connection.sync()
            case _:
                raise TypeError(f"{effect!r} is waited for, which only a message's effects are.")

    # -- out ----------------------------------------------------------------------------------

    @property
    def writable(self) -> bool:
        return self._outbox.writable

    def deliver(self, transition: Transition) -> None:
        """Send the engine's news, in parts if they are long: no other message may be parted."""
        with self._breaking_off():
            for effect in self._session.news(transition):
                match effect:
                    case Tell(text) if self._version.joins_chunks and len(text) > codec.CHUNK_BYTES:
                        for chunk in codec.chunks(text):
                            self._send(chunk)
                    case _:
                        self._do(effect)

    def _send(self, text: bytes) -> None:
        self._last_sent = self._loop.time()
        self._outbox.send(text)

    @contextmanager
    def _breaking_off(self) -> Iterator[None]:
        """Have the client begin anew if something fails inside that it cannot be told of."""
        try:
            yield
        except WriteConflictError:
            self._do_all(self._session.overloaded("OptimisticConcurrencyControlFailure"))
        except (UnavailableError, RequestRunningError):
            self._do_all(self._session.broken())
        except Exception:  # the border: whatever it is, two sides that disagree are of no use
            logger.exception("socket failed", extra={"action": "convex.fail"})
            self._do_all(self._session.broken())

    def _close(self, close: Close) -> None:
        self._stop()
        self._outbox.close(Closing(close.code, close.reason))

    def _stop(self) -> None:
        self._session.is_over = True
        self._room.set()
        self._connection.close()
        for timer in (self._ping_timer, self._expiry_timer):
            if timer is not None:
                timer.cancel()

    def _drained(self) -> None:
        self._room.set()
        self._connection.drained()

    def _ping_in(self, seconds: float) -> None:
        self._ping_timer = self._loop.call_later(seconds, self._ping)

    def _ping(self) -> None:
        """Break the silence, or give up a peer that takes nothing."""
        unsent, before = self._outbox.unsent, self._unsent_before
        self._unsent_before = unsent
        if unsent:
            self._pings_missed = self._pings_missed + 1 if unsent >= before else 0
            if self._pings_missed >= MISSED_PINGS:
                metrics.sockets_closed_slow.inc()
                self._close(Close(TRY_AGAIN, "TooSlow"))
            else:
                self._ping_in(PING_SECONDS)
            return
        self._pings_missed = 0
        self._room.set()  # nobody tells of what was dropped with the connection
        left = self._last_sent + PING_SECONDS - self._loop.time()
        if left <= 0:
            self._send(_PING)
        self._ping_in(left if left > 0 else PING_SECONDS)

    # -- what the session asks for ------------------------------------------------------------

    def _watch(self, watch: Watch) -> None:
        try:
            self._connection.subscribe(
                watch.path,
                watch.args,
                key=watch.query_id,
                journal=watch.journal,
                internal=self._session.is_admin,
            )
        except DustError as exc:
            self._session.query_refused(watch.query_id, exc)

    async def _observe(self, ts: int) -> None:
        if self._engine.clock.observe(ts):
            await runner.run(partial(_using_database, self._engine.clock.top_up))

    async def _verify(self, credential: messages.Authenticate) -> None:
        try:
            if credential.is_admin:
                check = partial(keys.check, credential.value, now=_now())
                admin = await runner.run(partial(_using_database, check))
                caller = admin.acting_as(credential.impersonating)
                self._do_all(self._session.accepted(caller, is_admin=True))
            else:
                identity = find_verified(credential.value, now=_now())
                if identity is None:
                    verify = partial(verify_token, credential.value, now=_now())
                    identity = await runner.run(verify)
                self._do_all(self._session.accepted(identity))
        except UnavailableError:
            raise
        except DustError as exc:
            self._do_all(self._session.refused(exc.message))

    def _become(self, caller: Identity | None) -> None:
        if self._expiry_timer is not None:
            self._expiry_timer.cancel()
            self._expiry_timer = None
        if caller is not None and caller.expires_at is not None:
            left = caller.expires_at + timedelta(seconds=LEEWAY_SECONDS) - _now()
            self._expiry_timer = self._loop.call_later(max(left.total_seconds(), 0.0), self._expire)
        self._connection.authenticate(caller)

    def _expire(self) -> None:
        self._do_all(self._session.expired("The token has expired."))

    # -- mutations and actions ----------------------------------------------------------------

    async def _run(self, run: Run) -> None:
        with self._breaking_off():
            outcome = await self._outcome(run)
            self._do_all(self._session.ended(run, outcome))
        self._room.set()

    async def _outcome(self, run: Run) -> Outcome:
        """Run the function to an end that its caller can be told.

        :raises WriteConflictError: if it has lost to others too often.
        :raises DatabaseLostError: if it is not known what became of it.
        :raises RequestRunningError: if it has not ended elsewhere for too long.
        """
        request_id = requests.name(run, self._session.session_id)
        with console.collecting() as lines:
            outcome: Outcome
            try:
                value, ts = await (self._mutate(run) if run.is_mutation else self._act(run))
                outcome = Success(encode_value(run.path, value, request_id=request_id), ts)
            except (WriteConflictError, DatabaseLostError, RequestRunningError):
                raise
            except DustError as exc:
                outcome = describe(exc, request_id=request_id)
            except Exception as exc:  # noqa: BLE001 - the border: told as "Server Error", logged whole
                outcome = describe(unanticipated(run.path, exc, request_id=request_id))
        return replace(outcome, log_lines=tuple(lines))

    async def _mutate(self, run: Run) -> tuple[Any, int | None]:
        written = await self._write_once(run, requests.key(run, self._session.session_id))
        if written.replayed:
            await self._observe(written.ts)
        return written.value, written.ts

    async def _write_once(self, run: Run, request: RequestKey) -> Written[Any]:
        """Run the mutation; or, while another connection's is running it, wait for its answer."""
        wait_until = self._loop.time() + LONGEST_WAIT_SECONDS
        while True:
            try:
                return await self._connection.mutate(
                    run.path, run.args, run.caller, request=request, internal=run.is_admin
                )
            except RequestRunningError:
                if self._loop.time() > wait_until:
                    raise
                await asyncio.sleep(_RETRY_SECONDS)

    async def _act(self, run: Run) -> tuple[Any, int | None]:
        value = await self._engine.act(
            run.path, run.args, run.caller, turn=self._turn, internal=run.is_admin
        )
        return value, None


def _using_database(work: Callable[[], T]) -> T:
    """Do what uses the database but for a function.

    :raises DatabaseLostError: if that cannot be done now.
    """
    try:
        return work()
    except Error as exc:
        raise DatabaseLostError from exc


async def _refuse(error: DustError, scope: Scope, send: Send) -> None:
    if can_deny(scope):
        await send_json(transport_error(error), denying(send), status=error.status)
    else:
        await send({"type": "websocket.close"})


def _now() -> datetime:
    return datetime.now(UTC)


def _now_ms() -> int:
    return int(_now().timestamp() * 1000)
