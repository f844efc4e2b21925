"""Content and archives that come along from another deployment.

Rows have new keys, which begin with when they were made: much here stands in the order of keys.
What was written here later than a row stays, and so does the newest of several that are kept as
one, whichever comes first.
"""

from collections.abc import Callable
from typing import Any

from django.db.models import Q, QuerySet

from accounts.services.importing import ensure_player
from archives.errors import InvalidContentError
from archives.models import Archive, CachedContent, Level, Page, PageVariant
from archives.rules import checking
from archives.rules import content as rules
from archives.services import contents, saving, seeding
from archives.services.contents import Kept, Outcome
from dust import ids
from dust.moving import Moved, read_moment
from gamesessions.services.importing import find_imported


class ContentFields(rules.Document, frozen=True):
    """A playable page as JSON, and what is true of it."""

    content: str
    content_type: rules.Kind
    difficulty: rules.Difficulty
    is_demo: bool
    created_at: float


class ArchiveFields(rules.Items, frozen=True):
    """What a player archived in a game. ``user_id`` is the player's subject.

    The totals are counted anew.
    """

    user_id: str
    session_id: str
    total_items: float
    correct_items: float
    saved_at: float


def import_page(moved: Moved[rules.Page]) -> bool:
    """Keep a captured page; return whether that changed anything.

    What it raises is said at ``contents.upsert_page``; the other kinds of content are alike.
    """
    page = moved.fields
    rows = Page.objects.filter(project_id=page.project_id, page_id=page.page_id)
    return _keep(moved, page, rows, contents.upsert_page)


def import_level(moved: Moved[rules.Level]) -> bool:
    """Keep a level; return whether that changed anything."""
    level = moved.fields
    rows = Level.objects.filter(project_id=level.project_id, level_id=level.level_id)
    return _keep(moved, level, rows, contents.upsert_level)


def import_variant(moved: Moved[rules.Variant]) -> bool:
    """Keep a variant, if it is the newest of its page on its level; say if it is news."""
    variant = moved.fields
    place = Q(project_id=variant.project_id, level_id=variant.level_id, page_id=variant.page_id)
    rows = PageVariant.objects.filter(place | Q(variant_id=variant.variant_id))
    return _keep(moved, variant, rows, contents.upsert_variant)


def import_content(moved: Moved[ContentFields]) -> bool:
    """Keep a playable page under its own id, if it is the newest of that; say if it is news."""
    fields = moved.fields
    stated = (fields.content_type, fields.difficulty)
    content = seeding.read_content(fields.content, is_demo=fields.is_demo, stated=stated)
    rows = CachedContent.objects.filter(key=content.key)
    return _keep(moved, content, rows, contents.save_content)


def import_archive(moved: Moved[ArchiveFields]) -> bool:
    """Keep what a player archived in a game, if it is the last of that; say if it is news.

    :raises InvalidContentError: if an item breaks a rule, or the player has no such game here.
    :raises NoRoomError: if they have as many archives as they may.
    :raises InvalidIdError: if it does not say in which game.
    :raises AccountDeletedError: if the account was deleted here.
    """
    fields = moved.fields
    saved_at = read_moment("savedAt", fields.saved_at)
    _, old_session = ids.split(fields.session_id)
    player = ensure_player(moved.issuer, fields.user_id, now=moved.made_at)
    session_id = find_imported(player.id, old_session)
    if session_id is None:
        raise InvalidContentError(fields={"sessionId": ["The player has no such game here."]})
    if Archive.objects.filter(session_id=session_id, saved_at__gte=saved_at).exists():
        return False
    saving.keep_items(
        session_id,
        rules.Items(items=fields.items),
        user_id=player.id,
        now=saved_at,
        key=ids.dated(moved.key, moved.made_at),
    )
    return True


def _keep(
    moved: Moved[Any],
    document: rules.Document,
    rows: "QuerySet[Any]",
    upsert: Callable[..., Kept[Any]],
) -> bool:
    """Write the document, unless one of the rows in its place was written after it was made."""
    checking.check(document)
    if rows.filter(updated_at__gt=moved.made_at).exists():
        return False
    key = ids.dated(moved.key, moved.made_at)
    return upsert(document, now=moved.made_at, key=key).outcome is not Outcome.UNCHANGED
