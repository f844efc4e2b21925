"""The admin, walked through: every line of its matrix is tried, and whatever else can be done."""

import json
import re
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Erasure, User
from leaderboard.models import Entry
from tests.archives import documents
from tests.factories import UserFactory
from tests.house.admin_matrix import (
    ACTIONS,
    ADMIN,
    LINES,
    OPERATORS,
    OTHERS,
    ROLES,
    ROOT,
    STANDARD,
    look,
    names_of,
    path_of,
    sign_in,
    walk,
)
from tests.house.rows import ATTACK, HARM, HARMLESS, create_groups, fill, poison

pytestmark = pytest.mark.django_db


@pytest.fixture
def people(db: None) -> dict[str, User]:
    """One member of staff of each kind; the superuser's login is an attack."""
    create_groups()
    found = {}
    for role in ROLES[1:]:
        name = ATTACK if role == "superuser" else role
        found[role] = UserFactory.create(username=name, staff=True, is_superuser=role in ROOT)
        found[role].groups.set(Group.objects.filter(name=role))
    return found


class TestPages:
    def test_have_a_line_here(self) -> None:
        models = {model._meta.label: model._meta for model in admin.site._registry}
        of_models = {
            f"{meta.app_label}_{meta.model_name}_{page}"
            for meta in models.values()
            for page in STANDARD
        }

        assert models.keys() == LINES.keys()
        assert {*names_of(admin.site.urls[0])} - of_models == OTHERS.keys()

    @pytest.mark.parametrize("role", ROLES)
    def test_are_as_the_line_says(self, client: Client, people: dict[str, User], role: str) -> None:
        rows = fill(1)
        poison(rows)
        sign_in(client, people, role)

        most = None if role in ROOT else 1  # one of them sees what every choice leads to
        found = {label: walk(client, label, rows[label][0], most=most) for label in LINES}

        assert found == {label: line.of(role) for label, line in LINES.items()}

    @pytest.mark.parametrize("role", ROLES)
    def test_are_listed_on_the_first_for_those_who_see_them(
        self, client: Client, people: dict[str, User], role: str
    ) -> None:
        sign_in(client, people, role)

        answer = client.get(ADMIN)

        listed = answer.context["app_list"] if answer.context else []
        shown = {model["model"]._meta.label for app in listed for model in app["models"]}
        assert shown == {label for label, line in LINES.items() if role in line.sees}
        assert HARM not in answer.content.decode()

    @pytest.mark.parametrize("name", OTHERS)
    def test_of_other_kinds_are_as_their_line_says(
        self, client: Client, people: dict[str, User], name: str
    ) -> None:
        path, expected = OTHERS[name]
        path = f"{ADMIN}{path}".format(user=people["staff"].pk)
        found = []
        for role in ROLES:
            sign_in(client, people, role)
            answer = client.get(path)
            answer.getvalue()
            found.append(answer.status_code)

        assert tuple(found) == expected


class TestHostileTexts:
    def test_stand_everywhere_and_come_out_as_text(
        self, client: Client, people: dict[str, User]
    ) -> None:
        rows = fill(1)

        safe = poison(rows)

        assert safe == {"accounts.User.login"}  # which is one of the people's
        sign_in(client, people, "superuser")
        plain = [
            label
            for label, [row, *_] in rows.items()
            if row._meta.label != "leaderboard.Board"  # which has no free text
            and HARMLESS
            not in look(client, path_of(label, row)).content.decode().partition('id="content"')[2]
        ]
        assert plain == []


