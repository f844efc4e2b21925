"""The credentials that let tools write content."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from archives.models import IngestCredential
from archives.services import credentials
from dust.errors import DustError


class Command(BaseCommand):
    """Make, list and revoke ingest credentials."""

    help = "Make, list and revoke the credentials by which tools may write content."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        create = verbs.add_parser("create", help="make one; its token is told once")
        create.add_argument("name", help="what it is for")
        create.add_argument("projects", nargs="+", metavar="project")
        verbs.add_parser("list", help="list them, without their tokens")
        revoke = verbs.add_parser("revoke", help="shut out whoever has one")
        revoke.add_argument("handles", nargs="+", metavar="handle", help="as the list shows it")

    @override
    def handle(self, *, verb: str, **options: Any) -> None:
        now = datetime.now(UTC)
        match verb:
            case "create":
                self._create(options["name"], options["projects"], now=now)
            case "revoke":
                self._revoke(options["handles"], now=now)
            case _:
                self._list()

    def _create(self, name: str, projects: list[str], *, now: datetime) -> None:
        try:
            issued = credentials.create(name, projects, now=now)
        except DustError as error:
            said = (f"{field}: {' '.join(messages)}" for field, messages in error.fields.items())
            raise CommandError(" ".join(said)) from error
        self.stderr.write(f"{issued.credential}: this is its token, which is never told again.")
        self.stdout.write(issued.token)

    def _list(self) -> None:
        for each in IngestCredential.objects.order_by("id"):
            used = each.last_used_at.isoformat(timespec="minutes") if each.last_used_at else "never"
            state = "revoked" if each.revoked_at else f"last used {used}"
            self.stdout.write(f"{each.handle}  {each.name}  {', '.join(each.projects)}  {state}")

    def _revoke(self, handles: list[str], *, now: datetime) -> None:
        found = IngestCredential.objects.filter(handle__in=handles).values_list("id", flat=True)
        revoked = {each.handle for each in credentials.revoke(list(found), now=now)}
        for handle in sorted(revoked):
            self.stdout.write(f"{handle} is revoked.")
        if missing := sorted(set(handles) - revoked):
            raise CommandError(f"Not there, or revoked before: {', '.join(missing)}.")
