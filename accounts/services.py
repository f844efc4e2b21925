"""Writes: players come to be, and change what others see of them."""

from datetime import datetime
from uuid import UUID

from accounts import rules
from accounts.errors import AccountDisabledError
from accounts.models import User
from accounts.queries import find_user, find_user_key, get_user
from dust.livequery.context import Caller


def ensure_user(caller: Caller, *, now: datetime) -> User:
    """Return the caller's row, made from the claims of their token if this is their first write.

    Two first writes of one caller may race. The loser's insert does nothing and it reads the
    winner's row; under SERIALIZABLE its transaction fails instead, and sees the row when retried.

    :raises AccountDisabledError: if staff have disabled the account.
    """
    user = find_user(caller)
    if user is None:
        User.objects.bulk_create([_new_user(caller, now=now)], ignore_conflicts=True)
        user = get_user(caller)
    if not user.is_active:
        raise AccountDisabledError
    return user


def ensure_user_key(caller: Caller, *, now: datetime) -> UUID:
    """Do what ``ensure_user`` does, for writes that need nothing of the user but who it is.

    :raises AccountDisabledError: if staff have disabled the account.
    """
    found = find_user_key(caller)
    if found is None:
        return ensure_user(caller, now=now).id
    key, is_active = found
    if not is_active:
        raise AccountDisabledError
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


def _new_user(caller: Caller, *, now: datetime) -> User:
    user = User(
        issuer=caller.issuer,
        subject=caller.subject,
        username=rules.username_from(caller.claims),
        avatar_url=rules.avatar_url_from(caller.claims),
        created_at=now,
    )
    user.set_unusable_password()
    return user
