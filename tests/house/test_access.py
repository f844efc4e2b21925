"""Who may call what: every line of the matrix is tried, and so is every socket."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import pytest
from channels.routing import URLRouter
from django.contrib.admin.models import LogEntry
from django.contrib.admindocs.views import simplify_regex
from django.test import Client

from accounts.models import User
from accounts.services import bans
from dust.livequery import runner
from dust.rest.views import RestViewSet
from dust.urls import websocket_urlpatterns
from gamesessions.models import GameSession, Save
from tests.factories import UserFactory
from tests.house.matrix import LINES, SIGNED_IN
from tests.house.routes import operations, rest_views
from tests.house.stage import appoint, ask, build, enter, filled_in
from tests.rest import bearer, restore_boards, token
from tests.sockets import Peer, whole_server

ROLES = {"nobody": "nobody", "stranger": "stranger", "moderator": "stranger", "owner": "owner"}
"""Who asks, and what they are to the owner's things."""

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


class TestRestEndpoints:
    def test_are_all_viewsets_whose_actions_declare_their_rule(self) -> None:
        strangers = [
            path
            for path, view in rest_views().items()
            if not issubclass(getattr(view, "cls", object), RestViewSet)
        ]

        assert strangers == []

    def test_have_a_line_that_names_the_rule_they_declare(self) -> None:
        declared = {endpoint: operation.access for endpoint, operation in operations().items()}

        assert declared == {endpoint: line.rule for endpoint, line in LINES.items()}


def set_the_stage(client: Client, endpoint: str = "") -> dict[str, str]:
    """Do what the owner has done; return what stands for the variables of the endpoint."""
    restore_boards()
    build()
    return enter(client, endpoint)


@pytest.mark.django_db(transaction=True)
class TestAccess:
    @pytest.mark.parametrize("endpoint", LINES)
    @pytest.mark.parametrize("role", ["nobody", "stranger", "owner"])
    def test_is_as_the_line_says(self, client: Client, endpoint: str, role: str) -> None:
        line = LINES[endpoint]
        variables = set_the_stage(client, endpoint)
        headers = None if role == "nobody" else bearer(role)

        answer = ask(client, endpoint, line.body, variables, headers=headers)

        assert answer.status_code == getattr(line, role), answer.content

    def test_is_a_players_for_moderators_and_nobodys_for_the_cookie_of_the_admin(
        self, client: Client
    ) -> None:
        variables = set_the_stage(client, "/runs/")
        found = {}
        for number, (endpoint, line) in enumerate(LINES.items()):
            name = f"moderator {number}"
            client.force_login(appoint("moderator", name=name))

            cookie = ask(client, endpoint, line.body, variables, headers=None)
            token = ask(client, endpoint, line.body, variables, headers=bearer(name))

            found[endpoint] = cookie.status_code, token.status_code
        assert found == {name: (line.nobody, line.stranger) for name, line in LINES.items()}

    def test_to_saves_is_the_players_and_in_the_admin_the_moderators(self, client: Client) -> None:
        restore = "POST /api/v1/sessions/<session>/restore/"
        body = LINES[restore].body
        variables = set_the_stage(client)
        moderator = appoint("moderator")
        client.force_login(moderator)
        save = Save.objects.get()
        form = {"action": "restore", "reason": "asked for it", "_selected_action": [str(save.pk)]}

        by_rest = ask(client, restore, body, variables, headers=bearer("moderator"))
        assert (by_rest.status_code, GameSession.objects.get().score) == (404, 7)
        client.post("/admin/gamesessions/save/", form)

        session = ask(
            client, "GET /api/v1/sessions/<session>/", None, variables, headers=bearer("owner")
        )
        assert (session.json()["score"], session.json()["version"]) == (0, 3)
        line = LogEntry.objects.get(user=moderator)
        assert line.get_change_message() == "Version 1 restored: asked for it"


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
        self, client: Client, endpoint: str, reason: str
    ) -> None:
        line = LINES[endpoint]
        variables = set_the_stage(client, endpoint)
        if reason == "banned":
            owner = User.objects.get(subject="owner")
            root = UserFactory.create(username="root", staff=True)
            bans.ban_user(owner, reason="a bot", until=None, by=root, now=datetime.now(UTC))
        else:
            client.delete("/api/v1/me/", headers=bearer("owner"))

        answer = ask(client, endpoint, line.body, variables, headers=bearer("owner"))

        if reason == "banned" and endpoint in self.STILL_THEIRS:
            assert answer.status_code == line.owner
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, f"account_{reason}")


@pytest.fixture
async def running(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    async with whole_server(monkeypatch):
        yield


class TestSockets:
    def test_have_a_line_here(self) -> None:
        paths = {simplify_regex(each.pattern.regex.pattern) for each in websocket_urlpatterns}

        assert paths == SOCKETS.keys()

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("path", SOCKETS)
    @pytest.mark.parametrize("role", ROLES)
    async def test_show_as_much_as_the_line_says(
        self, running: None, client: Client, path: str, role: str
    ) -> None:
        line = SOCKETS[path]
        variables = await runner.run(partial(set_the_stage, client))
        if role == "moderator":
            await runner.run(partial(appoint, role))
        offered = None if role == "nobody" else token(role)
        subprotocols = [] if offered is None else ["dust.v1", f"bearer.{offered}"]
        application = URLRouter(websocket_urlpatterns)  # type: ignore[arg-type]

        async with Peer(application, filled_in(path, variables), subprotocols=subprotocols) as peer:
            shown = await line.look(peer, offered)

        assert shown == getattr(line, ROLES[role])
