"""Who calls a REST endpoint, by a header and nothing else, and what it may ask of its caller."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from typing_extensions import override

from dust.errors import DustError, UnauthenticatedError
from dust.identity import Identity, InvalidTokenError, verify_token
from dust.rest.errors import BEARER

if TYPE_CHECKING:  # the framework loads this module while it loads its views
    from rest_framework.views import APIView


@dataclass(frozen=True, slots=True)
class Bearer:
    """The caller, as Django REST framework wants to see one. No row stands behind it."""

    identity: Identity
    is_authenticated = True
    is_anonymous = False
    is_active = True
    is_staff = False
    pk = None


class HeaderAuthentication(BaseAuthentication, ABC):
    """Verify what stands behind one scheme in ``Authorization``. Cookies are not looked at.

    No header is nobody; one of another scheme is refused.
    """

    scheme: ClassVar[str]
    refusal: ClassVar[type[DustError]]

    @abstractmethod
    def verify(self, token: str) -> Identity:
        """Return who comes by that, or raise the refusal."""

    @override
    def authenticate(self, request: Request) -> tuple[Bearer, Identity] | None:
        header = request.META.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        scheme, _, token = header.partition(" ")
        if scheme.lower() != self.scheme:
            raise self.refusal
        identity = self.verify(token.strip())
        return Bearer(identity), identity

    @override
    def authenticate_header(self, request: Request) -> str:
        return self.scheme.capitalize()


class BearerAuthentication(HeaderAuthentication):
    """Verify ``Authorization: Bearer <jwt>``: the token of somebody who plays.

    :raises InvalidTokenError: if the header is of another kind, or its token is not good.
    """

    scheme = BEARER
    refusal = InvalidTokenError

    @override
    def verify(self, token: str) -> Identity:
        return verify_token(token, now=datetime.now(UTC))


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
