"""What the commands for credentials of all kinds share."""

from abc import ABC, abstractmethod
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from dust.credentials import issuing
from dust.credentials.issuing import Issued
from dust.credentials.models import Credential
from dust.errors import DustError

C = TypeVar("C", bound=Credential)


class CredentialCommand(BaseCommand, ABC, Generic[C]):
    """Make, list and revoke credentials of one kind."""

    kind: type[C]

    @abstractmethod
    def issue(self, options: dict[str, Any], *, now: datetime) -> Issued[C]:
        """Make one as the options say.

        :raises DustError: if one of them is not acceptable; it is named.
        """

    def describe(self, credential: C) -> tuple[str, ...]:
        """Say what is to be listed of one."""
        return credential.handle, credential.name

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        self.add_create_arguments(verbs.add_parser("create", help="make one; it is told once"))
        verbs.add_parser("list", help="list them, without their secrets")
        revoke = verbs.add_parser("revoke", help="shut out whoever has one")
        revoke.add_argument("handles", nargs="+", metavar="handle", help="as the list shows it")

    def add_create_arguments(self, parser: ArgumentParser) -> None:
        """Add what ``create`` takes."""
        parser.add_argument("name", help="what it is for")

    @override
    def handle(self, *, verb: str, **options: Any) -> None:
        now = datetime.now(UTC)
        match verb:
            case "create":
                self._create(options, now=now)
            case "revoke":
                self._revoke(options["handles"], now=now)
            case _:
                self._list()

    def _create(self, options: dict[str, Any], *, now: datetime) -> None:
        try:
            issued = self.issue(options, now=now)
        except DustError as error:
            said = (f"{field}: {' '.join(messages)}" for field, messages in error.fields.items())
            raise CommandError(" ".join(said)) from error
        name = self.kind._meta.verbose_name
        self.stderr.write(f"{issued.credential}: this is the {name}, which is never told again.")
        self.stdout.write(issued.token)

    def _list(self) -> None:
        for each in self.kind._default_manager.order_by("pk"):
            used = each.last_used_at.isoformat(timespec="minutes") if each.last_used_at else "never"
            state = "revoked" if each.revoked_at else f"last used {used}"
            self.stdout.write("  ".join([*self.describe(each), state]))

    def _revoke(self, handles: list[str], *, now: datetime) -> None:
        found = self.kind._default_manager.filter(handle__in=handles).values_list("pk", flat=True)
        revoked = {each.handle for each in issuing.revoke(self.kind, list(found), now=now)}
        for handle in sorted(revoked):
            self.stdout.write(f"{handle} is revoked.")
        if missing := sorted(set(handles) - revoked):
            raise CommandError(f"Not there, or revoked before: {', '.join(missing)}.")
