"""An issuer of our own, for development and tests: whoever can read the data folder can be anyone.

Its tokens pass through the same verifier as everybody's. Its key is made on first use, by whichever
process comes first, and every process of the folder shares it.

In tokens it names itself by where it is served, as OpenID Connect has it, so that others can find
its keys; whichever that is, the key alone decides. Players are filed under one name all the same:
they must not change with a port.
"""

import base64
import json
import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings

from dust.identity.providers import Provider

PATH = "/local-issuer"
ISSUER = f"http://localhost:8000{PATH}"
"""The issuer that identities have, and the name in tokens until a server has run elsewhere."""

PROVIDER = Provider(
    ISSUER,
    "dust",
    algorithms=frozenset({"ES256"}),
    other_names=re.compile(rf"https?://[^/?#\s]+{PATH}"),
)
KEY_FILE = "local_issuer.pem"
ADDRESS_FILE = "local_issuer.url"


def issue(subject: str, *, now: datetime, ttl_seconds: int, name: str | None = None) -> str:
    """Return a token that says its bearer is this subject, from now on for so long."""
    key = _private_key()
    issued_at = int(now.timestamp())
    claims = {
        "iss": _name(),
        "aud": PROVIDER.audience,
        "sub": subject,
        "iat": issued_at,
        "exp": issued_at + ttl_seconds,
        "name": name or subject,
    }
    return jwt.encode(claims, key, algorithm="ES256", headers={"kid": _public_jwk(key)["kid"]})


def serve_at(url: str) -> None:
    """Name the issuer by this address from now on, in the tokens of every process."""
    path = Path(settings.DATA_DIR) / ADDRESS_FILE
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as draft:
        draft.write(url + PATH)
    Path(draft.name).replace(path)


def public_keys() -> bytes:
    """Return the issuer's key set document."""
    return json.dumps({"keys": [_public_jwk(_private_key())]}).encode()


def discovery(jwks_uri: str) -> Mapping[str, Any]:
    """Return the issuer's OpenID discovery document."""
    return {
        "issuer": _name(),
        "jwks_uri": jwks_uri,
        "id_token_signing_alg_values_supported": ["ES256"],
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
    }


def _name() -> str:
    path = Path(settings.DATA_DIR) / ADDRESS_FILE
    try:
        return path.read_text()
    except FileNotFoundError:
        return ISSUER


def _private_key() -> ec.EllipticCurvePrivateKey:
    path = Path(settings.DATA_DIR) / KEY_FILE
    if not path.exists():
        _create(path)
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _create(path: Path) -> None:
    """Put a new key there, whole or not at all; if another process was first, its key stays."""
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent) as draft:  # created with mode 0600
        draft.write(pem)
        draft.flush()
        with suppress(FileExistsError):
            os.link(draft.name, path)


def _public_jwk(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    """Return the public half, named by its RFC 7638 thumbprint."""
    point = key.public_key().public_numbers()
    jwk = {
        "crv": "P-256",
        "kty": "EC",
        "x": _base64url(point.x.to_bytes(32)),
        "y": _base64url(point.y.to_bytes(32)),
    }
    thumbprint = sha256(json.dumps(jwk, separators=(",", ":")).encode()).digest()
    return jwk | {"kid": _base64url(thumbprint), "alg": "ES256", "use": "sig"}


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
