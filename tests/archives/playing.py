"""Runs to play in tests: content for them, and what a player who knows the truth would do."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from django.conf import settings

from archives.models import Run, RunPage
from archives.queries import places
from archives.queries.places import Place
from archives.rules import checking
from archives.rules.content import Content
from archives.rules.play import Lifeline
from archives.rules.playable import selectable
from archives.rules.runs import Mode
from archives.services import contents, run_ends, runs
from archives.services.runs import Use
from dust.identity import Identity
from tests.archives import documents
from tests.archives.variants import page as html
from tests.factories import ISSUER

alice = Identity(ISSUER, "alice")
bob = Identity(ISSUER, "bob")

PROJECT = settings.DUST_PROJECT
LEVEL = 3
SECONDS = 107
"""How long a page of that level lasts."""
TRUE, FALSE = ["s1", "s3", "s4"], ["s2"]
"""The sections of each page of the level."""

MICROSECOND = timedelta.resolution
LUCK = Random(1)  # noqa: S311 - games, not secrets


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def seed_level(number: int = LEVEL, *, pages: int = 2, now: datetime, keys: str = "abcd") -> None:
    """Have a level with so many pages, each with a section for every key; that of b is false."""
    level_id = f"{PROJECT}_level_{number:02}"
    level = documents.read_level(levelId=level_id, projectId=PROJECT, difficulty=number)
    contents.upsert_level(level, now=now)
    for page in range(1, pages + 1):
        seed_variant(page, levelId=level_id, difficulty=number, keys=keys, now=now)


def seed_variant(page: int, *, now: datetime, keys: str = "abcd", **changed: Any) -> None:
    """Have a variant of that page on the level."""
    fields = {
        "variantId": f"{changed.get('difficulty', LEVEL)}-{page}",
        "pageId": f"page-{page}",
        "levelId": f"{PROJECT}_level_{LEVEL:02}",
        "projectId": PROJECT,
        "difficulty": LEVEL,
        "alteredContent": html(*keys),
        "fakeMarks": [documents.mark(elementId="b", snippet="found in no text")],
        **changed,
    }
    contents.upsert_variant(documents.read_variant(**fields), now=now)


def seed_contents(count: int, *, is_demo: bool, now: datetime, difficulty: int = 1) -> None:
    """Have some playable pages, two of whose three sections are true; they last 55 seconds."""
    sections = [
        documents.section(1),
        documents.section(2, isTrue=False, falseReason="There is no sea."),
        documents.section(3),
    ]
    for number in range(count):
        name = f"{'demo' if is_demo else 'cached'}-{difficulty}-{number}"
        page = documents.content(
            id=name, isDemo=is_demo, difficulty=difficulty, sections=sections, title=name
        )
        contents.save_content(checking.read(Content, page), now=now)


def start(
    caller: Identity = alice,
    *,
    mode: Mode = Mode.LEVEL,
    level: int | None = LEVEL,
    now: datetime,
    seed: int = 1,
) -> Place:
    luck = Random(seed)  # noqa: S311 - games, not secrets
    return runs.start_run(caller, mode=mode, level=level, luck=luck, now=now)


def archive(
    place: Place, sections: Sequence[str] = TRUE, *, caller: Identity = alice, now: datetime
) -> Place:
    """Archive the page that the run is at."""
    number = place.run.page_number
    return runs.archive_page(
        caller, place.run.session_id, number=number, section_ids=sections, now=now
    )


def go_on(place: Place, *, caller: Identity = alice, now: datetime) -> Place:
    """Begin the next page."""
    number = place.run.page_number + 1
    return runs.begin_next_page(caller, place.run.session_id, number=number, now=now)


def use(place: Place, lifeline: Lifeline, section_id: str | None = None, *, now: datetime) -> Place:
    """Use a lifeline on the page that alice's run is at."""
    asked = Use(page=place.run.page_number, lifeline=lifeline, section_id=section_id)
    return runs.use_lifeline(alice, place.run.session_id, asked, luck=LUCK, now=now)


def tick(place: Place, *, now: datetime) -> bool:
    """Let time pass for the page that the run is at; return whether that ended it."""
    return run_ends.tick(place.run.session_id, number=place.run.page_number, now=now)


def play_through(
    *, caller: Identity = alice, now: datetime, pages: Sequence[Sequence[str]], level: int = LEVEL
) -> Place:
    """Play a level, each page after ten seconds, archiving what is given."""
    place = start(caller, level=level, now=now)
    for number, sections in enumerate(pages):
        now += timedelta(seconds=10)
        if number:
            place = go_on(place, caller=caller, now=now)
        place = archive(place, sections, caller=caller, now=now)
    return place


def here(run_id: UUID) -> Place:
    """Return where the run is, by what is stored."""
    place = places.find_place(run_id)
    assert place is not None
    return place


def run_of(place: Place) -> Run:
    return here(place.run.session_id).run


def page_of(place: Place) -> RunPage:
    page = here(place.run.session_id).page
    assert page is not None
    return page


def truths(page: RunPage) -> list[str]:
    """Return the sections that are true and can be chosen."""
    return [each.id for each in selectable(places.content_of(page)) if each.is_true]
