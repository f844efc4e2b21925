"""How pages and runs come to their ends.

Whoever calls what is in here has opened a transaction and holds the lock of the run's session; only
``tick`` and ``close_cut_off`` are begun with: by the scheduler, and by what cuts a session off.
"""

import logging
from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts import rules as accounts
from accounts.models import User
from archives.errors import NoRoomError
from archives.models import Run
from archives.queries import places
from archives.queries.places import Place
from archives.rules import content as rules
from archives.rules import runs
from archives.rules.runs import Fate, Status
from archives.rules.scoring import Outcome
from archives.services.saving import keep_items
from dust.livequery import scheduler
from gamesessions.rules import Status as SessionStatus
from gamesessions.services import sessions
from leaderboard.rules import Play, Source
from leaderboard.services.moderation import Refereed, withdraw_results
from leaderboard.services.scores import submit_score

TICK = "runs:tick"
"""The function that looks whether a page's time, or the player's, is over."""

_PAGE = ("fate", "ended_at", "is_clutch", "points", "archived", "thawed_at")
_RUN = ("status", "best_combo", "archived", "correct")

logger = logging.getLogger(__name__)


def archive(place: Place, outcome: Outcome, *, now: datetime) -> None:
    """Note that the page was archived; after the last one the run is finished."""
    place.end_page(Fate.ARCHIVED, outcome, at=now)
    _save_end_of_page(place, now=now)


def time_out(place: Place, *, now: datetime) -> bool:
    """Note that the page was not archived in time, if it is so; return whether it is.

    After the last one the run is finished.
    """
    if not place.time_out(now=now):
        return False
    _save_end_of_page(place, now=now)
    return True


def abandon(place: Place, *, now: datetime) -> None:
    """End the run because its player has left it. It counts for no board."""
    _close(place, Status.ABANDONED, now=now)


def schedule_tick(place: Place, *, at: datetime) -> None:
    """Have somebody look at the run again then, if it is still at this page."""
    args = {"run": place.run.session_id.hex, "page": place.run.page_number}
    scheduler.schedule(TICK, args, at=at)


def tick(run_id: UUID, *, number: int, now: datetime) -> bool:
    """End the run's page if its time is over, or the run if nobody has come back to it for long.

    Returns whether anything was ended. It may come too early, too late, and as often as it likes.
    """
    with transaction.atomic():
        session = sessions.lock_session(run_id, with_state=False)
        place = None if session is None else places.find_place_of(session)
        if place is None or place.run.is_over or place.run.page_number != number:
            return False
        if _is_deleted(place):  # erased before long
            return False
        if time_out(place, now=now):
            return True
        page = place.page
        if page is None or page.ended_at is None or now < page.ended_at + runs.MOST_IDLE:
            return False
        _close(place, Status.EXPIRED, now=now)
    return True


def close_cut_off(session_ids: Collection[UUID], now: datetime) -> None:
    """End the runs of sessions that count for nothing any more.

    What those that had finished brought to a board counts there no more.
    """
    voided = []
    for run in Run.objects.filter(session_id__in=list(session_ids)).order_by("session_id"):
        place = places.find_place(run.session_id)
        assert place is not None
        if not run.is_over:
            _end_run(place, Status.ABANDONED, now=now)
        elif place.session.voided_at and run.board_status and run.ended_at:
            board = places.board_of(run)
            assert board is not None
            voided.append(Refereed(board, place.session.user_id, run.ended_at))
    withdraw_results(voided)


def _save_end_of_page(place: Place, *, now: datetime) -> None:
    assert place.page is not None
    assert place.page.ended_at is not None
    place.page.save(update_fields=_PAGE)
    place.run.status = Status.PLAYING
    place.run.save(update_fields=_RUN)
    if place.has_more:
        session = place.session
        place.session = sessions.save_refereed(session.id, progress=session.progress, now=now)
        schedule_tick(place, at=place.page.ended_at + runs.MOST_IDLE)
    else:
        _close(place, Status.FINISHED, now=now)


def _close(place: Place, status: Status, *, now: datetime) -> None:
    """End the run and its session; what a finished one has earned stands on its board."""
    session = place.session
    ends_as = SessionStatus.COMPLETED if status is Status.FINISHED else SessionStatus.ABANDONED
    place.session = sessions.finish_refereed(
        session.id, progress=session.progress, status=ends_as, now=now
    )
    if status is Status.FINISHED:
        place.run.board_status = _enter_board(place, now=now)
    _end_run(place, status, now=now)


def _enter_board(place: Place, *, now: datetime) -> str:
    """Submit the result, if it ranks; return what it did to the player's entry."""
    run, session = place.run, place.session
    board = places.board_of(run)
    if board is None or run.level is None:
        return ""
    play = Play(
        score=session.score,
        accuracy=session.accuracy,
        level=run.level,
        pages_completed=session.pages_completed,
    )
    submission = submit_score(
        board, play=play, user_id=session.user_id, source=Source.REFEREED, now=now
    )
    return submission.status


def _end_run(place: Place, status: Status, *, now: datetime) -> None:
    """End the run, whose session has ended, and keep what was archived in it."""
    run = place.run
    assert runs.can_become(Status(run.status), status)
    run.status, run.ended_at = status, now
    run.save(update_fields=["status", "ended_at", "board_status"])
    is_kept = bool(run.archived) or status is Status.FINISHED
    if is_kept:
        try:
            keep_items(run.session_id, _items_of(run), user_id=place.session.user_id, now=now)
        except NoRoomError:  # what the run has earned stands all the same
            is_kept = False
    logger.info(
        "run ended",
        extra={
            "action": "archives.run",
            "run": run.public_id,
            "status": status,
            "score": place.session.score,
            "is_kept": is_kept,
        },
    )


def _items_of(run: Run) -> rules.Items:
    items = []
    for page in places.list_archived(run.session_id):
        content = places.content_of(page)
        sections = {section.id: section for section in content.sections}
        items += [
            rules.Item(
                section_text=sections[key].text[: rules.ITEM_TEXT_MAX],
                was_correct=sections[key].is_true,
                level=content.difficulty,
                content_type=content.content_type,
            )
            for key, _ in page.archived
        ]
    return rules.Items(items=items)


def _is_deleted(place: Place) -> bool:
    deleted = User.objects.filter(id=place.session.user_id, issuer=accounts.DELETED_ISSUER)
    return deleted.exists()
