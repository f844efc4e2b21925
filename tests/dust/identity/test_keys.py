"""Keys are kept through outages, renewed after rotation, and never fetched on demand of a flood."""

import gzip
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier, Event
from typing import Any

import pytest

from dust.identity.errors import KeysError, ProviderUnavailableError
from dust.identity.fetching import MAX_BYTES, discover, is_safe
from dust.identity.keys import (
    COOLDOWN_SECONDS,
    FIRST_COOLDOWN_SECONDS,
    LIFETIME_SECONDS,
    KeySet,
    parse_keys,
)
from dust.identity.tokens import Verifier
from tests.dust.identity.providers import (
    DISCOVERY,
    JWKS,
    FakeProvider,
    SigningKey,
    accepts,
    key_set,
    signing_key,
)

OLD, NEW = signing_key("ins_1"), signing_key("ins_2")
COOLDOWN = timedelta(seconds=COOLDOWN_SECONDS)
LIFETIME = timedelta(seconds=LIFETIME_SECONDS)


class TestUnknownKey:
    def test_plat_a2_is_looked_for_again_after_the_cooldown(
        self, provider: FakeProvider, verifier: Verifier, now: datetime
    ) -> None:
        verifier.verify(provider.token(now), now=now)
        provider.keys = [OLD, NEW]
        soon, later = now + COOLDOWN - timedelta(seconds=1), now + COOLDOWN

        assert not accepts(verifier, provider.token(soon, key=NEW), soon)
        assert provider.fetches[JWKS] == 1
        assert accepts(verifier, provider.token(later, key=NEW), later)
        assert provider.fetches[JWKS] == 2

    def test_in_a_flood_of_them_is_looked_for_once(
        self, provider: FakeProvider, verifier: Verifier, now: datetime
    ) -> None:
        flood = [SigningKey(f"made_up_{n}", "RS256", OLD.private) for n in range(200)]
        verifier.verify(provider.token(now), now=now)

        for key in flood:
            assert not accepts(verifier, provider.token(now, key=key), now)
        assert provider.fetches == {DISCOVERY: 1, JWKS: 1}

        after = now + COOLDOWN
        for key in flood:
            assert not accepts(verifier, provider.token(after, key=key), after)
        assert provider.fetches == {DISCOVERY: 2, JWKS: 2}
        assert accepts(verifier, provider.token(after, jti="x"), after)

    def test_wanted_by_many_threads_at_once_is_fetched_once_for_all(
        self, provider: FakeProvider, verifier: Verifier, now: datetime
    ) -> None:
        verifier.verify(provider.token(now), now=now)
        provider.keys = [OLD, NEW]
        after = now + COOLDOWN
        tokens = [provider.token(after, key=NEW, jti=str(n)) for n in range(8)]
        start = Barrier(8)

        def verify(token: str) -> bool:
            start.wait(timeout=10)
            return accepts(verifier, token, after)

        with ThreadPoolExecutor(8) as pool:
            accepted = list(pool.map(verify, tokens))

        assert all(accepted)
        assert provider.fetches[JWKS] == 2


