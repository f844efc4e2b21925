"""Content that would do harm is kept as it is, and shown where nothing obeys it: DUST-IN-4."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import User
from archives.models import Archive, CachedContent, IngestCredential, Level, Page, PageVariant
from archives.services import contents, credentials, saving
from dust.identity import local_issuer
from tests.archives import documents
from tests.archives.documents import (
    PROJECT,
    item,
    mark,
    read_content,
    read_items,
    read_level,
    read_page,
    read_variant,
    section,
)
from tests.factories import GameSessionFactory, UserFactory, identity_of
from tests.rest import bearer, unspend_limits

pytestmark = pytest.mark.django_db(transaction=True)

ATTACK = "\"'><img src=x onerror=alert(2)><script>alert(1)</script>"
LINK = "javascript:alert(3)"
HARM = ["<script>alert", "<img src=x", 'href="javascript', "href='javascript", "onerror=alert(2)>"]

NOW = datetime(2026, 3, 14, tzinfo=UTC)


def harm_in(page: str) -> list[str]:
    return [harm for harm in HARM if harm in page]


@pytest.fixture
def rows(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """One row of each kind, with the attack in every text that may hold it."""
    unspend_limits(monkeypatch)
    element = dict.fromkeys(("elementId", "tag", "text", "srcset", "alt"), ATTACK)
    element |= {"src": LINK, "href": LINK}
    page = read_page(
        url=LINK,
        title=ATTACK,
        html=ATTACK,
        elements=[element],
        assets=[{"src": LINK, "alt": ATTACK, "srcset": ATTACK, "elementId": ATTACK}],
        styles=[ATTACK],
        tags=[ATTACK],
    )
    variant = read_variant(
        alteredContent=ATTACK,
        fakeMarks=[mark(elementId=ATTACK, snippet=ATTACK, explanation=ATTACK)],
    )
    level = read_level()
    content = read_content(
        id=ATTACK,
        key="demo",
        isDemo=True,
        title=ATTACK,
        author=ATTACK,
        date=ATTACK,
        url=LINK,
        sections=[
            section(1, id=ATTACK, text=ATTACK, falseReason=ATTACK),
            section(2, isTrue=False, text=ATTACK, imageAlt=ATTACK, dateIssue=ATTACK),
        ],
        factCheckData=documents.playable()["factCheckData"]
        | {"crossReferenceHits": [ATTACK], "authorHistory": ATTACK},
    )
    alice = UserFactory.create(issuer=local_issuer.ISSUER, username="alice")
    session = GameSessionFactory.create(user=alice)
    return {
        "page": contents.upsert_page(page, now=NOW).row,
        "level": contents.upsert_level(level, now=NOW).row,
        "pagevariant": contents.upsert_variant(variant, now=NOW).row,
        "cachedcontent": contents.save_content(content, now=NOW).row,
        "archive": saving.save_archive(
            session.id,
            read_items(item(sectionText=ATTACK)),
            caller=identity_of(alice),
            now=NOW,
        ).archive,
        "ingestcredential": credentials.create(ATTACK, [PROJECT], now=NOW).credential,
    }


MODELS = [Page, Level, PageVariant, CachedContent, Archive, IngestCredential]


class TestAdmin:
    @pytest.fixture(autouse=True)
    def _staff(self, client: Client, rows: dict[str, Any]) -> None:
        client.force_login(UserFactory.create(username="staff", staff=True))

    @pytest.mark.parametrize("model", MODELS)
    def test_shows_it_as_text(self, client: Client, rows: dict[str, Any], model: type[Any]) -> None:
        kind = model.__name__.lower()
        row = rows[kind]
        paths = [
            f"/admin/archives/{kind}/",
            f"/admin/archives/{kind}/?q={ATTACK}",
            f"/admin/archives/{kind}/{row.pk}/change/",
            f"/admin/archives/{kind}/{row.pk}/history/",
        ]
        for path in paths:
            answer = client.get(path, follow=True)
            shown = answer.content.decode()
            assert answer.status_code == 200
            assert harm_in(shown) == [], path
            policy = answer.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'self'")
            assert "unsafe" not in policy
        if kind != "level":  # which holds nothing but names and numbers
            assert "&lt;img src=x" in client.get(paths[2]).content.decode()

    @pytest.mark.parametrize("model", MODELS)
    def test_goes_on_so_when_something_is_done_to_it(
        self, client: Client, rows: dict[str, Any], model: type[Any]
    ) -> None:
        kind = model.__name__.lower()
        action = "revoke" if kind == "ingestcredential" else "delete_selected"
        form = {"action": action, "reason": ATTACK, "_selected_action": [str(rows[kind].pk)]}

        answer = client.post(f"/admin/archives/{kind}/", form, follow=True)
        log = client.get("/admin/admin/logentry/").content.decode()

        assert harm_in(answer.content.decode()) == []
        assert harm_in(log) == []
        assert "&lt;script&gt;" in log

    def test_reports_it_as_text_when_it_is_imported(
        self, client: Client, rows: dict[str, Any]
    ) -> None:
        line = json.dumps({"kind": "level", "levelId": ATTACK}).encode()
        file = SimpleUploadedFile(f"{ATTACK.replace('/', '')}.jsonl", line)

        answer = client.post("/admin/archives/level/import/", {"file": file, "reason": ATTACK})

        shown = answer.content.decode()
        assert harm_in(shown) == []
        assert "&lt;script&gt;" in shown


class TestRest:
    @pytest.mark.parametrize(
        "path",
        [
            "projects/{project}/levels/",
            "projects/{project}/levels/{level}/",
            "projects/{project}/levels/{level}/variants/",
            "projects/{project}/counts/",
            "projects/{project}/pages/{page}/",
            "projects/{project}/pages/{page}/document/",
            "content/demo/",
            "content/random/?difficulty=3",
            "archives/",
            "archives/{archive}/",
            "archives/export/",
        ],
    )
    def test_gives_it_out_as_data(self, client: Client, rows: dict[str, Any], path: str) -> None:
        User.objects.filter(username="alice").update(is_staff=True, is_superuser=True)
        names = {"project": PROJECT, "page": rows["page"].page_id}
        names |= {"level": rows["level"].level_id, "archive": rows["archive"].public_id}

        answer = client.get(f"/api/v1/{path.format(**names)}", headers=bearer("alice"))

        assert answer.status_code == 200 or "random" in path
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"

    def test_keeps_it_as_it_came(self, rows: dict[str, Any]) -> None:
        page = Page.objects.get()

        assert (page.html, page.url, page.title) == (ATTACK, LINK, ATTACK)
