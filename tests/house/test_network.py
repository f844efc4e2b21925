"""No test reaches another machine, whatever library it uses."""

import asyncio
import socket

import httpx
import pytest

from tests.network import NetworkForbiddenError

ELSEWHERE = "192.0.2.1"  # belongs to documentation (RFC 5737)


class TestOtherMachines:
    def test_cannot_be_connected_to(self) -> None:
        with socket.socket() as client, pytest.raises(NetworkForbiddenError):
            client.connect((ELSEWHERE, 443))

    def test_cannot_be_looked_up(self) -> None:
        with pytest.raises(NetworkForbiddenError):
            httpx.get("https://other.example/")

    async def test_cannot_be_reached_by_the_event_loop(self) -> None:
        with pytest.raises(NetworkForbiddenError):
            await asyncio.open_connection(ELSEWHERE, 443)


class TestThisMachine:
    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
    def test_can_be(self, host: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]

            with socket.create_connection((host, port)) as client:
                assert client.getpeername() == ("127.0.0.1", port)
