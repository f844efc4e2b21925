"""One client's end of the sync protocol: messages and outcomes in, effects out. No I/O.

What is *not* here: sockets and tasks (``consumer``), bytes (``codec``), what a query reads and when
it is stale (the engine).
"""

from collections import deque
from collections.abc import Callable, Hashable, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from dust.convex import codec, messages
from dust.convex.codec import Modifications, ProtocolError, StateVersion
from dust.convex.effects import (
    Answered,
    Become,
    Close,
    Effects,
    Observe,
    Run,
    Sync,
    Tell,
    Unwatch,
    Verify,
    Watch,
)
from dust.convex.messages import ClientMessage, Failure, Success
from dust.convex.values import ValuesError
from dust.errors import DustError, InvalidError

MOST_MUTATIONS: Final = 1_000
"""How many mutations of a socket may wait for the one that runs."""

MOST_ACTIONS: Final = 1_000
"""How many actions of a socket may be unfinished."""

MOST_QUERIES: Final = 1_000
"""How many queries a socket may watch; those beyond fail."""

NORMAL: Final = 1000
INTERNAL: Final = 1011
TRY_AGAIN: Final = 1013

_INTERNAL_REASON: Final = "InternalServerError"


class TooManyQueriesError(InvalidError):
    """A connection watches at most a thousand queries."""

    code = "too_many_queries"


class News(Protocol):
    """A transition of the engine's: queries and their results, all of one snapshot."""

    @property
    def ts(self) -> int: ...

    @property
    def changes(self) -> Sequence[tuple[int, Any]]: ...

    @property
    def encodings(self) -> MutableMapping[Hashable, bytes]: ...


Outcome = Success | Failure
Encode = Callable[[str, Any], bytes]
Describe = Callable[[DustError], Failure]


@dataclass(slots=True)
class _Pending:
    """What the next transition says besides the engine's news."""

    removed: list[int] = field(default_factory=list)
    refused: list[tuple[int, Failure]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.removed or self.refused)


