"""What moderators do to sessions: each time with a reason, and in the admin's log."""

import logging
from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction

from gamesessions import rules
from gamesessions.errors import InvalidModerationError
from gamesessions.models import GameSession, Save
from gamesessions.rules import Status
from gamesessions.services.sessions import cut_off, lock_session, restore_locked

logger = logging.getLogger(__name__)


def void_session(session: GameSession, *, reason: str, now: datetime) -> None:
    """Have a session count for nothing; one that was still played is abandoned.

    :raises InvalidModerationError: if no reason is given, or too long a one.
    """
    _void([session.id], reason=rules.check_reason(reason), now=now)
    session.refresh_from_db()


def void_sessions(
    session_ids: Collection[UUID], *, reason: str, moderator_id: UUID, now: datetime
) -> int:
    """Do to several what ``void_session`` does, and log it; return how many were not void before.

    :raises InvalidModerationError: if no reason is given, or too long a one.
    """
    reason = rules.check_reason(reason)
    with transaction.atomic():
        voided = _void(session_ids, reason=reason, now=now)
        _log(voided, f"Voided: {reason}", moderator_id)
    return len(voided)


def restore_saves(
    save_ids: Collection[UUID], *, reason: str, moderator_id: UUID, now: datetime
) -> int:
    """Make former copies their sessions' present ones again, and log it; return how many.

    :raises InvalidModerationError: if no reason is given, or too long a one, or two are of the same
        session.
    :raises SessionRefereedError: if the server keeps a session.
    :raises SessionOverError: if one has ended.
    """
    reason = rules.check_reason(reason)
    with transaction.atomic():
        found = Save.objects.filter(id__in=save_ids).values_list("session_id", "version")
        if len(found) > len({session_id for session_id, _ in found}):
            raise InvalidModerationError("Choose one save of each session.")
        for session_id, version in found.order_by("session_id"):
            _restore(session_id, version, reason=reason, moderator_id=moderator_id, now=now)
    return len(found)


def _restore(
    session_id: UUID, version: int, *, reason: str, moderator_id: UUID, now: datetime
) -> None:
    session = lock_session(session_id)
    if session is not None:
        restore_locked(session, version, now=now)
        _log([session], f"Version {version} restored: {reason}", moderator_id)


def _void(session_ids: Collection[UUID], *, reason: str, now: datetime) -> list[GameSession]:
    with transaction.atomic():
        # In one order, or two moderators could wait for each other.
        valid = GameSession.objects.filter(id__in=session_ids, voided_at=None).order_by("id")
        voided = list(valid.select_for_update(no_key=True).defer("state"))
        same = GameSession.objects.filter(id__in=[session.id for session in voided])
        same.filter(status=Status.ACTIVE).update(status=Status.ABANDONED, ended_at=now)
        same.update(voided_at=now, voided_reason=reason, updated_at=now)
        cut_off([session.id for session in voided], now=now)
    return voided


def _log(sessions: Collection[GameSession], message: str, moderator_id: UUID) -> None:
    LogEntry.objects.log_actions(moderator_id, sessions, CHANGE, change_message=message)
    for session in sessions:
        logger.info(
            "session moderated",
            extra={
                "action": "gamesessions.moderate",
                "session": session.public_id,
                "moderator": str(moderator_id),
                "what": message,
            },
        )
