"""What staff may see when they come with a token instead of to the admin."""

from accounts.queries import find_user
from dust.livequery.context import Caller


def is_allowed(caller: Caller | None, permission: str) -> bool:
    """Return whether the caller is staff with that permission, such as ``archives.view_page``."""
    user = find_user(caller)
    if user is None or user.is_banned or not user.is_staff:
        return False
    return user.has_perm(permission)
