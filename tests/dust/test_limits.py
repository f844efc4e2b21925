"""Limits are exact, in memory and in Redis, and outlive a Redis that is away."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count

import pytest
from limits.errors import StorageError

from dust.errors import RateLimitedError
from dust.limits import (
    REDIS_PAUSE_SECONDS,
    Limit,
    Limiter,
    MemoryWindows,
    RedisWindows,
    limited,
    limiter,
)
from tests.servers import start_valkey

THREE = Limit("three", 3, 60)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def valkey_url() -> Iterator[str]:
    with start_valkey() as server:
        yield server.url


@pytest.fixture
def unused_url() -> Iterator[str]:
    """An address that nobody answers at."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield f"redis://127.0.0.1:{holder.getsockname()[1]}/0"


def admitted(wait_seconds: Callable[[Limit, str], float], limit: Limit, *, calls: int) -> int:
    """Return how many of so many calls from many threads were let through."""
    start = threading.Barrier(16)
    numbers = count()

    def keep_calling() -> int:
        start.wait()
        let_through = 0
        while next(numbers) < calls:
            let_through += wait_seconds(limit, "alice") == 0
        return let_through

    with ThreadPoolExecutor(16) as pool:
        return sum(job.result() for job in [pool.submit(keep_calling) for _ in range(16)])


class TestMemoryWindows:
    def test_lets_through_exactly_its_amount_at_once(self) -> None:
        limit = Limit("hundred", 100, 60)

        assert admitted(MemoryWindows().wait_seconds, limit, calls=1600) == 100

    def test_says_when_the_oldest_use_is_forgotten(self, clock: Clock) -> None:
        windows = MemoryWindows(clock)
        for _ in range(3):
            assert windows.wait_seconds(THREE, "alice") == 0
            clock.now += 10

        assert windows.wait_seconds(THREE, "alice") == 30
        clock.now += 30
        assert windows.wait_seconds(THREE, "alice") == 0
        assert windows.wait_seconds(THREE, "alice") == 10

    def test_counts_each_player_and_each_limit_alone(self, clock: Clock) -> None:
        windows = MemoryWindows(clock)
        for _ in range(3):
            windows.wait_seconds(THREE, "alice")

        assert windows.wait_seconds(THREE, "alice") > 0
        assert windows.wait_seconds(THREE, "bob") == 0
        assert windows.wait_seconds(Limit("other", 3, 60), "alice") == 0

    def test_forgets_players_who_have_left(self, clock: Clock) -> None:
        windows = MemoryWindows(clock)
        for number in range(1000):
            windows.wait_seconds(THREE, f"player {number}")
        clock.now += 61

        windows.wait_seconds(THREE, "alice")

        assert len(windows._uses) == 1


class TestRedisWindows:
    def test_lets_through_exactly_its_amount_at_once(self, valkey_url: str) -> None:
        limit = Limit("hundred", 100, 60)

        assert admitted(RedisWindows(valkey_url).wait_seconds, limit, calls=480) == 100

    def test_counts_for_all_processes(self, valkey_url: str) -> None:
        here, there = RedisWindows(valkey_url), RedisWindows(valkey_url)
        for _ in range(3):
            here.wait_seconds(THREE, "carol")

        assert 59 < there.wait_seconds(THREE, "carol") <= 60
        assert there.wait_seconds(THREE, "dave") == 0

    def test_fails_soon_where_nobody_answers(self, unused_url: str) -> None:
        started = time.monotonic()

        with pytest.raises(StorageError):
            RedisWindows(unused_url).wait_seconds(THREE, "alice")

        assert time.monotonic() - started < 2


class TestLimiter:
    def test_refuses_and_says_for_how_long(self, clock: Clock) -> None:
        limiter = Limiter(None, clock)
        for _ in range(3):
            limiter.spend(THREE, "alice")

        with pytest.raises(RateLimitedError) as refusal:
            limiter.spend(THREE, "alice")

        assert refusal.value.retry_after_seconds == 60

    def test_counts_by_itself_while_redis_is_away(
        self, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        with start_valkey() as server:
            limiter = Limiter(RedisWindows(server.url), clock)
            limiter.spend(THREE, "alice")
            server.kill()

            for _ in range(3):
                limiter.spend(THREE, "alice")
            with pytest.raises(RateLimitedError):
                limiter.spend(THREE, "alice")
            assert len(caplog.records) == 1, "Redis is left alone for a while"

            server.start()
            clock.now += REDIS_PAUSE_SECONDS
            limiter.spend(THREE, "alice")
            assert len(caplog.records) == 1


class TestLimited:
    def test_spends_once_however_often_it_is_tried(self) -> None:
        work = limited(lambda: "done", THREE, "alice")

        assert [work() for _ in range(5)] == ["done"] * 5
        for _ in range(2):
            limited(lambda: "done", THREE, "alice")()
        with pytest.raises(RateLimitedError):
            limited(lambda: "done", THREE, "alice")()

    def test_spends_before_it_works(self) -> None:
        done = []
        for _ in range(4):
            with suppress(RateLimitedError):
                limited(lambda: done.append("done"), THREE, "alice")()

        assert done == ["done"] * 3


class TestTheLimiterOfThisProcess:
    def test_is_one(self) -> None:
        assert limiter() is limiter()
