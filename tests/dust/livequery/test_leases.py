"""Leases: one beginning and one end for each caller, whatever happens to processes."""

from datetime import datetime, timedelta

import pytest

from dust.livequery.leases import LIFETIME, acquire, release, renew, sweep
from dust.livequery.models import LeaseRow
from tests.livequery_app.functions import presence

pytestmark = pytest.mark.django_db(transaction=True)

LOBBY = ("test:room", "https://issuer.test", "alice", "lobby")
CAME, WENT = ("came", "alice@lobby"), ("went", "alice@lobby")


@pytest.fixture(autouse=True)
def _nobody_is_present() -> None:
    presence.clear()


class TestAcquire:
    def test_announces_the_first_process_only(self, now: datetime) -> None:
        acquire(LOBBY, origin="one", now=now)
        acquire(LOBBY, origin="two", now=now)
        acquire(LOBBY, origin="one", now=now)

        assert presence == [CAME]
        assert LeaseRow.objects.count() == 2

    def test_takes_over_from_a_process_that_died_without_announcing_anything(
        self, now: datetime
    ) -> None:
        acquire(LOBBY, origin="dead", now=now)

        acquire(LOBBY, origin="two", now=now + 2 * LIFETIME)

        assert presence == [CAME]
        assert [row.origin for row in LeaseRow.objects.all()] == ["two"]


class TestRelease:
    def test_announces_the_last_process_only(self, now: datetime) -> None:
        acquire(LOBBY, origin="one", now=now)
        acquire(LOBBY, origin="two", now=now)
        release(LOBBY, origin="one")
        release(LOBBY, origin="two")
        release(LOBBY, origin="two")

        assert presence == [CAME, WENT]


class TestSweep:
    def test_ends_what_a_dead_process_held_once_its_time_is_up(self, now: datetime) -> None:
        acquire(LOBBY, origin="dead", now=now)

        sweep(now=now + LIFETIME - timedelta(milliseconds=1))
        assert presence == [CAME]
        sweep(now=now + LIFETIME)
        sweep(now=now + LIFETIME)

        assert presence == [CAME, WENT]

    def test_leaves_what_a_living_process_renews(self, now: datetime) -> None:
        acquire(LOBBY, origin="one", now=now)

        renew([LOBBY], origin="one", now=now + LIFETIME / 2)
        sweep(now=now + LIFETIME)

        assert presence == [CAME]


class TestRenew:
    def test_takes_again_what_was_swept_while_the_process_was_stalled(self, now: datetime) -> None:
        acquire(LOBBY, origin="one", now=now)
        sweep(now=now + LIFETIME)

        renew([LOBBY], origin="one", now=now + LIFETIME)

        assert presence == [CAME, WENT, CAME]

    def test_lets_go_of_what_the_process_failed_to_release(self, now: datetime) -> None:
        acquire(LOBBY, origin="one", now=now)

        renew([], origin="one", now=now)

        assert presence == [CAME, WENT]
