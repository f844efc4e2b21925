"""Content: pages, levels, variants and playable pages, written whole or not at all.

Writing the same again changes nothing. A new row has the ``key`` that it is given, if any. Every
change of content, however it came about, is told by ``_changed``, and followed by
``_bound_scores``.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from archives.errors import NoRoomError, VariantTakenError
from archives.models import CachedContent, Content, Level, Page, PageVariant
from archives.rules import checking
from archives.rules import content as rules
from archives.rules.adapter import adapt
from archives.rules.scoring import bound_sections
from archives.services.bounds import refresh_bounds

logger = logging.getLogger(__name__)

S = TypeVar("S", bound=Content)


class Outcome(StrEnum):
    """What a document did to what was there."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Kept(Generic[S]):
    """The row that holds a document, and what has become of it."""

    row: S
    outcome: Outcome


def upsert_page(page: rules.Page, *, now: datetime, key: UUID | None = None) -> Kept[Page]:
    """Keep a captured page, in place of the project's former one of that name.

    :raises InvalidContentError: if a field breaks a rule; it is named.
    :raises DocumentTooLargeError: if it is too large.
    :raises NoRoomError: if the project has as many pages as it may.
    """
    plain = checking.plain(page)
    values = {
        "size": checking.check(page),
        "url": page.url,
        "title": page.title,
        "captured_at": page.captured_at,
        "tags": plain["tags"],
        "element_count": len(page.elements),
        "html": page.html,
        "elements": plain["elements"],
        "assets": plain["assets"],
        "styles": plain["styles"],
    }
    with transaction.atomic():
        pages = Page.objects.filter(project_id=page.project_id)
        found = pages.select_for_update().filter(page_id=page.page_id).first()
        if found is None:
            _check_room(pages, rules.MAX_PAGES_IN_PROJECT, "pages")
        row = found or Page(project_id=page.project_id, page_id=page.page_id)
        return _keep(row, values, now=now, key=key)


def upsert_level(level: rules.Level, *, now: datetime, key: UUID | None = None) -> Kept[Level]:
    """Keep a level, in place of the project's former one of that name.

    :raises InvalidContentError: if a field breaks a rule; it is named.
    :raises DocumentTooLargeError: if it is too large.
    :raises NoRoomError: if the project has as many levels as it may.
    """
    values = {
        "size": checking.check(level),
        "difficulty": int(level.difficulty),
        "page_ids": list(level.page_ids),
        "page_count": len(level.page_ids),
        "fake_rate": level.mutation_params.fake_rate,
        "subtlety": level.mutation_params.subtlety,
        "max_fake_spans": int(level.mutation_params.max_fake_spans),
    }
    with transaction.atomic():
        levels = Level.objects.filter(project_id=level.project_id)
        found = levels.select_for_update().filter(level_id=level.level_id).first()
        if found is None:
            _check_room(levels, rules.MAX_LEVELS_IN_PROJECT, "levels")
        row = found or Level(project_id=level.project_id, level_id=level.level_id)
        return _keep(row, values, now=now, key=key)


def upsert_variant(
    variant: rules.Variant, *, now: datetime, key: UUID | None = None
) -> Kept[PageVariant]:
    """Keep a variant, in place of the former one of that name, or of the same page on its level.

    So ingesting a project again makes no level longer, although each run names its variants anew.
    What takes another's place also takes its turn in the level.

    :raises InvalidContentError: if a field breaks a rule; it is named.
    :raises DocumentTooLargeError: if it is too large.
    :raises VariantTakenError: if another project has a variant of that name.
    :raises NoRoomError: if the level has as many variants as it may.
    """
    values = {
        "size": checking.check(variant),
        "variant_id": variant.variant_id,
        "project_id": variant.project_id,
        "level_id": variant.level_id,
        "page_id": variant.page_id,
        "difficulty": int(variant.difficulty),
        "is_valid": checking.is_playable(variant.altered_content),
        "mark_count": len(variant.fake_marks),
        "worth": bound_sections(adapt(variant)),
        "altered_content": variant.altered_content,
        "fake_marks": checking.plain(variant)["fakeMarks"],
    }
    with transaction.atomic():
        return _keep(_row_for(variant), values, now=now, key=key)


