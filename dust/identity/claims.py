"""A verified identity, and the claims of a token that functions may see."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import msgspec

from dust.identity.errors import InvalidIdentityError

# They tell one token from the next, not one person from another. Left out, a refreshed token
# gives an equal identity.
_ABOUT_THE_TOKEN = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "fva"})

SUBJECT_MAX = 255

_YEAR_10000 = 253_402_300_800

_ATTRIBUTES = {
    "given_name": "givenName",
    "family_name": "familyName",
    "preferred_username": "preferredUsername",
    "profile": "profileUrl",
    "picture": "pictureUrl",
    "website": "websiteUrl",
    "email_verified": "emailVerified",
    "birthdate": "birthday",
    "zoneinfo": "timezone",
    "locale": "language",
    "phone_number": "phoneNumber",
    "phone_number_verified": "phoneNumberVerified",
    "updated_at": "updatedAt",
}
_CLAIMS = {attribute: claim for claim, attribute in _ATTRIBUTES.items()}


@dataclass(frozen=True, slots=True)
class Identity:
    """Someone whose token was verified; only the pair (issuer, subject) says who.

    ``claims`` are the token's own, without those about the token itself. ``expires_at`` is when the
    token ends, so that a long-lived socket can end with it; it is no part of who somebody is.
    """

    issuer: str
    subject: str
    claims: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    expires_at: datetime | None = field(default=None, compare=False)

    @property
    def token_identifier(self) -> str:
        """The pair as one string, unique among all providers."""
        return f"{self.issuer}|{self.subject}"

    @property
    def key(self) -> str:
        """A short digest of the pair, for what is counted or kept by who did it."""
        pair = msgspec.msgpack.encode((self.issuer, self.subject))
        return hashlib.blake2b(pair, digest_size=16).hexdigest()

    @property
    def attributes(self) -> dict[str, Any]:
        """The identity as Convex functions know it, custom claims beside the standard ones.

        The three that say who come last, so that no claim can take their place.
        """
        named = {_ATTRIBUTES.get(claim, claim): value for claim, value in self.claims.items()}
        if isinstance(address := named.get("address"), dict):
            named["address"] = address.get("formatted")
        if "updatedAt" in named:
            named["updatedAt"] = _as_time(named["updatedAt"])
        return named | {
            "tokenIdentifier": self.token_identifier,
            "issuer": self.issuer,
            "subject": self.subject,
        }


def identity_of_attributes(attributes: Mapping[str, Any]) -> Identity:
    """Return who has these attributes, named as ``Identity.attributes`` does.

    :raises InvalidIdentityError: if they do not say who.
    """
    told = dict(attributes)
    pair = told.pop("tokenIdentifier", None)
    issuer, subject = told.pop("issuer", None), told.pop("subject", None)
    if issuer is None and subject is None and isinstance(pair, str):
        issuer, _, subject = pair.partition("|")
    if not all(isinstance(part, str) and is_subject(part) for part in (issuer, subject)):
        raise InvalidIdentityError
    claims = {_CLAIMS.get(name, name): value for name, value in told.items()}
    return Identity(issuer, subject, MappingProxyType(claims))


def is_subject(text: str) -> bool:
    """Return whether this can name somebody: not empty, not too long, nothing unprintable."""
    return 1 <= len(text) <= SUBJECT_MAX and text.isprintable()


def visible(claims: Mapping[str, Any], *, dotted: bool) -> Mapping[str, Any]:
    """Return the claims that functions may see; ``dotted`` names nested ones by their path."""
    seen = {name: value for name, value in claims.items() if name not in _ABOUT_THE_TOKEN}
    return MappingProxyType(dict(_leaves(seen)) if dotted else seen)


def _as_time(value: Any) -> Any:
    """Write seconds since the epoch as RFC 3339; providers that send text send that already."""
    if isinstance(value, int | float) and 0 <= value < _YEAR_10000:
        return datetime.fromtimestamp(value, UTC).isoformat()
    return value


def _leaves(claims: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in claims.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
