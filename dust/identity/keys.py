"""A provider's public keys, kept and renewed."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
import msgspec

from dust.identity.errors import KeysError, ProviderUnavailableError

ALGORITHMS = frozenset({"RS256", "ES256", "EdDSA"})

LIFETIME_SECONDS = 600.0
"""Keys older than this are fetched anew, and kept all the same if that fails."""

COOLDOWN_SECONDS = 30.0
"""The least time between two fetches, however many unknown keys tokens name."""

FIRST_COOLDOWN_SECONDS = 5.0
"""The same while there are no keys at all."""

_WAIT_FOR_ANY_SECONDS = 10.0
_WAIT_FOR_NEW_SECONDS = 3.0  # not longer: anyone can send tokens that name unknown keys

_ALGORITHM_OF = {("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}
_PUBLIC_MEMBERS = ("kty", "crv", "x", "y", "n", "e")

logger = logging.getLogger(__name__)


class _Document(msgspec.Struct):
    keys: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Key:
    """A public key, good for one algorithm only, which follows from its type."""

    kid: str | None
    jwk: jwt.PyJWK

    @property
    def algorithm(self) -> str:
        return self.jwk.algorithm_name


def parse_keys(document: bytes) -> tuple[Key, ...]:
    """Return the usable keys of a key set; secrets, other types and other purposes are left out.

    :raises KeysError: if it is not a key set, or no key is left.
    """
    try:
        entries = msgspec.json.decode(document, type=_Document).keys
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise KeysError("the key set is not valid") from exc
    keys = tuple(key for entry in entries if (key := _parse_key(entry)))
    if not keys:
        raise KeysError("the key set holds no usable key")
    return keys


def _parse_key(entry: dict[str, Any]) -> Key | None:
    kid = entry.get("kid")
    crv = entry.get("crv") if entry.get("kty") != "RSA" else None
    algorithm = next(
        (name for kind, name in _ALGORITHM_OF.items() if kind == (entry.get("kty"), crv)), None
    )
    if (
        algorithm is None
        or entry.get("alg", algorithm) != algorithm
        or entry.get("use", "sig") != "sig"
        or not isinstance(kid, str | None)
    ):
        return None
    public = {member: entry[member] for member in _PUBLIC_MEMBERS if member in entry}
    try:
        return Key(kid, jwt.PyJWK(public, algorithm))
    except jwt.PyJWTError:
        return None


class KeySet:
    """The keys of one provider.

    Invariant: once keys were loaded there always are some, however long the provider is away; and
    whatever tokens arrive, ``load`` runs at most once in a cooldown. It runs in the thread that
    needs a key. Others go on with the keys they have, and wait only if theirs is missing.
    """

    def __init__(self, load: Callable[[], bytes], *, issuer: str) -> None:
        self._load = load
        self._issuer = issuer
        self._keys: tuple[Key, ...] = ()
        self._loaded_at: float | None = None
        self._tried_at: float | None = None
        self._loading = threading.Lock()

    def find(self, kid: str | None, algorithm: str, *, now: float) -> Key | None:
        """Return the key of that id for that algorithm, None if the provider has no such key.

        A token that names no key is checked with the only one of its algorithm.

        :raises ProviderUnavailableError: if no keys could ever be loaded.
        """
        if _is_past(self._loaded_at, LIFETIME_SECONDS, now):
            self._renew(now, wait_seconds=0 if self._keys else _WAIT_FOR_ANY_SECONDS)
        key = self._match(kid, algorithm)
        if key is None and self._keys:
            self._renew(now, wait_seconds=_WAIT_FOR_NEW_SECONDS)
            key = self._match(kid, algorithm)
        if not self._keys:
            raise ProviderUnavailableError(retry_after_seconds=FIRST_COOLDOWN_SECONDS)
        return key

    def _match(self, kid: str | None, algorithm: str) -> Key | None:
        fitting = [key for key in self._keys if key.algorithm == algorithm]
        if kid is not None:
            fitting = [key for key in fitting if key.kid == kid]
        return fitting[0] if len(fitting) == 1 else None

    def _renew(self, now: float, *, wait_seconds: float) -> None:
        """Load the keys anew, unless that was tried a moment ago or another thread is at it."""
        if not self._loading.acquire(timeout=wait_seconds):
            return
        try:
            cooldown = COOLDOWN_SECONDS if self._keys else FIRST_COOLDOWN_SECONDS
            if not _is_past(self._tried_at, cooldown, now):
                return
            self._tried_at = now
            self._keys = parse_keys(self._load())
            self._loaded_at = now
        except KeysError as exc:
            logger.warning(
                "keys not loaded",
                extra={"action": "keys.load", "issuer": self._issuer, "reason": str(exc)},
            )
        finally:
            self._loading.release()


def _is_past(since: float | None, seconds: float, now: float) -> bool:
    """Return whether the two are so far apart, in either direction: clocks are set back, too."""
    return since is None or abs(now - since) >= seconds
