"""The life of a session, and what may be recorded of it."""

import math
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamesessions import rules
from gamesessions.errors import (
    InvalidEventError,
    InvalidModerationError,
    InvalidProgressError,
    InvalidStateError,
)
from gamesessions.rules import EventType, Progress, Status

BEGINNING = Progress(score=0, level=1, combo=0, pages_completed=0, accuracy=0.0)
NO_WAY: frozenset[Status] = frozenset()


def nested(depth: int, innermost: Any = 1) -> Any:
    value = innermost
    for _ in range(depth):
        value = [value]
    return value


class TestTransitions:
    def test_lead_from_active_to_one_of_two_ends(self) -> None:
        allowed = {
            (one, other) for one in Status for other in Status if rules.can_become(one, other)
        }

        assert allowed == {
            (Status.ACTIVE, Status.COMPLETED),
            (Status.ACTIVE, Status.ABANDONED),
        }
        assert frozenset({Status.COMPLETED, Status.ABANDONED}) == rules.FINAL

    @pytest.mark.parametrize(
        "table",
        [
            {Status.ACTIVE: frozenset({Status.COMPLETED}), Status.COMPLETED: NO_WAY},
            {
                Status.ACTIVE: frozenset({Status.COMPLETED}),
                Status.COMPLETED: NO_WAY,
                Status.ABANDONED: NO_WAY,
            },
            {
                Status.ACTIVE: frozenset({Status.COMPLETED}),
                Status.COMPLETED: frozenset({Status.ABANDONED}),
                Status.ABANDONED: frozenset({Status.ACTIVE}),
            },
        ],
        ids=["a status is missing", "one is never reached", "there is no end"],
    )
    def test_are_checked_as_a_table(self, table: dict[Status, frozenset[Status]]) -> None:
        with pytest.raises(ValueError, match=r"\."):
            rules.check_transitions(table)


class TestCheckProgress:
    def test_takes_what_is_asked_and_leaves_the_rest(self) -> None:
        current = Progress(score=50, level=2, combo=3, pages_completed=4, accuracy=60.5)

        found = rules.check_progress(Progress(score=70.0, combo=0), current=current)

        assert found == Progress(score=70, level=2, combo=0, pages_completed=4, accuracy=60.5)
        assert type(found.score) is int

    @pytest.mark.parametrize(
        ("field", "least", "most"),
        [
            ("score", rules.MIN_SCORE, rules.MAX_SCORE),
            ("level", 1, 10),
            ("combo", 0, rules.MAX_COUNT),
            ("pages_completed", 0, rules.MAX_COUNT),
            ("accuracy", 0, 100),
        ],
    )
    def test_keeps_to_the_limits(self, field: str, least: int, most: int) -> None:
        for within in (least, most):
            checked = rules.check_progress(Progress(**{field: within}), current=BEGINNING)
            assert asdict(checked)[field] == within
        for beyond in (least - 1, most + 1, math.inf, -math.inf, math.nan, True):
            with pytest.raises(InvalidProgressError) as refusal:
                rules.check_progress(Progress(**{field: beyond}), current=BEGINNING)
            assert list(refusal.value.fields) == [field]

    @pytest.mark.parametrize("field", ["score", "level", "combo", "pages_completed"])
    def test_wants_whole_numbers(self, field: str) -> None:
        with pytest.raises(InvalidProgressError, match="cannot be recorded"):
            rules.check_progress(Progress(**{field: 1.5}), current=BEGINNING)

    def test_names_everything_that_is_wrong(self) -> None:
        wrong = Progress(score=math.nan, level=0, combo=-1, pages_completed=0.5, accuracy=101)

        with pytest.raises(InvalidProgressError) as refusal:
            rules.check_progress(wrong, current=BEGINNING)

        assert refusal.value.fields["level"] == ["Must be a whole number from 1 to 10."]
        assert refusal.value.fields.keys() == asdict(wrong).keys()

    def test_lets_no_page_become_undone(self) -> None:
        current = Progress(score=0, level=1, combo=0, pages_completed=4, accuracy=0)

        with pytest.raises(InvalidProgressError) as refusal:
            rules.check_progress(Progress(pages_completed=3), current=current)

        assert "from 4" in refusal.value.fields["pages_completed"][0]

    def test_knows_one_zero_only(self) -> None:
        checked = rules.check_progress(Progress(score=-0.0, accuracy=-0.0), current=BEGINNING)

        assert (str(checked.score), str(checked.accuracy)) == ("0", "0.0")


