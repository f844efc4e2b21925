"""Tokens that are good, and every way known to us in which one can be bad."""

import json
from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from dust.identity.errors import InvalidTokenError
from dust.identity.keys import LIFETIME_SECONDS
from dust.identity.providers import Provider, clerk, parse_providers
from dust.identity.tokens import VerifiedTokens, Verifier
from tests.dust.identity.forgeries import BAD, ES, RS, STRANGER, Forge, later, with_claims
from tests.dust.identity.providers import (
    DISCOVERY,
    JWKS,
    FakeProvider,
    SigningKey,
    accepts,
    data_uri,
    key_set,
    signing_key,
)

ED = signing_key("ed_1", "EdDSA")


def trusting(*providers: Provider) -> Verifier:
    return Verifier([(provider, provider.load_keys) for provider in providers])


def custom(issuer: str, *keys: SigningKey, **entry: Any) -> Provider:
    described = {"type": "custom", "issuer": issuer, "jwks": data_uri(*keys), "algorithm": "RS256"}
    [provider] = parse_providers(json.dumps([described | entry]))
    return provider


def claims_of(now: datetime, **changes: Any) -> dict[str, Any]:
    exp = int(now.timestamp()) + 60
    return {"iss": "https://own.example", "sub": "user_1", "exp": exp} | changes


class TestVerify:
    @pytest.mark.parametrize("key", [RS, ES, ED], ids=lambda key: key.algorithm)
    def test_plat_a2_accepts_a_good_token(
        self, provider: FakeProvider, verifier: Verifier, now: datetime, key: SigningKey
    ) -> None:
        provider.keys = [RS, ES, ED]

        identity = verifier.verify(provider.token(now, key=key), now=now)

        assert (identity.issuer, identity.subject) == (provider.issuer, "user_2abc")
        assert identity.expires_at == now + timedelta(seconds=60)

    @pytest.mark.parametrize("kind", BAD)
    def test_plat_a2_refuses(
        self, provider: FakeProvider, verifier: Verifier, now: datetime, kind: str
    ) -> None:
        token = BAD[kind](provider, now)

        with pytest.raises(InvalidTokenError) as refusal:
            verifier.verify(token, now=now)
        assert (refusal.value.code, refusal.value.status) == ("invalid_token", 401)
        assert not any(part in refusal.value.message for part in token.split(".") if part)
        assert verifier.find(token, now=now) is None

    def test_refuses_a_token_that_differs_in_one_bit(
        self, provider: FakeProvider, verifier: Verifier, now: datetime
    ) -> None:
        token = provider.token(now)
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

        for place in range(0, len(token), 7):
            if token[place] == ".":
                continue
            flipped = alphabet[alphabet.index(token[place]) ^ 1]
            with pytest.raises(InvalidTokenError):
                verifier.verify(token[:place] + flipped + token[place + 1 :], now=now)

    @pytest.mark.parametrize(
        "forge",
        [
            later(exp=-4),
            later(nbf=5),
            with_claims(nbf=None),
            with_claims(aud=["convex"]),
            with_claims(exp=1e300),
            with_claims(sub="x" * 255),
            with_claims(sub="auth0|5f7c8ec7c33c6c004bbafe82"),
        ],
    )
    def test_plat_a2_accepts_the_last_of_what_is_allowed(
        self, provider: FakeProvider, verifier: Verifier, now: datetime, forge: Forge
    ) -> None:
        assert verifier.verify(forge(provider, now), now=now).issuer == provider.issuer

    def test_refuses_a_key_too_short_to_be_safe(self, now: datetime) -> None:
        short = SigningKey(None, "RS256", rsa.generate_private_key(65537, 1024))  # noqa: S505
        verifier = trusting(custom("https://own.example", short))

        with pytest.warns(jwt.InsecureKeyLengthWarning):
            token = short.sign(claims_of(now))

        with pytest.raises(InvalidTokenError, match="signature"):
            verifier.verify(token, now=now)

    def test_keeps_the_claims_about_the_person_only(
        self, provider: FakeProvider, verifier: Verifier, now: datetime
    ) -> None:
        identity = verifier.verify(provider.token(now, fva=[1, -1]), now=now)

        assert identity.claims == {
            "name": "Ada Lovelace",
            "nickname": "ada",
            "picture": "https://img.clerk.com/ada",
            "email": "ada@example.com",
            "email_verified": True,
        }

    def test_sees_the_same_person_in_a_refreshed_token(
        self, provider: FakeProvider, verifier: Verifier, now: datetime
    ) -> None:
        first = verifier.verify(provider.token(now), now=now)
        later = now + timedelta(seconds=50)

        second = verifier.verify(provider.token(later, jti="8a2f"), now=later)

        assert second == first
        assert second.expires_at != first.expires_at


