"""Tokens that must be refused, by what is wrong with each."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dust.identity.tokens import MAX_TOKEN_CHARACTERS
from tests.dust.identity.providers import JWKS, FakeProvider, segment, signing_key

Forge = Callable[[FakeProvider, datetime], str]

RS = signing_key("ins_1")
ES = signing_key("es_1", "ES256")
STRANGER = signing_key("ins_1_of_somebody_else")
SECRETS = [
    RS.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    RS.private.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1),
    RS.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    json.dumps(RS.jwk()).encode(),
    RS.jwk()["n"].encode(),
    b"",
]


def hs256(secret: bytes) -> Forge:
    def forge(provider: FakeProvider, now: datetime) -> str:
        signed = f"{segment({'alg': 'HS256', 'kid': 'ins_1'})}.{segment(provider.claims(now))}"
        return f"{signed}.{segment(hmac.digest(secret, signed.encode(), hashlib.sha256))}"

    return forge


def with_header(**header: Any) -> Forge:
    """Sign with the right key, whatever the header says."""

    def forge(provider: FakeProvider, now: datetime) -> str:
        signed = f"{segment({'alg': 'RS256', 'kid': 'ins_1'} | header)}." + segment(
            provider.claims(now)
        )
        algorithm = jwt.get_algorithm_by_name("RS256")
        return f"{signed}.{segment(algorithm.sign(signed.encode(), RS.private))}"

    return forge


def with_claims(**changes: Any) -> Forge:
    return lambda provider, now: provider.token(now, **changes)


def later(**seconds: int) -> Forge:
    """Move the claims named to so many seconds from now."""
    return lambda provider, now: provider.token(
        now, key=None, **{name: int(now.timestamp()) + shift for name, shift in seconds.items()}
    )


def unsigned(header: Any, ending: str = "") -> Forge:
    return lambda provider, now: f"{segment(header)}.{segment(provider.claims(now))}.{ending}"


def payload(raw: bytes) -> Forge:
    """Sign what is no set of claims, with the right key."""
    return lambda _provider, _now: jwt.PyJWS().encode(
        raw, RS.private, algorithm="RS256", headers={"kid": "ins_1"}
    )


def edited(edit: Callable[[str, str, str], str]) -> Forge:
    return lambda provider, now: edit(*provider.token(now).split("."))


def promoted(head: str, body: str, signature: str) -> str:
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    return f"{head}.{segment(claims | {'sub': 'user_admin'})}.{signature}"


BAD: dict[str, Forge] = {
    # time
    "expired": later(exp=-5),
    "expired long ago": later(exp=-1_000_000),
    "not valid yet": later(nbf=6),
    "without exp": with_claims(exp=None),
    "exp is text": with_claims(exp="4102444800"),
    "exp is true": with_claims(exp=True),
    "exp is a list": with_claims(exp=[4102444800]),
    "nbf is text": with_claims(nbf="0"),
    "nbf is true": with_claims(nbf=True),
    "exp is NaN": payload(b'{"iss":"x","exp":NaN}'),
    # where from, where to
    "other issuer": with_claims(iss="https://clerk.example"),
    "issuer with a slash": lambda provider, now: provider.token(now, iss=provider.issuer + "/"),
    "issuer in capitals": lambda provider, now: provider.token(now, iss=provider.issuer.upper()),
    "issuer is a list": payload(b'{"iss":[],"exp":4102444800}'),
    "without issuer": with_claims(iss=None),
    "other audience": with_claims(aud="other"),
    "audience in capitals": with_claims(aud="Convex"),
    "several audiences": with_claims(aud=["convex", "other"]),
    "no audiences": with_claims(aud=[]),
    "without audience": with_claims(aud=None),
    "audience is an object": with_claims(aud={"convex": True}),
    # who
    "without subject": with_claims(sub=None),
    "empty subject": with_claims(sub=""),
    "subject is a number": with_claims(sub=7),
    "subject too long": with_claims(sub="x" * 256),
    "subject with a NUL": with_claims(sub="user\x00"),
    # algorithm
    "alg none": unsigned({"alg": "none"}),
    "alg none, signed": unsigned({"alg": "none", "kid": "ins_1"}, "c2lnbmF0dXJl"),
    "alg NONE, signed": unsigned({"alg": "NONE", "kid": "ins_1"}, "c2lnbmF0dXJl"),
    "alg null": with_header(alg=None),
    "alg is a list": with_header(alg=["RS256"]),
    "alg RS512": with_header(alg="RS512"),
    "alg PS256": with_header(alg="PS256"),
    "alg rs256": with_header(alg="rs256"),
    "ES256 with an RSA key's id": with_header(alg="ES256"),
    "EdDSA with an RSA key's id": with_header(alg="EdDSA"),
    "ES256 signed by its own key, id of ours": lambda provider, now: ES.sign(
        provider.claims(now), kid="ins_1"
    ),
    **{f"HS256 with the public key, form {n}": hs256(secret) for n, secret in enumerate(SECRETS)},
    # key
    "unknown key": lambda provider, now: provider.token(now, key=STRANGER),
    "another's key under our id": lambda provider, now: STRANGER.sign(
        provider.claims(now), kid="ins_1"
    ),
    "key in the token": lambda provider, now: STRANGER.sign(
        provider.claims(now), kid="ins_1", jwk=STRANGER.jwk(), jku=provider.issuer + JWKS
    ),
    "key id is a number": with_header(kid=1),
    "critical extension": with_header(crit=["exp"], exp=1),
    "payload outside": with_header(crit=["b64"], b64=False),
    # shape
    "empty": lambda _provider, _now: "",
    "not a token": lambda _provider, _now: "let me in",
    "two parts": edited(lambda head, body, _signature: f"{head}.{body}"),
    "four parts": edited(lambda head, body, signature: f"{head}.{body}.{signature}.{body}"),
    "no signature": edited(lambda head, body, _signature: f"{head}.{body}."),
    "another's claims": edited(promoted),
    "shortened signature": edited(lambda head, body, signature: f"{head}.{body}.{signature[:-4]}"),
    "another signature": edited(lambda head, body, _signature: f"{head}.{body}.{'A' * 342}"),
    "padding": edited(lambda head, body, signature: f"{head}.{body}.{signature}=="),
    "space within": edited(lambda head, body, signature: f"{head}.{body}. {signature}"),
    "newline after": edited(lambda head, body, signature: f"{head}.{body}.{signature}\n"),
    "not ASCII": edited(lambda head, body, signature: f"{head}.{body}.{signature}é"),
    "half a character": edited(lambda head, body, _signature: f"{head}.{body}.\udc80"),
    "header is a list": unsigned([], "AAAA"),
    "header nests deep": lambda _provider, _now: f"{segment(b'[' * 5000)}.e30.AAAA",
    "claims nest deep": lambda _provider, _now: (
        f"{segment({'alg': 'RS256'})}.{segment(b'[' * 5000)}.AAAA"
    ),
    "claims are a list": payload(b"[]"),
    "claims are not JSON": payload(b"{"),
    "claims are not UTF-8": payload(b'{"iss":"\xff"}'),
    "huge": with_claims(padding="x" * MAX_TOKEN_CHARACTERS),
}
