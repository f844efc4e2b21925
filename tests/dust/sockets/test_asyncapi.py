"""The AsyncAPI document: valid by the standard's own schema, and made from the code."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from django.test import Client
from django.urls import path

from dust.sockets.asyncapi import describe
from dust.sockets.messages import CLOSINGS
from tests.asyncapi import document, struct_of
from tests.dust.sockets.toy import ToyConsumer

STANDARD = json.loads(Path(__file__).with_name("asyncapi-3.0.0.json").read_text())
TOY = path("ws/toys/<int:number>/<str:which>/", ToyConsumer.as_asgi())  # type: ignore[arg-type]


def problems(described: Any) -> list[str]:
    found = jsonschema.Draft7Validator(STANDARD).iter_errors(described)
    return [f"{error.json_path}: {error.message}" for error in found]


def references(described: Any) -> Iterator[str]:
    if isinstance(described, dict):
        if "$ref" in described:
            yield described["$ref"]
        for part in described.values():
            yield from references(part)
    elif isinstance(described, list):
        for part in described:
            yield from references(part)


def follow(described: Any, reference: str) -> Any:
    for step in reference.removeprefix("#/").split("/"):
        described = described[step]
    return described


class TestDocument:
    def test_is_valid(self) -> None:
        assert problems(document()) == []
        assert problems(document() | {"asyncapi": "2.6.0"}) != []

    def test_refers_only_to_what_it_holds(self) -> None:
        described = document()
        found = set(references(described))

        assert found
        for reference in found:
            assert follow(described, reference)

    def test_says_where_the_sockets_of_the_code_are(self) -> None:
        described = describe([TOY], server={"host": "localhost", "protocol": "ws"})

        toy = described["channels"]["toy"]
        assert problems(described) == []
        assert toy["address"] == "/ws/toys/{number}/{which}/"
        assert toy["description"] == "Shows the thing, and more on request."
        assert toy["parameters"] == {"which": {"enum": ["one", "two"]}}
        assert set(toy["bindings"]["ws"]["query"]["properties"]) == {"version", "size", "broken"}
        assert toy["bindings"]["ws"]["query"]["additionalProperties"] is False
        assert "`invalid_arguments`, and a close with 4400" in described["info"]["description"]

    def test_says_what_may_be_said_by_whom(self) -> None:
        described = describe([TOY], server={"host": "localhost", "protocol": "ws"})

        said = {
            action: [
                follow(described, follow(described, message["$ref"])["$ref"])["name"]
                for message in described["operations"][f"toy_{action}"]["messages"]
            ]
            for action in ("receive", "send")
        }
        assert said == {
            "receive": ["hello", "ping", "pong", "watch", "unwatch", "fail"],
            "send": ["welcome", "ping", "pong", "unchanged", "error", "thing"],
        }
        assert described["components"]["messages"]["Fail"]["summary"] == (
            "Fail, as anticipated or not."
        )

    def test_explains_every_code(self) -> None:
        channel = document()["channels"]["leaderboard"]

        assert channel["x-close-codes"] == {str(code): reason for code, reason in CLOSINGS}
        assert channel["x-error-codes"]["board_not_found"] == "There is no such leaderboard."
        assert all(len(reason.encode()) <= 123 for _code, reason in CLOSINGS)  # RFC 6455 §5.5

    @pytest.mark.parametrize(
        ("message", "struct"),
        [
            ({"type": "hello"}, "Hello"),
            ({"type": "hello", "token": "a.b.c"}, "Hello"),
            ({"type": "ping"}, "ClientPing"),
            ({"type": "watch_me", "version": None}, "WatchMe"),
            ({"type": "watch_around", "radius": 50}, "WatchAround"),
            ({"type": "unwatch", "what": "around"}, "Unwatch"),
        ],
    )
    def test_admits_what_a_client_may_say(self, message: Any, struct: str) -> None:
        assert struct_of(document(), message, direction="receive") == struct

    @pytest.mark.parametrize(
        "message",
        [
            {"type": "hello", "token": 5},
            {"type": "ping", "extra": True},
            {"type": "watch_around", "radius": 51},
            {"type": "unwatch", "what": "top"},
        ],
    )
    def test_does_not_admit_what_the_server_refuses(self, message: Any) -> None:
        with pytest.raises(jsonschema.ValidationError):
            struct_of(document(), message, direction="receive")


class TestView:
    def test_is_open_to_everybody_and_names_this_server(self, client: Client) -> None:
        answer = client.get("/api/asyncapi.json", headers={"host": "localhost:8000"})

        assert answer.status_code == 200
        assert answer["content-type"] == "application/json"
        server = answer.json()["servers"]["this"]
        assert (server["host"], server["protocol"]) == ("localhost:8000", "ws")

    def test_knows_when_it_is_behind_tls(self, client: Client) -> None:
        answer = client.get("/api/asyncapi.json", secure=True)

        assert answer.json()["servers"]["this"]["protocol"] == "wss"

    def test_is_only_read(self, client: Client) -> None:
        assert client.post("/api/asyncapi.json").status_code == 405
