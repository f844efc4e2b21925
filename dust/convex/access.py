"""Who calls by HTTP, and what they may call. Nothing here waits for a cookie."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from dust.convex import keys
from dust.convex.errors import BadAuthorizationError
from dust.identity import Identity, verify_token
from dust.identity.schemes import PathScheme, find_path_scheme

OK = 200
FUNCTION_FAILED = 560
"""What Convex's clients take for the failure of a function as well, and all others for one."""


@dataclass(frozen=True, slots=True)
class Access:
    """Whom the functions see, and which there are for them: all that are public, if not said.

    ``failure_status`` is what the failure of one is answered with.
    """

    caller: Identity | None = None
    is_admin: bool = False
    functions: frozenset[str] | None = None
    failure_status: int = OK


@dataclass(frozen=True, slots=True)
class Entrance:
    """A way in that has a secret in its path."""

    scheme: PathScheme
    token: str

    def access(self) -> Access:
        """Let in whoever has the secret.

        :raises DustError: if it is none.
        """
        caller = self.scheme.verify(self.token)
        return Access(caller, functions=self.scheme.functions, failure_status=FUNCTION_FAILED)


def find_entrance(path: str) -> tuple[Entrance | None, str]:
    """Return which entrance the path leads through, if any, and where from there."""
    parts = path.split("/", 3)
    if len(parts) == 4 and parts[2] and (scheme := find_path_scheme(parts[1])):
        return Entrance(scheme, parts[2]), f"/{parts[3]}"
    return None, path


def identify(authorization: str | None, parameters: Mapping[str, str], *, now: datetime) -> Access:
    """Return who comes with this header, or with an admin key among the parameters of the query.

    This may use the database, and wait for an identity provider.

    :raises BadAuthorizationError: if the header is of no kind that is known.
    :raises BadDeployKeyError: if it is an admin key that is not good.
    :raises InvalidIdentityError: if that is to act as nobody that can be.
    :raises InvalidTokenError: if it is a token that is not good.
    :raises ProviderUnavailableError: if that cannot be found out now.
    """
    if authorization is None:
        key = parameters.get("adminKey")
        return Access() if key is None else _admin(key, now=now)
    scheme, _, credential = authorization.strip().partition(" ")
    match scheme.lower():
        case "bearer":
            return Access(verify_token(credential.strip(), now=now))
        case "convex":
            return _admin(credential.strip(), now=now)
        case _:
            raise BadAuthorizationError


def _admin(key: str, *, now: datetime) -> Access:
    return Access(keys.check(key, now=now).caller, is_admin=True)
