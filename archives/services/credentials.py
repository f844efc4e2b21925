"""Ingest credentials: tokens that let a tool write the content of some projects.

A token is ``dig_<handle>_<secret>``. The handle finds the row and may be shown; the secret is 256
random bits, of which only a digest is kept, so a token can be told once and never again.
"""

import hmac
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db import transaction

from archives.errors import (
    IngestCredentialRequiredError,
    InvalidContentError,
    ProjectNotCoveredError,
)
from archives.models import IngestCredential
from archives.rules import checking
from archives.rules import content as rules
from dust.identity import Identity
from dust.identity.providers import INGEST_ISSUER
from dust.livequery.context import Caller

USE_NOTED_EVERY = timedelta(minutes=1)
"""How exact ``last_used_at`` is: a row that each document wrote to would hold them all up."""

_TOKEN = re.compile(r"dig_(?P<handle>[0-9a-f]{12})_[A-Za-z0-9_-]{43}")
_NO_DIGEST = "0" * 64


@dataclass(frozen=True, slots=True)
class Issued:
    """A new credential, and its token, which nobody will ever be told again."""

    credential: IngestCredential
    token: str


def check(name: str, projects: Collection[str]) -> tuple[str, list[str]]:
    """Return what a credential is to be called and what it is for, as they are kept.

    :raises InvalidContentError: if the name or a project is not acceptable; it is named.
    """
    name, wanted = name.strip(), sorted(set(projects))
    if not 1 <= len(name) <= rules.CREDENTIAL_NAME_MAX or not name.isprintable():
        limit = f"Must be 1 to {rules.CREDENTIAL_NAME_MAX} printable characters."
        raise InvalidContentError(fields={"name": [limit]})
    if not 1 <= len(wanted) <= rules.MAX_PROJECTS:
        limit = f"Must be 1 to {rules.MAX_PROJECTS} projects."
        raise InvalidContentError(fields={"projects": [limit]})
    for project in wanted:
        checking.check_key("projects", project)
    return name, wanted


def create(name: str, projects: Collection[str], *, now: datetime) -> Issued:
    """Make a credential for these projects.

    :raises InvalidContentError: if the name or a project is not acceptable; it is named.
    """
    name, wanted = check(name, projects)
    handle = secrets.token_hex(6)
    token = f"dig_{handle}_{secrets.token_urlsafe(32)}"
    values: dict[str, Any] = {"name": name, "projects": wanted, "handle": handle}
    credential = IngestCredential.objects.create(
        **values, token_digest=_digest(token), created_at=now
    )
    return Issued(credential, token)


def revoke(ids: Collection[UUID], *, now: datetime) -> list[IngestCredential]:
    """Shut out whoever has one of these credentials; return those that were good until now."""
    with transaction.atomic():
        good = IngestCredential.objects.filter(id__in=ids, revoked_at=None).order_by("id")
        revoked = list(good.select_for_update())
        IngestCredential.objects.filter(id__in=[each.id for each in revoked]).update(revoked_at=now)
    return revoked


def check_token(token: str, project_id: str | None = None) -> Identity:
    """Return the caller that the token's bearer is: the ingest door calls functions as this one.

    Only its issuer and its subject, which is the credential's handle, count: each write looks the
    credential up again, so one that is revoked is good for nothing more.

    :raises IngestCredentialRequiredError: if the token is none, or has been revoked.
    :raises ProjectNotCoveredError: if it is not for the project, where one is given.
    """
    shape = _TOKEN.fullmatch(token)
    found = _find(shape["handle"]) if shape else None
    expected = found.token_digest if found else _NO_DIGEST
    if not hmac.compare_digest(_digest(token), expected) or found is None:
        raise IngestCredentialRequiredError
    if project_id is not None:
        _check_covered(found, project_id)
    return Identity(INGEST_ISSUER, found.handle)


def authorize(caller: Caller | None, project_id: str, *, now: datetime) -> None:
    """Let only those through that came by a credential which is good for the project now.

    :raises IngestCredentialRequiredError: if the caller is nobody, a player, or has been shut out.
    :raises ProjectNotCoveredError: if the credential is not for the project.
    """
    found = None
    if caller is not None and caller.issuer == INGEST_ISSUER:
        found = _find(caller.subject)
    if found is None:
        raise IngestCredentialRequiredError
    _check_covered(found, project_id)
    if found.last_used_at is None or found.last_used_at <= now - USE_NOTED_EVERY:
        IngestCredential.objects.filter(id=found.id).update(last_used_at=now)


def _find(handle: str) -> IngestCredential | None:
    return IngestCredential.objects.filter(handle=handle, revoked_at=None).first()


def _check_covered(credential: IngestCredential, project_id: str) -> None:
    if project_id not in credential.projects:
        raise ProjectNotCoveredError


def _digest(token: str) -> str:
    return sha256(token.encode(errors="surrogatepass")).hexdigest()
