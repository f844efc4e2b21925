"""What ``check --deploy`` has to say about who is let in."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register


@register(Tags.security, deploy=True)
def check_local_issuer(**_options: Any) -> list[CheckMessage]:
    """Object to the local issuer: it vouches for anyone who can read the data folder."""
    if not settings.LOCAL_ISSUER:
        return []
    return [
        Error(
            "LOCAL_ISSUER is on: tokens for any player can be signed with a key on this machine.",
            hint="Configure CLERK_JWT_ISSUER_DOMAIN or AUTH_PROVIDERS and unset LOCAL_ISSUER.",
            id="dust.E001",
        )
    ]
