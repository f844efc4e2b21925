"""What a player may be called and look like. The limits stand here and nowhere else."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from accounts.errors import InvalidBanError, InvalidWebhookError
from dust.errors import InvalidError

STAFF_ISSUER = "local-staff"
"""The issuer of those who sign in to the admin with a password; their subject is their login."""

DELETED_ISSUER = "deleted"
"""The issuer of what is left of deleted accounts; their subject is their own key."""

ISSUER_MAX = 255
SUBJECT_MAX = 255
LOGIN_MAX = 150
USERNAME_MAX = 64
AVATAR_URL_MAX = 2048
EMAIL_MAX = 254
FALLBACK_USERNAME = "Archivist"
DELETED_USERNAME = "Deleted archivist"

BAN_REASON_MAX = 200

WEBHOOK_BODY_MAX = 1024 * 1024
WEBHOOK_ID_MAX = 255

EXPORTS_PER_HOUR = 10

MOST_USERS_FOUND = 200

_NAME_CLAIMS = ("nickname", "preferred_username", "name", "given_name")
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS = "\u200c\u200d"  # format characters that scripts and emoji need, but which show nothing
_EMAIL = re.compile(r"\S+@\S+\.\S+")


def clean_username(text: str) -> str:
    """Return the name as it is kept, or refuse it.

    Control and direction characters go, since they let one name pass for another on a board.

    :raises InvalidError: if nothing visible is left, or too much.
    """
    name = _printable(text)
    if not 1 <= len(name) <= USERNAME_MAX:
        raise _refused("username", f"Must be 1 to {USERNAME_MAX} characters long.")
    return name


def clean_avatar_url(text: str) -> str:
    """Return the address as it is kept, or refuse it. Empty means no picture.

    :raises InvalidError: if it is too long or does not name an http(s) host.
    """
    text = text.strip()
    if not text:
        return ""
    url = _web_url(text)
    if url is None:
        raise _refused(
            "avatar_url",
            f"Must be empty or an http(s) URL of at most {AVATAR_URL_MAX} characters.",
        )
    return url


def username_from(claims: Mapping[str, Any]) -> str:
    """Choose a name for someone new from what their token says.

    An e-mail address is passed over, because names are public.
    """
    return find_name(claims.get(claim) for claim in _NAME_CLAIMS) or FALLBACK_USERNAME


def find_name(candidates: Iterable[Any]) -> str | None:
    """Return the first that can be a public name, cut to its length; None if none can."""
    for candidate in candidates:
        text = _printable(candidate) if isinstance(candidate, str) else ""
        name = _printable(text[:USERNAME_MAX])
        if name and not _EMAIL.fullmatch(name):
            return name
    return None


def avatar_url_from(claims: Mapping[str, Any]) -> str:
    """Return the picture that the token names, empty if there is none to be used."""
    return find_avatar_url(claims.get("picture"))


def find_avatar_url(value: Any) -> str:
    """Return the picture that this names, empty if it names none that can be used."""
    return (_web_url(value.strip()) if isinstance(value, str) else None) or ""


def check_ban(*, reason: str, until: datetime | None, now: datetime) -> str:
    """Return the reason for a ban as it is kept, or refuse the ban.

    :raises InvalidBanError: if the reason says nothing or too much, or the end has passed.
    """
    reason = _printable(reason)
    refused = {}
    if not 1 <= len(reason) <= BAN_REASON_MAX:
        refused["reason"] = [f"Must be 1 to {BAN_REASON_MAX} characters long."]
    if until is not None and until <= now:
        refused["until"] = ["Must be in the future, or empty for a ban without end."]
    if refused:
        raise InvalidBanError(fields=refused)
    return reason


# --- what Clerk says of its users ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Announced:
    """Somebody as the identity provider announces them; ``updated_at`` is by its clock.

    ``username`` and ``avatar_url`` are None if it says nothing of them that can be used.
    """

    subject: str
    username: str | None
    avatar_url: str | None
    email: str
    updated_at: datetime | None


def read_announced(data: Mapping[str, Any]) -> Announced:
    """Read Clerk's description of a user, tolerating whatever else it may hold.

    :raises InvalidWebhookError: if it does not say who.
    """
    picture = data.get("image_url")
    return Announced(
        subject=read_subject(data.get("id")),
        username=find_name((data.get("username"), data.get("first_name"))),
        avatar_url=find_avatar_url(picture) if isinstance(picture, str) else None,
        email=_primary_email(data),
        updated_at=read_moment(data.get("updated_at")),
    )


def read_subject(value: Any) -> str:
    """Return who that is.

    :raises InvalidWebhookError: if it can be nobody.
    """
    if not isinstance(value, str) or not 1 <= len(value) <= SUBJECT_MAX or not value.isprintable():
        raise InvalidWebhookError
    return value


def read_moment(milliseconds: Any) -> datetime | None:
    """Return the moment so long after the epoch, None if that is none."""
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _primary_email(data: Mapping[str, Any]) -> str:
    """Return the address marked as the primary one, empty if none is; not simply the first."""
    primary, addresses = data.get("primary_email_address_id"), data.get("email_addresses")
    for address in addresses if isinstance(addresses, list) else ():
        if isinstance(address, dict) and primary is not None and address.get("id") == primary:
            email = address.get("email_address")
            return email if isinstance(email, str) and _is_email(email) else ""
    return ""


def _is_email(text: str) -> bool:
    return len(text) <= EMAIL_MAX and text.isprintable() and "@" in text


def _printable(text: str) -> str:
    kept = "".join(
        character
        for character in text
        if character in _JOINERS or unicodedata.category(character) not in _UNPRINTABLE
    ).strip()
    return kept if kept.strip(_JOINERS + " ") else ""


def _web_url(text: str) -> str | None:
    if len(text) > AVATAR_URL_MAX or any(character.isspace() for character in text):
        return None
    try:
        parts = urlsplit(text)
        is_web = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return None
    return parts.geturl() if is_web and _printable(text) == text else None


def _refused(field: str, message: str) -> InvalidError:
    return InvalidError(fields={field: [message]})
