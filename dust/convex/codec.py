"""The sync protocol's messages as JSON text, both ways. Pure.

A transition is made of modifications that are bytes already: what many sockets are told of a
result is encoded once, and each adds no more than its own id of the query.
"""

import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType
from msgspec.structs import replace

from dust.convex import values
from dust.convex.messages import (
    Action,
    ActionResponse,
    Add,
    Call,
    ClientMessage,
    Failure,
    LogLines,
    ModifyQuerySet,
    Mutation,
    MutationResponse,
    QueryFailed,
    QueryRemoved,
    QueryUpdated,
    ServerMessage,
    Success,
    Timestamp,
    TransitionChunk,
)
from dust.convex.values import ValuesError
from dust.errors import InvalidError

CHUNK_BYTES: Final = 5_000_000
"""How long a transition may be before it is sent in parts, and how long each of these may be."""

MAX_REASON_BYTES: Final = 123
"""What fits a close frame."""

C = TypeVar("C", bound=Call)

_TS_BYTES: Final = 8
_MAX_TS: Final = 2**63 - 1
_PATH: Final = re.compile(r"[A-Za-z0-9_.]+(/[A-Za-z0-9_.]+)*:[A-Za-z0-9_]+")
_MAX_PATH_LENGTH: Final = 200


class ProtocolError(InvalidError):
    """The client does not keep to the protocol."""

    code = "protocol_error"

    @property
    def reason(self) -> str:
        """The message, cut to what fits a close frame."""
        return self.message.encode()[:MAX_REASON_BYTES].decode(errors="ignore")


class StateVersion(NamedTuple):
    """What a client has been told of: its query set, its identity, and the database, up to when."""

    query_set: int
    identity: int
    ts: int


Modifications = Iterable[bytes]


def encode_ts(ts: int) -> str:
    """Return a timestamp as it is written on the wire."""
    return values.to_base64(ts.to_bytes(_TS_BYTES, "little"))


def decode_ts(text: str) -> int:
    """Return the timestamp that is written so.

    :raises ValueError: if none is.
    """
    data = values.from_base64(text)
    ts = int.from_bytes(data, "little")
    if len(data) != _TS_BYTES or ts > _MAX_TS:
        raise ValueError("This is not a timestamp.")
    return ts


def canonical_path(udf_path: str) -> str:
    """Return the one name of the function that is called so: ``foo.js`` is ``foo:default``.

    :raises ProtocolError: if no function can be called so.
    """
    module, colon, name = udf_path.rpartition(":")
    if not colon:
        module, name = udf_path, "default"
    path = f"{module.removesuffix('.js')}:{name}"
    if len(path) > _MAX_PATH_LENGTH or not _PATH.fullmatch(path):
        raise ProtocolError(f"No function can have the name {udf_path[:40]!a}.")
    return path


# From clients.


def decode_client(text: str | bytes | None) -> ClientMessage:
    """Return what a client says; None stands for a message that was no text.

    :raises ProtocolError: if clients do not say such things.
    """
    if text is None:
        raise ProtocolError("Messages are text, not binary.")
    message = _parse(text)
    match message:
        case Mutation() | Action():
            return _with_arguments(message)
        case ModifyQuerySet():
            changes = [
                _with_arguments(each) if isinstance(each, Add) else each
                for each in message.modifications
            ]
            return replace(message, modifications=changes)
        case _:
            return message


def _parse(text: str | bytes) -> ClientMessage:
    try:
        return _decode(text)
    except (ValueError, RecursionError) as exc:
        message = _parse_halves(text)
        if message is None:
            raise ProtocolError(str(exc)[:MAX_REASON_BYTES]) from exc
        return message


def _parse_halves(text: str | bytes) -> ClientMessage | None:
    """Read a call whose arguments hold half a character, or a number that is out of bounds.

    JavaScript cuts strings without regard to characters, and sends what it has got. To refuse such
    a message would have the client send it again for ever; that the argument is bad, it can tell.
    """
    try:
        encoded = json.loads(text if isinstance(text, str) else text.decode())
        message: ClientMessage = msgspec.convert(encoded, ModifyQuerySet | Mutation | Action)
    except (ValueError, RecursionError):
        return None
    return message


def _timestamp(_kind: type, text: str) -> Timestamp:
    return Timestamp(decode_ts(text))


_decode: Final[Callable[[str | bytes], ClientMessage]] = msgspec.json.Decoder(
    ClientMessage, dec_hook=_timestamp
).decode


