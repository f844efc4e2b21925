"""Reads: who somebody is here."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection

from accounts import rules
from accounts.errors import UserNotFoundError
from accounts.models import User
from dust.errors import UnauthenticatedError
from dust.livequery.capture import reading
from dust.livequery.context import Caller


@dataclass(frozen=True, slots=True)
class Profile:
    """What someone is told of themselves. ``id`` and ``created_at`` are None before their row."""

    id: UUID | None
    issuer: str
    subject: str
    username: str
    avatar_url: str
    created_at: datetime | None


def find_user(caller: Caller | None) -> User | None:
    """Return the caller's row, None if nobody is signed in or there is no row yet."""
    if caller is None:
        return None
    return User.objects.filter(issuer=caller.issuer, subject=caller.subject).first()


def find_user_key(caller: Caller) -> tuple[UUID, bool] | None:
    """Return the caller's id and whether the account is active, None if there is no row yet.

    Plain SQL: writes begin with this, and building the ORM's query costs more than running it.
    """
    with (
        reading(User, columns=["id", "is_active"], issuer=caller.issuer, subject=caller.subject),
        connection.cursor() as cursor,
    ):
        cursor.execute(_FIND_KEY, [caller.issuer, caller.subject])
        row = cursor.fetchone()
    if row is None:
        return None
    return row[0] if isinstance(row[0], UUID) else UUID(row[0]), bool(row[1])


_FIND_KEY = "SELECT id, is_active FROM accounts_user WHERE issuer = %s AND subject = %s"


def get_user(caller: Caller | None) -> User:
    """Return the caller's row.

    :raises UnauthenticatedError: if nobody is signed in.
    :raises UserNotFoundError: if there is no row yet.
    """
    if caller is None:
        raise UnauthenticatedError
    user = find_user(caller)
    if user is None:
        raise UserNotFoundError
    return user


def get_profile(caller: Caller) -> Profile:
    """Return how the caller appears here, or would if they played: from the row or the token."""
    user = find_user(caller)
    if user is not None:
        return profile_of(user)
    return Profile(
        id=None,
        issuer=caller.issuer,
        subject=caller.subject,
        username=rules.username_from(caller.claims),
        avatar_url=rules.avatar_url_from(caller.claims),
        created_at=None,
    )


def profile_of(user: User) -> Profile:
    """Return what the user is told of themselves."""
    return Profile(
        id=user.id,
        issuer=user.issuer,
        subject=user.subject,
        username=user.username,
        avatar_url=user.avatar_url,
        created_at=user.created_at,
    )
