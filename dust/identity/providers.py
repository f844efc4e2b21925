"""Whom to believe: the identity providers, as the settings read them from the environment."""

import re
from dataclasses import dataclass
from typing import Literal

import msgspec

from dust.identity.errors import KeysError
from dust.identity.fetching import discover, fetch, is_safe, read_data_uri
from dust.identity.keys import ALGORITHMS, parse_keys

CLERK_AUDIENCE = "convex"
ISSUER_MAX = 255
INGEST_ISSUER = "ingest"
"""The issuer of tools that come by a credential of ours instead of a token."""
RESERVED_ISSUERS = frozenset({"local-staff", "deleted", INGEST_ISSUER})
"""Staff who sign in with a password are filed under them, what is left of deleted accounts, and
tools: so no token may come from there."""

_DOMAIN = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(:\d+)?")


@dataclass(frozen=True, slots=True)
class Provider:
    """One whose tokens are accepted. ``issuer`` and ``audience`` must be met exactly.

    ``other_names`` are what its tokens may call it as well; identities have its ``issuer``.
    Without ``jwks``, an address or a ``data:`` URI, the keys are found by OpenID discovery.
    """

    issuer: str
    audience: str | None
    algorithms: frozenset[str] = ALGORITHMS
    jwks: str | None = None
    dotted_claims: bool = False
    allow_http: bool = False
    other_names: re.Pattern[str] | None = None

    def is_named(self, name: object) -> bool:
        """Return whether a token may call it so."""
        if self.other_names is not None and isinstance(name, str):
            return name == self.issuer or self.other_names.fullmatch(name) is not None
        return name == self.issuer

    def load_keys(self) -> bytes:
        """Return the provider's key set document.

        :raises KeysError: if it cannot be had.
        """
        if self.jwks is None:
            return discover(self.issuer, allow_http=self.allow_http)
        if self.jwks.startswith("data:"):
            return read_data_uri(self.jwks)
        return fetch(self.jwks, allow_http=self.allow_http)


class _Oidc(msgspec.Struct, tag="oidc", forbid_unknown_fields=True):
    issuer: str
    audience: str


class _Custom(msgspec.Struct, tag="custom", forbid_unknown_fields=True):
    issuer: str
    jwks: str
    algorithm: Literal["RS256", "ES256", "EdDSA"]
    audience: str | None = None


def clerk(domain: str, *, allow_http: bool = False) -> Provider:
    """Return the provider for a Clerk instance, its domain given with or without ``https://``.

    :raises ValueError: if that is no domain.
    """
    address = domain.strip().rstrip("/")
    if "://" not in address and not _DOMAIN.fullmatch(address):
        raise ValueError(f"{domain!r} is neither an https URL nor a domain.")
    issuer = address if "://" in address else f"https://{address}"
    return _checked(Provider(issuer, CLERK_AUDIENCE, allow_http=allow_http))


def parse_providers(text: str, *, allow_http: bool = False) -> list[Provider]:
    """Return the providers that a JSON list describes; the first that fits a token decides.

    ``allow_http`` lets keys come over plain http from other machines: for development.

    :raises ValueError: if the list or an entry of it cannot be used; the message says why.
    """
    try:
        entries = msgspec.json.decode(text, type=list[_Oidc | _Custom])
    except msgspec.MsgspecError as exc:
        raise ValueError(str(exc)) from exc
    return [_checked(_provider(entry, allow_http=allow_http)) for entry in entries]


def _provider(entry: _Oidc | _Custom, *, allow_http: bool) -> Provider:
    if isinstance(entry, _Oidc):
        return Provider(entry.issuer, entry.audience, allow_http=allow_http)
    return Provider(
        entry.issuer,
        entry.audience,
        algorithms=frozenset({entry.algorithm}),
        jwks=entry.jwks,
        dotted_claims=True,
        allow_http=allow_http,
    )


def _checked(provider: Provider) -> Provider:
    if not 1 <= len(provider.issuer) <= ISSUER_MAX or provider.issuer in RESERVED_ISSUERS:
        raise ValueError(f"{provider.issuer!r} cannot be an issuer.")
    if provider.audience == "":
        raise ValueError(f"The audience of {provider.issuer} is empty.")
    source = provider.issuer if provider.jwks is None else provider.jwks
    if not source.startswith("data:"):
        if not is_safe(source, allow_http=provider.allow_http):
            raise ValueError(f"{source!r} must be an https URL.")
        return provider
    try:
        keys = parse_keys(read_data_uri(source))
    except KeysError as exc:
        raise ValueError(f"The keys of {provider.issuer} cannot be used: {exc}.") from exc
    if not any(key.algorithm in provider.algorithms for key in keys):
        raise ValueError(f"The keys of {provider.issuer} are for another algorithm.")
    return provider
