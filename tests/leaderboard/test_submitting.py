"""REST: results that players submit, and what comes of them."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from dust import ids
from dust.identity import local_issuer
from dust.livequery.testing import Watch, assert_live
from leaderboard import rules
from leaderboard.errors import InvalidPlayError
from leaderboard.models import Attempt, Entry
from tests.rest import BOARDS, PLAY, SOLO_3, bearer, get, restore_boards, submit, unspend_limits

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _fresh(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start with all boards empty and all limits unspent."""
    restore_boards()
    unspend_limits(monkeypatch)


class TestSubmit:
    def test_dust_id_2_creates_an_entry_and_the_player_with_it(self, client: Client) -> None:
        answer = submit(client)

        entry = Entry.objects.select_related("user").get()
        assert answer.status_code == 201
        assert answer.json() == {
            "status": "created",
            "leaderboard_updated": True,
            "board": "solo:3",
            "entry": {
                "id": ids.encode(Entry.TABLE_NUMBER, entry.id),
                "score": 1250,
                "accuracy": 87.5,
                "level": 3,
                "pages_completed": 4,
                "source": "claimed",
                "achieved_at": entry.achieved_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            },
        }
        assert (entry.board_id, entry.score, entry.source) == ("solo:3", 1250, "claimed")
        assert (entry.user.issuer, entry.user.subject) == (local_issuer.ISSUER, "alice")

    def test_dust_lb_2_replaces_a_worse_result(self, client: Client) -> None:
        submit(client)

        answer = submit(client, score=1251, accuracy=1)

        assert answer.status_code == 200
        assert answer.json()["status"] == "updated"
        assert answer.json()["leaderboard_updated"] is True
        assert answer.json()["entry"]["score"] == 1251
        assert Entry.objects.get().accuracy == 1

    @pytest.mark.parametrize("score", [1249, 1250, -1])
    def test_dust_lb_2_keeps_a_result_that_is_not_beaten(self, client: Client, score: int) -> None:
        submit(client)

        answer = submit(client, score=score, accuracy=1)

        assert answer.status_code == 200
        assert answer.json()["status"] == "unchanged"
        assert answer.json()["leaderboard_updated"] is False
        assert answer.json()["entry"]["accuracy"] == 87.5
        assert Entry.objects.get().score == 1250
        assert Attempt.objects.count() == 2

    def test_reaches_everybody_who_watches_the_board(self, client: Client) -> None:
        other = Watch("leaderboard:top", {"board": "solo:4"})

        with assert_live("leaderboard:top", {"board": "solo:3"}, bystanders=(other,)):
            submit(client)

    @pytest.mark.parametrize(
        ("sent", "kept"),
        [
            ({"score": 1250.0, "level": 3.0}, {"score": 1250, "level": 3}),
            ({"score": rules.MAX_SCORE}, {"score": rules.MAX_SCORE}),
            ({"score": rules.MIN_SCORE}, {"score": rules.MIN_SCORE}),
            ({"score": 0, "accuracy": 0, "pages_completed": 0}, {"score": 0, "accuracy": 0}),
            ({"accuracy": 100, "pages_completed": 100}, {"accuracy": 100, "pages_completed": 100}),
        ],
    )
    def test_dust_lb_1_takes_everything_within_the_limits(
        self, client: Client, sent: dict[str, Any], kept: dict[str, Any]
    ) -> None:
        answer = submit(client, **sent)

        assert answer.status_code == 201, answer.content
        assert kept.items() <= answer.json()["entry"].items()
        assert Entry.objects.filter(**kept).exists()

    @pytest.mark.parametrize(
        ("field", "value", "limit"),
        [
            ("score", rules.MAX_SCORE + 1, "a whole number from -9007199254740991 to 90"),
            ("score", rules.MIN_SCORE - 1, "a whole number from -9007199254740991 to 90"),
            ("score", 10**400, "to 9007199254740991"),
            ("score", 12.5, "a whole number"),
            ("score", "1250", "a whole number"),
            ("score", True, "a whole number"),
            ("score", None, "null"),
            ("accuracy", 100.01, "a number from 0 to 100"),
            ("accuracy", -0.01, "a number from 0 to 100"),
            ("accuracy", "87", "a number"),
            ("accuracy", False, "a number"),
            ("level", 0, "a whole number from 1 to 10"),
            ("level", 11, "a whole number from 1 to 10"),
            ("level", 2.5, "a whole number"),
            ("pages_completed", -1, "a whole number from 0 to 100"),
            ("pages_completed", 101, "a whole number from 0 to 100"),
            ("combo", 9, "Unknown"),
        ],
    )
    def test_dust_lb_1_names_the_field_and_the_limit_of_what_it_refuses(
        self, client: Client, field: str, value: Any, limit: str
    ) -> None:
        answer = submit(client, **{field: value})

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
        [(named, [message])] = answer.json()["fields"].items()
        assert (named, limit in message) == (field, True)
        assert not Attempt.objects.exists()
        assert not User.objects.exists()

    @pytest.mark.parametrize("field", ["score", "accuracy"])
    @pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400"])
    def test_d24_takes_no_number_that_is_not_finite(
        self, client: Client, field: str, number: str
    ) -> None:
        body = json.dumps(PLAY | {field: 0}).replace(f'"{field}": 0', f'"{field}": {number}')

        answer = client.post(f"{SOLO_3}entries/", body, "application/json", headers=bearer("alice"))

        assert answer.status_code == 400
        assert not User.objects.exists()

    @pytest.mark.parametrize("field", PLAY)
    def test_says_the_same_of_a_limit_as_the_rules_do(self, client: Client, field: str) -> None:
        changed: dict[str, Any] = {field: 10**17}

        answer = submit(client, **changed)

        with pytest.raises(InvalidPlayError) as refusal:
            rules.check_play("solo:3", rules.Play(**PLAY | changed))
        assert answer.json()["fields"] == refusal.value.fields

    def test_refuses_the_level_of_another_board(self, client: Client) -> None:
        answer = submit(client, level=4)

        assert (answer.status_code, answer.json()["code"]) == (400, "level_mismatch")
        assert answer.json()["fields"] == {"level": ["Must be 3."]}
        assert not User.objects.exists(), "a refused write leaves nothing behind"

    @pytest.mark.parametrize("level", [1, 10])
    def test_takes_any_level_in_a_team(self, client: Client, level: int) -> None:
        assert submit(client, to=f"{BOARDS}coop/", level=level).status_code == 201

    @pytest.mark.parametrize(
        "board", ["solo:0", "solo:11", "solo:9999", "SOLO:3", "solo", "%00", "é" * 100]
    )
    def test_d24_knows_no_other_boards(self, client: Client, board: str) -> None:
        answers = [
            submit(client, to=f"{BOARDS}{board}/"),
            get(client, f"{BOARDS}{board}/"),
            get(client, f"{BOARDS}{board}/me/", "alice"),
            get(client, f"{BOARDS}{board}/around/", "alice"),
        ]

        assert {(each.status_code, each.json()["code"]) for each in answers} == {
            (404, "board_not_found")
        }

    def test_is_not_open_to_nobody(self, client: Client) -> None:
        answer = client.post(f"{SOLO_3}entries/", PLAY, content_type="application/json")

        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        assert not Attempt.objects.exists()

    def test_is_not_open_to_the_banned(self, client: Client) -> None:
        submit(client)
        User.objects.update(is_active=False)

        answer = submit(client, score=2000)

        assert (answer.status_code, answer.json()["code"]) == (403, "account_disabled")
        assert Entry.objects.get().score == 1250

    def test_takes_no_more_statements_than_it_needs(
        self, client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        submit(client)

        # BEGIN, the user, the submission, the change, COMMIT; submitting takes more on SQLite.
        with django_assert_max_num_queries(5 if connection.vendor == "postgresql" else 8):
            submit(client, score=1300)


class TestSubmitOnce:
    def test_answers_a_repeated_request_as_it_did_the_first(self, client: Client) -> None:
        headers = {"Idempotency-Key": "game 1"}
        first = submit(client, **headers)
        submit(client, score=3000)

        again = submit(client, **headers)

        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert again.headers["Idempotency-Replayed"] == "true"
        assert Attempt.objects.count() == 2

    def test_refuses_another_body_and_keeps_to_its_path_and_player(self, client: Client) -> None:
        headers = {"Idempotency-Key": "game 1"}
        submit(client, **headers)

        assert submit(client, score=1, **headers).status_code == 422
        assert submit(client, to=f"{BOARDS}coop/", **headers).json()["board"] == "coop"
        assert submit(client, "bob", **headers).status_code == 201
        assert Entry.objects.count() == 3

    def test_runs_once_however_often_it_arrives_at_once(self) -> None:
        def send(_: int) -> tuple[int, bool]:
            try:
                answer = submit(Client(), **{"Idempotency-Key": "game 1"})
                return answer.status_code, "Idempotency-Replayed" in answer.headers
            finally:
                connection.close()

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(send, range(16)))

        assert answers.count((201, False)) == 1
        assert set(answers) <= {(201, False), (201, True), (409, False)}
        assert Attempt.objects.count() == 1


class TestSubmissionLimit:
    def test_dust_lb_4_is_thirty_a_minute(self, client: Client) -> None:
        statuses = [submit(client, score=score).status_code for score in range(30)]

        refused = submit(client, score=99)

        assert statuses == [201] + [200] * 29
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
        assert Attempt.objects.count() == 30
        assert Entry.objects.get().score == 29

    def test_holds_for_all_boards_together_and_for_each_player_alone(self, client: Client) -> None:
        for _ in range(30):
            submit(client)

        assert submit(client, to=f"{BOARDS}coop/").status_code == 429
        assert submit(client, "bob").status_code == 201

    def test_dust_lb_4_is_exact_when_all_come_at_once(self) -> None:
        def send(score: int) -> int:
            try:
                return int(submit(Client(), score=score).status_code)
            finally:
                connection.close()

        submit(Client())
        with ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(send, range(48)))

        assert statuses.count(200) == 29
        assert statuses.count(429) == 19

    def test_is_not_touched_by_what_is_refused_as_invalid(self, client: Client) -> None:
        for _ in range(40):
            submit(client, score="high")

        assert submit(client).status_code == 201