class TestActions:
    def do(self, client: Client, label: str, action: str, row: Any) -> None:
        if action == "unhide":
            Entry.objects.update(hidden=True, hidden_reason="a bot")
        if action == "delete_accounts":
            Erasure.objects.all().delete()  # which only a deleted one has
        form = {"action": action, "reason": "for a test", "_selected_action": [str(row.pk)]}
        client.post(path_of(label), form)

    @pytest.mark.parametrize(("label", "action"), ACTIONS)
    def test_are_done_by_those_who_may_and_leave_a_line_in_the_log(
        self, client: Client, people: dict[str, User], label: str, action: str
    ) -> None:
        rows = fill(1)
        LogEntry.objects.all().delete()
        found = {}
        for role in ROLES:
            sign_in(client, people, role)
            with transaction.atomic():
                self.do(client, label, action, rows[label][0])

                lines = LogEntry.objects.values_list("user", "object_id", "change_message")
                found[role] = [
                    (user == people[role].id, bool(key), message.endswith(": for a test"))
                    for user, key, message in lines
                ]
                if lines:
                    shown = client.get(path_of("admin.LogEntry")).content.decode()
                    assert ": for a test" in shown
                transaction.set_rollback(True)

        allowed = LINES[label].actions[action]
        whole = [(True, True, True)]
        assert found == {role: whole if role in allowed else [] for role in ROLES}

    def test_leave_staff_to_superusers(self, client: Client, people: dict[str, User]) -> None:
        player = UserFactory.create(username="trusted", is_staff=True)
        sign_in(client, people, "operator")

        self.do(client, "accounts.User", "ban", player)
        player.refresh_from_db()
        assert not player.is_banned

        sign_in(client, people, "superuser")
        self.do(client, "accounts.User", "ban", player)
        player.refresh_from_db()
        assert player.is_banned

    @pytest.mark.parametrize("role", ROLES)
    def test_of_import_leave_one_too(
        self, client: Client, people: dict[str, User], role: str
    ) -> None:
        sign_in(client, people, role)
        row = json.dumps({"kind": "level", **documents.level()}).encode()
        path = OTHERS["archives_import"][0]

        client.post(ADMIN + path, {"file": SimpleUploadedFile("a.jsonl", row)})
        assert not LogEntry.objects.exists()
        form = {"file": SimpleUploadedFile("a.jsonl", row), "reason": "a new level"}
        client.post(ADMIN + path, form)

        lines = LogEntry.objects.values_list("user", "object_repr", "change_message")
        who = [people[role].id] if role in OPERATORS else []
        told = ("content of a.jsonl", "Imported: a new level (1 created)")
        assert list(lines) == [(each, *told) for each in who]

    def test_are_found_in_the_log_by_who_did_them(
        self, client: Client, people: dict[str, User]
    ) -> None:
        for role in ("moderator", "operator"):
            about = {"object_repr": f"row of {role}", "action_flag": 2}
            LogEntry.objects.create(user=people[role], **about)
        sign_in(client, people, "moderator")

        query = {"by": people["operator"].id.hex}
        shown = client.get(path_of("admin.LogEntry"), query).content.decode()

        assert "row of operator" in shown
        assert "row of moderator" not in shown


class TestRows:
    def test_stay_as_they_are_whatever_is_posted(
        self, client: Client, people: dict[str, User]
    ) -> None:
        rows = fill(1)
        changed = []
        for role in ROLES:
            sign_in(client, people, role)
            for label in LINES.keys() - {"accounts.User", "auth.Group"}:
                row = rows[label][0]
                same = type(row)._default_manager.filter(pk=row.pk)
                before = same.values().get()
                form = dict.fromkeys((each.name for each in row._meta.fields), "7")
                statuses = [
                    client.post(path_of(label, row), form).status_code,
                    client.post(path_of(label, row, "delete"), {"post": "yes"}).status_code,
                ]
                if same.values().first() != before or max(statuses) >= 500:
                    changed.append((role, label))

        assert changed == []

    @pytest.mark.parametrize("role", ["staff", "moderator", "operator"])
    def test_of_users_give_nobody_rights(
        self, client: Client, people: dict[str, User], role: str
    ) -> None:
        player = UserFactory.create(username="alice")
        kept = {"username", "avatar_url", "is_active"}
        before = {name: value for name, value in player.__dict__.items() if name not in kept}
        form: dict[str, Any] = dict.fromkeys((each.name for each in User._meta.fields), "on")
        form |= {"groups": [group.pk for group in Group.objects.all()], "created_at": "2020-01-01"}
        sign_in(client, people, role)

        client.post(path_of("accounts.User", player), form)

        player = User.objects.get(pk=player.pk)
        after = {name: getattr(player, name) for name in before if name != "_state"}
        assert after == {name: before[name] for name in after}
        assert not player.groups.exists()
        assert not player.user_permissions.exists()

    def test_are_added_by_those_who_may(self, client: Client, people: dict[str, User]) -> None:
        found = {}
        for label in LINES:
            tried = set()
            for role in ROLES[1:]:
                sign_in(client, people, role)
                if client.post(f"{path_of(label)}add/", {}).status_code == 200:
                    tried.add(role)
            found[label] = tried

        assert found == {label: set(line.adds) for label, line in LINES.items()}


class TestCrowd:
    MOST_QUERIES = 12
    MOST_OPTIONS = 40

    def test_is_neither_counted_nor_loaded_nor_asked_for_one_by_one(
        self, client: Client, people: dict[str, User]
    ) -> None:
        rows = fill(300)
        sign_in(client, people, "superuser")
        counted, slow, loaded = [], [], []
        for label in LINES.keys() - {"auth.Group"}:  # of which there are as many as one makes
            for path in (path_of(label), path_of(label, rows[label][0])):
                with CaptureQueriesContext(connection) as queries:
                    page = client.get(path).content.decode()

                counts = [each["sql"] for each in queries if "COUNT(" in each["sql"]]
                counted += [(path, sql) for sql in counts if not re.search(r"LIMIT \d+\)", sql)]
                slow += [(path, len(queries))] if len(queries) > self.MOST_QUERIES else []
                menus = re.findall(r"<select.*?</select>", page, re.DOTALL)
                most = max((menu.count("<option") for menu in menus), default=0)
                loaded += [(path, most)] if most > self.MOST_OPTIONS else []

        assert (counted, slow, loaded) == ([], [], [])
