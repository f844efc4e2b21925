"""The credentials that let tools write content."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from typing_extensions import override

from archives.models import IngestCredential
from archives.services import credentials
from archives.services.credentials import Issued
from dust.credentials.commands import CredentialCommand


class Command(CredentialCommand[IngestCredential]):
    """Make, list and revoke ingest credentials."""

    help = "Make, list and revoke the credentials by which tools may write content."
    kind = IngestCredential

    @override
    def add_create_arguments(self, parser: ArgumentParser) -> None:
        super().add_create_arguments(parser)
        parser.add_argument("projects", nargs="+", metavar="project")

    @override
    def issue(self, options: dict[str, Any], *, now: datetime) -> Issued:
        return credentials.create(options["name"], options["projects"], now=now)

    @override
    def describe(self, credential: IngestCredential) -> tuple[str, ...]:
        return *super().describe(credential), ", ".join(credential.projects)
