"""What holds for every test: a fixed time, no network, fixed seeds, no limit used up."""

from datetime import UTC, datetime
from typing import Any

import hypothesis
import pytest
from django.db.backends.postgresql.operations import DatabaseOperations
from django.test import TransactionTestCase

from tests import network
from tests.rest import unspend_limits

DATABASE_FIXTURES = {"db", "transactional_db", "django_db_setup"}


def pytest_configure(config: pytest.Config) -> None:
    network.stay_here()
    _delete_instead_of_truncating()
    hypothesis.settings.register_profile(
        "ci", derandomize=True, deadline=None, database=None, max_examples=50
    )
    hypothesis.settings.register_profile(
        "soak", deadline=None, database=None, max_examples=1_000, print_blob=True
    )
    hypothesis.settings.load_profile("soak" if config.option.markexpr == "soak" else "ci")


def _delete_instead_of_truncating() -> None:
    """Empty the tables after a test fifty times as fast: they are many, and their rows are few."""
    truncate = DatabaseOperations.sql_flush

    def sql_flush(
        self: Any, style: Any, tables: Any, *, reset_sequences: bool = False, **options: Any
    ) -> Any:
        if reset_sequences:
            return truncate(self, style, tables, reset_sequences=True, **options)
        # Twice, because triggers fill some of them while others are emptied.
        emptied = [f"DELETE FROM {self.quote_name(table)}" for table in tables]  # noqa: S608
        return ["; ".join([*emptied, *emptied])]

    DatabaseOperations.sql_flush = sql_flush  # type: ignore[method-assign]


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


@pytest.fixture(autouse=True)
def _unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count nothing that the tests before have done."""
    unspend_limits(monkeypatch)
