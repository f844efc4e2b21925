"""REST: batches of what happened in games that were played while the server was away."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from dust.rest.bodies import limit_for
from gamesessions import rules
from gamesessions.models import GameSession, PlayEvent
from tests.rest import bearer, unspend_limits

pytestmark = pytest.mark.django_db(transaction=True)

SESSIONS = "/api/v1/sessions/"


@pytest.fixture(autouse=True)
def _fresh(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start with all limits unspent."""
    unspend_limits(monkeypatch)


def post(client: Client, path: str, body: str, *, player: str = "alice") -> Any:
    return client.post(path, body, content_type="application/json", headers=bearer(player))


def send(client: Client, path: str, events: Any, *, player: str = "alice") -> Any:
    return post(client, path, json.dumps({"events": events}), player=player)


def indexes(answer: Any) -> list[int]:
    return [each["index"] for each in answer.json()["rejected"]]


@pytest.fixture
def path(client: Client) -> str:
    """Where events of a game of alice's go."""
    begun = post(client, SESSIONS, "{}")
    return f"{SESSIONS}{begun.json()['id']}/events/"


@pytest.fixture
def events() -> list[Any]:
    moment = datetime.now(UTC) - timedelta(hours=1)
    return [
        {"client_id": f"e{number}", "type": kind, "occurred_at": moment.isoformat()}
        for number, kind in enumerate(rules.EventType)
    ]


class TestEvents:
    def test_are_recorded(self, client: Client, path: str, events: list[Any]) -> None:
        answer = send(client, path, events)

        assert (answer.status_code, answer.json()) == (
            200,
            {"recorded": 4, "duplicates": 0, "rejected": []},
        )
        assert PlayEvent.objects.count() == 4

    def test_are_kept_if_good_and_reported_if_bad(
        self, client: Client, path: str, events: list[Any]
    ) -> None:
        events[1]["type"] = "page_eaten"
        events.append(None)

        answer = send(client, path, events)

        report = answer.json()
        assert (answer.status_code, report["recorded"]) == (200, 3)
        assert [(each["index"], each["code"]) for each in report["rejected"]] == [
            (1, "invalid_event"),
            (4, "invalid_event"),
        ]
        assert list(report["rejected"][0]["fields"]) == ["type"]

    def test_count_once_if_sent_twice(self, client: Client, path: str, events: list[Any]) -> None:
        send(client, path, events)

        again = send(client, path, events)

        assert again.json() == {"recorded": 0, "duplicates": 4, "rejected": []}
        assert PlayEvent.objects.count() == 4

    def test_are_a_thousand_at_most(self, client: Client, path: str, events: list[Any]) -> None:
        most = [events[0] | {"client_id": str(number)} for number in range(1000)]

        full = send(client, path, most)
        overfull = send(client, path, [*most, events[0]])

        assert full.json()["recorded"] == 1000
        assert (overfull.status_code, list(overfull.json()["fields"])) == (400, ["events"])
        assert "1000" in overfull.json()["fields"]["events"][0]

    def test_come_in_a_list(self, client: Client, path: str) -> None:
        for body in ("{}", '{"events": {}}', '{"events": "x"}', '{"rows": []}', "[]"):
            assert post(client, path, body).status_code == 400

    def test_d6_are_the_owners_alone(self, client: Client, path: str, events: list[Any]) -> None:
        answer = send(client, path, events, player="bob")

        assert (answer.status_code, answer.json()["code"]) == (404, "session_not_found")
        assert not PlayEvent.objects.exists()


class TestRowsThatCannotBeKept:
    @pytest.mark.parametrize(
        ("data", "sentence"),
        [
            (r'"a\u0000b"', "no text with a NUL"),
            (r'{"deep": ["\ud800"]}', "half of a surrogate pair"),
            (r'{"\udfff": 1}', "half of a surrogate pair"),
            ("1e999", "no number that is too large"),
            ("[-1e999]", "no number that is too large"),
            ("NaN", "no NaN"),
            ('{"speed": -Infinity}', "no Infinity"),
            ("9" * 5000, "no number that is too large"),
        ],
    )
    def test_are_reported_while_the_others_are_kept(
        self, client: Client, path: str, events: list[Any], data: str, sentence: str
    ) -> None:
        events[2]["data"] = "HERE"
        body = json.dumps({"events": events}).replace('"HERE"', data)

        answer = post(client, path, body)

        assert (answer.status_code, answer.json()["recorded"]) == (200, 3)
        [rejected] = answer.json()["rejected"]
        assert (rejected["index"], rejected["code"]) == (2, "invalid_event")
        assert sentence in rejected["fields"]["data"][0]
        assert set(PlayEvent.objects.values_list("client_id", flat=True)) == {"e0", "e1", "e3"}

    @pytest.mark.parametrize("text", [r"\u0000", r"\ud800", r"2026-01-31\ud80012:00:00Z"])
    @pytest.mark.parametrize("field", ["client_id", "type", "occurred_at"])
    def test_have_no_such_text_anywhere(
        self, client: Client, path: str, events: list[Any], field: str, text: str
    ) -> None:
        events[1][field] = "HERE"

        answer = post(client, path, json.dumps({"events": events}).replace("HERE", text))

        assert (answer.json()["recorded"], indexes(answer)) == (3, [1])
        assert list(answer.json()["rejected"][0]["fields"]) == [field]

    def test_may_be_told_by_the_names_of_their_fields(
        self, client: Client, path: str, events: list[Any]
    ) -> None:
        events[1]["HERE"] = 1

        answer = post(client, path, json.dumps({"events": events}).replace("HERE", r"\ud800"))

        assert (answer.json()["recorded"], indexes(answer)) == (3, [1])
        assert answer.json()["rejected"][0]["fields"] == {r"\ud800": ["Unknown field."]}

    @pytest.mark.parametrize(
        "body",
        [
            r'{"events": [], "\ud800": 1}',
            r'{"events": [], "\u0000": 1}',
            '{"events": [], "events": []}',
            '{"events": [{]}',
            "NaN,",
        ],
    )
    def test_are_told_from_a_body_that_is_no_json(
        self, client: Client, path: str, body: str
    ) -> None:
        answer = post(client, path, body)

        assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")


