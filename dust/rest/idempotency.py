"""Writes that run once: what makes two requests the same one."""

import hashlib
import re

import msgspec
from rest_framework.request import Request

from dust.identity import Identity
from dust.livequery.writing import RequestKey
from dust.rest.errors import InvalidIdempotencyKeyError

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"
KEY_PATTERN = "[ -~]{1,255}"

_KEY = re.compile(KEY_PATTERN)


def request_key(request: Request, identity: Identity, *, owner: str) -> RequestKey | None:
    """Return under what the request is remembered; None if the client sent no key.

    A key is its user's own and holds for one path. Method and body make the request: sent again
    with others, it is another one under a key already used. ``owner`` is as in ``RequestKey``.

    :raises InvalidIdempotencyKeyError: if the key is empty, too long or not printable ASCII.
    """
    key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise InvalidIdempotencyKeyError
    return RequestKey(
        scope=_digest("rest", identity.issuer, identity.subject, request.path),
        key=key,
        fingerprint=_digest(request.method or "", request.body),
        owner=owner,
    )


def _digest(*parts: str | bytes) -> str:
    return hashlib.blake2b(msgspec.msgpack.encode(parts), digest_size=16).hexdigest()
