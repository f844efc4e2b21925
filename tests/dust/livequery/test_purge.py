from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from dust.livequery import changes, purge
from dust.livequery.models import Change, Request
from dust.livequery.purge import CHANGES_KEPT, REQUESTS_KEPT, PurgeReport

pytestmark = pytest.mark.django_db(transaction=True)

MOMENT = timedelta(milliseconds=1)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def make_change(seq: int, *, at: datetime) -> Change:
    return Change.objects.create(origin="aaaa", seq=seq, ts=seq, payload=b"", created_at=at)


def kept_changes() -> list[Change]:
    """Return what is left; a test database's own history does not count."""
    return list(Change.objects.filter(origin="aaaa"))


def make_request(key: str, *, at: datetime) -> Request:
    return Request.objects.create(scope="alice", key=key, fingerprint="", created_at=at)


class TestPurge:
    def test_deletes_what_has_served_its_time_and_nothing_else(self, now: datetime) -> None:
        make_change(1, at=now - CHANGES_KEPT - MOMENT)
        young_change = make_change(2, at=now - CHANGES_KEPT)
        make_request("old", at=now - REQUESTS_KEPT - MOMENT)
        young_request = make_request("young", at=now - REQUESTS_KEPT)

        report = purge.purge(now=now)

        assert report == PurgeReport(requests=1, changes=1)
        assert kept_changes() == [young_change]
        assert list(Request.objects.all()) == [young_request]

    @pytest.mark.parametrize("rows", [3, 4, 5])
    def test_comes_to_the_end_batch_by_batch(
        self, now: datetime, monkeypatch: pytest.MonkeyPatch, rows: int
    ) -> None:
        monkeypatch.setattr(purge, "_BATCH", 2)
        for seq in range(rows):
            make_change(seq, at=LONG_AGO)

        report = purge.purge(now=now)

        assert report.changes == rows
        assert kept_changes() == []

    def test_is_not_noticed_by_the_engine(self, now: datetime) -> None:
        make_change(1, at=LONG_AGO)
        make_request("old", at=LONG_AGO)
        noticed: list[changes.Commit] = []
        stop = changes.on_commit(noticed.append)

        purge.purge(now=now)
        stop()

        assert noticed == []
        assert kept_changes() == []


class TestPurgeCommand:
    def test_says_how_much_it_deleted(self) -> None:
        make_change(1, at=LONG_AGO)
        make_change(2, at=LONG_AGO)
        make_request("old", at=LONG_AGO)
        out = StringIO()

        call_command("purge", stdout=out)

        assert out.getvalue() == "requests: 1, changes: 2\n"
