"""Game sessions in the admin: found, looked at, voided, taken back; never edited."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from dust import admin
from dust.livequery.testing import assert_live
from gamesessions.models import GameSession, Save
from tests.factories import (
    GameSessionFactory,
    PlayEventFactory,
    SaveFactory,
    UserFactory,
    identity_of,
)

pytestmark = pytest.mark.django_db

BASE = "/admin/gamesessions/"
SESSIONS = f"{BASE}gamesession/"
SAVES = f"{BASE}save/"
EVENTS = f"{BASE}playevent/"
FACTORIES: dict[str, Any] = {
    SESSIONS: GameSessionFactory,
    SAVES: SaveFactory,
    EVENTS: PlayEventFactory,
}


@pytest.fixture
def moderator(client: Client) -> User:
    moderator = UserFactory.create(username="moderator", staff=True)
    client.force_login(moderator)
    return moderator


@pytest.fixture
def save(moderator: User) -> Save:
    return SaveFactory.create(
        session__user__username="alice", session__score=1013, score=700, state={"page": 3}
    )


def act(client: Client, path: str, action: str, rows: list[Any], reason: str = "a bot") -> str:
    """Choose rows in the list, an action and a reason; return the page that follows."""
    chosen = [str(row.pk) for row in rows]
    form: dict[str, Any] = {"action": action, "reason": reason, "_selected_action": chosen}
    return client.post(path, form, follow=True).content.decode()


def make(path: str, username: str) -> Any:
    owner = "user" if path == SESSIONS else "session__user"
    names = {f"{owner}__username": username, f"{owner}__subject": f"user_{username}"}
    return FACTORIES[path].create(**names)


class TestLists:
    @pytest.mark.parametrize("path", FACTORIES)
    @pytest.mark.parametrize("term", ["alice", "ALI", "user_alice"])
    def test_are_searched_by_player(
        self, client: Client, moderator: User, path: str, term: str
    ) -> None:
        make(path, "alice")
        make(path, "bob")

        page = client.get(path, {"q": term}).content.decode()

        assert "alice" in page
        assert "bob" not in page

    @pytest.mark.parametrize(
        "query",
        [{"status__exact": "abandoned"}, {"refereed__exact": "1"}, {"voided_at__isempty": "0"}],
    )
    def test_are_filtered(self, client: Client, moderator: User, query: dict[str, str]) -> None:
        GameSessionFactory.create(user__username="alice")
        GameSessionFactory.create(user__username="bob", voided=True, refereed=True)

        page = client.get(SESSIONS, query).content.decode()

        assert "bob" in page
        assert "alice" not in page

    @pytest.mark.parametrize("path", FACTORIES)
    def test_cost_the_same_for_many_and_count_no_further_than_needed(
        self, client: Client, moderator: User, monkeypatch: pytest.MonkeyPatch, path: str
    ) -> None:
        monkeypatch.setattr(admin, "MOST_COUNTED", 10)
        FACTORIES[path].create_batch(3)
        with CaptureQueriesContext(connection) as few:
            client.get(path)
        FACTORIES[path].create_batch(20)

        with CaptureQueriesContext(connection) as many:
            client.get(path)

        assert len(many) == len(few)
        counts = [query["sql"] for query in many if "COUNT(" in query["sql"]]
        assert counts
        assert all("LIMIT 10" in sql for sql in counts)
        assert not any("DISTINCT" in query["sql"] for query in many)
        assert not any('"state"' in query["sql"] for query in many)


class TestPages:
    @pytest.mark.parametrize("path", FACTORIES)
    def test_show_a_row_and_offer_no_change(
        self, client: Client, moderator: User, path: str
    ) -> None:
        row = make(path, "alice")

        page = client.get(f"{path}{row.pk}/change/")

        content = page.content.decode()
        assert page.status_code == 200
        assert "_save" not in content
        assert "deletelink" not in content
        assert "<select" not in content

    def test_show_the_state_as_harmless_text(self, client: Client, moderator: User) -> None:
        session = GameSessionFactory.create(state={"name": "<script>alert(1)</script>"})

        content = client.get(f"{SESSIONS}{session.pk}/change/").content.decode()

        assert "<script>alert" not in content
        assert "&lt;script&gt;alert(1)" in content

    def test_ignore_an_edited_score(self, client: Client, save: Save) -> None:
        client.post(f"{SESSIONS}{save.session_id}/change/", {"score": 9999, "status": "completed"})

        session = GameSession.objects.get()
        assert (session.score, session.status) == (1013, "active")

    @pytest.mark.parametrize("kind", [SESSIONS, SAVES, EVENTS])
    @pytest.mark.parametrize("path", ["add/", "{}/delete/"])
    def test_refuse_to_add_and_to_delete(
        self, client: Client, moderator: User, kind: str, path: str
    ) -> None:
        row = make(kind, "alice")

        assert client.post(kind + path.format(row.pk), {"post": "yes"}).status_code == 403
        act(client, kind, "delete_selected", [row])
        assert type(row).objects.filter(pk=row.pk).exists()


class TestVoid:
    def test_is_done_for_a_reason(self, client: Client, moderator: User) -> None:
        session = GameSessionFactory.create()

        assert "Game sessions voided: 1." in act(client, SESSIONS, "void", [session])

        session.refresh_from_db()
        assert (session.status, session.voided_reason) == ("abandoned", "a bot")
        assert LogEntry.objects.get(user=moderator).get_change_message() == "Voided: a bot"

    def test_is_not_done_without(self, client: Client, moderator: User) -> None:
        session = GameSessionFactory.create()

        page = act(client, SESSIONS, "void", [session], reason=" ")

        assert "needs a reason" in page
        assert GameSession.objects.get().status == "active"

    def test_is_for_those_who_may(self, client: Client, moderator: User) -> None:
        session = GameSessionFactory.create()
        User.objects.filter(username="moderator").update(is_superuser=False)

        form = {"action": "void", "reason": "a bot", "_selected_action": [str(session.pk)]}
        assert client.post(SESSIONS, form).status_code == 403

    @pytest.mark.django_db(transaction=True)
    def test_reaches_the_player(self, client: Client, moderator: User) -> None:
        session = GameSessionFactory.create()

        with assert_live("gameSessions:getActive", caller=identity_of(session.user)):
            act(client, SESSIONS, "void", [session])


class TestRestore:
    def test_is_done_for_a_reason(self, client: Client, save: Save, moderator: User) -> None:
        assert "Saves restored: 1." in act(client, SAVES, "restore", [save], "asked for it")

        session = GameSession.objects.get()
        assert (session.score, session.state, session.version) == (700, {"page": 3}, 3)
        log = LogEntry.objects.get(user=moderator)
        assert log.get_change_message() == "Version 1 restored: asked for it"

    def test_is_not_done_without(self, client: Client, save: Save) -> None:
        assert "needs a reason" in act(client, SAVES, "restore", [save], "")
        assert GameSession.objects.get().score == 1013

    def test_says_why_it_cannot_be_done(self, client: Client, save: Save) -> None:
        GameSession.objects.update(refereed=True)

        assert "The server itself keeps this session" in act(client, SAVES, "restore", [save])
        assert GameSession.objects.get().score == 1013
