"""What no client would say: conversations that begin well, and what comes of them by chance."""

import json
from typing import Any

from hypothesis import strategies as st

from tests.dust.convex.frames import CONNECT, EVENT, NOBODY, USER
from tests.dust.convex.syncing import add, remove
from tests.rest import token
from tests.sockets import Message

SAID = str | bytes
"""A frame: of text, or binary."""

VALUE: Any = {"a": [1.0, "x", None, {"$bytes": "AQL/"}, {"$integer": "AQAAAAAAAAA="}]}
PAGE = {"name": "solo", "paginationOpts": {"numItems": 2.0, "cursor": None}}


def conversation(value: Any = VALUE) -> list[Message]:
    """Return what a client might say, one thing after the other."""
    call = {"requestId": 0, "udfPath": "test:repeat", "args": [{"value": value}]}
    return [
        CONNECT | {"maxObservedTimestamp": "AAAAAAAAAAA="},
        EVENT,
        USER | {"value": token("alice")},
        _modify(0, add(0, "test:count"), add(1, "test:echo", {"value": value})),
        {"type": "Mutation", **call},
        _modify(1, add(2, "test:page", PAGE, journal=None), remove(0)),
        {"type": "Action", **call, "requestId": 1, "udfPath": "test:callBack"},
        NOBODY,
        _modify(2, remove(1), add(3, "test:players.js:default"), remove(2)),
        {"type": "Mutation", **call, "requestId": 2},
    ]


def _modify(base: int, *modifications: Message) -> Message:
    return {
        "type": "ModifyQuerySet",
        "baseVersion": base,
        "newVersion": base + 1,
        "modifications": list(modifications),
    }


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from([-0.0, 2**32, 2**63, 1e30, 10**400, "\x00", "\ud800", "AA==", "é" * 99]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(max_size=8) | st.sampled_from(["$float", "$bytes"]), inner),
    ),
    max_leaves=12,
)


@st.composite
def mutated(draw: st.DrawFn, message: Message) -> Message:
    """Draw the message with something in it changed, left out or added."""
    copy: Message = json.loads(json.dumps(message))
    place: Any = copy
    while True:
        keys: list[Any] = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return copy
        key = draw(st.sampled_from(keys))
        if isinstance(place[key], dict | list) and draw(st.booleans()):
            place = place[key]
            continue
        match draw(st.sampled_from(["change", "remove", "add"])):
            case "change":
                place[key] = draw(values)
            case "remove":
                del place[key]
            case _ if isinstance(place, dict):
                place[draw(st.text(max_size=8))] = draw(values)
            case _:
                place.append(draw(values))
        return copy


@st.composite
def deep(draw: st.DrawFn) -> str:
    """Draw a message with something in it that is nested far too deeply, perhaps without end."""
    opening, closing = draw(st.sampled_from([("[", "]"), ('{"a":', "}"), ('[{"":', "}]")]))
    depth = draw(st.sampled_from([64, 65, 1_000, 100_000]))
    nested = opening * depth + "1" + closing * (depth if draw(st.booleans()) else 0)
    message = draw(st.sampled_from([{"type": "Event"}, *conversation()]))
    return json.dumps(message | {"args": ["HERE"]}).replace('"HERE"', nested)


@st.composite
def cut(draw: st.DrawFn) -> str:
    """Draw a message of which the end is missing."""
    text = json.dumps(draw(st.sampled_from(conversation())))
    return text[: draw(st.integers(0, len(text) - 1))]


def huge() -> st.SearchStrategy[str]:
    sizes = st.sampled_from([60_000, 70_000, 300_000])
    long = st.one_of(
        sizes.map(lambda size: "x" * size),
        sizes.map(lambda size: ["€"] * (size // 8)),
        sizes.map(lambda size: {str(number): number for number in range(size // 16)}),
    )
    return st.builds(
        lambda message, value: json.dumps(message | {"args": [{"value": value}]}),
        st.sampled_from(conversation()),
        long,
    )


nonsense: st.SearchStrategy[SAID] = st.one_of(
    st.text(max_size=50),
    st.binary(max_size=50),
    values.map(json.dumps),
    st.builds(lambda kind, rest: json.dumps({"type": kind, "x": rest}), st.text(), values),
    st.sampled_from(conversation()).flatmap(mutated).map(json.dumps),
    st.sampled_from(conversation()).map(json.dumps),
    deep(),
    cut(),
    huge(),
)


@st.composite
def conversations(draw: st.DrawFn) -> list[SAID]:
    """Draw what somebody says: sense at first, and then nonsense, and sense again."""
    sense = conversation(draw(values))
    turn = draw(st.integers(0, len(sense)))
    said: list[SAID] = [json.dumps(message) for message in sense[:turn]]
    if turn < len(sense):
        said.append(json.dumps(draw(mutated(sense[turn]))))
    said += draw(st.lists(nonsense, max_size=3))
    return said + [json.dumps(message) for message in sense[turn + 1 :]]
