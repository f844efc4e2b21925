"""A make-believe engine, and a socket of the tests' own that shows what it is told to show."""

import asyncio
import itertools
from collections.abc import Mapping
from typing import Any, ClassVar

from typing_extensions import override

from dust.errors import ConflictError, DustError, NotFoundError
from dust.livequery.context import Caller
from dust.livequery.errors import InvalidArgumentsError
from dust.livequery.execution import Result
from dust.livequery.live import Transition
from dust.sockets import messages
from dust.sockets.consumer import LiveConsumer
from dust.sockets.messages import ClientMessage, ServerMessage
from dust.sockets.options import Options


class MakeBelieveEngine:
    """Tells every connection at once what is shown from now on."""

    def __init__(self) -> None:
        self.results: dict[str, Result] = {}
        self.connections: list[MakeBelieveConnection] = []

    def connect(self, door: Any) -> "MakeBelieveConnection":
        connection = MakeBelieveConnection(self, door)
        self.connections.append(connection)
        return connection

    def show(self, path: str, result: Any) -> Result:
        """Let the query answer this from now on: a value, or an error."""
        made = Result.failed(result) if isinstance(result, DustError) else Result.of(result)
        self.results[path] = made
        for connection in self.connections:
            connection.tell()
        return made


class MakeBelieveConnection:
    """The engine's end of one socket (``dust.livequery.engine.Connection``)."""

    def __init__(self, engine: MakeBelieveEngine, door: Any) -> None:
        self.caller: Caller | None = None
        self.watched: dict[int, str] = {}
        self.is_closed = False
        self._engine = engine
        self.door = door
        self._told: dict[int, str] = {}
        self._ids = itertools.count()

    def subscribe(self, path: str, args: Mapping[str, Any], *, internal: bool = False) -> int:
        if "wrong" in args:
            raise InvalidArgumentsError(f"{path}: Object contains unknown field `wrong`")
        subscription = next(self._ids)
        self.watched[subscription] = path
        asyncio.get_running_loop().call_soon(self.tell)
        return subscription

    def unsubscribe(self, subscription: int) -> None:
        del self.watched[subscription]

    def authenticate(self, caller: Caller | None) -> None:
        self.caller = caller

    def drained(self) -> None:
        self.tell()

    def close(self) -> None:
        self.watched.clear()
        self.is_closed = True

    def tell(self) -> None:
        news = [
            (subscription, result)
            for subscription, path in self.watched.items()
            if (result := self._engine.results.get(path))
            and self._told.get(subscription) != result.version
        ]
        if news and self.door.writable:
            self._told.update((subscription, result.version) for subscription, result in news)
            self.door.deliver(Transition(0, news))


class ToyOptions(Options, frozen=True):
    """How to begin."""

    version: str | None = None
    size: int = 1
    broken: bool = False


class Watch(ClientMessage, tag="watch", frozen=True):
    """Show something more, or refuse to."""

    what: str
    wrong: bool = False


class Unwatch(ClientMessage, tag="unwatch", frozen=True):
    """Show it no more."""

    what: str


class Fail(ClientMessage, tag="fail", frozen=True):
    """Fail, as anticipated or not."""

    is_anticipated: bool


class Thing(ServerMessage, tag="thing", frozen=True):
    """What is shown from the start."""

    version: str


class ToyConsumer(LiveConsumer):
    """Shows the thing, and more on request."""

    name = "toy"
    parameters = {"which": ["one", "two"]}
    options_type = ToyOptions
    client_messages = messages.AnyClientMessage | Watch | Unwatch | Fail
    server_messages = messages.AnyServerMessage | Thing

    options: ToyOptions
    latest: ClassVar["ToyConsumer"]

    def __init__(self) -> None:
        super().__init__()
        ToyConsumer.latest = self

    @override
    def opened(self) -> None:
        if self.options.broken:
            raise RuntimeError("broken")
        self.display.watch("thing", "thing", {}, version=self.options.version)

    @override
    def handle(self, message: Watch | Unwatch | Fail) -> None:
        match message:
            case Watch(what=what, wrong=wrong):
                self.display.watch(what, what, {"wrong": True} if wrong else {})
            case Unwatch(what=what):
                self.display.unwatch(what)
            case Fail(is_anticipated=is_anticipated):
                raise (
                    ConflictError(data={"by": "rules"}) if is_anticipated else RuntimeError("boom")
                )

    @override
    def failed(self, what: str, error: DustError) -> None:
        if isinstance(error, NotFoundError):
            self.close(messages.NOT_FOUND)
