"""Ingest credentials: tokens that let a tool write the content of some projects."""

from collections.abc import Collection
from datetime import datetime
from typing import TypeAlias

from django.conf import settings

from archives.errors import (
    IngestCredentialRequiredError,
    InvalidContentError,
    ProjectNotCoveredError,
)
from archives.models import IngestCredential
from archives.rules import checking
from archives.rules import content as rules
from dust.credentials import issuing
from dust.identity import Identity
from dust.identity.providers import INGEST_ISSUER
from dust.livequery.context import Caller

Issued: TypeAlias = issuing.Issued[IngestCredential]


def check(name: str, projects: Collection[str]) -> tuple[str, list[str]]:
    """Return what a credential is to be called and what it is for, as they are kept.

    :raises InvalidContentError: if the name or a project is not acceptable; it is named.
    """
    name, wanted = name.strip(), sorted(set(projects))
    if problem := issuing.name_problem(name):
        raise InvalidContentError(fields={"name": [problem]})
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
    return issuing.issue(IngestCredential, now=now, name=name, projects=wanted)


def check_token(token: str, project_id: str | None = None) -> Identity:
    """Return the caller that the token's bearer is: the ingest door calls functions as this one.

    Only its issuer and its subject, which is the credential's handle, count: each write looks the
    credential up again, so one that is revoked is good for nothing more.

    :raises IngestCredentialRequiredError: if the token is none, or has been revoked.
    :raises ProjectNotCoveredError: if it is not for the project, where one is given.
    """
    found = issuing.check(IngestCredential, token)
    if found is None:
        raise IngestCredentialRequiredError
    if project_id is not None:
        _check_covered(found, project_id)
    return Identity(INGEST_ISSUER, found.handle)


def authorize(caller: Caller | None, project_id: str, *, now: datetime) -> None:
    """Let only those through that came by a credential which is good for the project now.

    Where the settings say so, in development, nobody in particular is let through as well.

    :raises IngestCredentialRequiredError: if the caller is nobody, a player, or has been shut out.
    :raises ProjectNotCoveredError: if the credential is not for the project.
    """
    if caller is None and settings.ANONYMOUS_INGEST:
        return
    found = None
    if caller is not None and caller.issuer == INGEST_ISSUER:
        found = issuing.find(IngestCredential, caller.subject)
    if found is None:
        raise IngestCredentialRequiredError
    _check_covered(found, project_id)
    issuing.note_use(found, now=now)


def _check_covered(credential: IngestCredential, project_id: str) -> None:
    if project_id not in credential.projects:
        raise ProjectNotCoveredError
