"""Pages as they were captured, and their variants."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import QuerySet

from archives.errors import PageNotFoundError
from archives.models import Bulky, Level, Page, PageVariant
from archives.queries.callers import is_allowed
from archives.rules import content as rules
from dust import ids
from dust.errors import ForbiddenError
from dust.livequery.context import Caller

B = TypeVar("B", bound=Bulky)


@dataclass(frozen=True, slots=True)
class VariantPage:
    """Variants without their bodies. ``next_cursor`` leads to what follows; None at the end."""

    variants: list[PageVariant]
    next_cursor: str | None


def find_page(caller: Caller | None, page_id: str) -> Page | None:
    """Return the page of that name that was written last, whichever project's; staff only.

    None for everybody else.
    """
    if not is_allowed(caller, "archives.view_page"):
        return None
    return Page.objects.filter(page_id=page_id).order_by("-updated_at", "-id").first()


def access_page(caller: Caller, project_id: str, page_id: str) -> Page:
    """Return a whole page of a project; staff only.

    :raises ForbiddenError: if the caller may not see it.
    :raises PageNotFoundError: if there is none of that name.
    """
    if not is_allowed(caller, "archives.view_page"):
        raise ForbiddenError
    return _get_page(Page.objects.filter(project_id=project_id, page_id=page_id))


def get_page(project_id: str, page_id: str) -> Page:
    """Return a page of a project without its body.

    :raises PageNotFoundError: if there is none of that name.
    """
    pages = Page.objects.filter(project_id=project_id, page_id=page_id)
    return _get_page(pages.defer(*Page.BODIES))


def list_variants(
    project_id: str, level_id: str, *, limit: int = rules.DEFAULT_LISTED, cursor: str | None = None
) -> VariantPage:
    """Return a level's variants without their bodies, in the order in which they are played.

    :raises InvalidIdError: if the cursor is none.
    """
    variants = PageVariant.objects.filter(project_id=project_id, level_id=level_id)
    variants = variants.defer(*PageVariant.BODIES).order_by("id")
    if cursor is not None:
        variants = variants.filter(id__gt=ids.decode(cursor, PageVariant.TABLE_NUMBER))
    found = list(variants[: limit + 1])
    shown = found[:limit]
    return VariantPage(shown, shown[-1].public_id if len(found) > limit else None)


def list_whole_of_level(caller: Caller | None, level_id: str) -> list[PageVariant]:
    """Return a level's variants with the answers in them, in the order in which they are played.

    That is what clients need which referee themselves. Nobody in particular is shown none. Of two
    projects that use the same name, the level is that of the first: another must not add to it.
    """
    if caller is None:
        return []
    project_id = _owner_of(level_id)
    if project_id is None:
        return []
    return whole(PageVariant.objects.filter(project_id=project_id, level_id=level_id))


def list_whole_of_page(caller: Caller | None, page_id: str) -> list[PageVariant]:
    """Return the variants of the pages of that name, with the answers, the first ones first."""
    return [] if caller is None else whole(PageVariant.objects.filter(page_id=page_id))


def whole(rows: "QuerySet[B]", *, newest_first: bool = False) -> list[B]:
    """Return rows with their bodies: as many as an answer may have, and may have bytes."""
    order = "-id" if newest_first else "id"
    sizes = rows.order_by(order).values_list("id", "size")[: rules.MAX_LISTED]
    return list(rows.filter(id__in=_fitting(sizes)).order_by(order))


def _fitting(sizes: Iterable[tuple[UUID, int]]) -> list[UUID]:
    fitting, total = [], 0
    for key, size in sizes:
        total += size
        if total > rules.MAX_LISTED_BYTES:
            break
        fitting.append(key)
    return fitting


def _owner_of(level_id: str) -> str | None:
    """Return the project whose level that is: the first to describe it, else to have variants."""
    kinds: list[Any] = [Level, PageVariant]
    for kind in kinds:
        projects = kind.objects.filter(level_id=level_id).order_by("id")
        owner: str | None = projects.values_list("project_id", flat=True).first()
        if owner is not None:
            return owner
    return None


def _get_page(pages: "QuerySet[Page]") -> Page:
    page = pages.first()
    if page is None:
        raise PageNotFoundError
    return page
