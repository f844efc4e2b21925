"""Which pages a run has, as they are when it begins."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, islice
from random import Random

import msgspec
from django.conf import settings

from archives.errors import NothingToPlayError
from archives.models import CachedContent, Level, PageVariant
from archives.queries import contents
from archives.queries.playables import find_originals, page_of
from archives.rules import content as rules
from archives.rules import runs
from archives.rules.content import PageContent
from archives.rules.difficulty import PAGES_PER_SHORT_RUN
from archives.rules.playable import make_playable, with_place_ids
from archives.rules.runs import Mode

_READ_AT_ONCE = 5


def pick_pages(mode: Mode, level: int | None, *, luck: Random) -> list[PageContent]:
    """Return the pages of a run, each of which can be won; their sections' ids tell nothing.

    A level has all of its variants that can be played, in their order; of the levels of its number
    it is the first that has any. Quick play has some pages about as hard as the level, none twice.

    :raises NothingToPlayError: if there are none.
    """
    number = level or rules.MIN_DIFFICULTY
    sources: dict[Mode, Callable[[], Iterator[PageContent]]] = {
        Mode.LEVEL: partial(_of_level, number),
        Mode.QUICK: partial(_at_random, number, luck),
        Mode.DEMO: _of_demo,
    }
    played = (with_place_ids(make_playable(page)) for page in sources[mode]())
    if not (pages := runs.fitting(played)):
        raise NothingToPlayError
    return pages


def _of_level(number: int) -> Iterator[PageContent]:
    levels = Level.objects.filter(project_id=settings.DUST_PROJECT, difficulty=number)
    for level_id in levels.order_by("level_id").values_list("level_id", flat=True):
        of_level = PageVariant.objects.filter(
            project_id=settings.DUST_PROJECT, level_id=level_id, is_valid=True
        )
        originals = find_originals(settings.DUST_PROJECT, of_level.values("page_id"))
        variants = of_level.order_by("id")[: runs.MAX_PAGES].iterator(chunk_size=_READ_AT_ONCE)
        if (first := next(variants, None)) is not None:
            for variant in chain([first], variants):
                yield page_of(variant, originals.get(variant.page_id))
            return


def _at_random(level: int, luck: Random) -> Iterator[PageContent]:
    seen: list[str] = []
    for _ in range(PAGES_PER_SHORT_RUN):
        found = contents.find_random(difficulty=level, seen=seen, luck=luck, with_bodies=True)
        if found is None:
            return
        seen.append(found.public_id)
        yield _page_of(found)


def _of_demo() -> Iterator[PageContent]:
    yield from map(_page_of, islice(contents.list_demo(with_bodies=True), PAGES_PER_SHORT_RUN))


def _page_of(content: CachedContent) -> PageContent:
    return msgspec.convert(content.content, PageContent)
