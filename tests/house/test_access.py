"""Who may call what: every endpoint has a line here, and every line is tried.

An endpoint without a line fails these tests, and so does a line that no endpoint has.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from channels.routing import URLRouter
from django.contrib.admindocs.views import simplify_regex
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.models import User
from accounts.services import bans
from archives.services import contents
from archives.views import HasCredential
from dust.livequery import runner
from dust.rest.auth import Anybody, IsSignedIn
from dust.rest.operations import operation_of
from dust.rest.views import RestViewSet
from dust.urls import websocket_urlpatterns
from tests.archives.documents import PROJECT, level, page, read_level, read_page
from tests.archives.playing import seed_contents
from tests.factories import UserFactory
from tests.rest import bearer, restore_boards, unspend_limits
from tests.sockets import Peer, running_engine

API = "/api/v1/"
BOARD = "solo:3"
PLAY = {"score": 7, "accuracy": 50.5, "level": 3, "pages_completed": 2}

OPEN = Anybody
SIGNED_IN = IsSignedIn
TOOL = HasCredential


@dataclass(frozen=True, kw_only=True)
class Line:
    """The rule, and the status for nobody, for a stranger and for the owner of what is there.

    The stranger is signed in and has never done anything here; the owner has an entry on the board,
    and is in a game that was saved once and has an archive. Where a run is needed, it is that.
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
    "DELETE /api/v1/me/": Line(rule=SIGNED_IN, nobody=401, stranger=202, owner=202),
    "GET /api/v1/me/export/": Line(rule=SIGNED_IN, nobody=401, stranger=200, owner=200),
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
    "GET /api/v1/sessions/": Line(rule=SIGNED_IN, nobody=401, stranger=200, owner=200),
    "POST /api/v1/sessions/": Line(rule=SIGNED_IN, nobody=401, stranger=201, owner=201, body={}),
    "GET /api/v1/sessions/active/": Line(rule=SIGNED_IN, nobody=401, stranger=200, owner=200),
    "GET /api/v1/sessions/<session>/": Line(rule=SIGNED_IN, nobody=401, stranger=404, owner=200),
    "PATCH /api/v1/sessions/<session>/": Line(
        rule=SIGNED_IN, nobody=401, stranger=404, owner=200, body={"version": 2, "score": 7}
    ),
    "POST /api/v1/sessions/<session>/finish/": Line(
        rule=SIGNED_IN, nobody=401, stranger=404, owner=200, body={"version": 2}
    ),
    "GET /api/v1/sessions/<session>/saves/": Line(
        rule=SIGNED_IN, nobody=401, stranger=404, owner=200
    ),
    "POST /api/v1/sessions/<session>/restore/": Line(
        rule=SIGNED_IN, nobody=401, stranger=404, owner=200, body={"version": 2, "save": 1}
    ),
    "POST /api/v1/sessions/<session>/events/": Line(
        rule=SIGNED_IN, nobody=401, stranger=404, owner=200, body={"events": []}
    ),
    "GET /api/v1/projects/<project>/levels/": Line(rule=OPEN, nobody=200, stranger=200, owner=200),
    "GET /api/v1/projects/<project>/levels/<level>/": Line(
        rule=OPEN, nobody=200, stranger=200, owner=200
    ),
    "GET /api/v1/projects/<project>/levels/<level>/variants/": Line(
        rule=OPEN, nobody=200, stranger=200, owner=200
    ),
    "GET /api/v1/projects/<project>/counts/": Line(rule=OPEN, nobody=200, stranger=200, owner=200),
    "GET /api/v1/projects/<project>/pages/<page>/": Line(
        rule=OPEN, nobody=200, stranger=200, owner=200
    ),
    # For staff, whose tokens are tried in tests/archives; and so are those of tools below.
    "GET /api/v1/projects/<project>/pages/<page>/document/": Line(
        rule=SIGNED_IN, nobody=401, stranger=403, owner=403
    ),
    "GET /api/v1/content/random/": Line(rule=OPEN, nobody=400, stranger=400, owner=400),
    "GET /api/v1/content/demo/": Line(rule=OPEN, nobody=200, stranger=200, owner=200),
    "PUT /api/v1/ingest/pages/<key>/": Line(rule=TOOL, nobody=401, stranger=401, owner=401),
    "PUT /api/v1/ingest/levels/<key>/": Line(rule=TOOL, nobody=401, stranger=401, owner=401),
    "PUT /api/v1/ingest/variants/<key>/": Line(rule=TOOL, nobody=401, stranger=401, owner=401),
    "GET /api/v1/archives/": Line(rule=SIGNED_IN, nobody=401, stranger=200, owner=200),
    "POST /api/v1/archives/": Line(
        rule=SIGNED_IN,
        nobody=401,
        stranger=404,
        owner=200,
        body={"session_id": "<session>", "items": []},
    ),
    "GET /api/v1/archives/totals/": Line(rule=SIGNED_IN, nobody=401, stranger=200, owner=200),
    "GET /api/v1/archives/export/": Line(rule=SIGNED_IN, nobody=401, stranger=200, owner=200),
    "GET /api/v1/archives/<archive>/": Line(rule=SIGNED_IN, nobody=401, stranger=404, owner=200),
    "POST /api/v1/runs/": Line(
        rule=SIGNED_IN, nobody=401, stranger=201, owner=201, body={"mode": "demo"}
    ),
    "GET /api/v1/runs/<run>/": Line(rule=SIGNED_IN, nobody=401, stranger=404, owner=200),
    "POST /api/v1/runs/<run>/lifelines/": Line(
        rule=SIGNED_IN,
        nobody=401,
        stranger=404,
        owner=200,
        body={"page": 1, "lifeline": "purge"},
    ),
    "POST /api/v1/runs/<run>/archive/": Line(
        rule=SIGNED_IN,
        nobody=401,
        stranger=404,
        owner=200,
        body={"page": 1, "section_ids": ["s1", "s3"]},
    ),
    "POST /api/v1/runs/<run>/next/": Line(
        rule=SIGNED_IN, nobody=401, stranger=404, owner=200, body={"page": 1}
    ),
    "POST /api/v1/runs/<run>/finish/": Line(
        rule=SIGNED_IN, nobody=401, stranger=404, owner=200, body={}
    ),
}


