"""Players are kept out, for a reason and a while, and let in again.

The row says whether someone is banned, and is what every door goes by; a ``Ban`` says why. Both
change together, and with them what other apps show of the player. Whoever bans waits for the
player's own writes under way (see ``players.ensure_user_key``), and later ones are refused: so
nothing slips in between.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction

from accounts import rules
from accounts.errors import NotBannedError, StaffAccountError
from accounts.models import Ban, User
from dust.livequery import scheduler

EXPIRE = "accounts:expireBan"
"""The function that lifts a ban at its end."""

_MOST_OVERDUE = 100

logger = logging.getLogger(__name__)

Handler = Callable[[UUID, bool], None]

_handlers: list[Handler] = []


def on_ban(handler: Handler) -> None:
    """Have the handler called with every player's key who is banned (true) or no longer (false).

    It is called in the transaction that bans, while nothing else is written for the player.
    """
    _handlers.append(handler)


def ban_user(user: User, *, reason: str, until: datetime | None, by: User, now: datetime) -> Ban:
    """Keep the player out from now on, until that time or for good.

    A ban that is in force already is replaced by the new one.

    :raises InvalidBanError: if the reason or the end is not acceptable; both are named.
    :raises StaffAccountError: if it is a member of staff.
    """
    reason = rules.check_ban(reason=reason, until=until, now=now)
    with transaction.atomic():
        user = hold_alone(user.id)
        if user.issuer == rules.STAFF_ISSUER:
            raise StaffAccountError
        if old := _find_in_force(user.id):
            _end(old, by=by, reason=f"Replaced: {reason}", now=now)
        ban = Ban(user=user, reason=reason, banned_at=now, banned_by=by, until=until)
        if until is not None:
            ban.job = scheduler.schedule(EXPIRE, {"ban": ban.id.hex}, at=until)
        ban.save(force_insert=True)
        _set_banned(user, banned=True)
        _log(user, f"Banned {_until_text(until)}: {reason}", by)
    return ban


def unban_user(user: User, *, reason: str, by: User, now: datetime) -> None:
    """Let a banned player in again.

    :raises InvalidBanError: if the reason is not acceptable.
    :raises NotBannedError: if the player is not banned.
    """
    reason = rules.check_ban(reason=reason, until=None, now=now)
    with transaction.atomic():
        user = hold_alone(user.id)
        ban = _find_in_force(user.id)
        if ban is None:
            raise NotBannedError
        _end(ban, by=by, reason=reason, now=now)
        _set_banned(user, banned=False)
        _log(user, f"No longer banned: {reason}", by)


def expire_ban(ban_id: UUID, *, now: datetime) -> bool:
    """Lift the ban if it is still in force and its end has come; return whether it was lifted."""
    user_id = Ban.objects.filter(id=ban_id).values_list("user_id", flat=True).first()
    if user_id is None:
        return False
    with transaction.atomic():
        user = hold_alone(user_id)
        ban = _find_in_force(user_id)
        if ban is None or ban.id != ban_id or ban.until is None or ban.until > now:
            return False
        ban.lifted_at = now
        ban.save(update_fields=["lifted_at"])
        _set_banned(user, banned=False)
    logger.info("ban expired", extra={"action": "accounts.unban", "user": str(user_id)})
    return True


def expire_overdue(*, now: datetime) -> int:
    """Lift bans whose end has come and whose job has failed; return how many were lifted."""
    overdue = Ban.objects.filter(lifted_at__isnull=True, until__lte=now).order_by("until")
    keys = list(overdue.values_list("id", flat=True)[:_MOST_OVERDUE])
    return sum(expire_ban(key, now=now) for key in keys)


def hold_alone(user_id: UUID) -> User:
    """Return the row once no write for the player is under way; none begins before the commit."""
    return User.objects.select_for_update().get(id=user_id)


def _find_in_force(user_id: UUID) -> Ban | None:
    return Ban.objects.filter(user_id=user_id, lifted_at__isnull=True).first()


def _end(ban: Ban, *, by: User, reason: str, now: datetime) -> None:
    ban.lifted_at, ban.lifted_by = now, by
    ban.lifted_reason = reason[: rules.BAN_REASON_MAX]
    ban.save(update_fields=["lifted_at", "lifted_by", "lifted_reason"])
    if ban.job is not None:
        scheduler.cancel(ban.job, now=now)


def _set_banned(user: User, *, banned: bool) -> None:
    user.is_banned = banned
    user.save(update_fields=["is_banned"])
    for handler in _handlers:
        handler(user.id, banned)


def _until_text(until: datetime | None) -> str:
    return "for good" if until is None else f"until {until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _log(user: User, message: str, by: User) -> None:
    LogEntry.objects.log_actions(by.id, [user], CHANGE, change_message=message)
    logger.info(
        "player moderated",
        extra={
            "action": "accounts.moderate",
            "user": str(user.id),
            "moderator": str(by.id),
            "what": message,
        },
    )
