"""What the tests of the socket share: an engine behind it, and functions that wait to be let go."""

from collections.abc import AsyncIterator, Iterator

import pytest

from dust.livequery.engine import Engine
from tests.livequery_app.functions import begun, may_end
from tests.sockets import whole_server


@pytest.fixture
async def sync_engine(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Engine]:
    """Run an engine behind the sockets of Convex clients."""
    async with whole_server(monkeypatch) as engine:
        yield engine


@pytest.fixture
def holding(sync_engine: Engine) -> Iterator[None]:
    """Have the functions that hold wait to be let go, which the end of the test does too."""
    begun.clear()
    may_end.clear()
    yield
    may_end.set()
