"""Players come to be, and change what others see of them."""

from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from accounts import rules
from accounts.errors import AccountDeletedError
from accounts.models import User
from accounts.queries import check_access, check_not_deleted
from dust.errors import ForbiddenError
from dust.livequery.capture import reading
from dust.livequery.context import Caller


def ensure_user(caller: Caller, *, now: datetime) -> User:
    """Return the caller's row, as ``ensure_user_key`` does its key.

    :raises AccountDeletedError: if the account was deleted.
    :raises AccountBannedError: if it is banned.
    :raises AccountDisabledError: if staff have disabled it.
    """
    return User.objects.get(id=ensure_user_key(caller, now=now))


def ensure_user_key(caller: Caller, *, now: datetime) -> UUID:
    """Return the key of the caller's row, made from their token if this is their first write.

    Every write for a caller begins with this. Once the key is returned, nobody bans the caller or
    deletes their account before the write has committed: whoever does waits, and then finds all
    that was written.

    :raises AccountDeletedError: if the account was deleted.
    :raises AccountBannedError: if it is banned.
    :raises AccountDisabledError: if staff have disabled it.
    """
    found = _find_and_hold(caller)
    if found is None:
        claim(_new_user(caller, now=now))
        found = _find_and_hold(caller)
    if found is None:  # the other write's row, deleted since
        raise AccountDeletedError
    key, is_active, is_banned = found
    check_access(is_active=is_active, is_banned=is_banned)
    return key


def update_profile(
    user: User, *, username: str | None = None, avatar_url: str | None = None
) -> User:
    """Change what others see of the user; None leaves it as it is.

    :raises InvalidError: if either is not acceptable; the field and its limit are named.
    """
    wanted = {}
    if username is not None:
        wanted["username"] = rules.clean_username(username)
    if avatar_url is not None:
        wanted["avatar_url"] = rules.clean_avatar_url(avatar_url)
    changed = {name: value for name, value in wanted.items() if getattr(user, name) != value}
    for name, value in changed.items():
        setattr(user, name, value)
    if changed:
        user.save(update_fields=changed)
    return user


def sync_profile(
    caller: Caller | None, *, subject: str, username: str, avatar_url: str, now: datetime
) -> User:
    """Take over how the caller's client says that they appear with their identity provider.

    What cannot be used is made to fit or passed over, since nobody reads the refusal.

    :raises ForbiddenError: if it is not about the caller, or nobody is signed in.
    :raises AccountBannedError: as ``ensure_user_key`` does, and the other refusals likewise.
    """
    if caller is None or caller.subject != subject:
        raise ForbiddenError("Not authorized")
    return update_profile(
        ensure_user(caller, now=now),
        username=rules.find_name((username,)),
        avatar_url=rules.find_avatar_url(avatar_url),
    )


_Found = tuple[UUID, bool, bool]
"""Key, whether active, whether banned."""


def _find_and_hold(caller: Caller) -> _Found | None:
    """Find the caller's row, and keep bans and deletion from it until the transaction ends.

    Plain SQL: writes begin with this, and building the ORM's query costs more than running it. The
    lock is the one that rows referring to the user take anyway, only earlier; it conflicts with
    what ``hold_alone`` takes, and with nothing else. SQLite has one writer at a time.
    """
    with (
        reading(
            User,
            columns=["id", "is_active", "is_banned"],
            issuer=caller.issuer,
            subject=caller.subject,
        ),
        connection.cursor() as cursor,
    ):
        lock = _HOLD if connection.vendor == "postgresql" else ""
        cursor.execute(_FIND_KEY + lock, [caller.issuer, caller.subject])
        row = cursor.fetchone()
    if row is None:
        return None
    key = row[0] if isinstance(row[0], UUID) else UUID(row[0])
    return key, bool(row[1]), bool(row[2])


_FIND_KEY = "SELECT id, is_active, is_banned FROM accounts_user WHERE issuer = %s AND subject = %s"
_HOLD = " FOR KEY SHARE"


def claim(user: User) -> None:
    """Insert the row, unless its pair of issuer and subject has one already.

    Two first writes of one caller may race. The loser's insert does nothing and it finds the
    winner's row; under SERIALIZABLE its transaction fails instead, and finds the row when retried.
    A deletion may race as well. It claims the pair like a first write, so one waits for the other:
    whichever comes second finds the row, or the tombstone, or fails and is retried.

    :raises AccountDeletedError: if the account was deleted; the row is not made then.
    """
    with transaction.atomic():
        User.objects.bulk_create([user], ignore_conflicts=True)
        check_not_deleted(user.issuer, user.subject)


def claim_and_hold(user: User) -> User:
    """Insert the row as ``claim`` does, and return the one that the pair has.

    Until the transaction ends, nobody bans the user, deletes the account or takes their turn.

    :raises AccountDeletedError: if the account was deleted.
    """
    claim(user)
    rows = User.objects.select_for_update(no_key=True)
    held = rows.filter(issuer=user.issuer, subject=user.subject).first()
    if held is None:  # the other write's row, deleted since
        raise AccountDeletedError
    return held


def _new_user(caller: Caller, *, now: datetime) -> User:
    """Return a row for the caller, not saved yet."""
    user = User(
        issuer=caller.issuer,
        subject=caller.subject,
        username=rules.username_from(caller.claims),
        avatar_url=rules.avatar_url_from(caller.claims),
        created_at=now,
    )
    user.set_unusable_password()
    return user