Look = Callable[[Peer, str | None], Awaitable[tuple[bool, ...]]]


async def look_at_board(peer: Peer, token: str | None) -> tuple[bool, ...]:
    """Return whether the owner's entry is shown: on the board, and as one's own."""
    top = await peer.until("top")
    if token is not None:
        peer.say("hello", token=token)
        await peer.until("welcome")
    peer.say("watch_me")
    me = await peer.until("me")
    return bool(top["results"]), bool(me["entry"])


async def look_at_session(peer: Peer, token: str | None) -> tuple[bool, ...]:
    """Return whether one is let in, and whether the owner's game is shown."""
    if token is None:
        peer.say("hello")
        await peer.until("error")
        assert (await peer.closing())[0] == 4401
        return False, False
    return True, bool((await peer.until("active"))["session"])


@dataclass(frozen=True, kw_only=True)
class SocketLine:
    """How to look at what the owner has, and what each of the three is shown of it."""

    look: Look
    nobody: tuple[bool, ...]
    stranger: tuple[bool, ...]
    owner: tuple[bool, ...]


SOCKETS = {
    "/ws/leaderboard/<board>/": SocketLine(
        look=look_at_board, nobody=(True, False), stranger=(True, False), owner=(True, True)
    ),
    "/ws/session/": SocketLine(
        look=look_at_session, nobody=(False, False), stranger=(True, False), owner=(True, True)
    ),
}