def _with_arguments(call: C) -> C:
    sent: Any = call.args
    match sent:
        case [dict() as encoded]:
            return replace(call, args=_arguments(encoded))
        case _:
            raise ProtocolError("args must be an array of one object.")


def _arguments(encoded: dict[str, Any]) -> dict[str, Any] | ValuesError:
    try:
        return values.decode_arguments(encoded)
    except ValuesError as exc:
        return exc


# To clients.


_encoder: Final = msgspec.json.Encoder()


def encode(message: ServerMessage) -> bytes:
    """Return a message as it is sent."""
    return _encoder.encode(message)


def response(request_id: int, outcome: Success | Failure, *, is_mutation: bool) -> bytes:
    """Return what tells a client how its mutation or action has ended."""
    kind = MutationResponse if is_mutation else ActionResponse
    if isinstance(outcome, Failure):
        answer = kind(
            request_id,
            success=False,
            result=outcome.message,
            log_lines=outcome.log_lines,
            error_data=_raw(outcome.data),
        )
    else:
        answer = kind(
            request_id, success=True, result=Raw(outcome.value), log_lines=outcome.log_lines
        )
        if isinstance(answer, MutationResponse) and outcome.ts is not None:
            answer = replace(answer, ts=encode_ts(outcome.ts))
    return encode(answer)


def updated(value: bytes, *, log_lines: LogLines = (), journal: str | None = None) -> bytes:
    """Return what all sockets share that are told of a result, to be given to ``modification``."""
    return _shared(QueryUpdated(Raw(value), log_lines, journal))


def query_failed(failure: Failure, *, log_lines: LogLines = ()) -> bytes:
    """Return what all sockets share that are told of a failure, to be given to ``modification``."""
    return _shared(QueryFailed(failure.message, log_lines, error_data=_raw(failure.data)))


def modification(query_id: int, shared: bytes) -> bytes:
    """Return what a transition tells one socket of a query that others watch too."""
    return b"%b%d}" % (shared, query_id)


def query_removed(query_id: int) -> bytes:
    """Return what a transition tells of a query that is no longer watched."""
    return modification(query_id, _REMOVED)


def query_refused(query_id: int, failure: Failure) -> bytes:
    """Return what a transition tells of a query that cannot be watched."""
    return modification(query_id, query_failed(failure))


def transition(
    start: StateVersion,
    end: StateVersion,
    modifications: Modifications,
    clock_skew: int | None = None,
) -> bytes:
    """Return what takes a client from one version to the next.

    ``clock_skew`` is by how many milliseconds the client's clock is ahead. With it goes what time
    it is, so that the client can tell how old its token is.
    """
    time = b""
    if clock_skew is not None:
        time = b',"clientClockSkew":%d,"serverTs":%d' % (clock_skew, end.ts)
    return b'{"type":"Transition","startVersion":%b,"endVersion":%b,"modifications":[%b]%b}' % (
        _version(start),
        _version(end),
        b",".join(modifications),
        time,
    )


def chunks(text: bytes, *, most: int = CHUNK_BYTES) -> Iterator[bytes]:
    """Return the messages that carry the text of a transition in parts of at most so many bytes."""
    cuts = list(_cuts(text, most))
    name = f"{zlib.crc32(text):08x}"
    for number, (start, end) in enumerate(pairwise(cuts)):
        part = text[start:end].decode()
        yield encode(TransitionChunk(part, number, len(cuts) - 1, name))


def _cuts(text: bytes, most: int) -> Iterator[int]:
    """Yield where the parts begin and end: never within a character."""
    cut = 0
    while cut < len(text):
        yield cut
        cut += most
        while cut < len(text) and text[cut] & 0xC0 == 0x80:
            cut -= 1
    yield len(text)


def _shared(message: QueryUpdated | QueryFailed | QueryRemoved) -> bytes:
    # Ends where the id of the query goes, which alone differs between sockets.
    return _encoder.encode(message)[:-1] + b',"queryId":'


_REMOVED: Final = _shared(QueryRemoved())


def _version(version: StateVersion) -> bytes:
    return b'{"querySet":%d,"identity":%d,"ts":"%b"}' % (
        version.query_set,
        version.identity,
        encode_ts(version.ts).encode(),
    )


def _raw(value: bytes | None) -> Raw | UnsetType:
    return UNSET if value is None else Raw(value)
