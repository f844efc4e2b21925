"""The toys, and what stands in for an identity provider beside them."""

import pytest

from dust.rest import auth
from tests.dust.rest.toys import Client, ToyBox, verify_token


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> ToyBox:
    monkeypatch.setattr(auth, "verify_token", verify_token)
    return ToyBox()


@pytest.fixture
def toys(box: ToyBox) -> Client:
    return Client(box)