class TestOutage:
    def test_plat_a2_leaves_known_keys_working_for_as_long_as_it_lasts(
        self, provider: FakeProvider, verifier: Verifier, now: datetime
    ) -> None:
        verifier.verify(provider.token(now), now=now)
        provider.is_down = True

        for hours in (1, 10, 100):
            moment = now + timedelta(hours=hours)
            assert accepts(verifier, provider.token(moment), moment)
        assert provider.fetches[DISCOVERY] == 4

    def test_is_asked_about_once_in_a_cooldown(
        self, provider: FakeProvider, verifier: Verifier, now: datetime
    ) -> None:
        verifier.verify(provider.token(now), now=now)
        provider.is_down = True

        for seconds in range(60):
            moment = now + LIFETIME + timedelta(seconds=seconds)
            assert accepts(verifier, provider.token(moment), moment)
        assert provider.fetches[DISCOVERY] == 3

    def test_over_brings_the_new_keys(
        self, provider: FakeProvider, verifier: Verifier, now: datetime
    ) -> None:
        verifier.verify(provider.token(now), now=now)
        provider.is_down, provider.keys = True, [NEW]
        during = now + LIFETIME
        accepts(verifier, provider.token(during, key=OLD), during)
        provider.is_down = False
        over = during + COOLDOWN

        assert accepts(verifier, provider.token(over, key=NEW), over)
        assert not accepts(verifier, provider.token(over, key=OLD), over)

    def test_from_the_start_is_no_fault_of_the_token(
        self, provider: FakeProvider, verifier: Verifier, now: datetime
    ) -> None:
        provider.is_down = True
        token = provider.token(now)

        for _ in range(5):
            with pytest.raises(ProviderUnavailableError) as failure:
                verifier.verify(token, now=now)
            assert (failure.value.status, failure.value.code) == (503, "provider_unavailable")
            assert failure.value.retry_after_seconds == FIRST_COOLDOWN_SECONDS
        assert provider.fetches[DISCOVERY] == 1

        provider.is_down = False
        later = now + timedelta(seconds=FIRST_COOLDOWN_SECONDS)
        assert accepts(verifier, token, later)

    def test_may_be_of_the_whole_machine(self) -> None:
        with FakeProvider() as provider:
            issuer = provider.issuer

        with pytest.raises(KeysError, match="cannot be reached"):
            discover(issuer, allow_http=False)

    def test_is_logged_with_its_reason(
        self,
        provider: FakeProvider,
        verifier: Verifier,
        now: datetime,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        provider.is_down = True
        token = provider.token(now)

        with caplog.at_level(logging.WARNING), pytest.raises(ProviderUnavailableError):
            verifier.verify(token, now=now)

        [record] = [entry for entry in caplog.records if entry.name == "dust.identity.keys"]
        assert vars(record)["reason"] == "answered 503"
        assert token not in str(vars(record))


class TestRenewal:
    def test_happens_when_the_keys_are_old(
        self, provider: FakeProvider, verifier: Verifier, now: datetime
    ) -> None:
        verifier.verify(provider.token(now), now=now)
        before, after = now + LIFETIME - timedelta(seconds=1), now + LIFETIME

        verifier.verify(provider.token(before), now=before)
        assert provider.fetches[JWKS] == 1
        verifier.verify(provider.token(after), now=after)
        assert provider.fetches[JWKS] == 2

    def test_keeps_nobody_waiting_who_has_a_key(self) -> None:
        is_loading, may_finish = Event(), Event()
        answers = iter([key_set(OLD)])

        def load() -> bytes:
            if answer := next(answers, None):
                return answer
            is_loading.set()
            assert may_finish.wait(timeout=10)
            return key_set(NEW)

        keys = KeySet(load, issuer="slow")
        keys.find("ins_1", "RS256", now=0)

        with ThreadPoolExecutor(1) as pool:
            slow = pool.submit(keys.find, "ins_2", "RS256", now=LIFETIME_SECONDS)
            assert is_loading.wait(timeout=10)
            assert keys.find("ins_1", "RS256", now=LIFETIME_SECONDS)
            may_finish.set()
            assert slow.result(timeout=10)

    def test_survives_a_clock_that_was_set_back(self) -> None:
        keys = KeySet(lambda: key_set(OLD), issuer="own")
        keys.find("ins_1", "RS256", now=1_000_000)

        assert keys.find("ins_1", "RS256", now=0)


class TestDiscovery:
    @pytest.mark.parametrize(
        "answer",
        [
            (200, {}, b"<html>"),
            (200, {}, b"\xff"),
            (200, {}, b"[" * 5000),
            (302, {"Location": "/elsewhere"}, b""),
            (404, {}, b""),
        ],
    )
    def test_refuses(
        self,
        provider: FakeProvider,
        verifier: Verifier,
        now: datetime,
        answer: tuple[int, dict[str, str], bytes],
    ) -> None:
        provider.answers[DISCOVERY] = answer

        with pytest.raises(ProviderUnavailableError):
            verifier.verify(provider.token(now), now=now)
        assert provider.fetches == {DISCOVERY: 1}

    def test_refuses_a_provider_that_calls_itself_something_else(
        self, provider: FakeProvider, verifier: Verifier, now: datetime
    ) -> None:
        document = {"issuer": "https://clerk.example", "jwks_uri": provider.issuer + JWKS}
        provider.answers[DISCOVERY] = (200, {}, json.dumps(document).encode())

        with pytest.raises(ProviderUnavailableError):
            verifier.verify(provider.token(now), now=now)
        assert provider.fetches == {DISCOVERY: 1}

    @pytest.mark.parametrize(
        "address", ["http://192.0.2.1/keys", "file:///etc/passwd", "ftp://127.0.0.1/", "//", "["]
    )
    def test_does_not_follow_to_an_unsafe_address(
        self, provider: FakeProvider, verifier: Verifier, now: datetime, address: str
    ) -> None:
        document = {"issuer": provider.issuer, "jwks_uri": address}
        provider.answers[DISCOVERY] = (200, {}, json.dumps(document).encode())

        with pytest.raises(ProviderUnavailableError):
            verifier.verify(provider.token(now), now=now)

    @pytest.mark.parametrize(
        ("headers", "body"),
        [
            ({}, b" " * (MAX_BYTES + 1)),
            ({"Content-Encoding": "gzip"}, gzip.compress(b" " * (MAX_BYTES * 20))),
        ],
    )
    def test_stops_reading_an_endless_answer(
        self,
        provider: FakeProvider,
        verifier: Verifier,
        now: datetime,
        headers: dict[str, str],
        body: bytes,
    ) -> None:
        provider.answers[JWKS] = (200, headers, body + key_set(OLD))

        with pytest.raises(ProviderUnavailableError):
            verifier.verify(provider.token(now), now=now)


class TestSafeAddress:
    @pytest.mark.parametrize(
        ("url", "is_fine"),
        [
            ("https://clerk.example", True),
            ("http://localhost:8000/x", True),
            ("http://127.0.0.1", True),
            ("http://[::1]:80/", True),
            ("http://clerk.example", False),
            ("http://127.0.0.1.example", False),
            ("http://localhost@clerk.example", False),
            ("file:///etc/passwd", False),
            ("https://", False),
            ("http://[", False),
            ("clerk.example", False),
        ],
    )
    def test_is_https_or_on_this_machine(self, url: str, *, is_fine: bool) -> None:
        assert is_safe(url, allow_http=False) is is_fine

    def test_may_be_http_where_that_is_allowed(self) -> None:
        assert is_safe("http://clerk.example", allow_http=True)
        assert not is_safe("file:///etc/passwd", allow_http=True)


class TestParseKeys:
    @pytest.mark.parametrize(
        "entry",
        [
            {"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"},
            {"kty": "oct", "k": "c2VjcmV0", "alg": "RS256"},
            OLD.jwk() | {"use": "enc"},
            OLD.jwk() | {"alg": "RS512"},
            OLD.jwk() | {"kid": 7},
            OLD.jwk() | {"n": 7},
            OLD.jwk() | {"n": ""},
            OLD.jwk() | {"n": "é"},
            OLD.jwk() | {"kty": ["RSA"]},
            {"kty": "RSA"},
            {"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"},
            {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
            {"kty": "EC", "crv": ["P-256"]},
            {"kty": "OKP", "crv": "X25519", "x": "AA"},
            {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
            {},
        ],
    )
    def test_leaves_out_what_cannot_verify(self, entry: dict[str, Any]) -> None:
        keys = parse_keys(json.dumps({"keys": [entry, NEW.jwk()]}).encode())

        assert [key.kid for key in keys] == ["ins_2"]

    @pytest.mark.parametrize(
        "document", [b"", b"{}", b"[]", b'{"keys": []}', b'{"keys": [7]}', b"\xff", b"[" * 5000]
    )
    def test_refuses_a_document_without_keys(self, document: bytes) -> None:
        with pytest.raises(KeysError):
            parse_keys(document)

    def test_never_takes_the_private_half(self) -> None:
        numbers = OLD.private.private_numbers()
        secret = OLD.jwk() | {"d": hex(numbers.d), "p": hex(numbers.p), "q": hex(numbers.q)}

        [key] = parse_keys(json.dumps({"keys": [secret]}).encode())

        assert not hasattr(key.jwk.key, "private_numbers")
