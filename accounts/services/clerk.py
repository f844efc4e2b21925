"""What Clerk announces of its users reaches their rows, in whatever order it arrives.

Each row keeps the time, by Clerk's clock, of what was last taken over from there, and each
tombstone when the account was deleted and when it was announced anew. What is older changes
nothing.
"""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts import rules
from accounts.errors import (
    AccountDeletedError,
    InvalidWebhookError,
    WebhooksNotConfiguredError,
)
from accounts.models import Tombstone, User
from accounts.queries import find_home_issuer
from accounts.rules import Announced
from accounts.services.deletion import delete_account, lift_tombstone
from accounts.services.players import claim_and_hold

CREATED = "user.created"
UPDATED = "user.updated"
DELETED = "user.deleted"

logger = logging.getLogger(__name__)


def receive_user(event: Mapping[str, Any], now: datetime) -> None:
    """Take over a user that was created or updated; one that was created may be a deleted one."""
    sent_at = rules.read_moment(event.get("timestamp"))
    take_over(_data_of(event), sent_at=sent_at, is_new=event.get("type") == CREATED, now=now)


def receive_deletion(event: Mapping[str, Any], now: datetime) -> None:
    """Delete the account of a user that was deleted."""
    data = _data_of(event)
    delete_announced(
        rules.read_subject(data.get("id")),
        at=rules.read_moment(event.get("timestamp")) or now,
        now=now,
    )


def take_over(
    data: Mapping[str, Any], *, sent_at: datetime | None, is_new: bool, now: datetime
) -> User | None:
    """Make the row what Clerk says of the user, and return it; None if that is out of date.

    Only a user who ``is_new`` to Clerk, after the account was deleted, is let in again. ``sent_at``
    is how old it is if it does not say so itself.

    :raises InvalidWebhookError: if it does not say who.
    """
    announced, issuer = rules.read_announced(data), _issuer()
    at = announced.updated_at or sent_at or now
    with transaction.atomic():
        if is_new:
            lift_tombstone(issuer, announced.subject, at=at)
        user = _find_or_make(announced, issuer=issuer, now=now)
        if user is None or (user.announced_at is not None and at < user.announced_at):
            _note_passed_over(announced.subject)
            return None
        _apply(announced, user, at=at)
    return user


def delete_announced(subject: str, *, at: datetime, now: datetime) -> bool:
    """Delete the account; return whether that was news."""
    issuer = _issuer()
    pair = Tombstone.objects.filter(issuer=issuer, subject=subject)
    if pair.filter(lifted_at__gt=at).exists():  # announced anew after that
        _note_passed_over(subject)
        return False
    try:
        delete_account(issuer, subject, at=at, now=now)
    except AccountDeletedError:
        _note_passed_over(subject)
        return False
    return True


def _data_of(event: Mapping[str, Any]) -> Mapping[str, Any]:
    data = event.get("data")
    if not isinstance(data, dict):
        raise InvalidWebhookError
    return data


def _issuer() -> str:
    issuer = find_home_issuer()
    if issuer is None:
        logger.error(
            "CLERK_JWT_ISSUER_DOMAIN is not set: it is unknown whose users these are",
            extra={"action": "webhook.refuse"},
        )
        raise WebhooksNotConfiguredError
    return issuer


def _find_or_make(announced: Announced, *, issuer: str, now: datetime) -> User | None:
    """Return the user's row, locked; None if the account was deleted."""
    new = User(
        issuer=issuer,
        subject=announced.subject,
        username=announced.username or rules.FALLBACK_USERNAME,
        avatar_url=announced.avatar_url or "",
        created_at=now,
    )
    new.set_unusable_password()
    try:
        return claim_and_hold(new)
    except AccountDeletedError:
        return None


def _apply(announced: Announced, user: User, *, at: datetime) -> None:
    said = {
        "username": announced.username or user.username,
        "avatar_url": user.avatar_url if announced.avatar_url is None else announced.avatar_url,
        "email": announced.email,
        "announced_at": at,
    }
    changed = {name: value for name, value in said.items() if getattr(user, name) != value}
    for name, value in changed.items():
        setattr(user, name, value)
    user.save(update_fields=changed)


def _note_passed_over(subject: str) -> None:
    logger.info(
        "announcement passed over", extra={"action": "webhook.pass_over", "subject": subject}
    )
