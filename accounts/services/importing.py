"""Players who come along from another deployment."""

from datetime import datetime

import msgspec
from uuid_utils.compat import uuid7

from accounts import rules
from accounts.models import User
from accounts.services.players import claim_and_hold
from dust.errors import InvalidError
from dust.identity.claims import is_subject
from dust.moving import Moved


class UserFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A player. ``created_at`` says no more than when the row was made."""

    clerk_id: str
    username: str
    avatar_url: str
    created_at: float


def import_user(moved: Moved[UserFields]) -> bool:
    """Add a player, under the key they had; return whether they were not here yet.

    What others see of them is made to fit, as it is when their client says it.

    :raises InvalidError: if it does not say who.
    :raises AccountDeletedError: if the account was deleted here.
    """
    fields = moved.fields
    if _find_and_hold(moved.issuer, fields.clerk_id) is not None:
        return False
    is_taken = User.objects.filter(id=moved.key).exists()
    _add(
        User(
            id=uuid7() if is_taken else moved.key,
            issuer=moved.issuer,
            subject=fields.clerk_id,
            username=fields.username,
            avatar_url=fields.avatar_url,
            created_at=moved.made_at,
        )
    )
    return True


def ensure_player(
    issuer: str, subject: str, *, username: str = "", avatar_url: str = "", now: datetime
) -> User:
    """Return a player's row, made if there is none: with that name and picture, if it may.

    Until the transaction ends, nobody bans the player or deletes the account.

    :raises InvalidError: if the subject is nobody's.
    :raises AccountDeletedError: if the account was deleted.
    """
    return _find_and_hold(issuer, subject) or _add(
        User(
            issuer=issuer,
            subject=subject,
            username=username,
            avatar_url=avatar_url,
            created_at=now,
        )
    )


def _find_and_hold(issuer: str, subject: str) -> User | None:
    if not is_subject(subject):
        raise InvalidError("It names nobody who could sign in.")
    rows = User.objects.select_for_update(no_key=True)
    return rows.filter(issuer=issuer, subject=subject).first()


def _add(user: User) -> User:
    user.username = rules.find_name((user.username,)) or rules.FALLBACK_USERNAME
    user.avatar_url = rules.find_avatar_url(user.avatar_url)
    user.set_unusable_password()
    return claim_and_hold(user)