class TestCheckState:
    @pytest.mark.parametrize(
        "state", [None, 2**70, "text", [], {"a": [1, {"b": None}]}, 1e300, "é\U0001f3c6"]
    )
    def test_takes_any_json(self, state: Any) -> None:
        rules.check_state(state)

    def test_is_measured_in_bytes(self) -> None:
        longest = "é" * ((rules.MAX_STATE_BYTES - 2) // 2)

        rules.check_state(longest)
        with pytest.raises(InvalidStateError) as refusal:
            rules.check_state(longest + "e")

        assert str(rules.MAX_STATE_BYTES) in refusal.value.fields["state"][0]

    @pytest.mark.parametrize("innermost", [1, [], {}])
    def test_is_limited_in_depth(self, innermost: Any) -> None:
        own = 0 if innermost == 1 else 1

        rules.check_state(nested(rules.MAX_DEPTH - own, innermost))
        with pytest.raises(InvalidStateError) as refusal:
            rules.check_state({"deep": nested(rules.MAX_DEPTH - own, innermost)})

        assert str(rules.MAX_DEPTH) in refusal.value.fields["state"][0]

    @pytest.mark.parametrize(
        "state",
        [
            "\ud800",
            {"\udfff": 1},
            "a\0b",
            [{"a": "\0"}],
            {"\0": 1},
            float("nan"),
            {"a": [float("inf")]},
            object(),
            {1.5, 2.5j},
        ],
    )
    def test_refuses_what_cannot_be_given_back(self, state: Any) -> None:
        with pytest.raises(InvalidStateError):
            rules.check_state(state)

    @given(st.recursive(st.none() | st.integers() | st.floats(), st.lists))
    def test_lets_through_only_what_json_can_hold(self, state: Any) -> None:
        try:
            rules.check_state(state)
        except InvalidStateError:
            return
        assert msgspec.json.decode(msgspec.json.encode(state)) == state


EVENT = {
    "client_id": "e-1",
    "type": "page_started",
    "occurred_at": "2026-03-14T15:09:26Z",
    "data": {"page": "p1"},
}


class TestCheckEvent:
    def test_reads_an_event(self, now: datetime) -> None:
        event = rules.check_event(EVENT, now=now)

        assert (event.client_id, event.type) == ("e-1", EventType.PAGE_STARTED)
        assert (event.occurred_at, event.data) == (now, {"page": "p1"})

    def test_needs_no_data_and_takes_any_offset(self, now: datetime) -> None:
        row = {**EVENT, "occurred_at": "2026-03-14T17:09:26.5+02:00"}
        del row["data"]

        event = rules.check_event(row, now=now)

        assert event.occurred_at == now + timedelta(seconds=0.5)
        assert event.occurred_at.tzinfo is UTC
        assert event.data is None

    @pytest.mark.parametrize("kind", EventType)
    def test_is_of_a_known_type(self, now: datetime, kind: EventType) -> None:
        assert rules.check_event(EVENT | {"type": kind.value}, now=now).type is kind

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("client_id", ""),
            ("client_id", "x" * 65),
            ("client_id", "a\nb"),
            ("client_id", 7),
            ("client_id", None),
            ("type", "page_eaten"),
            ("type", ["page_started"]),
            ("type", None),
            ("occurred_at", "yesterday"),
            ("occurred_at", "2026-03-14T15:09:26"),
            ("occurred_at", "0001-01-01T00:00:00+14:00"),
            ("occurred_at", "2026-03-14\00015:09:26Z"),
            ("occurred_at", 1_773_500_966),
            ("occurred_at", None),
            ("data", "x" * rules.MAX_EVENT_BYTES),
            ("data", nested(rules.MAX_DEPTH + 1)),
            ("data", "\0"),
            ("data", {"\ud800": float("nan")}),
            ("score", 100),
        ],
    )
    def test_names_what_is_wrong(self, now: datetime, field: str, value: Any) -> None:
        with pytest.raises(InvalidEventError) as refusal:
            rules.check_event(EVENT | {field: value}, now=now)

        assert list(refusal.value.fields) == [field]

    @pytest.mark.parametrize("row", [None, 7, "event", [EVENT], {}])
    def test_is_an_object_with_what_an_event_has(self, now: datetime, row: Any) -> None:
        with pytest.raises(InvalidEventError):
            rules.check_event(row, now=now)

    def test_may_be_a_little_ahead_of_our_clock(self, now: datetime) -> None:
        latest = now + rules.EVENT_LEEWAY

        rules.check_event(EVENT | {"occurred_at": latest.isoformat()}, now=now)
        later = latest + timedelta(microseconds=1)
        with pytest.raises(InvalidEventError) as refusal:
            rules.check_event(EVENT | {"occurred_at": later.isoformat()}, now=now)

        assert "5 minutes" in refusal.value.fields["occurred_at"][0]

    @pytest.mark.parametrize("letter", ["x", "é", "\U0001f3c6", '"', "\n"])
    def test_may_have_data_up_to_the_limit_as_compact_json(
        self, now: datetime, letter: str
    ) -> None:
        size = len(msgspec.json.encode(letter)) - 2
        longest = letter * ((rules.MAX_EVENT_BYTES - 2) // size)

        rules.check_event(EVENT | {"data": longest}, now=now)
        with pytest.raises(InvalidEventError) as refusal:
            rules.check_event(EVENT | {"data": longest + letter}, now=now)

        [told] = refusal.value.fields["data"]
        assert told == "Must not be longer than 2048 bytes as compact JSON in UTF-8."


class TestCheckReason:
    def test_is_trimmed(self) -> None:
        assert rules.check_reason(" a bot ") == "a bot"

    @pytest.mark.parametrize("reason", ["", " ", "x" * (rules.MAX_REASON_LENGTH + 1)])
    def test_must_say_something_briefly(self, reason: str) -> None:
        with pytest.raises(InvalidModerationError):
            rules.check_reason(reason)