def set_the_stage(client: Client, endpoint: str = "") -> dict[str, str]:
    """Do what the owner has done; return what stands for the variables of the endpoint's path."""
    send = partial(client.generic, content_type="application/json", headers=bearer("owner"))
    send("POST", f"{API}leaderboards/{BOARD}/entries/", json.dumps(PLAY))
    session = json.loads(send("POST", f"{API}sessions/", "{}").content)["id"]
    send("PATCH", f"{API}sessions/{session}/", json.dumps({"version": 1, "score": 7}))
    archive = send("POST", f"{API}archives/", json.dumps({"session_id": session, "items": []}))
    contents.upsert_page(read_page(), now=datetime.now(UTC))
    contents.upsert_level(read_level(), now=datetime.now(UTC))
    run = "none"
    if "/runs/" in endpoint:
        seed_contents(2, is_demo=True, now=datetime.now(UTC))
        run = json.loads(send("POST", f"{API}runs/", '{"mode": "demo"}').content)["id"]
    return {
        "<run>": run,
        "<board>": BOARD,
        "<session>": session,
        "<archive>": json.loads(archive.content)["id"],
        "<project>": PROJECT,
        "<level>": level()["levelId"],
        "<page>": page()["pageId"],
    }


def filled_in(path: str, variables: Mapping[str, str]) -> str:
    """Return the path of what is there."""
    for variable, value in variables.items():
        path = path.replace(variable, value)
    return path


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
        variables = set_the_stage(client, endpoint)

        answer = client.generic(
            method,
            filled_in(path, variables),
            b"" if line.body is None else filled_in(json.dumps(line.body), variables),
            "application/json",
            headers=None if role == "nobody" else bearer(role),
        )

        answer.close()
        assert answer.status_code == getattr(line, role), answer.content


@pytest.mark.django_db(transaction=True)
class TestRefusal:
    """Whoever is kept out is refused by everything that asks who they are, but for three things."""

    STILL_THEIRS = {"GET /api/v1/me/", "GET /api/v1/me/export/", "DELETE /api/v1/me/"}

    @pytest.mark.parametrize(
        "endpoint",
        [it for it, line in LINES.items() if line.rule is SIGNED_IN and line.owner < 400],
    )
    @pytest.mark.parametrize("reason", ["banned", "deleted"])
    def test_of_the_owner_is_by_everything(
        self, client: Client, monkeypatch: pytest.MonkeyPatch, endpoint: str, reason: str
    ) -> None:
        line = LINES[endpoint]
        method, path = endpoint.split()
        restore_boards()
        unspend_limits(monkeypatch)
        variables = set_the_stage(client, endpoint)
        if reason == "banned":
            owner = User.objects.get(subject="owner")
            root = UserFactory.create(username="root", staff=True)
            bans.ban_user(owner, reason="a bot", until=None, by=root, now=datetime.now(UTC))
        else:
            client.delete(f"{API}me/", headers=bearer("owner"))

        answer = client.generic(
            method,
            filled_in(path, variables),
            b"" if line.body is None else filled_in(json.dumps(line.body), variables),
            "application/json",
            headers=bearer("owner"),
        )

        answer.close()
        if reason == "banned" and endpoint in self.STILL_THEIRS:
            assert answer.status_code == line.owner
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, f"account_{reason}")


@pytest.fixture
async def running(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """The boards, and an engine that shows them."""
    unspend_limits(monkeypatch)
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
        line = SOCKETS[path]
        variables = await runner.run(partial(set_the_stage, client))
        token = bearer(role)["authorization"].removeprefix("Bearer ")
        offered = [] if role == "nobody" else ["dust.v1", f"bearer.{token}"]
        application = URLRouter(websocket_urlpatterns)  # type: ignore[arg-type]

        async with Peer(application, filled_in(path, variables), subprotocols=offered) as peer:
            shown = await line.look(peer, token if offered else None)

        assert shown == getattr(line, role)
