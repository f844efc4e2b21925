"""Rows as the documents that they were written from, and whole projects as files hold them."""

from collections.abc import Collection, Iterator
from typing import Any

from archives.models import CachedContent, Level, Page, PageVariant

_READ_AT_ONCE = 20


def page_document(page: Page) -> dict[str, Any]:
    """Return the page as it was ingested."""
    return {
        "pageId": page.page_id,
        "url": page.url,
        "title": page.title,
        "capturedAt": page.captured_at,
        "html": page.html,
        "elements": page.elements,
        "assets": page.assets,
        "styles": page.styles,
        "projectId": page.project_id,
        "tags": page.tags,
    }


def level_document(level: Level) -> dict[str, Any]:
    """Return the level as it was ingested."""
    return {
        "levelId": level.level_id,
        "projectId": level.project_id,
        "difficulty": level.difficulty,
        "pageIds": level.page_ids,
        "mutationParams": {
            "fakeRate": level.fake_rate,
            "subtlety": level.subtlety,
            "maxFakeSpans": level.max_fake_spans,
        },
    }


def variant_document(variant: PageVariant) -> dict[str, Any]:
    """Return the variant as it was ingested, answers included."""
    return {
        "variantId": variant.variant_id,
        "pageId": variant.page_id,
        "levelId": variant.level_id,
        "difficulty": variant.difficulty,
        "alteredContent": variant.altered_content,
        "fakeMarks": variant.fake_marks,
        "projectId": variant.project_id,
    }


def content_document(content: CachedContent) -> dict[str, Any]:
    """Return the playable page as it is shipped, truth included."""
    return {"key": content.key, "isDemo": content.is_demo, "content": content.content}


def export_rows(project_ids: Collection[str] = ()) -> Iterator[dict[str, Any]]:
    """Yield all content, or that of some projects, as rows of a file that can be loaded again.

    A few rows at a time are read, each time by a statement of its own: whoever asks for the next
    may be another thread. Playable pages belong to no project, and come only with all the rest.
    """
    projects = {"project_id__in": list(project_ids)} if project_ids else {}
    kinds: list[tuple[str, Any, Any, dict[str, Any]]] = [
        ("page", Page, page_document, projects),
        ("level", Level, level_document, projects),
        ("variant", PageVariant, variant_document, projects),
    ]
    if not project_ids:
        kinds.append(("content", CachedContent, content_document, {}))
    for kind, model, document, filters in kinds:
        rows = model.objects.filter(**filters).order_by("id")
        found = list(rows[:_READ_AT_ONCE])
        while found:
            yield from ({"kind": kind, **document(row)} for row in found)
            found = list(rows.filter(id__gt=found[-1].id)[:_READ_AT_ONCE])