class Session:
    """The state of one connection.

    ``version`` is what the client was last told it has reached, and where the next transition
    starts. Its end has the newest query set and identity that were accepted, because whatever they
    ask for has been done by the time any news comes. Everything else a client relies on is the
    order of effects: a response first, then leave to show what was written, then news.

    ``encode(path, result)`` makes the part of a modification that all sockets share; ``describe``
    puts an error in a caller's words.
    """

    def __init__(self, *, encode: Encode, describe: Describe) -> None:
        self.version = StateVersion(0, 0, 0)
        self.session_id: str | None = None
        self.caller: Any = None
        self.is_admin = False
        self.is_over = False
        self._encode = encode
        self._describe = describe
        self._query_set = 0
        self._identity = 0
        self._paths: dict[int, str] = {}
        self._refused: set[int] = set()
        self._pending = _Pending()
        self._mutations: deque[Run] = deque()
        self._is_mutating = False
        self._actions = 0
        self._clock_skew: int | None = None

    @property
    def unfinished(self) -> int:
        """How many requests wait or run; none that anybody waits for, once it is over."""
        if self.is_over:
            return 0
        return len(self._mutations) + self._is_mutating + self._actions

    # -- from the client ----------------------------------------------------------------------

    def receive(self, message: ClientMessage, *, now_ms: int) -> Effects:
        """Take a message. To be exhausted before anything else is told."""
        if self.is_over:
            return
        try:
            yield from self._receive(message, now_ms)
        except ProtocolError as exc:
            yield from self.failed(exc)

    def failed(self, error: ProtocolError) -> Effects:
        """End the connection of a client that does not keep to the protocol."""
        if not self.is_over:
            self.is_over = True
            yield Tell(codec.encode(messages.FatalError(error.reason)))
            yield Close(NORMAL)

    def _receive(self, message: ClientMessage, now_ms: int) -> Effects:
        if isinstance(message, messages.Connect):
            yield from self._connect(message, now_ms)
            return
        if isinstance(message, messages.Event):
            return
        if self.session_id is None:
            raise ProtocolError("The first message must be Connect.")
        match message:
            case messages.ModifyQuerySet():
                yield from self._modify(message)
            case messages.Authenticate():
                yield from self._authenticate(message)
            case messages.Mutation():
                yield from self._request(message, is_mutation=True)
            case messages.Action():
                yield from self._request(message, is_mutation=False)

    def _connect(self, message: messages.Connect, now_ms: int) -> Effects:
        if self.session_id is not None:
            raise ProtocolError("Connect was sent twice.")
        self.session_id = message.session_id
        if message.client_ts is not None:
            self._clock_skew = int(message.client_ts) - now_ms
        if message.max_observed_timestamp is not None:
            yield Observe(message.max_observed_timestamp)

    def _modify(self, message: messages.ModifyQuerySet) -> Effects:
        if message.base_version != self._query_set:
            raise ProtocolError(
                f"BaseVersionMismatch: the query set is at {self._query_set},"
                f" not at {message.base_version}."
            )
        if message.new_version <= message.base_version:
            raise ProtocolError("A query set's new version must be above its base version.")
        for modification in message.modifications:
            if isinstance(modification, messages.Add):
                yield from self._add(modification)
            else:
                yield from self._remove(modification.query_id)
            if self.is_over:
                return
        self._query_set = message.new_version
        yield Sync()

    def _add(self, added: messages.Add) -> Effects:
        if added.query_id in self._paths:
            yield from self._break_off()
            return
        self._paths[added.query_id] = path = codec.canonical_path(added.udf_path)
        if isinstance(added.args, ValuesError):
            self.query_refused(added.query_id, added.args)
        elif len(self._paths) > MOST_QUERIES:
            self.query_refused(added.query_id, TooManyQueriesError())
        else:
            yield Watch(added.query_id, path, added.args, added.journal)

    def _remove(self, query_id: int) -> Effects:
        if self._paths.pop(query_id, None) is None:
            yield from self._break_off()
            return
        self._pending.removed.append(query_id)
        if query_id in self._refused:
            self._refused.discard(query_id)
            self._pending.refused = [each for each in self._pending.refused if each[0] != query_id]
        else:
            yield Unwatch(query_id)

    def query_refused(self, query_id: int, error: DustError) -> None:
        """Have the client told, with the next news, that this query can never have a result."""
        self._refused.add(query_id)
        self._pending.refused.append((query_id, self._describe(error)))

    def _break_off(self) -> Effects:
        """End a connection on which the two sides no longer agree; a new one starts afresh."""
        self.is_over = True
        yield Close(INTERNAL, _INTERNAL_REASON)

    # -- identity -----------------------------------------------------------------------------

    def _authenticate(self, message: messages.Authenticate) -> Effects:
        if message.base_version != self._identity:
            yield from self._break_off()
        elif message.is_nobody:
            yield from self.accepted(None)
        else:
            yield Verify(message)

    def accepted(self, caller: Any, *, is_admin: bool = False) -> Effects:
        """Go on as somebody who was verified, or as nobody."""
        if self.is_over:
            return
        self._identity += 1
        self.caller, self.is_admin = caller, is_admin
        yield Become(caller)
        yield Sync()

    def refused(self, reason: str) -> Effects:
        """End the connection of a client whose new token is not good; it will get another one."""
        yield from self._auth_error(reason, attempted=True)

    def expired(self, reason: str) -> Effects:
        """End the connection of a client whose token was good and is no longer."""
        yield from self._auth_error(reason, attempted=False)

    def _auth_error(self, reason: str, *, attempted: bool) -> Effects:
        if not self.is_over:
            self.is_over = True
            error = messages.AuthError(
                error=reason, base_version=self._identity, auth_update_attempted=attempted
            )
            yield Tell(codec.encode(error))
            yield Close(NORMAL)

    # -- mutations and actions ----------------------------------------------------------------

    def _request(
        self, message: messages.Mutation | messages.Action, *, is_mutation: bool
    ) -> Effects:
        path = codec.canonical_path(message.udf_path)
        if isinstance(message.args, ValuesError):
            args, refusal = {}, message.args
        else:
            args, refusal = message.args, None
        run = Run(message.request_id, path, args, self.caller, self.is_admin, is_mutation)
        if not is_mutation:
            yield from self._begin_action(run, refusal)
        elif refusal is not None:
            yield from self._answer(run, self._describe(refusal))
        elif len(self._mutations) >= MOST_MUTATIONS:
            yield from self.overloaded("TooManyConcurrentMutations")
        elif self._is_mutating:
            self._mutations.append(run)
        else:
            self._is_mutating = True
            yield run

    def _begin_action(self, run: Run, refusal: DustError | None) -> Effects:
        if refusal is not None:
            yield from self._answer(run, self._describe(refusal))
        elif self._actions >= MOST_ACTIONS:
            yield from self.overloaded("TooManyConcurrentActions")
        else:
            self._actions += 1
            yield run

    def overloaded(self, reason: str) -> Effects:
        """End the connection; the client comes back later and asks again for what it lacks."""
        if not self.is_over:
            self.is_over = True
            yield Close(TRY_AGAIN, reason)

    def broken(self) -> Effects:
        """End the connection after a failure that says nothing of what the client asked for."""
        if not self.is_over:
            yield from self._break_off()

    def ended(self, run: Run, outcome: Outcome) -> Effects:
        """Tell the client how its request has ended, and begin with the next that waits."""
        if self.is_over:
            return
        if not run.is_mutation:
            self._actions -= 1
            yield from self._answer(run, outcome)
            return
        yield Tell(codec.response(run.request_id, outcome, is_mutation=True))
        yield Answered()
        self._is_mutating = bool(self._mutations)
        if self._mutations:
            yield self._mutations.popleft()

    def _answer(self, run: Run, outcome: Outcome) -> Effects:
        yield Tell(codec.response(run.request_id, outcome, is_mutation=run.is_mutation))
        yield Sync()

    # -- news ---------------------------------------------------------------------------------

    def news(self, news: News) -> Effects:
        """Tell the client the engine's news."""
        if self.is_over:
            return
        end = StateVersion(self._query_set, self._identity, news.ts)
        is_new_identity = end.identity != self.version.identity or not self.version.ts
        skew = self._clock_skew if is_new_identity else None
        start, self.version = self.version, end
        if self._pending or skew is not None:
            yield Tell(codec.transition(start, end, self._modifications(news), skew))
            self._pending = _Pending()
            return
        # Sockets that have come the same way share the whole message.
        text = news.encodings.get((start, end))
        if text is None:
            text = codec.transition(start, end, self._shared_modifications(news))
            news.encodings[start, end] = text
        yield Tell(text)

    def _modifications(self, news: News) -> Modifications:
        yield from (codec.query_removed(query_id) for query_id in self._pending.removed)
        yield from (codec.query_refused(query_id, why) for query_id, why in self._pending.refused)
        yield from self._shared_modifications(news)

    def _shared_modifications(self, news: News) -> Modifications:
        for query_id, result in news.changes:
            yield codec.modification(query_id, self._encode(self._paths[query_id], result))
