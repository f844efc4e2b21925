"""Playable pages that an operator seeds by hand."""

from datetime import datetime

import msgspec

from archives.errors import InvalidContentError
from archives.models import CachedContent
from archives.queries.callers import is_allowed
from archives.rules import checking
from archives.rules import content as rules
from archives.services import contents
from archives.services.contents import Kept
from dust.errors import ForbiddenError, UnauthenticatedError
from dust.livequery.context import Caller


def seed_content(
    text: str, *, is_demo: bool, stated: tuple[str, float], by: Caller | None, now: datetime
) -> Kept[CachedContent]:
    """Keep the playable page that the JSON is, under its own id; ``stated`` must be true of it.

    That is its kind and its difficulty, which the caller states beside it.

    :raises UnauthenticatedError: if nobody is signed in.
    :raises ForbiddenError: if the caller may not add content.
    :raises InvalidContentError: if it is no playable page, or another than was stated.
    :raises DocumentTooLargeError: if it is too large.
    """
    if by is None:
        raise UnauthenticatedError
    if not is_allowed(by, "archives.add_cachedcontent"):
        raise ForbiddenError("Not authorized")
    return contents.save_content(read_content(text, is_demo=is_demo, stated=stated), now=now)


def read_content(text: str, *, is_demo: bool, stated: tuple[str, float]) -> rules.Content:
    """Return the playable page that the JSON is, under its own id; ``stated`` must be true of it.

    :raises InvalidContentError: if it is no playable page, or another than was stated.
    """
    try:
        data = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as exc:
        raise InvalidContentError(fields={"content": ["Must be JSON."]}) from exc
    page = checking.read(rules.PageContent, data)
    if (page.content_type, page.difficulty) != stated:
        wanted = "Must be of the kind and the difficulty that stand beside it."
        raise InvalidContentError(fields={"content": [wanted]})
    return rules.Content(key=page.id, is_demo=is_demo, content=page)
