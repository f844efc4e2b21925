"""Whatever a client sends, it is read or refused."""

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from dust.convex import codec, messages
from dust.convex.codec import ProtocolError
from dust.convex.values import ValuesError
from tests.dust.convex.frames import GOOD, MUTATION

HALF = r'{"type":"Mutation","requestId":7,"udfPath":"a:b","args":[{"text":"x\ud83d"}]}'
"""What JSON.stringify makes of a string that was cut within a character."""

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def read_or_refused(text: str | bytes) -> None:
    """Read what may be no message at all; no error but the one may come of it."""
    try:
        codec.decode_client(text)
    except ProtocolError as exc:
        reason = exc.reason
    else:
        return
    assert 0 < len(reason.encode()) <= codec.MAX_REASON_BYTES


class TestAnything:
    @given(text=st.text(st.characters()) | st.binary())
    @example(text=HALF)
    def test_is_a_message_or_refused(self, text: str | bytes) -> None:
        read_or_refused(text)

    @given(value=json_values)
    def test_json_is_a_message_or_refused(self, value: Any) -> None:
        read_or_refused(json.dumps(value))

    @given(message=st.sampled_from(GOOD), data=st.data())
    def test_with_one_field_of_any_value_is_a_message_or_refused(
        self, message: dict[str, Any], data: st.DataObject
    ) -> None:
        field = data.draw(st.sampled_from(sorted(message)))

        read_or_refused(json.dumps(message | {field: data.draw(json_values)}))

    @given(message=st.sampled_from(GOOD), data=st.data())
    def test_cut_or_changed_is_a_message_or_refused(
        self, message: dict[str, Any], data: st.DataObject
    ) -> None:
        text = json.dumps(message).encode()
        start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))

        read_or_refused(text[:start])
        read_or_refused(text[:start] + data.draw(st.binary(max_size=8)) + text[end:])

    @given(args=st.dictionaries(st.text(st.characters()), json_values))
    def test_in_arguments_leaves_the_message_as_it_is(self, args: dict[str, Any]) -> None:
        message = codec.decode_client(json.dumps(MUTATION | {"args": [args]}))

        assert isinstance(message, messages.Mutation)
        assert isinstance(message.args, dict | ValuesError)
