"""What there is behind each path of the HTTP door."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import Any, Final, TypeVar

import msgspec

from dust.convex import codec
from dust.convex.access import Access, Entrance, identify
from dust.convex.calls import (
    Answer,
    Asked,
    AskedAt,
    AskedInPath,
    AskedTogether,
    Call,
    run_together,
)
from dust.convex.errors import BadDeployKeyError, BadJsonBodyError
from dust.convex.versions import ClientVersion
from dust.errors import DustError
from dust.livequery import runner
from dust.livequery.engine import get_engine
from dust.livequery.registry import FunctionSpec, Kind

MOST_TOGETHER: Final = 256
"""How many queries one request may ask for."""

INSTANCE_NAME: Final = "dust"

_RUN: Final = "/api/run/"

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request, its body read to the end; ``path`` is the one behind its entrance, if any."""

    method: str
    path: str
    headers: Mapping[bytes, bytes]
    parameters: Mapping[str, str]
    body: bytes
    entrance: Entrance | None
    client: ClientVersion

    def access(self) -> Access:
        """Return who calls. See ``access.identify`` for what it raises and when it waits."""
        if self.entrance is not None:
            return self.entrance.access()
        header = self.headers.get(b"authorization")
        authorization = None if header is None else header.decode("latin-1")
        return identify(authorization, self.parameters, now=_now())

    def read(self, shape: type[T]) -> T:
        """Return what the body asks for.

        :raises BadJsonBodyError: if it is not of that shape, or not said to be JSON.
        """
        kind, _, _ = self.headers.get(b"content-type", b"").partition(b";")
        if kind.strip().lower() != b"application/json":
            raise BadJsonBodyError("Send the body as application/json.")
        return _decoded(self.body, shape)

    def asked(self) -> Asked:
        """Return which function is to be called, by the body or, of a GET, by the parameters.

        :raises BadJsonBodyError: if that is not said.
        """
        if self.method != "GET":
            return self.read(Asked)
        told = self.parameters
        if "path" not in told or "args" not in told:
            raise BadJsonBodyError("A query takes path and args, and may take format.")
        args = _decoded(told["args"].encode(errors="replace"), object)
        return Asked(told["path"], args, told.get("format"))


Handler = Callable[[Request], Awaitable[Answer | str]]


@dataclass(frozen=True, slots=True)
class Route:
    """What answers a path, for these methods; text is answered as such."""

    handler: Handler
    methods: tuple[str, ...] = ("POST",)


def find_route(path: str) -> Route | None:
    """Return what answers this path, None if nothing does."""
    return _RUN_ROUTE if path.startswith(_RUN) else _ROUTES.get(path)


def _decoded(text: bytes, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(text, type=shape)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
        raise BadJsonBodyError(f"The JSON is not understood: {exc}") from exc


# --- one function ---------------------------------------------------------------------------------


def _function(kind: Kind | None, *, needs_admin: bool = False) -> Handler:
    def begin(request: Request) -> tuple[Call, Answer | None]:
        access = request.access()
        if needs_admin and not access.is_admin:
            raise BadDeployKeyError
        call = Call(request.asked(), access, kind=kind, client=request.client)
        return call, call.run()

    return partial(_call, begin)


def _begin_by_path(request: Request) -> tuple[Call, Answer | None]:
    access = request.access()
    asked = request.read(AskedInPath)
    module, _, name = request.path.removeprefix(_RUN).rpartition("/")
    whole = Asked(f"{module}:{name}", asked.args, asked.format)
    call = Call(whole, access, kind=None, client=request.client)
    return call, call.run()


async def _call(begin: Callable[[Request], tuple[Call, Answer | None]], request: Request) -> Answer:
    call, answer = await runner.run(partial(begin, request))
    return await call.act(get_engine()) if answer is None else answer


# --- queries of one snapshot ----------------------------------------------------------------------


async def _query_together(request: Request) -> Answer:
    return await runner.run(partial(_run_together, request))


def _run_together(request: Request) -> Answer:
    access = request.access()
    queries = request.read(AskedTogether).queries
    if len(queries) > MOST_TOGETHER:
        raise BadJsonBodyError(f"No more than {MOST_TOGETHER} queries at once.")
    calls = [Call(asked, access, kind=Kind.QUERY, client=request.client) for asked in queries]
    return run_together(calls, access, now=_now())


async def _hold_snapshot(_request: Request) -> Answer:
    ts = await get_engine().snapshots.hold(now=_now())
    return Answer({"ts": codec.encode_ts(ts)})


async def _query_snapshot(request: Request) -> Answer:
    begun = await runner.run(partial(_look_up, request))
    if isinstance(begun, Answer):
        return begun
    call, ts, spec, args = begun
    result = await get_engine().snapshots.query(ts, spec, args, call.access.caller, now=_now())
    return call.answered(result)


def _look_up(request: Request) -> tuple[Call, int, FunctionSpec, dict[str, Any]] | Answer:
    access = request.access()
    asked = request.read(AskedAt)
    call = Call(asked, access, kind=Kind.QUERY, client=request.client)
    try:
        ts = codec.decode_ts(asked.ts)
    except ValueError as exc:
        raise BadJsonBodyError("ts is no timestamp.") from exc
    try:
        return call, ts, *call.look_up()
    except DustError as exc:
        return call.failed(exc, ())


# --- what tools ask -------------------------------------------------------------------------------


async def _tell_version(_request: Request) -> str:
    return version("dust")


async def _tell_name(_request: Request) -> str:
    return INSTANCE_NAME


def _now() -> datetime:
    return datetime.now(UTC)


_RUN_ROUTE: Final = Route(partial(_call, _begin_by_path))
_ROUTES: Final[Mapping[str, Route]] = {
    "/api/query": Route(_function(Kind.QUERY), ("GET", "POST")),
    "/api/mutation": Route(_function(Kind.MUTATION)),
    "/api/action": Route(_function(Kind.ACTION)),
    "/api/function": Route(_function(None, needs_admin=True)),
    "/api/query_batch": Route(_query_together),
    "/api/query_ts": Route(_hold_snapshot),
    "/api/query_at_ts": Route(_query_snapshot),
    "/version": Route(_tell_version, ("GET",)),
    "/instance_version": Route(_tell_version, ("GET",)),
    "/instance_name": Route(_tell_name, ("GET",)),
}
