"""DUST-CT-1: what browsers make of a variant, so does the server."""

import json
from pathlib import Path
from typing import Any

import pytest

from archives.rules.adapter import adapt
from archives.rules.checking import plain, read
from archives.rules.factcheck import AUTHOR_HISTORIES, NO_MORE_HITS
from archives.rules.playable import energy_of, is_winnable, make_playable, selectable
from archives.rules.sections import FALLBACK_EXCERPT, FALLBACK_REST
from archives.rules.sources import Source

FOLDER = Path(__file__).parent / "vectors"
VECTORS = [
    vector
    for name in ("adapter.json", "edges.json")
    for vector in json.loads((FOLDER / name).read_text())["vectors"]
]
FALLBACKS = {FALLBACK_EXCERPT: "<FALLBACK_EXCERPT>", FALLBACK_REST: "<FALLBACK_REST>"}

by_name = pytest.mark.parametrize("vector", VECTORS, ids=[each["name"] for each in VECTORS])


def facts(page: dict[str, Any], *, marks: int) -> dict[str, Any]:
    """Return the page without the words that every implementation chooses for itself."""
    hints = page.pop("factCheckData")
    hits = hints.pop("crossReferenceHits")
    padding = hits.count(NO_MORE_HITS)
    del page["author"], page["date"]
    for section in page["sections"]:
        section["text"] = FALLBACKS.get(section["text"], section["text"])
    hints["authorTextIndex"] = AUTHOR_HISTORIES.index(hints.pop("authorHistory"))
    hints["hits"] = {
        "supporting": len(hits) - marks - padding,
        "contradicting": marks,
        "padding": padding,
    }
    return page | {"factCheckData": hints}


@by_name
class TestAdapt:
    def test_dust_ct_1_makes_the_page_that_browsers_make(self, vector: dict[str, Any]) -> None:
        source = read(Source, vector)

        page = plain(adapt(source.variant, source.original))

        assert facts(page, marks=len(source.variant.fake_marks)) == vector["expected"]

    def test_leaves_what_the_vector_says_can_be_spent(self, vector: dict[str, Any]) -> None:
        source = read(Source, vector)

        sections = adapt(source.variant, source.original).sections

        true = [section for section in sections if section.is_true]
        assert vector["derived"] == {
            "solo_energy": len(true),
            "max_spend": sum(section.archive_cost for section in sections),
            "true_spend": sum(section.archive_cost for section in true),
        }


@by_name
class TestMakePlayable:
    """DUST-SC-1, on top."""

    def test_d27_leaves_a_page_that_can_be_won(self, vector: dict[str, Any]) -> None:
        source = read(Source, vector)

        page = make_playable(adapt(source.variant, source.original))

        assert is_winnable(page)
        assert energy_of(page) == sum(
            each.archive_cost for each in selectable(page) if each.is_true
        )
        assert energy_of(page) >= 1

    def test_dust_ct_1_changes_nothing_that_can_be_won(self, vector: dict[str, Any]) -> None:
        source = read(Source, vector)
        page = adapt(source.variant, source.original)

        playable = make_playable(page)

        assert (playable == page) is is_winnable(page)
