"""What holds for every test: a fixed time, no network, fixed seeds."""

from datetime import UTC, datetime

import hypothesis
import pytest
from django.test import TransactionTestCase

from tests import network

DATABASE_FIXTURES = {"db", "transactional_db", "django_db_setup"}


def pytest_configure(config: pytest.Config) -> None:
    network.stay_here()
    hypothesis.settings.register_profile(
        "ci", derandomize=True, deadline=None, database=None, max_examples=50
    )
    hypothesis.settings.register_profile(
        "soak", deadline=None, database=None, max_examples=1_000, print_blob=True
    )
    hypothesis.settings.load_profile("soak" if config.option.markexpr == "soak" else "ci")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Have the soak run every property test too, and mark what needs no database."""
    for item in items:
        if config.option.markexpr == "soak" and _is_property(item):
            item.add_marker("soak")
        if not _has_database(item):
            item.add_marker("databaseless")


def _is_property(item: pytest.Item) -> bool:
    return getattr(getattr(item, "obj", None), "is_hypothesis_test", False)


def _has_database(item: pytest.Item) -> bool:
    is_django = issubclass(getattr(item, "cls", None) or object, TransactionTestCase)
    fixtures = set(getattr(item, "fixturenames", ()))
    return is_django or "django_db" in item.keywords or bool(fixtures & DATABASE_FIXTURES)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the figures that tests have recorded."""
    for report in terminalreporter.getreports("passed"):
        for name, figure in report.user_properties:
            terminalreporter.write_line(f"{report.nodeid}: {name}: {figure}")


@pytest.fixture
def now() -> datetime:
    """The time at which tests play, unless they say otherwise."""
    return datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
