"""The keys by which tools and people may call every function."""

from datetime import datetime
from typing import Any

from typing_extensions import override

from dust.convex import keys
from dust.convex.models import AdminKey
from dust.credentials.commands import CredentialCommand
from dust.credentials.issuing import Issued


class Command(CredentialCommand[AdminKey]):
    """Make, list and revoke admin keys."""

    help = "Make, list and revoke admin keys, as `npx convex run --admin-key` takes them."
    kind = AdminKey

    @override
    def issue(self, options: dict[str, Any], *, now: datetime) -> Issued[AdminKey]:
        return keys.create(options["name"], now=now)
