"""The keys of those who may do everything."""

from dust.credentials.models import Credential


class AdminKey(Credential):
    """Lets a tool call every function, as whomever it likes, until it is revoked."""

    PREFIX = "dak"
    SEPARATOR = "|"  # by which Convex's tools know a key
