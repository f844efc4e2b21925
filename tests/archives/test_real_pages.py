"""Real pages of several kinds, in many languages, all the way from the tool to the player."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from archives.models import PageVariant
from archives.rules.pieces import pieces_of
from archives.services import credentials
from tests.archives import documents
from tests.archives.documents import Json
from tests.archives.real_pages import LANGUAGES, PAGES
from tests.archives.test_adapter_documents import snippets_of
from tests.archives.test_ingest import put
from tests.rest import bearer, restore_boards, unspend_limits

MOST_OF_A_KIND = 8
PROJECT = settings.DUST_PROJECT
LEVEL = 3
LEVEL_ID = f"{PROJECT}_level_{LEVEL:02}"


def sample() -> Iterator[str]:
    """Yield some of each kind, from all over it, and one page in each language."""
    for kind in sorted({page.kind for page in PAGES.values()}):
        names = [name for name, page in PAGES.items() if page.kind == kind]
        most = len(LANGUAGES) if kind == "translated page" else MOST_OF_A_KIND
        yield from names[:: max(1, len(names) // most)][:most]


SAMPLE = list(sample())


def ingested(html: str) -> dict[str, Json]:
    """Return the documents of a page as the tool would send them, under one name each time."""
    elements = [
        {"elementId": piece.id, "tag": piece.tag, "text": piece.text, "src": piece.src}
        for piece in pieces_of(html)
    ]
    marks = [documents.mark(elementId=None, snippet=snippet) for snippet in snippets_of(html)]
    variant = documents.variant(
        alteredContent=html,
        fakeMarks=marks,
        pageId="page",
        levelId=LEVEL_ID,
        projectId=PROJECT,
        difficulty=LEVEL,
    )
    page = documents.page(html=html, elements=elements, assets=[], pageId="page", projectId=PROJECT)
    return {"pages": page, "variants": variant}


def play(client: Client, player: str) -> Any:
    """Play the level's page, choosing whatever comes first; return the answer that ends it."""

    def post(path: str, **body: Any) -> Any:
        return client.post(
            f"/api/v1/runs/{path}", body, content_type="application/json", headers=bearer(player)
        )

    begun = post("", mode="level", level=LEVEL)
    assert begun.status_code == 201, begun.content
    page = begun.json()["page"]
    choosable = [each for each in page["content"]["sections"] if each["archive_cost"]]
    chosen = [each["id"] for each in choosable if "image_src" not in each][: page["energy"]]
    return post(f"{begun.json()['id']}/archive/", page=1, section_ids=chosen)


class TestSample:
    def test_is_of_several_kinds_and_many_languages(self) -> None:
        kinds = Counter(PAGES[name].kind for name in SAMPLE)
        texts = {PAGES[name].read() for name in SAMPLE}

        assert len(SAMPLE) >= 45
        assert set(kinds) == {"manual", "reference", "template", "translated page"}
        assert {PAGES[name].language for name in SAMPLE} == {"en", *LANGUAGES}
        assert len(texts) == len(SAMPLE)


@pytest.mark.django_db(transaction=True)
class TestRealPages:
    def test_are_kept_and_can_be_played(
        self,
        client: Client,
        monkeypatch: pytest.MonkeyPatch,
        record_property: Callable[[str, object], None],
    ) -> None:
        unspend_limits(monkeypatch)
        restore_boards()
        token = credentials.create("the crawler", [PROJECT], now=datetime.now(UTC)).token
        level = documents.level(levelId=LEVEL_ID, projectId=PROJECT, difficulty=LEVEL)
        assert put("levels", level, token).status_code == 201

        for number, name in enumerate(SAMPLE):
            sent = ingested(PAGES[name].read())
            answers = {kind: put(kind, document, token) for kind, document in sent.items()}

            assert {answer.status_code for answer in answers.values()} <= {200, 201}, name
            variant = PageVariant.objects.get()
            assert variant.altered_content == sent["variants"]["alteredContent"]
            ended = play(client, f"reader {number}")
            assert ended.status_code == 200, (name, ended.content)
            reveal = ended.json()["page"]["reveal"]
            assert {each["is_true"] for each in reveal["sections"]} == {True, False}
            assert ended.json()["status"] == "finished"

        record_property(
            "real pages", f"{len(SAMPLE)} ingested and played, in {1 + len(LANGUAGES)} languages"
        )
