"""What clients say, and what is said of it when it makes no sense."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dust.convex import codec, messages
from dust.convex.codec import ProtocolError
from dust.convex.values import ValuesError
from tests.dust.convex.frames import (
    ACTION,
    ADD,
    ADMIN,
    ALICE,
    CONNECT,
    GOOD,
    MODIFY,
    MUTATION,
    NOBODY,
    SESSION,
    USER,
)

timestamps = st.integers(0, 2**63 - 1)


def read(message: Any) -> messages.ClientMessage:
    return codec.decode_client(json.dumps(message))


def refusal(text: str | bytes | None) -> str:
    with pytest.raises(ProtocolError) as caught:
        codec.decode_client(text)
    return caught.value.reason


class TestDecodeClient:
    def test_reads_connect(self) -> None:
        assert read(CONNECT | {"maxObservedTimestamp": "AQAAAAAAAAA="}) == messages.Connect(
            session_id=SESSION,
            connection_count=0,
            last_close_reason="InitialConnect",
            max_observed_timestamp=messages.Timestamp(1),
            client_ts=1795159409618.0,
        )

    @pytest.mark.parametrize(
        "absent", [{}, {"lastCloseReason": None, "maxObservedTimestamp": None}]
    )
    def test_reads_connect_of_clients_that_say_little(self, absent: dict[str, None]) -> None:
        sparse = {"type": "Connect", "sessionId": SESSION, "connectionCount": 4}

        message = read(sparse | absent)

        assert message == messages.Connect(SESSION, 4)
        assert read(sparse | {"clientTs": 0}) == messages.Connect(SESSION, 4, client_ts=0.0)

    def test_reads_changes_of_the_query_set(self) -> None:
        assert read(MODIFY) == messages.ModifyQuerySet(
            base_version=0,
            new_version=1,
            modifications=[
                messages.Add(query_id=0, udf_path="messages:list", args={"channel": "x"}),
                messages.Remove(3),
            ],
        )

    @pytest.mark.parametrize("journal", [{}, {"journal": None}, {"journal": "end at 5"}])
    def test_reads_the_journal_of_a_query(self, journal: dict[str, str | None]) -> None:
        message = read(MODIFY | {"modifications": [ADD | journal]})

        assert isinstance(message, messages.ModifyQuerySet)
        (added,) = message.modifications
        assert isinstance(added, messages.Add)
        assert added.journal == journal.get("journal")

    def test_reads_mutations_and_actions(self) -> None:
        assert read(MUTATION) == messages.Mutation(
            request_id=0, udf_path="messages:send", args={"body": "hi"}
        )
        assert read(ACTION | {"componentPath": "mail"}) == messages.Action(
            request_id=0, udf_path="messages:send", args={"body": "hi"}, component_path="mail"
        )

    def test_reads_arguments_as_plain_values(self) -> None:
        message = read(MUTATION | {"args": [{"one": 1, "five": {"$integer": "BQAAAAAAAAA="}}]})

        assert isinstance(message, messages.Mutation)
        assert message.args == {"one": 1.0, "five": 5}
        assert isinstance(message.args, dict)
        assert isinstance(message.args["one"], float)

    def test_reads_who_somebody_is(self) -> None:
        assert read(USER) == messages.Authenticate(0, "User", "a.b.c")
        assert read(NOBODY) == messages.Authenticate(1, "None")
        assert read(ADMIN) == messages.Authenticate(0, "Admin", "prod:a|b")

    @pytest.mark.parametrize("name", ["impersonating", "acting_as"])
    def test_reads_as_whom_an_admin_acts_by_either_name(self, name: str) -> None:
        message = read(ADMIN | {name: ALICE})

        assert isinstance(message, messages.Authenticate)
        assert message.impersonating == ALICE

    @pytest.mark.parametrize("content", [{}, {"eventType": "New", "event": [[{"a": {}}]]}])
    def test_makes_nothing_of_events(self, content: dict[str, Any]) -> None:
        assert read({"type": "Event"} | content) == messages.Event()

    @pytest.mark.parametrize("message", GOOD, ids=lambda message: message["type"])
    def test_ignores_fields_it_does_not_know(self, message: dict[str, Any]) -> None:
        assert read(message | {"new": [{"deep": 1}]}) == read(message)

    @pytest.mark.parametrize("message", GOOD, ids=lambda message: message["type"])
    def test_reads_bytes_like_text(self, message: dict[str, Any]) -> None:
        text = json.dumps(message, ensure_ascii=False)

        assert codec.decode_client(text.encode()) == codec.decode_client(text)


class TestBadArguments:
    @pytest.mark.parametrize(
        ("args", "error"),
        [
            (r'{"text":"x\ud83d"}', "args.text is not valid Unicode."),
            (r'{"\udc00":1}', "not printable ASCII"),
            ('{"n":1e999}', "args.n is not a finite number."),
            ('{"n":{"$integer":"AQL/"}}', "args.n has 3 bytes instead of 8."),
            ('{"$integer":"BQAAAAAAAAA="}', "args must be an object"),
            ('{"a":' + "[" * 100 + "]" * 100 + "}", "nested too deeply"),
        ],
    )
    def test_leave_the_message_as_it_is(self, args: str, error: str) -> None:
        text = '{"type":"Mutation","requestId":7,"udfPath":"a:b","args":[' + args + "]}"

        message = codec.decode_client(text)

        assert isinstance(message, messages.Mutation)
        assert (message.request_id, message.udf_path) == (7, "a:b")
        assert isinstance(message.args, ValuesError)
        assert error in message.args.message

    def test_of_one_query_leave_the_others_as_they_are(self) -> None:
        bad = ADD | {"queryId": 1, "args": [{"text": "\ud83d"}]}

        message = read(MODIFY | {"modifications": [ADD, bad]})

        assert isinstance(message, messages.ModifyQuerySet)
        good, refused = message.modifications
        assert isinstance(good, messages.Add)
        assert isinstance(refused, messages.Add)
        assert good.args == {"channel": "x"}
        assert isinstance(refused.args, ValuesError)


class TestRefusals:
    @pytest.mark.parametrize("args", [None, {}, [], [{}, {}], [None], [[]], "{}"])
    @pytest.mark.parametrize("message", [MUTATION, ACTION, ADD], ids=lambda call: call["type"])
    def test_of_arguments_that_are_not_one_object(self, message: dict[str, Any], args: Any) -> None:
        call = message | {"args": args}
        whole = MODIFY | {"modifications": [call]} if call["type"] == "Add" else call

        assert refusal(json.dumps(whole)) == "args must be an array of one object."

    @pytest.mark.parametrize(
        ("message", "reason"),
        [
            ([], "Expected `object`, got `array`"),
            ({}, "Object missing required field `type`"),
            ({"type": "Hello"}, "Invalid value 'Hello' - at `$.type`"),
            ({"type": "Mutation"}, "Object missing required field `udfPath`"),
            (MUTATION | {"requestId": 2**32}, "Expected `int` <= 4294967295 - at `$.requestId`"),
            (MUTATION | {"requestId": -1}, "Expected `int` >= 0 - at `$.requestId`"),
            (MUTATION | {"requestId": 0.5}, "Expected `int`, got `float` - at `$.requestId`"),
            (MUTATION | {"udfPath": None}, "Expected `str`, got `null` - at `$.udfPath`"),
            (CONNECT | {"maxObservedTimestamp": 5}, "- at `$.maxObservedTimestamp`"),
            (CONNECT | {"maxObservedTimestamp": "AQ=="}, "- at `$.maxObservedTimestamp`"),
            (CONNECT | {"sessionId": "me"}, "- at `$.sessionId`"),
            (CONNECT | {"clientTs": 1e300}, "- at `$.clientTs`"),
            (NOBODY | {"tokenType": "Robot"}, "Invalid enum value 'Robot' - at `$.tokenType`"),
            (ADMIN | {"impersonating": "alice"}, "- at `$.impersonating`"),
            (MODIFY | {"modifications": [{"type": "Swap"}]}, "Invalid value 'Swap'"),
        ],
    )
    def test_say_what_is_wrong(self, message: Any, reason: str) -> None:
        assert reason in refusal(json.dumps(message))

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            (None, "Messages are text, not binary."),
            ("", "Input data was truncated"),
            ('{"type":"Event"', "Input data was truncated"),
            ('{"type":"Event"} x', "JSON is malformed: trailing characters (byte 18)"),
            (b'{"type":"\xff"}', "can't decode byte 0xff"),
            (b'{"type":"Event","a":"\xe2\x82', "Input data was truncated"),
            (json.dumps({"type": "Event"}).encode("utf-16"), "JSON is malformed"),
        ],
    )
    def test_of_what_is_no_json(self, text: str | bytes | None, reason: str) -> None:
        assert reason in refusal(text)

    @pytest.mark.parametrize("field", ["udfPath", "journal", "componentPath"])
    def test_of_half_characters_outside_arguments(self, field: str) -> None:
        assert refusal(json.dumps(MODIFY | {"modifications": [ADD | {field: "\ud800"}]}))

    @pytest.mark.parametrize("message", [USER | {"value": "\ud800"}, CONNECT | {"x": "\ud800"}])
    def test_of_half_characters_in_messages_without_arguments(self, message: Any) -> None:
        assert refusal(json.dumps(message))

    @pytest.mark.parametrize("opening", ["[", '{"a":', '{"type":"Event","event":', '{"type":['])
    @pytest.mark.parametrize(
        "head", ["", '{"type":"Mutation","requestId":0,"udfPath":"a","args":[']
    )
    def test_of_megabytes_of_depth(self, opening: str, head: str) -> None:
        assert refusal(head + opening * 1_000_000)

    def test_fit_a_close_frame(self) -> None:
        reason = refusal(json.dumps({"type": "ö" * 5_000}, ensure_ascii=False))

        assert reason.startswith("Invalid value 'öö")
        assert 120 < len(reason.encode()) <= 123


class TestTimestamps:
    @given(ts=timestamps)
    def test_come_back_as_they_went(self, ts: int) -> None:
        assert codec.decode_ts(codec.encode_ts(ts)) == ts

    def test_are_little_endian_in_padded_base64(self) -> None:
        assert codec.encode_ts(0) == "AAAAAAAAAAA="
        assert codec.encode_ts(0x18E9AFF1E1E1BCC4) == "xLzh4fGv6Rg="

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "AAAAAAAAAAA",
            "AAAAAAAAAAB=",
            "AAAAAAAAAA==",
            "AAAAAAAAAAAA",
            "//////////8=",
            "AAAAAAAAA A=",
            "AAAAAAAAAAA=\n",
            "-_-_-_-_-_8=",
            "ééééééééééé=",
        ],
    )
    def test_have_no_other_form(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"."):
            codec.decode_ts(text)


class TestCanonicalPath:
    @pytest.mark.parametrize(
        ("called", "name"),
        [
            ("messages:list", "messages:list"),
            ("messages.js:list", "messages:list"),
            ("messages", "messages:default"),
            ("dir/messages.js", "dir/messages:default"),
            ("dir/my.file.js:list", "dir/my.file:list"),
            ("_system/cli/tables:default", "_system/cli/tables:default"),
        ],
    )
    def test_is_the_one_name_of_a_function(self, called: str, name: str) -> None:
        assert codec.canonical_path(called) == name

    @pytest.mark.parametrize(
        "called", ["", ":", "a:", ":b", "a:b:c", "a b:c", "/a:b", "a//b:c", "é:b", "a" * 199 + ":b"]
    )
    def test_refuses_what_can_be_no_name(self, called: str) -> None:
        with pytest.raises(ProtocolError, match="No function can have the name"):
            codec.canonical_path(called)