class TestLongBatches:
    """A row's data has up to 2 KiB as compact JSON in UTF-8: what it is sent as may be longer."""

    def batch(self, data: str, client_id: str = "e") -> list[Any]:
        assert len(json.dumps(data, ensure_ascii=False).encode()) <= rules.MAX_EVENT_BYTES
        longest = {
            "type": "section_selected",
            "occurred_at": "2026-01-31T12:00:00.000000+00:00",
            "data": data,
        }
        room = rules.MAX_CLIENT_ID_LENGTH - 4
        return [
            longest | {"client_id": client_id * room + f"{number:04}"}
            for number in range(rules.MAX_EVENTS_PER_CALL)
        ]

    @pytest.mark.parametrize(
        ("data", "client_id"),
        [
            ("x" * 2046, "e"),
            ("é" * 1023, "é"),
            ("🏆" * 511, "🏆"),
            ('"' * 1023, '"'),
            ("\x01" * 341, "e"),
        ],
    )
    @pytest.mark.parametrize("ascii_only", [True, False])
    def test_fit_in_a_body(
        self, client: Client, path: str, data: str, client_id: str, *, ascii_only: bool
    ) -> None:
        body = json.dumps({"events": self.batch(data, client_id)}, ensure_ascii=ascii_only)

        answer = post(client, path, body)

        assert answer.status_code == 200, answer.content
        assert (answer.json()["recorded"], indexes(answer)) == (1000, [])
        assert PlayEvent.objects.latest("id").data == data

    def test_fit_in_a_body_also_if_every_letter_is_escaped(self, client: Client, path: str) -> None:
        def escaped(text: str) -> str:
            return "".join(f"\\u{ord(letter):04x}" for letter in text)

        rows = [
            ",".join(f'"{escaped(name)}":"{escaped(value)}"' for name, value in row.items())
            for row in self.batch("x" * 2046)
        ]
        body = '{"events":[{' + "},{".join(rows) + "}]}"
        assert settings.DATA_UPLOAD_MAX_MEMORY_SIZE * 5 < len(body) < limit_for(path)

        assert post(client, path, body).json()["recorded"] == 1000

    def test_may_not_be_long_for_any_other_reason(self, client: Client, path: str) -> None:
        usual = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        spaces, brackets = " " * usual, "[]," * (usual // 3)
        backslashes = r"\\u" * usual  # as if they were escapes of one letter each

        for inside in (spaces, f"{brackets}1", f'"{backslashes}"'):
            answer = post(client, path, f'{{"events":[{inside}]}}')

            assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")

    def test_have_no_row_that_is_longer_by_itself(
        self, client: Client, path: str, events: list[Any]
    ) -> None:
        events[3]["data"] = "é" * 1024

        answer = send(client, path, events)

        assert (answer.json()["recorded"], indexes(answer)) == (3, [3])
        told = answer.json()["rejected"][0]["fields"]["data"][0]
        assert told == "Must not be longer than 2048 bytes as compact JSON in UTF-8."


class TestStates:
    """Saves are read as a whole: a state that cannot be kept is a clear refusal."""

    @pytest.mark.parametrize(
        ("state", "sentence"),
        [
            (r'"a\u0000b"', "A text holds a NUL."),
            (r'{"a": "\ud800"}', "A text holds half of a surrogate pair."),
            ("1e999", "The body holds a number that is too large."),
            ("NaN", "NaN is not JSON."),
        ],
    )
    def test_are_refused_if_they_cannot_be_kept(
        self, client: Client, path: str, state: str, sentence: str
    ) -> None:
        saved = path.removesuffix("events/")
        body = f'{{"version": 1, "state": {state}}}'

        answer = client.patch(saved, body, content_type="application/json", headers=bearer("alice"))

        assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")
        assert answer.json()["message"] == sentence
        assert GameSession.objects.get().version == 1
