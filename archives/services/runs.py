"""Refereed runs: what players do in them.

Every write here waits for the one before it at the row of the run's session; where a run begins, at
the player's, as every session does. So READ COMMITTED is all they need. Whoever comes late finds
the page that they meant over, and is told so: nothing counts twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from uuid import UUID

import msgspec
from django.db import transaction

from accounts.services.players import ensure_user_key
from archives.errors import (
    PageNotBegunError,
    PageNotOverError,
    PageTimedOutError,
    RunNotFoundError,
    RunOverError,
    SectionNotOnPageError,
    WrongPageError,
)
from archives.models import Run, RunPage
from archives.queries import places
from archives.queries.places import Place
from archives.rules import checking, play, runs, scoring
from archives.rules.content import PageContent
from archives.rules.play import Lifeline, PageState
from archives.rules.runs import OVER, Fate, Mode
from archives.services import run_ends
from archives.services.picking import pick_pages
from dust.limits import Limit
from dust.livequery.context import Caller
from gamesessions.models import GameSession
from gamesessions.rules import Progress
from gamesessions.services import sessions

STARTS = Limit("runs.start", runs.STARTS_PER_MINUTE, 60)
MOVES = Limit("runs.move", runs.MOVES_PER_MINUTE, 60)


def start_run(
    caller: Caller, *, mode: Mode, level: int | None = None, luck: Random, now: datetime
) -> Place:
    """Begin a run, and its first page, and abandon the game that the player was in.

    Quick play may be told about how hard it is to be; only a level's run has to be.

    :raises InvalidRunError: if the level is missing, or there can be none.
    :raises NothingToPlayError: if there is nothing to play.
    :raises AccountBannedError: if the caller is banned; the other refusals likewise.
    """
    begins_at = runs.check_start(mode, level)
    with transaction.atomic():
        session = sessions.create_session(caller, now=now, refereed=True)
        pages = pick_pages(mode, level, luck=luck)
        session = sessions.save_refereed(session.id, progress=Progress(level=begins_at), now=now)
        run = Run(session=session, mode=mode, level=level, page_count=len(pages))
        if mode is Mode.QUICK:
            run.level = level or begins_at
        run.save(force_insert=True)
        rows = [_row(run, number, page, now=now) for number, page in enumerate(pages, 1)]
        place = Place(run, session, rows[0])
        _begin_page(place, rows[0], now=now)
        RunPage.objects.bulk_create(rows)
        return place


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """Which lifeline to use on which page; verifying is for a section."""

    page: int
    lifeline: Lifeline
    section_id: str | None = None


def use_lifeline(caller: Caller, run_id: UUID, use: Use, *, luck: Random, now: datetime) -> Place:
    """Use a lifeline, which the player has once for each page.

    :raises LifelineUsedError: if it has been used on the page.
    :raises NothingToPurgeError: if there is nothing to purge. The lifeline is not used up.
    :raises SectionNotOnPageError: if the section to verify is not there, or cannot be chosen.
    :raises PageTimedOutError: and the others of ``archive_page`` that are not about what is chosen.
    """
    with transaction.atomic():
        place, page, state = _hold_page(caller, run_id, use.page, now=now)
        match use.lifeline:
            case Lifeline.VERIFY:
                if use.section_id is None:
                    raise SectionNotOnPageError(fields={"section_id": ["Say which."]})
                play.verify(state, use.section_id)
                page.verified = use.section_id
            case Lifeline.FREEZE:
                state = play.freeze(state, now=now)
                page.frozen_at = state.frozen_at
                run_ends.schedule_tick(place, at=runs.over_at(state))
            case Lifeline.PURGE:
                _, page.purged = play.purge(state, random=luck)
        page.save(update_fields=["verified", "frozen_at", "purged"])
        return place


def archive_page(
    caller: Caller, run_id: UUID, *, number: int, section_ids: Sequence[str], now: datetime
) -> Place:
    """Archive the page's sections, in the order in which they were chosen.

    After the last page the run is finished, and its result stands on the board of its level.

    :raises RunNotFoundError: if there is no such run, or if it is somebody else's.
    :raises RunOverError: if the run is over.
    :raises WrongPageError: if the run has no such page.
    :raises PageNotBegunError: if it comes too early.
    :raises PageTimedOutError: if it comes too late.
    :raises PageArchivedError: if the page has been archived.
    :raises SectionNotOnPageError: if a section is not there, cannot be chosen, or was purged.
    :raises SectionChosenTwiceError: if one is there twice.
    :raises EnergyOverspentError: if they cost more than the page's energy.
    :raises EnergyLeftError: if they cost less.
    :raises AccountBannedError: if the caller is banned; the other refusals likewise.
    """
    with transaction.atomic():
        place, page, state = _hold_page(caller, run_id, number, now=now)
        chosen = scoring.chosen_sections(state.page, section_ids, purged=state.purged)
        state = play.thaw(state, now=now)
        page.thawed_at = state.thawed_at
        progress = play.progress(state, now=now)
        outcome = scoring.score_archive(place.standing, chosen, progress=progress)
        run_ends.archive(place, outcome, now=now)
        return place


def begin_next_page(caller: Caller, run_id: UUID, *, number: int, now: datetime) -> Place:
    """Begin the page after the one that is over; if it has begun, leave it as it is.

    :raises RunNotFoundError: if there is no such run, or if it is somebody else's.
    :raises RunOverError: if the run is over.
    :raises WrongPageError: if another page is next.
    :raises PageNotOverError: if the page before is not over.
    :raises AccountBannedError: if the caller is banned; the other refusals likewise.
    """
    with transaction.atomic():
        place = _hold(caller, run_id, now=now)
        current = place.run.page_number
        if number == current:
            return place
        if number != current + 1 or not place.has_more:
            raise _wrong_page(current)
        run_ends.time_out(place, now=now)
        if place.page is None or not place.page.fate:
            raise PageNotOverError
        following = RunPage.objects.get(run_id=run_id, number=number)
        place.page, place.run.page_number = following, number
        place.run.save(update_fields=["page_number"])
        _begin_page(place, following, now=now)
        following.save(update_fields=["level", "started_at"])
        return place


def finish_run(caller: Caller, run_id: UUID, *, now: datetime) -> Place:
    """End the run; one that is over stays as it is.

    A run finishes by itself with its last page. Before that, to end it is to abandon it.

    :raises RunNotFoundError: if there is no such run, or if it is somebody else's.
    :raises AccountBannedError: if the caller is banned; the other refusals likewise.
    """
    with transaction.atomic():
        place = _hold(caller, run_id, now=now, may_be_over=True)
        if not place.run.is_over:
            run_ends.time_out(place, now=now)
        if not place.run.is_over:
            run_ends.abandon(place, now=now)
        return place


def _row(run: Run, number: int, page: PageContent, *, now: datetime) -> RunPage:
    content = checking.plain(page)
    size = len(msgspec.json.encode(content))
    return RunPage(run=run, number=number, content=content, size=size, created_at=now)


def _begin_page(place: Place, page: RunPage, *, now: datetime) -> None:
    page.level, page.started_at = place.session.level, now
    run_ends.schedule_tick(place, at=runs.over_at(places.state_of(page)))


def _hold(caller: Caller, run_id: UUID, *, now: datetime, may_be_over: bool = False) -> Place:
    """Return where the caller's run is, for this transaction alone to change."""
    user_id = ensure_user_key(caller, now=now)
    session: GameSession | None = sessions.lock_session(run_id, with_state=False)
    place = None if session is None else places.find_place_of(session)
    if place is None or place.session.user_id != user_id:
        raise RunNotFoundError
    if place.run.is_over and not may_be_over:
        raise RunOverError
    return place


def _hold_page(
    caller: Caller, run_id: UUID, number: int, *, now: datetime
) -> tuple[Place, RunPage, PageState]:
    """Return that and the page of this number, if it can be played now."""
    place = _hold(caller, run_id, now=now)
    current, page = place.run.page_number, place.page
    if number == current + 1 and place.has_more:
        raise PageNotBegunError
    fate = Fate(page.fate) if page is not None and page.fate else None
    if number != current:
        fate = places.find_fate(run_id, number)
        page = None
    if fate is not None:
        raise OVER[fate]
    if page is None:
        raise _wrong_page(current)
    state = places.state_of(page)
    if play.is_early(state, now=now):
        raise PageNotBegunError
    if play.is_over(state, now=now):
        raise PageTimedOutError
    return place, page, state


def _wrong_page(current: int) -> WrongPageError:
    return WrongPageError(fields={"page": [f"The run is at page {current}."]})
