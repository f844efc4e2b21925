"""Refereed runs, each shown to its player alone, and only as much of the truth as they may know."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from accounts.queries import find_player_key
from archives.errors import RunNotFoundError
from archives.models import Run, RunPage
from archives.queries.places import (
    Place,
    board_of,
    find_place,
    find_place_of,
    state_of,
)
from archives.rules import play, runs
from archives.rules.content import PageContent
from archives.rules.playable import SeenPage, energy_of, redact
from archives.rules.runs import Fate
from dust import ids
from dust.livequery.context import Caller
from gamesessions.models import GameSession
from gamesessions.rules import Status as SessionStatus

_READ_AT_ONCE = 20


class Truth(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the player knows of a section: whether it is true, and why not, if there is more to say.

    ``points`` is what it brought, and null if it was not archived.
    """

    section_id: str
    is_true: bool
    reason: str | None = None
    points: int | None = None


class Reveal(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What became of a page, and the whole truth of it; ``hints`` say what other pages do of it."""

    fate: Fate
    points: int
    is_clutch: bool
    sections: list[Truth]
    hints: list[str]


@dataclass(frozen=True, slots=True)
class ShownPage:
    """A page that has begun. It is revealed once it is over.

    If it is frozen the decay goes on at ``frozen_until``; all of ``energy`` must be spent on it.
    """

    number: int
    level: int
    energy: int
    content: SeenPage
    started_at: datetime
    deadline: datetime
    frozen_until: datetime | None
    ended_at: datetime | None
    verified: Truth | None
    purged: str | None
    reveal: Reveal | None


@dataclass(frozen=True, slots=True)
class ShownRun:
    """A run as its player sees it: all that is needed to go on with it.

    ``level`` was asked for; that of the page decides about the decay. ``next_page`` is there when
    it can be begun. ``board`` is where the result was entered, ``board_status`` what it did there.
    """

    id: str
    session_id: str
    mode: runs.Mode
    level: int | None
    status: runs.Status
    score: int
    combo: int
    best_combo: int
    archived: int
    correct: int
    accuracy: float
    pages_completed: int
    page_count: int
    started_at: datetime
    ended_at: datetime | None
    page: ShownPage | None
    next_page: int | None
    board: str | None
    board_status: str | None


def parse_id(public_id: str) -> UUID:
    """Return the key of the run that an id names, whether or not it is there.

    :raises InvalidIdError: if it is no id of a run.
    """
    return ids.decode(public_id, Run.TABLE_NUMBER)


def access_run(caller: Caller, run_id: UUID | None, *, now: datetime) -> ShownRun:
    """Return a run of the caller's as it is at that time, without an id the one they are in.

    :raises RunNotFoundError: if there is no such run, or if it is somebody else's.
    :raises AccountBannedError: if the caller is banned; the other refusals likewise.
    """
    found = find_active(caller, now=now) if run_id is None else find_run(caller, run_id, now=now)
    if found is None:
        raise RunNotFoundError
    return found


def find_run(
    caller: Caller | None, run_id: UUID, *, now: datetime | None = None
) -> ShownRun | None:
    """Return a run of the caller's, as it is at that time, else as it was left; None if none is.

    :raises AccountBannedError: if the caller is banned; the other refusals likewise.
    """
    user_id = find_player_key(caller)
    place = None if user_id is None else find_place(run_id)
    if place is None or place.session.user_id != user_id:
        return None
    return show(place, now=now)


def find_active(caller: Caller | None, *, now: datetime | None = None) -> ShownRun | None:
    """Return the run that the caller is in, likewise.

    :raises AccountBannedError: if the caller is banned; the other refusals likewise.
    """
    user_id = find_player_key(caller)
    if user_id is None:
        return None
    active = GameSession.objects.filter(user_id=user_id, status=SessionStatus.ACTIVE, refereed=True)
    session = active.defer("state").first()
    place = None if session is None else find_place_of(session)
    return None if place is None else show(place, now=now)


def show(place: Place, *, now: datetime | None = None) -> ShownRun:
    """Return what the player may see; at a time, if one is given, when its page may be over."""
    if now is not None and not place.run.is_over:
        place.time_out(now=now)
    run, session, page = place.run, place.session, place.page
    is_between = not run.is_over and page is not None and bool(page.fate)
    return ShownRun(
        id=run.public_id,
        session_id=session.public_id,
        mode=runs.Mode(run.mode),
        level=run.level,
        status=runs.Status(run.status),
        score=session.score,
        combo=session.combo,
        best_combo=run.best_combo,
        archived=run.archived,
        correct=run.correct,
        accuracy=session.accuracy,
        pages_completed=session.pages_completed,
        page_count=run.page_count,
        started_at=session.started_at,
        ended_at=run.ended_at,
        page=None if page is None else _shown_page(page),
        next_page=run.page_number + 1 if is_between and place.has_more else None,
        board=board_of(run) if run.board_status else None,
        board_status=run.board_status or None,
    )


def export_runs(user_id: UUID) -> Iterator[dict[str, Any]]:
    """Yield every run of a user's and what was done in it, the oldest first, for JSON."""
    own = Run.objects.filter(session__user_id=user_id).order_by("session_id")
    for run in own.iterator(chunk_size=_READ_AT_ONCE):
        pages = RunPage.objects.filter(run=run, started_at__isnull=False).order_by("number")
        yield {
            "id": run.public_id,
            "mode": run.mode,
            "level": run.level,
            "status": run.status,
            "page_count": run.page_count,
            "best_combo": run.best_combo,
            "archived": run.archived,
            "correct": run.correct,
            "board_status": run.board_status,
            "ended_at": run.ended_at,
            "pages": [_exported(page) for page in pages.defer(*RunPage.BODIES)],
        }


def _exported(page: RunPage) -> dict[str, Any]:
    columns = ("number", "level", "started_at", "ended_at", "fate", "points", "is_clutch")
    moves = ("verified", "purged", "frozen_at", "thawed_at", "archived")
    return {name: getattr(page, name) for name in (*columns, *moves)}


def _shown_page(page: RunPage) -> ShownPage:
    state = state_of(page)
    truth = {section.id: section.is_true for section in state.page.sections}
    key = page.verified
    return ShownPage(
        number=page.number,
        level=state.level,
        energy=energy_of(state.page),
        content=replace(redact(state.page), id=page.public_id),
        started_at=state.started_at,
        deadline=play.deadline(state),
        frozen_until=page.thawed_at or (page.frozen_at and page.frozen_at + play.FREEZE),
        ended_at=page.ended_at,
        verified=Truth(section_id=key, is_true=truth[key]) if key else None,
        purged=page.purged or None,
        reveal=_reveal(page, state.page) if page.fate else None,
    )


def _reveal(page: RunPage, content: PageContent) -> Reveal:
    points = dict(page.archived)
    return Reveal(
        fate=Fate(page.fate),
        points=page.points,
        is_clutch=page.is_clutch,
        sections=[
            Truth(
                section_id=section.id,
                is_true=section.is_true,
                reason=section.false_reason or None,
                points=points.get(section.id),
            )
            for section in content.sections
        ],
        hints=content.fact_check_data.cross_reference_hits,
    )
