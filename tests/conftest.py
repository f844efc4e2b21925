"""What holds for every test: a fixed time, no network, fixed seeds."""

from datetime import UTC, datetime

import hypothesis
import pytest

from tests import network


def pytest_configure(config: pytest.Config) -> None:
    network.stay_here()
    hypothesis.settings.register_profile(
        "ci", derandomize=True, deadline=None, database=None, max_examples=50
    )
    hypothesis.settings.register_profile(
        "soak", deadline=None, database=None, max_examples=1_000, print_blob=True
    )
    hypothesis.settings.load_profile("soak" if config.option.markexpr == "soak" else "ci")


@pytest.fixture
def now() -> datetime:
    """The time at which tests play, unless they say otherwise."""
    return datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
