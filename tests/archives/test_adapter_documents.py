"""Real HTML through the adapter: whatever comes with what the project is built on."""

import pytest

from archives.rules.adapter import adapt
from archives.rules.checking import check
from archives.rules.content import Variant
from archives.rules.pieces import Piece, pieces_of
from archives.rules.playable import energy_of, is_winnable, make_playable, redact, selectable
from archives.rules.scoring import Standing, chosen_sections, score_archive
from archives.rules.texts import sentence_ends
from tests.archives import documents
from tests.archives.real_pages import PAGES

LEAST_DOCUMENTS = 30
MARKED = 3


def sentence(piece: Piece) -> str:
    """Return the first sentence of a piece, or all of it."""
    return piece.text[: next(iter(sentence_ends(piece.text)), None)]


def snippets_of(html: str) -> list[str]:
    """Return some of a document's own sentences, from all over it, to mark as false."""
    texts = [sentence(piece) for piece in pieces_of(html) if not piece.is_image]
    return texts[:: max(1, len(texts) // MARKED)][:MARKED] or ["nothing"]


def variant_of(html: str) -> Variant:
    """Return the document as a variant."""
    marks = [documents.mark(elementId=None, snippet=snippet) for snippet in snippets_of(html)]
    return documents.read_variant(alteredContent=html, fakeMarks=marks, difficulty=5)


class TestDocuments:
    def test_are_many_and_of_several_kinds(self) -> None:
        made = [adapt(variant_of(page.read())) for page in PAGES.values()]

        assert len(PAGES) >= LEAST_DOCUMENTS
        assert len({page.kind for page in PAGES.values()}) > 3
        assert len({page.language for page in PAGES.values()}) > 20
        assert len({len(page.sections) for page in made}) > 5

    @pytest.mark.parametrize("name", PAGES)
    def test_become_pages_that_can_be_won(self, name: str) -> None:
        variant = variant_of(PAGES[name].read())
        check(variant)

        page = make_playable(adapt(variant))

        true = [section.id for section in selectable(page) if section.is_true]
        outcome = score_archive(Standing(), chosen_sections(page, true), progress=0.5)
        assert is_winnable(page)
        assert len(redact(page).sections) == len(page.sections)
        assert outcome.standing.correct == outcome.standing.archived == energy_of(page)
