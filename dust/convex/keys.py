"""Admin keys: made, revoked, and read from what clients send."""

import base64
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction

from dust.convex.errors import BadDeployKeyError
from dust.convex.models import AdminKey
from dust.credentials import issuing
from dust.credentials.issuing import Issued
from dust.errors import InvalidError
from dust.identity import Identity
from dust.identity.claims import identity_of_attributes
from dust.identity.errors import InvalidIdentityError

REASON_MAX = 200


class InvalidAdminKeyError(InvalidError):
    """The admin key cannot be made or changed so."""

    code = "invalid_admin_key"


@dataclass(frozen=True, slots=True)
class Admin:
    """Somebody who may call every function, as ``caller`` or else as nobody in particular."""

    caller: Identity | None = None

    def acting_as(self, attributes: Mapping[str, Any] | None) -> Identity | None:
        """Return whom the functions see, if asked to act as whoever has these attributes.

        :raises InvalidIdentityError: if they do not say who.
        """
        return self.caller if attributes is None else identity_of_attributes(attributes)


def create(name: str, *, now: datetime) -> Issued[AdminKey]:
    """Make an admin key.

    :raises InvalidAdminKeyError: if the name is not acceptable.
    """
    name = name.strip()
    if problem := issuing.name_problem(name):
        raise InvalidAdminKeyError(fields={"name": [problem]})
    return issuing.issue(AdminKey, now=now, name=name)


def revoke(ids: Collection[UUID], *, reason: str, moderator_id: UUID, now: datetime) -> int:
    """Shut out whoever has one of these keys, for the admin's log; return how many were good.

    :raises InvalidAdminKeyError: if no reason is given, or too long a one.
    """
    reason = reason.strip()
    if not 1 <= len(reason) <= REASON_MAX:
        raise InvalidAdminKeyError(f"Give a reason of 1 to {REASON_MAX} characters.")
    with transaction.atomic():
        revoked: list[Any] = issuing.revoke(AdminKey, ids, now=now)
        told = f"Revoked: {reason}"
        LogEntry.objects.log_actions(moderator_id, revoked, CHANGE, change_message=told)
    return len(revoked)


def check(text: str, *, now: datetime) -> Admin:
    """Return who has this key; it is looked up in the database.

    Before it may stand the type of a deployment (``prod:``), and behind it the attributes of
    whomever they act as: ``:`` and base64 of JSON.

    :raises BadDeployKeyError: if the key is not good.
    :raises InvalidIdentityError: if nobody has those attributes.
    """
    start = text.rfind(":", 0, max(text.find(AdminKey.SEPARATOR), 0)) + 1
    token, _, user = text[start:].partition(":")
    found = issuing.check(AdminKey, token)
    if found is None:
        raise BadDeployKeyError
    issuing.note_use(found, now=now)
    return Admin(_user(user) if user else None)


def _user(text: str) -> Identity:
    try:
        attributes = msgspec.json.decode(base64.b64decode(text), type=dict[str, Any])
    except (ValueError, RecursionError) as exc:
        raise InvalidIdentityError from exc
    return identity_of_attributes(attributes)
