"""What a player may be called and look like. The limits stand here and nowhere else."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from dust.errors import InvalidError

STAFF_ISSUER = "local-staff"
"""The issuer of those who sign in to the admin with a password; their subject is their login."""

ISSUER_MAX = 255
SUBJECT_MAX = 255
LOGIN_MAX = 150
USERNAME_MAX = 64
AVATAR_URL_MAX = 2048
FALLBACK_USERNAME = "Archivist"

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
    for claim in _NAME_CLAIMS:
        value = claims.get(claim)
        name = _printable(_printable(value)[:USERNAME_MAX]) if isinstance(value, str) else ""
        if name and not _EMAIL.fullmatch(name):
            return name
    return FALLBACK_USERNAME


def avatar_url_from(claims: Mapping[str, Any]) -> str:
    """Return the picture that the token names, empty if there is none to be used."""
    value = claims.get("picture")
    return (_web_url(value.strip()) if isinstance(value, str) else None) or ""


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