def save_content(
    content: rules.Content, *, now: datetime, key: UUID | None = None
) -> Kept[CachedContent]:
    """Keep a playable page, in place of the former one of its key.

    :raises InvalidContentError: if a field breaks a rule; it is named.
    :raises DocumentTooLargeError: if it is too large.
    :raises NoRoomError: if there are as many as there may be.
    """
    page = content.content
    values = {
        "size": checking.check(content),
        "is_demo": content.is_demo,
        "title": page.title,
        "content_type": page.content_type,
        "difficulty": int(page.difficulty),
        "section_count": len(page.sections),
        "content": checking.plain(page),
    }
    with transaction.atomic():
        contents = CachedContent.objects.all()
        found = contents.select_for_update().filter(key=content.key).first()
        if found is None:
            _check_room(contents, rules.MAX_CONTENTS, "contents")
        return _keep(found or CachedContent(key=content.key), values, now=now, key=key)


def delete_rows(rows: "QuerySet[S]") -> int:
    """Delete content of one kind; return how much there was."""
    with transaction.atomic():
        found = list(rows.defer(*rows.model.BODIES))
        for row in found:
            _changed(row, "deleted")
            row.delete()
        _bound_scores(found)
    return len(found)


def _row_for(variant: rules.Variant) -> PageVariant:
    """Return the row that the variant belongs in, new if there is none; no other is left for it."""
    variants = PageVariant.objects.select_for_update()
    level = PageVariant.objects.filter(project_id=variant.project_id, level_id=variant.level_id)
    named = variants.filter(variant_id=variant.variant_id).first()
    if named is not None and named.project_id != variant.project_id:
        raise VariantTakenError
    place = variants.filter(
        project_id=variant.project_id, level_id=variant.level_id, page_id=variant.page_id
    ).first()
    if place is None and (named is None or named.level_id != variant.level_id):
        _check_room(level, rules.MAX_VARIANTS_IN_LEVEL, "variants on its level")
    if named is not None and place is not None and named.id != place.id:
        _changed(named, "deleted")
        named.delete()
    return place or named or PageVariant()


def _keep(row: S, values: Mapping[str, Any], *, now: datetime, key: UUID | None) -> Kept[S]:
    """Write what differs of the row, so that nobody is told of what stays the same."""
    if row._state.adding:  # noqa: SLF001 - documented by Django
        for name, value in values.items():
            setattr(row, name, value)
        row.id = key or row.id
        row.created_at = row.updated_at = now
        row.save(force_insert=True)
        outcome = Outcome.CREATED
    elif changed := {name for name in values if getattr(row, name) != values[name]}:
        for name in changed:
            setattr(row, name, values[name])
        row.updated_at = now
        row.save(update_fields=[*changed, "updated_at"])
        outcome = Outcome.UPDATED
    else:
        return Kept(row, Outcome.UNCHANGED)
    _changed(row, outcome)
    _bound_scores([row])
    return Kept(row, outcome)


def _changed(row: Content, what: str) -> None:
    """Tell of a change. Called in the transaction that makes it, while the row has its key."""
    logger.info(
        "content changed",
        extra={
            "action": "archives.content",
            "kind": type(row).__name__,
            "row": row.public_id,
            "project": getattr(row, "project_id", None),
            "what": what,
        },
    )


def _bound_scores(rows: Sequence[Content]) -> None:
    """Have the boards take no more than what there is to play now, after a change of these rows."""
    own = (row for row in rows if isinstance(row, Level | PageVariant))
    if any(row.project_id == settings.DUST_PROJECT for row in own):
        refresh_bounds()


def _check_room(rows: "QuerySet[S]", most: int, what: str) -> None:
    if rows[:most].count() >= most:
        raise NoRoomError(fields={"document": [f"There are {most} {what} already."]})
