"""Content, archives and credentials in the admin."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from archives.errors import IngestCredentialRequiredError
from archives.models import Archive, CachedContent, IngestCredential, Level, Page, PageVariant
from archives.services import contents, credentials, saving
from dust import admin as shared
from dust.livequery.testing import assert_live
from tests.archives import documents
from tests.archives.documents import (
    PROJECT,
    item,
    read_content,
    read_items,
    read_level,
    read_page,
    read_variant,
)
from tests.factories import GameSessionFactory, UserFactory, identity_of

pytestmark = pytest.mark.django_db
ADMIN = "/admin/archives/"
NOW = datetime(2026, 3, 14, tzinfo=UTC)


@pytest.fixture(autouse=True)
def operator(client: Client, db: None) -> User:
    operator = UserFactory.create(username="operator", staff=True)
    client.force_login(operator)
    return operator


def create(kind: str, number: int = 0) -> Any:
    """Put a row of the kind there."""
    name = f"name-{number}"
    match kind:
        case "page":
            return contents.upsert_page(read_page(pageId=name), now=NOW).row
        case "level":
            return contents.upsert_level(read_level(levelId=name), now=NOW).row
        case "pagevariant":
            return contents.upsert_variant(read_variant(variantId=name, pageId=name), now=NOW).row
        case "cachedcontent":
            return contents.save_content(read_content(key=name), now=NOW).row
        case "archive":
            user = UserFactory.create(username=name)
            session = GameSessionFactory.create(user=user)
            return saving.save_archive(
                session.id, read_items(item()), caller=identity_of(user), now=NOW
            ).archive
        case _:
            return credentials.create(name, [PROJECT], now=NOW).credential


MODELS: dict[str, type[Any]] = {
    "page": Page,
    "level": Level,
    "pagevariant": PageVariant,
    "cachedcontent": CachedContent,
    "archive": Archive,
    "ingestcredential": IngestCredential,
}
BULKY = [kind for kind in MODELS if kind != "ingestcredential"]
each = pytest.mark.parametrize("kind", MODELS)
each_bulky = pytest.mark.parametrize("kind", BULKY)


def act(client: Client, kind: str, action: str, row: Any, reason: str = "a bot") -> str:
    """Choose a row in the list, an action and a reason; return the page that follows."""
    form: dict[str, Any] = {"action": action, "reason": reason, "_selected_action": [str(row.pk)]}
    return client.post(f"{ADMIN}{kind}/", form, follow=True).content.decode()


class TestLists:
    @each
    def test_are_found_by_name(self, client: Client, kind: str) -> None:
        create(kind, 1)
        create(kind, 2)

        found = client.get(f"{ADMIN}{kind}/", {"q": "name-1"}).content.decode()

        assert "name-1" in found.partition("<tbody>")[2]
        assert "name-2" not in found.partition("<tbody>")[2]

    @pytest.mark.parametrize(
        ("kind", "query"),
        [
            ("level", {"difficulty": "7"}),
            ("pagevariant", {"is_valid__exact": "0"}),
            ("pagevariant", {"difficulty": "7"}),
            ("cachedcontent", {"is_demo__exact": "1"}),
            ("cachedcontent", {"content_type__exact": "wiki"}),
        ],
    )
    def test_are_filtered_without_looking_at_the_rows(
        self, client: Client, kind: str, query: dict[str, str]
    ) -> None:
        create(kind)
        with CaptureQueriesContext(connection) as queries:
            shown = client.get(f"{ADMIN}{kind}/", query).content.decode()

        assert "name-0" not in shown
        assert not [query for query in queries if "DISTINCT" in query["sql"]]

    @each_bulky
    def test_cost_the_same_for_many_and_load_no_body(
        self, client: Client, monkeypatch: pytest.MonkeyPatch, kind: str
    ) -> None:
        monkeypatch.setattr(shared, "MOST_COUNTED", 10)
        for number in range(2):
            create(kind, number)
        with CaptureQueriesContext(connection) as few:
            client.get(f"{ADMIN}{kind}/")
        for number in range(2, 14):
            create(kind, number)

        with CaptureQueriesContext(connection) as many:
            client.get(f"{ADMIN}{kind}/")

        assert len(many) == len(few)
        told = " ".join(query["sql"] for query in many)
        assert [body for body in MODELS[kind].BODIES if f'"{body}"' in told] == []
        counts = [query["sql"] for query in many if "COUNT(" in query["sql"]]
        assert all("LIMIT 10" in sql for sql in counts)


class TestPages:
    @each
    def test_show_a_row_and_offer_no_change(self, client: Client, kind: str) -> None:
        row = create(kind)

        shown = client.get(f"{ADMIN}{kind}/{row.pk}/change/").content.decode()

        assert "_save" not in shown
        assert "deletelink" not in shown
        assert "<textarea" not in shown.partition('id="content-main"')[2]

    @each
    def test_ignore_what_is_sent_to_them(self, client: Client, kind: str) -> None:
        row = create(kind)
        before = MODELS[kind].objects.values().get()

        client.post(f"{ADMIN}{kind}/{row.pk}/change/", {"project_id": "swamp", "size": 5})

        assert MODELS[kind].objects.values().get() == before

    @each_bulky
    def test_refuse_to_add_and_to_delete_without_a_reason(self, client: Client, kind: str) -> None:
        row = create(kind)

        assert client.post(f"{ADMIN}{kind}/add/", {}).status_code == 403
        assert client.post(f"{ADMIN}{kind}/{row.pk}/delete/", {"post": "yes"}).status_code == 403

        assert MODELS[kind].objects.exists()

    def test_show_the_beginning_of_a_body(self, client: Client) -> None:
        page = read_page(html="begins" + "x" * 100_000 + "ends", pageId="long")
        row = contents.upsert_page(page, now=NOW).row

        shown = client.get(f"{ADMIN}page/{row.pk}/change/").content.decode()

        assert "begins" in shown
        assert "xends" not in shown
        assert len(shown) < 50_000


class TestDeleting:
    @each_bulky
    def test_takes_a_reason_and_leaves_it_in_the_log(
        self, client: Client, operator: User, kind: str
    ) -> None:
        row = create(kind)

        assert "deleted: 1." in act(client, kind, "delete_selected", row)

        assert not MODELS[kind].objects.exists()
        entry = LogEntry.objects.get(user=operator)
        assert (entry.object_id, entry.get_change_message()) == (str(row.pk), "Deleted: a bot")

    @each
    def test_does_nothing_without(self, client: Client, kind: str) -> None:
        row = create(kind)
        action = "revoke" if kind == "ingestcredential" else "delete_selected"

        act(client, kind, action, row, reason=" ")

        assert MODELS[kind].objects.exists()
        assert not LogEntry.objects.exists()

    @pytest.mark.django_db(transaction=True)
    def test_is_live(self, client: Client, operator: User) -> None:
        row = create("pagevariant")

        with assert_live("pageVariants:countValidByProject", {"projectId": PROJECT}):
            act(client, "pagevariant", "delete_selected", row)

    @each
    def test_is_for_those_who_may(self, client: Client, operator: User, kind: str) -> None:
        row = create(kind)
        User.objects.filter(id=operator.id).update(is_superuser=False)
        action = "revoke" if kind == "ingestcredential" else "delete_selected"
        form = {"action": action, "reason": "a bot", "_selected_action": [str(row.pk)]}

        assert client.post(f"{ADMIN}{kind}/", form).status_code == 403


class TestCredentials:
    ADD = f"{ADMIN}ingestcredential/add/"

    def test_tell_their_token_once(self, client: Client, operator: User) -> None:
        answer = client.post(self.ADD, {"name": "crawler", "projects": f"{PROJECT}\n swamp \n\n"})

        row = IngestCredential.objects.get()
        shown = answer.content.decode()
        [token] = [word for word in shown.replace("<", ">").split(">") if word.startswith("dig_")]
        assert credentials.check_token(token, "swamp").subject == row.handle
        assert row.projects == [PROJECT, "swamp"]
        assert "no-store" in answer.headers["Cache-Control"]
        secret = token.split("_", 2)[2]
        for path in ("", f"{row.pk}/change/", f"{row.pk}/history/"):
            assert secret not in client.get(f"{ADMIN}ingestcredential/{path}").content.decode()
        session = str(dict(client.session))
        assert secret not in session
        [entry] = LogEntry.objects.filter(user=operator)
        assert (entry.object_id, secret in str(entry.__dict__)) == (str(row.pk), False)

    @pytest.mark.parametrize(
        ("form", "said"),
        [
            ({"name": "crawler", "projects": " "}, "1 to 50 projects"),
            ({"name": "crawler", "projects": "p" * 129}, "1 to 128 letters"),
            ({"name": " ", "projects": PROJECT}, "required"),
        ],
    )
    def test_are_not_made_without_a_name_and_projects(
        self, client: Client, form: dict[str, str], said: str
    ) -> None:
        shown = client.post(self.ADD, form).content.decode()

        assert said in shown
        assert not IngestCredential.objects.exists()

    def test_are_revoked_for_a_reason(self, client: Client, operator: User) -> None:
        issued = credentials.create("crawler", [PROJECT], now=NOW)

        shown = act(client, "ingestcredential", "revoke", issued.credential)

        assert "revoked: 1." in shown
        assert LogEntry.objects.get(user=operator).get_change_message() == "Revoked: a bot"
        with pytest.raises(IngestCredentialRequiredError):
            credentials.check_token(issued.token)

    def test_are_never_deleted(self, client: Client) -> None:
        row = credentials.create("crawler", [PROJECT], now=NOW).credential

        answer = client.post(f"{ADMIN}ingestcredential/{row.pk}/delete/", {"post": "yes"})
        act(client, "ingestcredential", "delete_selected", row)

        assert answer.status_code == 403
        assert IngestCredential.objects.exists()


def upload(client: Client, *rows: Any, name: str = "rows.jsonl") -> Any:
    lines = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
    file = SimpleUploadedFile(name, lines.encode())
    return client.post(f"{ADMIN}level/import/", {"file": file, "reason": "newer"})


class TestFiles:
    def test_are_imported_with_a_report(self, client: Client, operator: User) -> None:
        good = {"kind": "level", **documents.level()}

        shown = upload(client, good, "nonsense", good | {"difficulty": 99}).content.decode()

        assert Level.objects.count() == 1
        assert "1 created, 2 refused" in shown
        assert "row 2: no object: refused." in shown
        assert "row 3: level" in shown
        entry = LogEntry.objects.get(user=operator)
        assert entry.get_change_message() == "Imported: newer (1 created, 2 refused)"
        assert entry.object_repr == "content of rows.jsonl"

    def test_are_imported_as_json_too(self, client: Client) -> None:
        upload(client, {"levels": [documents.level()]}, name="rows.json")

        assert Level.objects.count() == 1

    def test_are_refused_if_they_are_none(self, client: Client) -> None:
        shown = upload(client, "nonsense", name="rows.json").content.decode()

        assert "no JSON object" in shown
        assert not LogEntry.objects.exists()
        assert "This field is required" in client.post(f"{ADMIN}level/import/", {}).content.decode()

    def test_are_given_out_as_they_are_taken(self, client: Client) -> None:
        for kind in ("page", "level", "pagevariant", "cachedcontent"):
            create(kind)

        answer = client.get(f"{ADMIN}level/export/")

        rows = answer.getvalue().decode().splitlines()
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert [json.loads(row)["kind"] for row in rows] == ["page", "level", "variant", "content"]
        shown = upload(client, *rows).content.decode()
        assert "4 unchanged" in shown

    def test_are_linked_from_every_list_of_content(self, client: Client) -> None:
        for kind in ("page", "level", "pagevariant", "cachedcontent"):
            shown = client.get(f"{ADMIN}{kind}/").content.decode()
            assert f"{ADMIN}level/import/" in shown
            assert f"{ADMIN}level/export/" in shown

    def test_are_for_those_who_may(self, client: Client, operator: User) -> None:
        User.objects.filter(id=operator.id).update(is_superuser=False)
        assert client.get(f"{ADMIN}level/import/").status_code == 403
        assert client.get(f"{ADMIN}level/export/").status_code == 403
        operator.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
        assert client.get(f"{ADMIN}level/export/").status_code == 200
        assert upload(client, documents.level()).status_code == 403
        client.logout()
        assert client.get(f"{ADMIN}level/import/").status_code == 302
