"""The leaderboard in the admin: found, looked at, moderated; never edited."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from dust import admin
from dust.livequery.testing import assert_live
from leaderboard.models import Attempt, Entry
from tests.factories import AttemptFactory, EntryFactory, UserFactory
from tests.rest import restore_boards

pytestmark = pytest.mark.django_db
ENTRIES = "/admin/leaderboard/entry/"
ATTEMPTS = "/admin/leaderboard/attempt/"


@pytest.fixture
def moderator(client: Client) -> User:
    restore_boards()
    moderator = UserFactory.create(username="moderator", staff=True)
    client.force_login(moderator)
    return moderator


@pytest.fixture
def entry(moderator: User) -> Entry:
    return EntryFactory.create(user__username="alice", board__key="solo:3", score=1013)


def act(client: Client, action: str, entries: list[Entry], reason: str = "a bot") -> str:
    """Choose entries in the list, an action and a reason; return the page that follows."""
    chosen = [str(entry.id) for entry in entries]
    form: dict[str, Any] = {"action": action, "reason": reason, "_selected_action": chosen}
    return client.post(ENTRIES, form, follow=True).content.decode()


class TestLists:
    @pytest.mark.parametrize("path", [ENTRIES, ATTEMPTS])
    @pytest.mark.parametrize("term", ["alice", "ALI", "user_alice"])
    def test_are_searched_by_player(
        self, client: Client, moderator: User, path: str, term: str
    ) -> None:
        factory: Any = EntryFactory if path == ENTRIES else AttemptFactory
        factory.create(user__username="alice", user__subject="user_alice")
        factory.create(user__username="bob", user__subject="user_bob")

        page = client.get(path, {"q": term}).content.decode()

        assert "alice" in page
        assert "bob" not in page

    @pytest.mark.parametrize(
        "query", [{"board__key__exact": "coop"}, {"hidden__exact": "1"}, {"source__exact": "match"}]
    )
    def test_are_filtered(self, client: Client, moderator: User, query: dict[str, str]) -> None:
        EntryFactory.create(user__username="alice", board__key="solo:3")
        EntryFactory.create(user__username="bob", board__key="coop", hidden=True, source="match")

        page = client.get(ENTRIES, query).content.decode()

        assert "bob" in page
        assert "alice" not in page

    @pytest.mark.parametrize("path", [ENTRIES, ATTEMPTS])
    def test_cost_the_same_for_many_and_count_no_further_than_needed(
        self, client: Client, moderator: User, monkeypatch: pytest.MonkeyPatch, path: str
    ) -> None:
        monkeypatch.setattr(admin, "MOST_COUNTED", 10)
        factory: Any = EntryFactory if path == ENTRIES else AttemptFactory
        factory.create_batch(3)
        with CaptureQueriesContext(connection) as few:
            client.get(path)
        factory.create_batch(20)

        with CaptureQueriesContext(connection) as many:
            page = client.get(path).content.decode()

        assert len(many) == len(few)
        counts = [query["sql"] for query in many if "COUNT(" in query["sql"]]
        assert counts
        assert all("LIMIT 10" in sql for sql in counts)
        assert "10 " in page

    def test_show_the_boards(self, client: Client, moderator: User) -> None:
        page = client.get("/admin/leaderboard/board/").content.decode()

        assert "solo:10" in page
        assert "coop" in page


class TestPages:
    @pytest.mark.parametrize("kind", ["entry", "attempt", "board"])
    def test_show_a_row_and_offer_no_change(self, client: Client, entry: Entry, kind: str) -> None:
        attempt = AttemptFactory.create(user=entry.user, board=entry.board)
        key = {"entry": entry.pk, "attempt": attempt.pk, "board": "coop"}[kind]

        page = client.get(f"/admin/leaderboard/{kind}/{key}/change/", follow=True)

        content = page.content.decode()
        assert page.status_code == 200
        assert 'name="score"' not in content
        assert "_save" not in content
        assert "deletelink" not in content

    def test_ignore_an_edited_score(self, client: Client, entry: Entry) -> None:
        client.post(f"{ENTRIES}{entry.pk}/change/", {"score": 9999, "hidden": "on"})

        entry.refresh_from_db()
        assert (entry.score, entry.hidden) == (1013, False)

    @pytest.mark.parametrize("path", ["add/", "{}/delete/"])
    def test_refuse_to_add_and_to_delete_without_a_reason(
        self, client: Client, entry: Entry, path: str
    ) -> None:
        answer = client.post(ENTRIES + path.format(entry.pk), {"post": "yes"})

        assert answer.status_code == 403
        assert Entry.objects.count() == 1

    def test_outlive_the_account_of_their_player(self, client: Client, entry: Entry) -> None:
        action = {"action": "delete_accounts", "_selected_action": [entry.user_id]}
        action["reason"] = "asked for it"

        answer = client.post("/admin/accounts/user/", action)

        assert answer.status_code == 302
        assert Entry.objects.get().user.username == "Deleted archivist"


class TestActions:
    def test_hide_and_show_again(self, client: Client, entry: Entry, moderator: User) -> None:
        assert "Entries hidden: 1." in act(client, "hide", [entry])
        entry.refresh_from_db()
        assert (entry.hidden, entry.hidden_reason) == (True, "a bot")

        assert "Entries shown again: 1." in act(client, "unhide", [entry], "not a bot")
        entry.refresh_from_db()
        assert not entry.hidden

        log = LogEntry.objects.filter(user=moderator).order_by("id")
        assert [line.get_change_message() for line in log] == [
            "Hidden: a bot",
            "No longer hidden: not a bot",
        ]

    def test_delete(self, client: Client, entry: Entry, moderator: User) -> None:
        AttemptFactory.create(user=entry.user, board=entry.board)

        assert "Entries deleted: 1." in act(client, "delete_selected", [entry])

        assert not Entry.objects.exists()
        assert Attempt.objects.exists()
        assert LogEntry.objects.get(user=moderator).get_change_message() == "Deleted: a bot"

    @pytest.mark.parametrize("action", ["hide", "unhide", "delete_selected"])
    def test_leave_their_reason_where_it_can_be_read(
        self, client: Client, entry: Entry, action: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        if action == "unhide":
            Entry.objects.update(hidden=True)

        with caplog.at_level("INFO", logger="leaderboard"):
            act(client, action, [entry], reason="a bot, surely")

        assert "a bot, surely" in client.get("/admin/admin/logentry/").content.decode()
        assert [r.__dict__["what"] for r in caplog.records if "what" in r.__dict__]
        assert client.post("/admin/admin/logentry/add/").status_code == 403

    @pytest.mark.parametrize("action", ["hide", "unhide", "delete_selected"])
    def test_ask_for_a_reason(self, client: Client, entry: Entry, action: str) -> None:
        page = act(client, action, [entry], reason=" ")

        assert "A reason is needed" in page
        assert Entry.objects.filter(hidden=False).exists()

    def test_take_on_no_more_than_can_be_looked_through(
        self, client: Client, entry: Entry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(admin, "MOST_MODERATED_AT_ONCE", 1)

        page = act(client, "hide", [entry, EntryFactory.create()])

        assert "No more than 1 entries at once." in page
        assert not Entry.objects.filter(hidden=True).exists()

    def test_are_for_those_who_may(self, client: Client, entry: Entry) -> None:
        User.objects.filter(username="moderator").update(is_superuser=False)

        assert client.post(ENTRIES, {"action": "hide", "reason": "a bot"}).status_code == 403

    @pytest.mark.django_db(transaction=True)
    def test_change_every_open_board(self, client: Client, entry: Entry) -> None:
        with assert_live("leaderboard:top", {"board": "solo:3"}):
            act(client, "hide", [entry])
