"""Who is calling: bearer tokens in, verified identities out. Knows no app.

``tokens`` verifies; ``providers`` says whom to believe; ``keys`` and ``fetching`` obtain their
public keys; ``local_issuer`` signs tokens where there is no provider. What a user may do, and even
that there are users, is not decided here.
"""

from dust.identity.claims import Identity
from dust.identity.errors import InvalidTokenError, ProviderUnavailableError
from dust.identity.tokens import find_verified, verify_token

__all__ = [
    "Identity",
    "InvalidTokenError",
    "ProviderUnavailableError",
    "find_verified",
    "verify_token",
]
