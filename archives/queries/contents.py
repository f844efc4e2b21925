"""Playable pages that are shipped or seeded: the demo, and one at random."""

import hashlib
import random
from collections.abc import Collection
from uuid import UUID

from archives.errors import ContentNotFoundError
from archives.models import CachedContent
from archives.queries.pages import whole
from archives.rules import content as rules
from dust import ids


def list_demo(*, with_bodies: bool = False) -> list[CachedContent]:
    """Return the pages of the demo, in the order in which they came."""
    demo = CachedContent.objects.filter(is_demo=True)
    if with_bodies:
        return whole(demo)
    return list(demo.defer("content").order_by("id")[: rules.MAX_LISTED])


def find_random(
    *,
    difficulty: float,
    content_type: str | None = None,
    seen: Collection[str] = (),
    luck: random.Random,
    with_bodies: bool = False,
) -> CachedContent | None:
    """Return a page about as hard as asked for, else any; None if there is none left to see.

    The demo is not among them. The same luck picks the same page, also after others have come, of
    which each is as likely to take its place as to be picked at all.

    :raises InvalidIdError: if one that was ``seen`` is no id of a content.
    """
    known = {ids.decode(each, CachedContent.TABLE_NUMBER) for each in seen}
    contents = CachedContent.objects.filter(is_demo=False)
    if content_type is not None:
        contents = contents.filter(content_type=content_type)
    rows = contents.order_by("id").values_list("id", "difficulty")[: rules.MAX_CONTENTS]
    unseen = [(key, level) for key, level in rows if key not in known]
    near = [key for key, level in unseen if abs(level - difficulty) <= rules.NEAR]
    key = _pick(near or [key for key, _ in unseen], luck)
    if key is None:
        return None
    found = CachedContent.objects.filter(id=key)
    return (found if with_bodies else found.defer("content")).first()


def get_random(
    *, difficulty: float, content_type: str | None, seen: Collection[str], luck: random.Random
) -> CachedContent:
    """Return what ``find_random`` does, without its body.

    :raises ContentNotFoundError: if there is none left to see.
    :raises InvalidIdError: if one that was ``seen`` is no id of a content.
    """
    found = find_random(difficulty=difficulty, content_type=content_type, seen=seen, luck=luck)
    if found is None:
        raise ContentNotFoundError
    return found


def _pick(keys: Collection[UUID], luck: random.Random) -> UUID | None:
    seed = luck.randbytes(16)
    return min(keys, key=lambda key: hashlib.sha256(seed + key.bytes).digest(), default=None)
