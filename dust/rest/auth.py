"""Who calls a REST endpoint: bearer tokens only, and what an endpoint may ask of its caller."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from typing_extensions import override

from dust.errors import UnauthenticatedError
from dust.identity import Identity, InvalidTokenError, verify_token

if TYPE_CHECKING:  # the framework loads this module while it loads its views
    from rest_framework.views import APIView

_SCHEME = "bearer"


@dataclass(frozen=True, slots=True)
class Bearer:
    """The caller, as Django REST framework wants to see one. No row stands behind it."""

    identity: Identity
    is_authenticated = True
    is_anonymous = False
    is_active = True
    is_staff = False
    pk = None


class BearerAuthentication(BaseAuthentication):
    """Verify ``Authorization: Bearer <jwt>``; no header is nobody, and cookies are not looked at.

    :raises InvalidTokenError: if the header is of another kind, or its token is not good.
    """

    @override
    def authenticate(self, request: Request) -> tuple[Bearer, Identity] | None:
        header = request.META.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        scheme, _, token = header.partition(" ")
        if scheme.lower() != _SCHEME:
            raise InvalidTokenError
        identity = verify_token(token.strip(), now=datetime.now(UTC))
        return Bearer(identity), identity

    @override
    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class Anybody(BasePermission):
    """Open to everybody, signed in or not."""


class IsSignedIn(BasePermission):
    """Open to everybody who is signed in."""

    @override
    def has_permission(self, request: Request, view: "APIView") -> bool:
        return request.auth is not None


def identity_of(request: Request) -> Identity:
    """Return who sent the request.

    :raises UnauthenticatedError: if nobody is signed in.
    """
    if not isinstance(request.auth, Identity):
        raise UnauthenticatedError
    return request.auth
