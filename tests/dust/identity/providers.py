"""Identity providers to test against: real keys, real signatures, the real wire format."""

import base64
import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from typing_extensions import override

from dust.identity.errors import InvalidTokenError
from dust.identity.tokens import Verifier

DISCOVERY = "/.well-known/openid-configuration"
JWKS = "/.well-known/jwks.json"


_KINDS: dict[str, Any] = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}


@dataclass(frozen=True)
class SigningKey:
    kid: str | None
    algorithm: str
    private: Any

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        headers = ({"kid": self.kid} if self.kid else {}) | header
        return jwt.encode(claims, self.private, algorithm=self.algorithm, headers=headers)

    def jwk(self) -> dict[str, Any]:
        jwk: dict[str, Any] = _KINDS[self.algorithm].to_jwk(self.private.public_key(), as_dict=True)
        jwk.pop("key_ops", None)
        return jwk | ({"kid": self.kid} if self.kid else {}) | {"use": "sig"}


@cache
def signing_key(kid: str | None, algorithm: str = "RS256") -> SigningKey:
    """Return the key of that id; keys are slow to make, so tests share them."""
    if algorithm == "RS256":
        return SigningKey(kid, algorithm, rsa.generate_private_key(65537, 2048))
    if algorithm == "ES256":
        return SigningKey(kid, algorithm, ec.generate_private_key(ec.SECP256R1()))
    return SigningKey(kid, algorithm, ed25519.Ed25519PrivateKey.generate())


def key_set(*keys: SigningKey) -> bytes:
    return json.dumps({"keys": [key.jwk() for key in keys]}).encode()


def data_uri(*keys: SigningKey) -> str:
    return "data:application/json;base64," + base64.b64encode(key_set(*keys)).decode()


def segment(part: Any) -> str:
    """Encode one part of a token: JSON, or bytes as they are."""
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def accepts(verifier: Verifier, token: str, now: datetime) -> bool:
    try:
        verifier.verify(token, now=now)
    except InvalidTokenError:
        return False
    return True


@dataclass
class FakeProvider:
    """A provider that answers like Clerk: discovery, key set, rotation, outage.

    ``fetches`` counts the requests by path, answered or not. ``answers`` replaces what a path gives
    by (status, headers, body).
    """

    keys: list[SigningKey] = field(default_factory=lambda: [signing_key("ins_1")])
    is_down: bool = False
    fetches: Counter[str] = field(default_factory=Counter)
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)

    def __enter__(self) -> Self:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, headers, body = provider.answer(self.path)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            @override
            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        self.fetches[path] += 1
        if self.is_down:
            return 503, {}, b"gone fishing"
        if path in self.answers:
            return self.answers[path]
        as_json = {"Content-Type": "application/json"}
        if path == DISCOVERY:
            body = {
                "issuer": self.issuer,
                "jwks_uri": self.issuer + JWKS,
                "authorization_endpoint": self.issuer + "/oauth/authorize",
                "id_token_signing_alg_values_supported": ["RS256"],
            }
            return 200, as_json, json.dumps(body).encode()
        if path == JWKS:
            return 200, as_json, key_set(*self.keys)
        return 404, {}, b""

    def claims(self, now: datetime, **changes: Any) -> dict[str, Any]:
        """Return the claims of a good token, as changed; None leaves one out."""
        moment = int(now.timestamp())
        claims = {
            "iss": self.issuer,
            "aud": "convex",
            "sub": "user_2abc",
            "iat": moment,
            "nbf": moment - 5,
            "exp": moment + 60,
            "jti": "7f1e",
            "name": "Ada Lovelace",
            "nickname": "ada",
            "picture": "https://img.clerk.com/ada",
            "email": "ada@example.com",
            "email_verified": True,
        }
        return {name: value for name, value in (claims | changes).items() if value is not None}

    def token(self, now: datetime, *, key: SigningKey | None = None, **changes: Any) -> str:
        return (key or self.keys[0]).sign(self.claims(now, **changes))
