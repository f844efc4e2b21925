"""What can go wrong with an account."""

from dust.errors import ForbiddenError, NotFoundError


class UserNotFoundError(NotFoundError):
    """This user has not played yet."""

    code = "user_not_found"


class AccountDisabledError(ForbiddenError):
    """This account is disabled."""

    code = "account_disabled"
