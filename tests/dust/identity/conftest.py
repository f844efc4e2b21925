"""A provider, and a verifier that trusts it as it would trust Clerk."""

from collections.abc import Iterator

import pytest

from dust.identity.providers import clerk
from dust.identity.tokens import Verifier
from tests.dust.identity.providers import FakeProvider


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as fake:
        yield fake


@pytest.fixture
def verifier(provider: FakeProvider) -> Verifier:
    trusted = clerk(provider.issuer)
    return Verifier([(trusted, trusted.load_keys)])
