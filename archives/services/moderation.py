"""What staff do to content, archives and credentials: for a reason, and in the admin's log."""

import logging
from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.db import transaction
from django.db.models import QuerySet

from archives.models import Archive, Content, IngestCredential
from archives.services import contents
from dust.credentials import issuing
from gamesessions.rules import check_reason

logger = logging.getLogger(__name__)


def delete_content(
    ids: Collection[UUID], *, kind: type[Content], reason: str, moderator_id: UUID
) -> int:
    """Delete content of one kind; return how much there was.

    :raises InvalidModerationError: if no reason is given, or too long a one.
    """
    reason = check_reason(reason)
    with transaction.atomic():
        rows = _rows(kind, ids)
        _log(rows, DELETION, f"Deleted: {reason}", moderator_id)
        return contents.delete_rows(rows)


def delete_archives(ids: Collection[UUID], *, reason: str, moderator_id: UUID) -> int:
    """Delete what players archived; return how many archives there were.

    :raises InvalidModerationError: if no reason is given, or too long a one.
    """
    reason = check_reason(reason)
    with transaction.atomic():
        rows = _rows(Archive, ids)
        _log(rows, DELETION, f"Deleted: {reason}", moderator_id)
        return Archive.objects.filter(id__in=ids).delete()[0]


def revoke_credentials(
    ids: Collection[UUID], *, reason: str, moderator_id: UUID, now: datetime
) -> int:
    """Shut out whoever has one of these credentials; return how many were good until now.

    :raises InvalidModerationError: if no reason is given, or too long a one.
    """
    reason = check_reason(reason)
    with transaction.atomic():
        revoked = issuing.revoke(IngestCredential, ids, now=now)
        rows = IngestCredential.objects.filter(id__in=[each.id for each in revoked])
        _log(rows, CHANGE, f"Revoked: {reason}", moderator_id)
    return len(revoked)


def _rows(kind: type[Any], ids: Collection[UUID]) -> "QuerySet[Any]":
    rows: QuerySet[Any] = kind.objects.filter(id__in=ids)
    return rows.defer(*kind.BODIES).order_by("id")


def _log(rows: "QuerySet[Any]", flag: int, message: str, moderator_id: UUID) -> None:
    found: list[Any] = list(rows)
    LogEntry.objects.log_actions(moderator_id, found, flag, change_message=message)
    for row in found:
        logger.info(
            "content moderated",
            extra={
                "action": "archives.moderate",
                "kind": type(row).__name__,
                "row": str(row.pk),
                "moderator": str(moderator_id),
                "what": message,
            },
        )
