"""Verification of bearer tokens: one verifier for a process, fed by the settings."""

import math
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from typing import Any

import jwt
import msgspec
from django.conf import settings

from dust.identity import local_issuer
from dust.identity.claims import Identity, is_subject, visible
from dust.identity.errors import InvalidTokenError
from dust.identity.keys import ALGORITHMS, LIFETIME_SECONDS, KeySet
from dust.identity.providers import Provider

LEEWAY_SECONDS = 5
MAX_TOKEN_CHARACTERS = 16 * 1024
MAX_CACHED_TOKENS = 10_000

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_LAST_DAY = datetime(9999, 12, 31, tzinfo=UTC).timestamp()

# A key too short for its algorithm verifies nothing.
_jws = jwt.PyJWS(algorithms=sorted(ALGORITHMS), options={"enforce_minimum_key_length": True})


@dataclass(frozen=True, slots=True)
class _Verified:
    identity: Identity
    good_until: float


class VerifiedTokens:
    """Tokens that were verified a short while ago, known by their hash; the least used go first."""

    def __init__(self, *, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[bytes, _Verified] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, token: str, *, now: float) -> Identity | None:
        """Return whose token it is, None if that must be verified (again)."""
        digest = _digest(token)
        with self._lock:
            entry = self._entries.get(digest)
            if entry is None:
                return None
            if now >= entry.good_until:
                del self._entries[digest]
                return None
            self._entries.move_to_end(digest)
            return entry.identity

    def add(self, token: str, identity: Identity, *, good_until: float) -> None:
        with self._lock:
            self._entries[_digest(token)] = _Verified(identity, good_until)
            if len(self._entries) > self._size:
                self._entries.popitem(last=False)


class Verifier:
    """Says whose a token is, by the first provider whose issuer and audience it names.

    That provider alone decides: a token it refuses is not offered to the next.
    """

    def __init__(self, providers: Iterable[tuple[Provider, Callable[[], bytes]]]) -> None:
        self._providers = [
            (provider, KeySet(load, issuer=provider.issuer)) for provider, load in providers
        ]
        self._verified = VerifiedTokens(size=MAX_CACHED_TOKENS)

    def find(self, token: str, *, now: datetime) -> Identity | None:
        """Return whose token it is if it was verified lately. Never waits, so an event loop may."""
        return self._verified.find(token, now=now.timestamp())

    def verify(self, token: str, *, now: datetime) -> Identity:
        """Return whose token it is; this may fetch the provider's keys and wait for them.

        :raises InvalidTokenError: if it is malformed, forged, expired or from elsewhere.
        :raises ProviderUnavailableError: if its provider's keys could never be fetched.
        """
        moment = now.timestamp()
        if identity := self._verified.find(token, now=moment):
            return identity
        header, claims = _read(token)
        provider, keys = self._provider_of(claims)
        self._check_signature(token, header, provider, keys, moment)
        expires_at = _check_times(claims, moment)
        identity = _identity(claims, provider, expires_at)
        self._verified.add(
            token,
            identity,
            # Not for ever, so that a key withdrawn by its provider stops working.
            good_until=min(expires_at + LEEWAY_SECONDS, moment + LIFETIME_SECONDS),
        )
        return identity

    def _provider_of(self, claims: Mapping[str, Any]) -> tuple[Provider, KeySet]:
        issuer, audience = claims.get("iss"), claims.get("aud")
        if isinstance(audience, list) and len(audience) == 1:
            [audience] = audience
        issuers = [entry for entry in self._providers if entry[0].is_named(issuer)]
        if not issuers:
            raise InvalidTokenError("The token is from an unknown issuer.")
        for provider, keys in issuers:
            if provider.audience is None or provider.audience == audience:
                return provider, keys
        raise InvalidTokenError("The token is meant for another audience.")

    def _check_signature(
        self,
        token: str,
        header: Mapping[str, Any],
        provider: Provider,
        keys: KeySet,
        now: float,
    ) -> None:
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in provider.algorithms:
            raise InvalidTokenError("The token is signed by an algorithm that is not accepted.")
        key = keys.find(header.get("kid"), algorithm, now=now)
        if key is None:
            raise InvalidTokenError("The token is signed by an unknown key.")
        try:
            _jws.decode_complete(token, key.jwk, algorithms=[key.algorithm])
        except jwt.PyJWTError as exc:
            raise InvalidTokenError("The token's signature is not valid.") from exc


def _read(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return header and claims as the token states them: nothing here is verified yet."""
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise InvalidTokenError("The token is too long.")
    if not _COMPACT.fullmatch(token):
        raise InvalidTokenError("The token is malformed.")
    try:
        parts = _jws.decode_complete(token, options={"verify_signature": False})
        return parts["header"], msgspec.json.decode(parts["payload"], type=dict[str, Any])
    except (jwt.PyJWTError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise InvalidTokenError("The token is malformed.") from exc


def _check_times(claims: Mapping[str, Any], now: float) -> float:
    """Refuse the token outside its time, give or take the leeway; return when it ends."""
    expires_at = _moment(claims.get("exp"))
    if expires_at is None:
        raise InvalidTokenError("The token does not say when it expires.")
    if now >= expires_at + LEEWAY_SECONDS:
        raise InvalidTokenError("The token has expired.")
    if "nbf" in claims:
        not_before = _moment(claims["nbf"])
        if not_before is None or now < not_before - LEEWAY_SECONDS:
            raise InvalidTokenError("The token is not valid yet.")
    return expires_at


def _moment(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return min(float(value), _LAST_DAY)


def _identity(claims: Mapping[str, Any], provider: Provider, expires_at: float) -> Identity:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not is_subject(subject):
        raise InvalidTokenError("The token does not say who it is for.")
    return Identity(
        issuer=provider.issuer,
        subject=subject,
        claims=visible(claims, dotted=provider.dotted_claims),
        expires_at=datetime.fromtimestamp(expires_at, UTC),
    )


def _digest(token: str) -> bytes:
    return sha256(token.encode(errors="surrogatepass")).digest()


@cache
def get_verifier() -> Verifier:
    """Return this process's verifier, for the providers in the settings."""
    providers = [(provider, provider.load_keys) for provider in settings.AUTH_PROVIDERS]
    if settings.LOCAL_ISSUER:
        providers.append((local_issuer.PROVIDER, local_issuer.public_keys))
    return Verifier(providers)


def verify_token(token: str, *, now: datetime) -> Identity:
    """Return whose token it is. See ``Verifier.verify`` for what it raises and when it waits."""
    return get_verifier().verify(token, now=now)


def find_verified(token: str, *, now: datetime) -> Identity | None:
    """Return whose token it is if that is known without waiting, None if it must be verified."""
    return get_verifier().find(token, now=now)
