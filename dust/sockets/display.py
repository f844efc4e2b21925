"""What one socket shows of live queries: the engine's results in, messages out."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from dust.errors import DustError
from dust.livequery.connection import Connection
from dust.livequery.engine import get_engine
from dust.livequery.live import Transition
from dust.sockets.messages import ErrorMessage, Unchanged
from dust.sockets.outbox import Outbox

Failed = Callable[[str, DustError], None]


class Display:
    """The door through which the engine's news reach a socket.

    ``failed`` is told of each watched query that fails, after the client was.
    """

    connection: Connection

    def __init__(self, outbox: Outbox, *, failed: Failed) -> None:
        self._outbox = outbox
        self._failed = failed
        self._watched: dict[int, str] = {}
        self._shows = ""
        self._known_versions: dict[str, str] = {}
        self.connection = get_engine().connect(self)

    def watch(
        self, what: str, path: str, args: Mapping[str, Any], *, version: str | None = None
    ) -> None:
        """Send what the query answers, now and whenever it changes, as messages of type ``what``.

        If its first answer has the version given, it is not sent: ``unchanged`` is.

        :raises DustError: if the arguments do not fit the query; what was watched before still is.
        """
        subscription = self.connection.subscribe(path, args, internal=True)
        self.unwatch(what)
        self._watched[subscription] = what
        self._note_what_it_shows()
        if version is not None:
            self._known_versions[what] = version

    def unwatch(self, what: str) -> None:
        """Stop sending ``what``; nothing happens if it was not watched."""
        self._known_versions.pop(what, None)
        for subscription, name in list(self._watched.items()):
            if name == what:
                del self._watched[subscription]
                self._note_what_it_shows()
                self.connection.unsubscribe(subscription)

    def _note_what_it_shows(self) -> None:
        """Name what makes one socket's messages the same as another's."""
        self._shows = f"{type(self._outbox).__name__} {self._watched}"

    @property
    def writable(self) -> bool:
        return self._outbox.writable

    def deliver(self, transition: Transition) -> None:
        """Send the new results; sockets that show the same share the bytes."""
        message = transition.encodings.get(self._shows)
        if message is not None and not self._known_versions:
            self._outbox.send_finished(message)
            return
        for subscription, result in transition.changes:
            what = self._watched.get(subscription)
            if what is None:
                continue
            known = self._known_versions.pop(what, None) if self._known_versions else None
            if known == result.version:
                self._outbox.send(msgspec.json.encode(Unchanged(what, result.version)))
            elif result.error is not None:
                self._outbox.send(msgspec.json.encode(ErrorMessage.of(result.error, what)))
                self._failed(what, result.error)
            else:
                message = self._outbox.finish(result, what)
                self._outbox.send_finished(message)
                if len(transition.changes) == 1:
                    transition.encodings[self._shows] = message
