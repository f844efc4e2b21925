"""Real HTML: whatever comes with what the project is built on."""

from collections.abc import Iterator
from pathlib import Path

import django
import pytest
import rest_framework

from archives.rules.adapter import adapt
from archives.rules.checking import check, read
from archives.rules.content import Variant
from archives.rules.pieces import Piece, pieces_of
from archives.rules.playable import energy_of, is_winnable, make_playable, redact, selectable
from archives.rules.scoring import Standing, chosen_sections, score_archive
from archives.rules.texts import sentence_ends

LEAST_DOCUMENTS = 30
MARKED = 3


def documents() -> Iterator[tuple[str, str]]:
    for package in (django, rest_framework):
        for folder in package.__path__:
            for path in sorted(Path(folder).rglob("*.html")):
                yield f"{package.__name__}/{path.relative_to(folder)}", path.read_text()


DOCUMENTS = dict(documents())


def sentence(piece: Piece) -> str:
    """Return the first sentence of a piece, or all of it."""
    return piece.text[: next(iter(sentence_ends(piece.text)), None)]


def variant_of(html: str) -> Variant:
    """Return the document as a variant, some of its own sentences marked as false."""
    texts = [sentence(piece) for piece in pieces_of(html) if not piece.is_image]
    snippets = texts[:: max(1, len(texts) // MARKED)] or ["nothing"]
    mark = {"kind": "FAKE", "explanation": "It is not so."}
    return read(
        Variant,
        {
            "variantId": "document",
            "pageId": "page",
            "levelId": "level",
            "projectId": "project",
            "difficulty": 5,
            "alteredContent": html,
            "fakeMarks": [mark | {"snippet": snippet} for snippet in snippets[:MARKED]],
        },
    )


class TestDocuments:
    def test_are_many_and_of_several_kinds(self) -> None:
        made = [adapt(variant_of(html)) for html in DOCUMENTS.values()]

        assert len(DOCUMENTS) >= LEAST_DOCUMENTS
        assert len({len(page.sections) for page in made}) > 5

    @pytest.mark.parametrize("name", DOCUMENTS)
    def test_become_pages_that_can_be_won(self, name: str) -> None:
        variant = variant_of(DOCUMENTS[name])
        check(variant)

        page = make_playable(adapt(variant))

        true = [section.id for section in selectable(page) if section.is_true]
        outcome = score_archive(Standing(), chosen_sections(page, true), progress=0.5)
        assert is_winnable(page)
        assert len(redact(page).sections) == len(page.sections)
        assert outcome.standing.correct == outcome.standing.archived == energy_of(page)
