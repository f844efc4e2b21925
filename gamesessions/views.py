"""REST: the caller's own game sessions."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.errors import REFUSALS
from dust.ids import PATTERN, InvalidIdError
from dust.limits import Limit
from dust.livequery.transactions import Isolation, snapshot
from dust.rest.auth import IsSignedIn, identity_of
from dust.rest.formats import BatchParser
from dust.rest.operations import Operation
from dust.rest.pages import page, page_of
from dust.rest.serializers import NoFields
from dust.rest.views import Answer, RestViewSet
from gamesessions import queries, rules, serializers
from gamesessions.errors import (
    InvalidProgressError,
    InvalidStateError,
    SaveNotFoundError,
    SessionNotFoundError,
    SessionOverError,
    SessionRefereedError,
    StaleSaveError,
)
from gamesessions.rules import KEEP, Progress
from gamesessions.services import events, sessions
from gamesessions.services.sessions import SAVES, STARTS

BATCHES = Limit("gamesessions.events", rules.BATCHES_PER_MINUTE, 60)

_NOT_FOUND = (InvalidIdError, SessionNotFoundError, *REFUSALS)
_NOT_PLAYABLE = (*_NOT_FOUND, SessionOverError, SessionRefereedError)
_NOT_SAVED = (*_NOT_PLAYABLE, StaleSaveError, InvalidProgressError, InvalidStateError)


class SessionViewSet(RestViewSet):
    """Game sessions, each its player's own: to everybody else there is no such session."""

    lookup_url_kwarg = "session"
    lookup_value_regex = "[^/]+"
    path_parameters = [
        OpenApiParameter(
            "session", {"type": "string", "pattern": f"^{PATTERN}$"}, OpenApiParameter.PATH
        )
    ]

    @Operation(
        access=IsSignedIn,
        query=serializers.ListQuery,
        answers={200: page_of(serializers.Session)},
        raises=[InvalidIdError, *REFUSALS],
    )
    def list(self, request: Request) -> Response:
        """List the caller's sessions, newest first."""
        with snapshot():
            found = queries.list_sessions(identity_of(request), **self.query)
        return Response(page(serializers.Session, found.sessions, next_cursor=found.next_cursor))

    @Operation(
        access=IsSignedIn,
        body=NoFields,
        answers={201: serializers.Session},
        limit=STARTS,
        raises=REFUSALS,
    )
    def create(self, request: Request) -> Response:
        """Begin a game. The one that the caller was in is abandoned."""
        identity, now = identity_of(request), datetime.now(UTC)

        def work() -> Answer:
            session = sessions.create_session(identity, now=now)
            return 201, serializers.Session.show(session)

        return self._write(request, work, name="gamesessions.create")

    @Operation(access=IsSignedIn, answers={200: serializers.WholeSession}, raises=_NOT_FOUND)
    def retrieve(self, request: Request, session: str) -> Response:
        """Show a session, with the client's state."""
        with snapshot():
            found = queries.access_session(identity_of(request), queries.parse_id(session))
        return Response(serializers.WholeSession.show(found))

    @action(detail=False)
    @Operation(access=IsSignedIn, answers={200: serializers.Active}, raises=REFUSALS)
    def active(self, request: Request) -> Response:
        """Show the game that the caller is in."""
        with snapshot():
            found = queries.find_active(identity_of(request))
        return Response(serializers.Active.show({"session": found}))

    @Operation(
        access=IsSignedIn,
        body=serializers.Change,
        answers={200: serializers.Session},
        limit=SAVES,
        raises=_NOT_SAVED,
    )
    def partial_update(self, request: Request, session: str) -> Response:
        """Save the session; its history keeps the copy before.

        If it was saved elsewhere since the `version` that this is based on, nothing is changed, and
        the error's `data` is the present copy.
        """
        return self._save(request, session, sessions.save_session, name="gamesessions.save")

    @action(detail=True, methods=["post"])
    @Operation(
        access=IsSignedIn,
        body=serializers.Change,
        answers={200: serializers.Session},
        limit=SAVES,
        raises=_NOT_SAVED,
    )
    def finish(self, request: Request, session: str) -> Response:
        """Save the session for the last time and complete it.

        A completed session is answered as it is, whatever is asked.
        """
        return self._save(request, session, sessions.finish_session, name="gamesessions.finish")

    @action(detail=True)
    @Operation(access=IsSignedIn, answers={200: page_of(serializers.Save)}, raises=_NOT_FOUND)
    def saves(self, request: Request, session: str) -> Response:
        """List the session's former copies, newest first."""
        with snapshot():
            found = queries.list_saves(identity_of(request), queries.parse_id(session))
        return Response(page(serializers.Save, found, next_cursor=None))

    @action(detail=True, methods=["post"])
    @Operation(
        access=IsSignedIn,
        body=serializers.Restoration,
        answers={200: serializers.Session},
        limit=SAVES,
        raises=[*_NOT_PLAYABLE, StaleSaveError, SaveNotFoundError],
    )
    def restore(self, request: Request, session: str) -> Response:
        """Make a former copy the present one again, as a new version.

        Its state is shown where the session is.
        """
        identity, now = identity_of(request), datetime.now(UTC)
        key, version, based_on = queries.parse_id(session), self.body["save"], self.body["version"]

        def work() -> Answer:
            with _showing_what_is_there():
                restored = sessions.restore_save(
                    identity, key, version=version, based_on=based_on, now=now
                )
            return 200, serializers.Session.show(restored)

        return self._write(request, work, name="gamesessions.restore")

    @action(detail=True, methods=["post"], parser=BatchParser())
    @Operation(
        access=IsSignedIn,
        body=serializers.Batch,
        answers={200: serializers.Report},
        limit=BATCHES,
        raises=_NOT_PLAYABLE,
    )
    def events(self, request: Request, session: str) -> Response:
        """Record what happened in a game that was played while the server was away.

        Good events are kept and bad ones reported. A batch may be sent again: an event counts once.
        They are the history of an unverified game, and never rank.
        """
        identity, now = identity_of(request), datetime.now(UTC)
        key = queries.parse_id(session)

        def work() -> Answer:
            report = events.add_events(identity, key, self.body["events"], now=now)
            return 200, serializers.Report.show(report)

        return self._write(request, work, name="gamesessions.events")

    def _save(
        self, request: Request, session: str, save: Callable[..., Any], *, name: str
    ) -> Response:
        identity, now = identity_of(request), datetime.now(UTC)
        key, asked = queries.parse_id(session), dict(self.body)
        based_on, state = asked.pop("version"), asked.pop("state", KEEP)
        progress = Progress(**asked)

        def work() -> Answer:
            with _showing_what_is_there():
                saved = save(
                    identity, key, based_on=based_on, progress=progress, state=state, now=now
                )
            # Without the state, which the client has, and which is long: answers are kept.
            return 200, serializers.Session.show(saved)

        return self._write(request, work, name=name)

    def _write(self, request: Request, work: Callable[[], Answer], *, name: str) -> Response:
        # Each of these waits for the one before it, by a lock: see services.sessions.
        return self.write(request, work, name=name, isolation=Isolation.READ_COMMITTED)


@contextmanager
def _showing_what_is_there() -> Iterator[None]:
    """Tell whoever saves too late what they would have lost."""
    try:
        yield
    except StaleSaveError as stale:
        data = serializers.WholeSession.show(stale.current)
        raise StaleSaveError(stale.current, data=data) from stale
