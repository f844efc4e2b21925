"""Credentials are made, checked and revoked here, of whatever kind they are."""

import hmac
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db import transaction

from dust.credentials.models import NAME_MAX, Credential

USE_NOTED_EVERY = timedelta(minutes=1)
"""How exact ``last_used_at`` is: a row that each use wrote to would hold them all up."""

C = TypeVar("C", bound=Credential)

_HANDLE_BYTES = 6
_SECRET_BYTES = 32
_NO_DIGEST = "0" * 64


@dataclass(frozen=True, slots=True)
class Issued(Generic[C]):
    """A new credential, and its token, which nobody will ever be told again."""

    credential: C
    token: str


def name_problem(name: str) -> str | None:
    """Say why no credential can be called so, None if one can."""
    if 1 <= len(name) <= NAME_MAX and name.isprintable():
        return None
    return f"Must be 1 to {NAME_MAX} printable characters."


def issue(kind: type[C], *, now: datetime, **values: Any) -> Issued[C]:
    """Make a credential of this kind."""
    handle = secrets.token_hex(_HANDLE_BYTES)
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    token = f"{kind.PREFIX}_{handle}{kind.SEPARATOR}{secret}"
    values |= {"handle": handle, "token_digest": _digest(token), "created_at": now}
    return Issued(kind._default_manager.create(**values), token)


def find(kind: type[C], handle: str) -> C | None:
    """Return the credential of that handle, None if there is none that is good."""
    return kind._default_manager.filter(handle=handle, revoked_at=None).first()


def check(kind: type[C], token: str) -> C | None:
    """Return the credential that this is the token of, None if it is that of none."""
    shape = re.fullmatch(
        rf"{kind.PREFIX}_([0-9a-f]{{12}}){re.escape(kind.SEPARATOR)}[A-Za-z0-9_-]{{43}}", token
    )
    found = find(kind, shape[1]) if shape else None
    # Compared in any case, and in constant time, so that nobody learns which handles there are.
    is_same = hmac.compare_digest(_digest(token), found.token_digest if found else _NO_DIGEST)
    return found if is_same else None


def note_use(credential: Credential, *, now: datetime) -> None:
    """Note that the credential was used, but not every time."""
    last = credential.last_used_at
    if last is None or last <= now - USE_NOTED_EVERY:
        rows = type(credential)._default_manager.filter(pk=credential.pk)
        rows.update(last_used_at=now)


def revoke(kind: type[C], ids: Collection[UUID], *, now: datetime) -> list[C]:
    """Shut out whoever has one of these; return those that were good until now."""
    rows = kind._default_manager.all()
    with transaction.atomic():
        good = rows.filter(pk__in=ids, revoked_at=None).order_by("pk")
        revoked = list(good.select_for_update())
        rows.filter(pk__in=[each.pk for each in revoked]).update(revoked_at=now)
    return revoked


def _digest(token: str) -> str:
    return sha256(token.encode(errors="surrogatepass")).hexdigest()
