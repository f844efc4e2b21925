"""What can be wrong with a token, or with those who vouch for it."""

from dust.errors import InvalidError, UnauthenticatedError, UnavailableError


class InvalidTokenError(UnauthenticatedError):
    """The token is not valid.

    The message names the reason and never repeats any of the token.
    """

    code = "invalid_token"


class InvalidIdentityError(InvalidError):
    """To act as somebody, say who: by tokenIdentifier, or by issuer and subject."""

    code = "invalid_identity"


class ProviderUnavailableError(UnavailableError):
    """The identity provider's keys cannot be fetched. Try again."""

    code = "provider_unavailable"


class KeysError(Exception):
    """A provider's keys could not be loaded. Internal: logged, never answered."""
