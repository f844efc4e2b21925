"""Who may call what: every endpoint has a line here, and every line is tried.

An endpoint without a line fails these tests, and so does a line that no endpoint has.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from channels.routing import URLRouter
from django.contrib.admindocs.views import simplify_regex
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from dust.livequery import runner
from dust.rest.auth import Anybody, IsSignedIn
from dust.rest.operations import operation_of
from dust.rest.views import RestViewSet
from leaderboard.routing import websocket_urlpatterns
from tests.rest import bearer, restore_boards, unspend_limits
from tests.sockets import Peer, running_engine

API = "/api/v1/"
BOARD = "solo:3"
PLAY = {"score": 7, "accuracy": 50.5, "level": 3, "pages_completed": 2}

OPEN = Anybody
SIGNED_IN = IsSignedIn


@dataclass(frozen=True, kw_only=True)
class Line:
    """The rule, and the status for nobody, for a stranger and for the owner of what is there.

    The stranger is signed in and has never done anything here; the owner has an entry on the board.
    """

    rule: type
    nobody: int
    stranger: int
    owner: int
    body: Any = None


LINES: dict[str, Line] = {
    "GET /api/v1/me/": Line(rule=SIGNED_IN, nobody=401, stranger=200, owner=200),
    "PATCH /api/v1/me/": Line(
        rule=SIGNED_IN, nobody=401, stranger=200, owner=200, body={"username": "Someone"}
    ),
    "GET /api/v1/leaderboards/": Line(rule=OPEN, nobody=200, stranger=200, owner=200),
    "GET /api/v1/leaderboards/<board>/": Line(rule=OPEN, nobody=200, stranger=200, owner=200),
    "GET /api/v1/leaderboards/<board>/me/": Line(
        rule=SIGNED_IN, nobody=401, stranger=200, owner=200
    ),
    "GET /api/v1/leaderboards/<board>/around/": Line(
        rule=SIGNED_IN, nobody=401, stranger=200, owner=200
    ),
    "POST /api/v1/leaderboards/<board>/entries/": Line(
        rule=SIGNED_IN, nobody=401, stranger=201, owner=200, body=PLAY
    ),
}


@dataclass(frozen=True, kw_only=True)
class SocketLine:
    """What each of the three is shown of the owner's entry: on the board, and as their own."""

    nobody: tuple[bool, bool]
    stranger: tuple[bool, bool]
    owner: tuple[bool, bool]


SOCKETS = {
    "/ws/leaderboard/<board>/": SocketLine(
        nobody=(True, False), stranger=(True, False), owner=(True, True)
    )
}


def patterns(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every path below the resolver, variables in angle brackets, with its view."""
    for pattern in resolver.url_patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield simplify_regex(path), pattern.callback
        else:
            yield from patterns(pattern, path)


def views() -> dict[str, Any]:
    """Return the view behind every path of the REST door."""
    return {path: view for path, view in patterns(get_resolver()) if path.startswith(API)}


def endpoints() -> dict[str, type]:
    """Return the declared rule of every method of every path."""
    return {
        f"{method.upper()} {path}": operation_of(view.cls, action).access
        for path, view in views().items()
        for method, action in view.actions.items()
        if method != "head"
    }


class TestRestEndpoints:
    def test_are_all_viewsets_whose_actions_declare_their_rule(self) -> None:
        strangers = [
            path
            for path, view in views().items()
            if not issubclass(getattr(view, "cls", object), RestViewSet)
        ]

        assert strangers == []

    def test_have_a_line_here_that_names_the_rule_they_declare(self) -> None:
        assert endpoints() == {endpoint: line.rule for endpoint, line in LINES.items()}


@pytest.mark.django_db(transaction=True)
class TestAccess:
    @pytest.mark.parametrize("endpoint", LINES)
    @pytest.mark.parametrize("role", ["nobody", "stranger", "owner"])
    def test_is_as_the_line_says(
        self, client: Client, monkeypatch: pytest.MonkeyPatch, endpoint: str, role: str
    ) -> None:
        line = LINES[endpoint]
        method, path = endpoint.split()
        restore_boards()
        unspend_limits(monkeypatch)
        client.post(
            f"{API}leaderboards/{BOARD}/entries/", PLAY, "application/json", headers=bearer("owner")
        )

        answer = client.generic(
            method,
            path.replace("<board>", BOARD),
            b"" if line.body is None else json.dumps(line.body),
            "application/json",
            headers=None if role == "nobody" else bearer(role),
        )

        assert answer.status_code == getattr(line, role), answer.content


@pytest.fixture
async def running(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """The boards, and an engine that shows them."""
    await runner.run(restore_boards)
    async with running_engine(monkeypatch):
        yield
    await asyncio.to_thread(runner.close)


class TestSockets:
    def test_have_a_line_here(self) -> None:
        paths = {simplify_regex(each.pattern.regex.pattern) for each in websocket_urlpatterns}

        assert paths == SOCKETS.keys()

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("path", SOCKETS)
    @pytest.mark.parametrize("role", ["nobody", "stranger", "owner"])
    async def test_show_as_much_as_the_line_says(
        self, running: None, client: Client, path: str, role: str
    ) -> None:
        submit = partial(
            client.post,
            f"{API}leaderboards/{BOARD}/entries/",
            PLAY,
            "application/json",
            headers=bearer("owner"),
        )
        await runner.run(submit)
        token = bearer(role)["authorization"].removeprefix("Bearer ")
        offered = [] if role == "nobody" else ["dust.v1", f"bearer.{token}"]
        application = URLRouter(websocket_urlpatterns)  # type: ignore[arg-type]

        async with Peer(application, path.replace("<board>", BOARD), subprotocols=offered) as peer:
            top = await peer.until("top")
            if offered:
                peer.say("hello", token=token)
                await peer.until("welcome")
            peer.say("watch_me")
            me = await peer.until("me")

        assert (bool(top["results"]), bool(me["entry"])) == getattr(SOCKETS[path], role)
