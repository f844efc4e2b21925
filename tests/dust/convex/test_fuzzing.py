"""Whatever is said to the socket of Convex clients: it stands, and others do not notice."""

import asyncio
import logging
from itertools import count

import hypothesis
import pytest
from hypothesis import HealthCheck, given

from dust.convex import consumer
from tests.dust.convex.nonsense import SAID, conversations
from tests.dust.convex.syncing import SyncPeer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sync_engine")]

_numbers = count(1)

ONCE_FOR_ALL = hypothesis.settings(
    max_examples=2 * hypothesis.settings.default.max_examples,  # type: ignore[union-attr]
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
"""All that is said is said to one server, which has to stand all of it."""


class TestServer:
    @ONCE_FOR_ALL
    @given(said=conversations())
    async def test_stands_whatever_it_is_told(
        self, said: list[SAID], caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.clear()
        async with SyncPeer() as bystander:
            bystander.watch(0, "test:count")
            await bystander.news()

            async with SyncPeer(is_silent=True) as peer:
                for frame in said:
                    peer.say_bytes(frame) if isinstance(frame, bytes) else peer.say_text(frame)
                await write(bystander)
                await asyncio.gather(*consumer._running)
                await write(bystander)
            await take_all(peer)

        assert [each for each in caplog.records if each.levelno >= logging.ERROR] == []


async def write(peer: SyncPeer) -> None:
    """Have something written, and see it. Whatever was asked for before has been done by then."""
    before = peer.shown[0]
    number = next(_numbers)
    peer.mutate(number, "test:addTeam", {"name": str(number)})
    response = await peer.answer()
    assert response["success"]
    assert peer.shown == {0: before + 1.0}


async def take_all(peer: SyncPeer) -> None:
    """Take what a client was sent, which it must be able to follow, and nothing after the end."""
    while not peer.inbox_is_empty:
        try:
            await peer.receive()
        except AssertionError as exc:
            assert str(exc).startswith("closed with")  # noqa: PT017
            assert peer.inbox_is_empty
