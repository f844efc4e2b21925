"""What clients are sent, to the byte: some of them take nothing else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dust.convex import codec, messages
from dust.convex.codec import StateVersion
from dust.convex.messages import Failure, Success


def said(text: bytes) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON.")

    return json.loads(text, parse_constant=refuse)


class TestResponses:
    def test_tell_what_a_mutation_returned_and_when_it_was_committed(self) -> None:
        outcome = Success(b'{"n":1.0}', ts=1, log_lines=("[LOG] 'x'",))

        assert codec.response(0, outcome, is_mutation=True) == (
            b'{"type":"MutationResponse","requestId":0,"success":true,"result":{"n":1.0},'
            b'"ts":"AQAAAAAAAAA=","logLines":["[LOG] \'x\'"]}'
        )

    def test_tell_why_a_mutation_failed(self) -> None:
        assert said(codec.response(1, Failure("Room is full."), is_mutation=True)) == {
            "type": "MutationResponse",
            "requestId": 1,
            "success": False,
            "result": "Room is full.",
            "ts": None,
            "logLines": [],
        }

    def test_tell_how_an_action_ended(self) -> None:
        assert said(codec.response(3, Success(b"null"), is_mutation=False)) == {
            "type": "ActionResponse",
            "requestId": 3,
            "success": True,
            "result": None,
            "logLines": [],
        }
        assert said(codec.response(3, Failure("No."), is_mutation=False)) == {
            "type": "ActionResponse",
            "requestId": 3,
            "success": False,
            "result": "No.",
            "logLines": [],
        }

    @pytest.mark.parametrize("is_mutation", [True, False])
    def test_have_the_data_of_an_error_if_there_is_some_be_it_null(
        self, *, is_mutation: bool
    ) -> None:
        with_null = Failure("No.", b"null", ["[WARN] no"])

        answer = said(codec.response(1, with_null, is_mutation=is_mutation))

        assert answer["errorData"] is None
        assert answer["logLines"] == ["[WARN] no"]


class TestOtherMessages:
    @pytest.mark.parametrize(
        ("message", "text"),
        [
            (messages.Ping(), b'{"type":"Ping"}'),
            (messages.FatalError("No."), b'{"type":"FatalError","error":"No."}'),
            (
                messages.AuthError("Expired.", base_version=2, auth_update_attempted=False),
                (
                    b'{"type":"AuthError","error":"Expired.","baseVersion":2,'
                    b'"authUpdateAttempted":false}'
                ),
            ),
        ],
    )
    def test_are_written_as_clients_know_them(
        self, message: messages.ServerMessage, text: bytes
    ) -> None:
        assert codec.encode(message) == text


class TestTransition:
    START = StateVersion(0, 0, 0)
    END = StateVersion(1, 2, 1)

    def test_takes_a_client_from_one_version_to_the_next(self) -> None:
        parts = [
            codec.modification(0, codec.updated(b"[1.0]", log_lines=["[LOG] 'x'"], journal="end")),
            codec.modification(1, codec.query_failed(Failure("Gone."))),
            codec.query_refused(2, Failure("No.", b'{"n":1.0}')),
            codec.query_removed(3),
        ]

        assert codec.transition(self.START, self.END, parts) == (
            b'{"type":"Transition",'
            b'"startVersion":{"querySet":0,"identity":0,"ts":"AAAAAAAAAAA="},'
            b'"endVersion":{"querySet":1,"identity":2,"ts":"AQAAAAAAAAA="},'
            b'"modifications":['
            b'{"type":"QueryUpdated","value":[1.0],"logLines":["[LOG] \'x\'"],"journal":"end",'
            b'"queryId":0},'
            b'{"type":"QueryFailed","errorMessage":"Gone.","logLines":[],"journal":null,'
            b'"queryId":1},'
            b'{"type":"QueryFailed","errorMessage":"No.","logLines":[],"journal":null,'
            b'"errorData":{"n":1.0},"queryId":2},'
            b'{"type":"QueryRemoved","queryId":3}]}'
        )

    def test_may_be_empty(self) -> None:
        assert said(codec.transition(self.START, self.END, ()))["modifications"] == []

    def test_tells_the_time_with_the_skew_both_as_integers(self) -> None:
        text = codec.transition(self.START, self.END._replace(ts=1795159409492525285), (), -12)

        assert b'"clientClockSkew":-12,"serverTs":1795159409492525285}' in text


class TestChunks:
    TEXT = '{"a":"€ \\" 👋"}'.encode() * 40

    @given(most=st.integers(4, 60))
    def test_are_the_text_in_parts_that_are_not_too_long(self, most: int) -> None:
        parts = [said(chunk) for chunk in codec.chunks(self.TEXT, most=most)]

        assert "".join(part["chunk"] for part in parts).encode() == self.TEXT
        assert all(len(part["chunk"].encode()) <= most for part in parts)
        assert [part["partNumber"] for part in parts] == list(range(len(parts)))
        assert {part["totalParts"] for part in parts} == {len(parts)}
        assert len({part["transitionId"] for part in parts}) == 1
        assert {part["type"] for part in parts} == {"TransitionChunk"}

    def test_are_no_more_than_needed(self) -> None:
        assert len(list(codec.chunks(b"x" * 10, most=5))) == 2
        assert len(list(codec.chunks(b"x" * 11, most=5))) == 3
