"""Variants as the pages that are played of them."""

from collections.abc import Sequence
from typing import Any

import msgspec
from django.db.models import QuerySet

from archives.models import Page, PageVariant
from archives.queries import documents
from archives.queries.pages import list_whole_of_level
from archives.rules import content as rules
from archives.rules import runs
from archives.rules.adapter import adapt
from archives.rules.content import PageContent
from archives.rules.playable import SeenPage, make_playable, redact, with_place_ids
from dust.livequery.context import Caller


def find_originals(
    project_id: str, page_ids: "Sequence[str] | QuerySet[PageVariant, Any]"
) -> dict[str, Page]:
    """Return the pages of those names without their bodies, as far as they were ingested."""
    pages = Page.objects.filter(project_id=project_id, page_id__in=page_ids)
    found = pages.defer(*Page.BODIES).order_by("page_id")[: rules.MAX_VARIANTS_IN_LEVEL]
    return {page.page_id: page for page in found}


def page_of(variant: PageVariant, original: Page | None) -> PageContent:
    """Return the page that a variant makes, which may be one that cannot be won."""
    document = msgspec.convert(documents.variant_document(variant), rules.Variant)
    return adapt(document, original)


def list_redacted(caller: Caller | None, level_id: str) -> list[tuple[PageVariant, SeenPage]]:
    """Return what a run on the level shows of its pages before they are over, in their order.

    The level is as in ``list_whole_of_level``, and nobody in particular is shown none here either.
    """
    variants = [each for each in list_whole_of_level(caller, level_id) if each.is_valid]
    if not variants:
        return []
    page_ids = [variant.page_id for variant in variants]
    originals = find_originals(variants[0].project_id, page_ids)
    pages = (page_of(variant, originals.get(variant.page_id)) for variant in variants)
    shown = runs.fitting(with_place_ids(make_playable(page)) for page in pages)
    return [(variant, redact(page)) for variant, page in zip(variants, shown, strict=False)]
