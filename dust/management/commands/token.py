"""Sign in from a terminal: prints a token of the local issuer."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from dust.identity import local_issuer
from dust.identity.claims import is_subject


class Command(BaseCommand):
    """Print a bearer token for any player one cares to name, and nothing else."""

    help = "Print a token for a player, signed by the local issuer."
    requires_system_checks = ()

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("subject", help="whose token, e.g. alice")
        parser.add_argument("--ttl", type=int, default=3600, metavar="SECONDS", help="lifetime")
        parser.add_argument("--name", help="the player's name; the subject unless given")

    @override
    def handle(self, **options: Any) -> str:
        if not settings.LOCAL_ISSUER:
            raise CommandError("The local issuer is off here. LOCAL_ISSUER=true turns it on.")
        if not is_subject(options["subject"]):
            raise CommandError("That cannot be anybody's name.")
        if options["ttl"] < 1:
            raise CommandError("--ttl must be at least 1.")
        return local_issuer.issue(
            options["subject"],
            now=datetime.now(UTC),
            ttl_seconds=options["ttl"],
            name=options["name"],
        )
