"""Reads: who somebody is here, and whether they are let in."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from accounts import rules
from accounts.errors import (
    AccountBannedError,
    AccountDeletedError,
    AccountDisabledError,
    UserNotFoundError,
)
from accounts.models import Ban, Tombstone, User
from dust import ids
from dust.errors import UnauthenticatedError
from dust.identity import local_issuer
from dust.ids import InvalidIdError
from dust.livequery.context import Caller
from dust.livequery.shapes import in_table

UserId = Annotated[str, in_table("users")]
"""The id of a player."""


class Player(NamedTuple):
    """Someone as the others see them."""

    id: UUID
    subject: str
    username: str
    avatar_url: str


@dataclass(frozen=True, slots=True)
class Account:
    """A player as those functions show one that know players by their token's subject."""

    id: UUID
    subject: str
    username: str
    avatar_url: str
    created_at: datetime

    @property
    def public_id(self) -> str:
        """The id under which every door knows the player."""
        return ids.encode(User.TABLE_NUMBER, self.id)


@dataclass(frozen=True, slots=True)
class BanNotice:
    """What someone is told of the ban they are under; ``until`` is None if it has no end."""

    reason: str
    banned_at: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Profile:
    """What someone is told of themselves. ``id`` and ``created_at`` are None before their row."""

    id: UUID | None
    issuer: str
    subject: str
    username: str
    avatar_url: str
    created_at: datetime | None
    ban: BanNotice | None = None


# --- the caller, let in -------------------------------------------------------------------------


def find_player_key(caller: Caller | None) -> UUID | None:
    """Return the key of the caller's row, None for nobody and for whoever has no row yet.

    Whatever shows people their own things begins with this: inside a live query the refusals below
    are live too.

    :raises AccountDeletedError: if the account was deleted.
    :raises AccountBannedError: if it is banned.
    :raises AccountDisabledError: if staff have disabled it.
    """
    found = _find_admitted(caller, "id")
    return None if found is None else found[0]


def find_player(caller: Caller | None) -> Player | None:
    """Do what ``find_player_key`` does, and return what others see of the caller."""
    found = _find_admitted(caller, *Player._fields)
    return None if found is None else Player(*found)


def check_access(*, is_active: bool, is_banned: bool) -> None:
    """Refuse an account that is kept out.

    :raises AccountBannedError: if it is banned.
    :raises AccountDisabledError: if staff have disabled it.
    """
    if is_banned:
        raise AccountBannedError
    if not is_active:
        raise AccountDisabledError


def check_not_deleted(issuer: str, subject: str) -> None:
    """Refuse someone who has no row because their account was deleted.

    :raises AccountDeletedError: if it was.
    """
    pair = Tombstone.objects.filter(issuer=issuer, subject=subject)
    if pair.filter(lifted_at__isnull=True).exists():
        raise AccountDeletedError


def _find_admitted(caller: Caller | None, *columns: str) -> tuple[Any, ...] | None:
    if caller is None:
        return None
    users = User.objects.filter(issuer=caller.issuer, subject=caller.subject)
    row = next(iter(users.values_list("is_active", "is_banned", *columns)), None)
    if row is None:
        check_not_deleted(caller.issuer, caller.subject)
        return None
    is_active, is_banned, *found = row
    check_access(is_active=is_active, is_banned=is_banned)
    return tuple(found)


# --- the caller, let in or not ------------------------------------------------------------------


def find_user(caller: Caller | None) -> User | None:
    """Return the caller's row, None if nobody is signed in or there is no row yet."""
    if caller is None:
        return None
    return User.objects.filter(issuer=caller.issuer, subject=caller.subject).first()


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
    """Return how the caller appears here, or would if they played: from the row or the token.

    Who is banned or disabled may look as well.

    :raises AccountDeletedError: if the account was deleted.
    """
    user = find_user(caller)
    if user is not None:
        return profile_of(user)
    check_not_deleted(caller.issuer, caller.subject)
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
        ban=_find_ban(user) if user.is_banned else None,
    )


def _find_ban(user: User) -> BanNotice | None:
    bans = Ban.objects.filter(user_id=user.id, lifted_at__isnull=True)
    rows = bans.values_list("reason", "banned_at", "until")
    return next((BanNotice(*row) for row in rows), None)


# --- others, known by their token's subject -----------------------------------------------------


def find_account(caller: Caller | None, *, subject: str) -> Account | None:
    """Return the player of that subject at the issuer that subjects are taken to be from.

    Nobody is shown none: an error would take down the page that asks before it has signed in.

    :raises AccountBannedError: if the caller is banned; the other refusals likewise.
    """
    if caller is None:
        return None
    find_player_key(caller)
    issuer = find_home_issuer()
    return None if issuer is None else _find_account(issuer, subject)


def find_own_account(caller: Caller | None) -> Account | None:
    """Return the caller, None for nobody and for whoever has no row yet.

    :raises AccountBannedError: if the caller is banned; the other refusals likewise.
    """
    if caller is None or find_player_key(caller) is None:
        return None
    return _find_account(caller.issuer, caller.subject)


def account_of(user: User) -> Account:
    """Return the player as others see them."""
    return Account(user.id, user.subject, user.username, user.avatar_url, user.created_at)


def find_home_issuer() -> str | None:
    """Return the issuer that a bare subject is taken to be from: Clerk's, else the only one.

    None if there are several and Clerk is not among them.
    """
    if settings.CLERK_ISSUER:
        return str(settings.CLERK_ISSUER)
    issuers = {provider.issuer for provider in settings.AUTH_PROVIDERS}
    if settings.LOCAL_ISSUER:
        issuers.add(local_issuer.ISSUER)
    return issuers.pop() if len(issuers) == 1 else None


def _find_account(issuer: str, subject: str) -> Account | None:
    users = User.objects.filter(issuer=issuer, subject=subject)
    rows = users.values_list("id", "subject", "username", "avatar_url", "created_at")
    return next((Account(*row) for row in rows), None)


# --- for the admin ------------------------------------------------------------------------------


def search_users(term: str) -> list[UUID]:
    """Return the keys of some users whose name begins so, or whose subject, e-mail, … it is.

    No more than ``rules.MOST_USERS_FOUND``, in no order: each condition has an index.
    """
    found = Q(username__istartswith=term) | Q(subject=term) | Q(email=term) | Q(login=term)
    with suppress(InvalidIdError):
        found |= Q(id=ids.decode(term, User.TABLE_NUMBER))
    return list(User.objects.filter(found).values_list("id", flat=True)[: rules.MOST_USERS_FOUND])
