"""The socket of Convex clients on a real server, which stands whatever comes over the network."""

import json
import os
import random
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.sync.client import ClientConnection, connect

from dust.convex.consumer import MESSAGE_BYTES
from dust.server import SOCKET_MESSAGE_BYTES
from tests.dust.convex.frames import ACTION, CONNECT, MODIFY
from tests.dust.convex.syncing import NPM, add
from tests.dust.serving import EMBEDDED, PATIENCE_SECONDS, ExamplesServing, shake_hands
from tests.sockets import Message

BOARD = "/ws/leaderboard/solo:1/"
MOST_GROWTH_BYTES = 64 * 1024 * 1024
"""By how much the server may have grown when everything has been done to it many times over."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExamplesServing]:
    folder = tmp_path_factory.mktemp("convex")
    with ExamplesServing(folder=folder, **EMBEDDED) as server:
        yield server


def open_socket(server: ExamplesServing, path: str = NPM) -> ClientConnection:
    return connect(server.socket_url + path, compression=None, max_size=None)


def say(client: ClientConnection, **message: Any) -> None:
    client.send(json.dumps(message))


def hear(client: ClientConnection, kind: str) -> Message:
    """Return the next message of this type, leaving out those before it."""
    while True:
        message: Message = json.loads(client.recv(timeout=PATIENCE_SECONDS))
        if message["type"] == kind:
            return message


def close_code(client: ClientConnection) -> int | None:
    with suppress(ConnectionClosed):
        while True:
            client.recv(timeout=PATIENCE_SECONDS)
    return client.close_code


def event(size: int) -> str:
    """Return a message of so many bytes."""
    head, tail = '{"type":"Event","event":"', '"}'
    return f"{head}{'x' * (size - len(head) - len(tail))}{tail}"


def close_code_for(server: ExamplesServing, size: int) -> int:
    """Return what a message of so many bytes is closed with as soon as it begins."""
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        shake_hands(connection, NPM)
        while not connection.recv(65_536).endswith(b"\r\n\r\n"):
            pass
        connection.sendall(struct.pack("!BBQL", 0x81, 0xFF, size, 0))
        closing = connection.recv(4)
    assert closing[0] == 0x88
    return int.from_bytes(closing[2:])


class TestMessage:
    def test_has_32_mib_at_most_and_64_kib_on_other_sockets(self, server: ExamplesServing) -> None:
        with open_socket(server) as client, open_socket(server, BOARD) as board:
            say(client, **CONNECT)
            client.send(event(MESSAGE_BYTES))
            say(client, **MODIFY | {"modifications": []})
            transition = hear(client, "Transition")
            board.send(event(SOCKET_MESSAGE_BYTES + 1))
            code = close_code(board)

        assert MESSAGE_BYTES == 32 * 1024 * 1024
        assert transition["endVersion"]["querySet"] == 1
        assert code == 1009
        assert close_code_for(server, MESSAGE_BYTES + 1) == 1009

    def test_comes_back_whole(self, server: ExamplesServing) -> None:
        text = "€" * 2_000_000
        with open_socket(server, "/api/sync") as client:
            say(client, **CONNECT)
            query = add(0, "test:echo", {"value": text})
            say(client, **MODIFY | {"modifications": [query]})
            (change,) = hear(client, "Transition")["modifications"]

        assert change["value"] == text


class Bystander:
    """A client that minds its own business, and must not notice anything."""

    def __init__(self, client: ClientConnection) -> None:
        self._client = client
        self._writes = 0
        say(client, **CONNECT)
        say(client, **MODIFY | {"modifications": [add(0, "test:count")]})
        (change,) = hear(client, "Transition")["modifications"]
        self._count = change["value"]

    def write(self) -> None:
        """Write something, be answered, and see it."""
        self._writes += 1
        name = f"{os.urandom(8).hex()} {self._writes}"
        call = {"requestId": self._writes, "udfPath": "test:addTeam", "args": [{"name": name}]}
        say(self._client, type="Mutation", **call)
        assert hear(self._client, "MutationResponse")["success"]
        (change,) = hear(self._client, "Transition")["modifications"]
        self._count += 1.0
        assert change["value"] == self._count


class Attacker:
    """Does what no client does."""

    def __init__(self, server: ExamplesServing, dice: random.Random) -> None:
        self._server = server
        self._dice = dice

    @property
    def attacks(self) -> list[Callable[[], None]]:
        return [
            self.say_what_is_no_text,
            self.say_a_lot,
            self.say_something_deep,
            self.say_something_wide,
            self.speak_without_end,
            self.speak_another_language,
            self.ask_and_never_listen,
            self.come_in_great_numbers,
        ]

    def say_what_is_no_text(self) -> None:
        cut = [b"\xff", b"\xe2\x82", b'{"type":"\xed\xa0\x80"}', b"\x80" * 1_000, os.urandom(100)]
        with open_socket(self._server) as client:
            client.send(self._dice.choice(cut), text=True)
            assert close_code(client) == 1007

    def say_a_lot(self) -> None:
        self._say_once('"' + "x" * self._dice.choice([10**5, 10**7, MESSAGE_BYTES - 2]) + '"')

    def say_something_deep(self) -> None:
        unit = self._dice.choice(["[", '{"a":', '{"type":"Event","event":['])
        self._say_once(unit * self._dice.choice([1_000, 100_000, 1_000_000]))

    def say_something_wide(self) -> None:
        unit = self._dice.choice(["[]", "{}", "1", '"x"', "null"])
        inside = ",".join([unit] * 1_000_000)
        with open_socket(self._server) as client:
            say(client, **CONNECT)
            client.send(
                json.dumps(ACTION | {"args": [{"value": ["HERE"]}]}).replace('"HERE"', inside)
            )
            assert "at most 8192" in hear(client, "ActionResponse")["result"]

    def speak_without_end(self) -> None:
        frame = Frame(Opcode.TEXT, b"x" * self._dice.choice([1, 10**6]), fin=False)
        self._send([frame.serialize(mask=True)])

    def speak_another_language(self) -> None:
        foreign = [
            Frame(Opcode.TEXT, b"not masked").serialize(mask=False),
            b"\x89\xfe\x00\x7e" + b"\0" * 130,  # a ping that is too long
            Frame(Opcode.CONT, b"of what?").serialize(mask=True),
            b"\x81\xff" + b"\xff" * 8,  # more than there can be
            b"\x83\x80\0\0\0\0",  # a kind that there is not
            os.urandom(1_000),
        ]
        self._send([self._dice.choice(foreign)])

    def ask_and_never_listen(self) -> None:
        call = {"udfPath": "test:callBack", "args": [{"value": "x" * 50_000}]}
        asked = [CONNECT, *(ACTION | call | {"requestId": number} for number in range(500))]
        frames = (Frame(Opcode.TEXT, json.dumps(message).encode()) for message in asked)
        self._send(frame.serialize(mask=True) for frame in frames)

    def come_in_great_numbers(self) -> None:
        with ExitStack() as stack:
            clients = [stack.enter_context(open_socket(self._server)) for _ in range(20)]
            for client in clients:
                say(client, **CONNECT)
                say(client, **MODIFY | {"modifications": [add(0, "test:count")]})
            for client in clients:
                hear(client, "Transition")

    def _send(self, frames: Iterable[bytes]) -> None:
        """Send without listening, as long as the server takes it, and then break the connection."""
        with socket.create_connection(("127.0.0.1", self._server.port)) as connection:
            shake_hands(connection, NPM)
            connection.settimeout(0.5)
            with suppress(OSError):
                for frame in frames:
                    connection.sendall(frame)
            # A reset, not an end.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _say_once(self, text: str) -> None:
        with open_socket(self._server) as client:
            client.send(text)
            assert json.loads(client.recv(timeout=PATIENCE_SECONDS))["type"] == "FatalError"
            assert close_code(client) == 1000


@pytest.mark.parametrize("rounds", [2, pytest.param(100, marks=pytest.mark.soak)])
class TestServer:
    def test_stands_whatever_is_done_to_it(self, server: ExamplesServing, rounds: int) -> None:
        attacker = Attacker(server, random.Random(rounds))  # noqa: S311 - to play with
        with open_socket(server) as client:
            bystander = Bystander(client)
            self._attack(attacker, bystander)
            before = server.resident_bytes()
            for _ in range(rounds):
                self._attack(attacker, bystander)
            growth = server.resident_bytes() - before

        assert growth < MOST_GROWTH_BYTES
        assert '"level":"error"' not in server.log

    @staticmethod
    def _attack(attacker: Attacker, bystander: Bystander) -> None:
        for attack in attacker.attacks:
            attack()
            bystander.write()
