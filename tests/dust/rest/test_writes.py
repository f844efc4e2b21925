"""A write runs once for each key, and is counted once, whatever happens to it."""

from typing import Any

import pytest
from django.db import OperationalError

from dust.errors import ConflictError
from dust.livequery.models import Request as StoredRequest
from tests.dust.rest.toys import TOY, Client, ToyBox, read
from tests.rest import unspend_limits

pytestmark = pytest.mark.django_db(transaction=True)

BALL = {"name": "ball", "weight": 1}


@pytest.fixture(autouse=True)
def _own_limiter(monkeypatch: pytest.MonkeyPatch) -> None:
    unspend_limits(monkeypatch)


def post(toys: Client, *, body: Any = None, caller: str = "alice", **headers: str) -> Any:
    return toys.send("POST", body=body or TOY, authorization=f"Bearer {caller}", **headers)


class TestIdempotencyKey:
    def test_makes_a_repeated_request_run_once_and_get_the_first_answer(
        self, toys: Client, box: ToyBox
    ) -> None:
        first = post(toys, idempotency_key="k")
        again = post(toys, idempotency_key="k")

        assert (first.status_code, again.status_code) == (201, 201)
        assert first.content == again.content
        assert "Idempotency-Replayed" not in first.headers
        assert again.headers["Idempotency-Replayed"] == "true"
        assert box.made == [TOY]
        assert StoredRequest.objects.count() == 1

    def test_is_not_needed(self, toys: Client, box: ToyBox) -> None:
        post(toys)
        post(toys)

        assert box.made == [TOY, TOY]
        assert not StoredRequest.objects.exists()

    def test_is_refused_for_another_body(self, toys: Client, box: ToyBox) -> None:
        post(toys, idempotency_key="k")

        response = post(toys, body=BALL, idempotency_key="k")

        assert (response.status_code, read(response)["code"]) == (422, "idempotency_mismatch")
        assert box.made == [TOY]

    def test_is_its_users_own(self, toys: Client, box: ToyBox) -> None:
        post(toys, idempotency_key="k")

        response = post(toys, body=BALL, caller="bob", idempotency_key="k")

        assert response.status_code == 201
        assert box.made == [TOY, BALL]

    def test_does_not_remember_failures(self, toys: Client, box: ToyBox) -> None:
        box.failure = ConflictError()
        failed = post(toys, idempotency_key="k")
        box.failure = None

        succeeded = post(toys, idempotency_key="k")

        assert (failed.status_code, succeeded.status_code) == (409, 201)
        assert "Idempotency-Replayed" not in succeeded.headers

    def test_does_not_remember_what_was_refused_before_it_ran(self, toys: Client) -> None:
        refused = post(toys, body=TOY | {"weight": 99}, idempotency_key="k")

        assert refused.status_code == 400
        assert post(toys, idempotency_key="k").status_code == 201

    @pytest.mark.parametrize("key", ["a", "x" * 255, "with spaces ~!", '"quoted"'])
    def test_is_printable_ascii(self, toys: Client, key: str) -> None:
        assert post(toys, idempotency_key=key).status_code == 201

    @pytest.mark.parametrize("key", ["", "x" * 256, "caf\u00e9", "tab\there", "\u007f"])
    def test_is_nothing_else(self, toys: Client, box: ToyBox, key: str) -> None:
        response = post(toys, idempotency_key=key)

        assert (response.status_code, read(response)["code"]) == (400, "invalid_idempotency_key")
        assert not box.made


class TestLimit:
    def test_is_spent_by_every_write_that_runs(self, toys: Client, box: ToyBox) -> None:
        statuses = [post(toys).status_code for _ in range(4)]

        response = post(toys)

        assert statuses == [201, 201, 201, 429]
        assert read(response)["code"] == "rate_limited"
        assert 0 < int(response.headers["Retry-After"]) <= 60
        assert len(box.made) == 3

    def test_is_each_players_own(self, toys: Client) -> None:
        for _ in range(3):
            post(toys)

        assert post(toys, caller="bob").status_code == 201

    def test_is_not_spent_by_a_repeated_request(self, toys: Client) -> None:
        for _ in range(10):
            post(toys, idempotency_key="k")

        assert [post(toys).status_code for _ in range(3)] == [201, 201, 429]

    def test_once_spent_still_lets_a_repeated_request_have_its_answer(self, toys: Client) -> None:
        post(toys, idempotency_key="k")
        for _ in range(3):
            post(toys)

        assert post(toys, idempotency_key="k").status_code == 201

    def test_does_not_use_up_the_key_of_a_request_it_refuses(
        self, toys: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for _ in range(3):
            post(toys)
        refused = post(toys, idempotency_key="k")
        unspend_limits(monkeypatch)

        assert refused.status_code == 429
        assert post(toys, idempotency_key="k").status_code == 201

    def test_is_spent_once_however_often_the_write_is_retried(
        self, toys: Client, box: ToyBox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        conflicts = [serialization_failure(), serialization_failure()]
        add = box.add

        def lose_twice(toy: dict[str, Any]) -> None:
            if conflicts:
                raise conflicts.pop()
            add(toy)

        monkeypatch.setattr(box, "add", lose_twice)

        statuses = [post(toys).status_code for _ in range(4)]

        assert not conflicts
        assert statuses == [201, 201, 201, 429]


def serialization_failure() -> OperationalError:
    """Return what PostgreSQL says to a transaction that lost against another."""
    cause = Exception()
    cause.sqlstate = "40001"  # type: ignore[attr-defined]
    error = OperationalError()
    error.__cause__ = cause
    return error