class TestProviders:
    def test_plat_a1_are_told_apart_by_issuer_and_audience(
        self, provider: FakeProvider, now: datetime
    ) -> None:
        first = custom("https://own.example", RS, audience="one")
        second = custom("https://own.example", RS, audience="two", algorithm="RS256")
        verifier = trusting(clerk(provider.issuer), first, second)

        identity = verifier.verify(RS.sign(claims_of(now, aud="two")), now=now)

        assert identity.issuer == "https://own.example"

    def test_plat_a1_the_first_that_fits_decides(self, now: datetime) -> None:
        first = custom("https://own.example", STRANGER)
        second = custom("https://own.example", RS)

        with pytest.raises(InvalidTokenError):
            trusting(first, second).verify(RS.sign(claims_of(now)), now=now)

    def test_without_an_audience_take_any(self, now: datetime) -> None:
        verifier = trusting(custom("https://own.example", RS))

        assert accepts(verifier, RS.sign(claims_of(now, aud=["a", "b"])), now)
        assert accepts(verifier, RS.sign(claims_of(now)), now)

    def test_plat_a1_take_their_own_algorithm_only(self, now: datetime) -> None:
        verifier = trusting(custom("https://own.example", RS, ES))

        with pytest.raises(InvalidTokenError, match="algorithm"):
            verifier.verify(ES.sign(claims_of(now)), now=now)

    def test_need_no_key_id_while_they_have_one_key(self, now: datetime) -> None:
        nameless = SigningKey(None, "RS256", RS.private)
        token = nameless.sign(claims_of(now))

        assert accepts(trusting(custom("https://own.example", RS, ES)), token, now)
        with pytest.raises(InvalidTokenError, match="unknown key"):
            trusting(custom("https://own.example", RS, STRANGER)).verify(token, now=now)

    def test_plat_a3_custom_ones_give_nested_claims_by_their_path(self, now: datetime) -> None:
        verifier = trusting(custom("https://own.example", RS))
        nested = {"name": "Ada", "properties": {"id": 7, "team": {"name": "A"}, "tags": ["x"]}}

        identity = verifier.verify(RS.sign(claims_of(now, **nested)), now=now)

        assert identity.claims == {
            "name": "Ada",
            "properties.id": 7,
            "properties.team.name": "A",
            "properties.tags": ["x"],
        }

    def test_openid_ones_give_claims_as_they_are(
        self, provider: FakeProvider, verifier: Verifier, now: datetime
    ) -> None:
        identity = verifier.verify(provider.token(now, org={"id": "org_1"}), now=now)

        assert identity.claims["org"] == {"id": "org_1"}

    def test_may_publish_their_keys_anywhere(self, provider: FakeProvider, now: datetime) -> None:
        provider.answers["/keys"] = (200, {}, key_set(RS))
        verifier = trusting(custom("own", jwks=provider.issuer + "/keys"))

        assert verifier.verify(RS.sign(claims_of(now, iss="own")), now=now).issuer == "own"
        assert provider.fetches == {"/keys": 1}


class TestVerifiedTokens:
    def test_are_not_verified_again(
        self, provider: FakeProvider, verifier: Verifier, now: datetime
    ) -> None:
        token = provider.token(now)

        assert verifier.find(token, now=now) is None
        identity = verifier.verify(token, now=now)
        assert verifier.find(token, now=now) is identity
        assert verifier.verify(token, now=now) is identity
        assert provider.fetches == {DISCOVERY: 1, JWKS: 1}

    def test_end_when_the_token_does(
        self, provider: FakeProvider, verifier: Verifier, now: datetime
    ) -> None:
        token = provider.token(now)
        verifier.verify(token, now=now)

        assert verifier.find(token, now=now + timedelta(seconds=64))
        assert verifier.find(token, now=now + timedelta(seconds=65)) is None
        with pytest.raises(InvalidTokenError, match="expired"):
            verifier.verify(token, now=now + timedelta(seconds=65))

    def test_end_some_time_after_their_key_was_withdrawn(
        self, provider: FakeProvider, verifier: Verifier, now: datetime
    ) -> None:
        token = provider.token(now, exp=int(now.timestamp()) + 86400)
        verifier.verify(token, now=now)
        provider.keys = [signing_key("ins_2")]

        assert accepts(verifier, token, now + timedelta(seconds=LIFETIME_SECONDS - 1))
        with pytest.raises(InvalidTokenError, match="unknown key"):
            verifier.verify(token, now=now + timedelta(seconds=LIFETIME_SECONDS))

    def test_are_bounded_and_lose_the_least_used(
        self, provider: FakeProvider, verifier: Verifier, now: datetime
    ) -> None:
        identity = verifier.verify(provider.token(now), now=now)
        tokens = VerifiedTokens(size=2)
        tokens.add("a", identity, good_until=1)
        tokens.add("b", identity, good_until=1)
        tokens.find("a", now=0)

        tokens.add("c", identity, good_until=1)

        assert [name for name in "abc" if tokens.find(name, now=0)] == ["a", "c"]

    def test_do_not_hold_the_token(self) -> None:
        tokens = VerifiedTokens(size=2)
        tokens.add("a.very.secret", identity=None, good_until=1)  # type: ignore[arg-type]

        assert "secret" not in repr(vars(tokens))
