"""What can go wrong with an account."""

from dust.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    UnavailableError,
)


class UserNotFoundError(NotFoundError):
    """This user has not played yet."""

    code = "user_not_found"


class AccountDisabledError(ForbiddenError):
    """This account is disabled."""

    code = "account_disabled"


class AccountBannedError(ForbiddenError):
    """This account is banned."""

    code = "account_banned"


class AccountDeletedError(ForbiddenError):
    """This account has been deleted."""

    code = "account_deleted"


REFUSALS = (AccountDeletedError, AccountBannedError, AccountDisabledError)
"""Why somebody whose token is good may be let in nowhere: for what an ``Operation`` raises."""


class InvalidBanError(InvalidError):
    """A ban needs a short reason, and a moment to come at which it ends, if it is to end."""

    code = "invalid_ban"


class NotBannedError(ConflictError):
    """This account is not banned."""

    code = "not_banned"


class StaffAccountError(ConflictError):
    """Staff who sign in with a password are disabled, never banned or deleted."""

    code = "staff_account"


class InvalidWebhookError(InvalidError):
    """This is no webhook that can be trusted or understood."""

    code = "invalid_webhook"


class WebhooksNotConfiguredError(UnavailableError):
    """Webhooks cannot be received yet. Try again."""

    code = "webhooks_not_configured"
