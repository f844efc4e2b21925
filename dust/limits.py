"""Rate limits that are exact however much comes at once, by every door, to however many processes.

A limit is a moving window: no stretch of its length ever holds more than its amount. The windows
are in Redis, through ``limits``; without Redis there is one process, whose memory holds them.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from django.conf import settings
from limits import RateLimitItemPerSecond
from limits.errors import StorageError
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter
from prometheus_client import Counter

from dust.errors import RateLimitedError

logger = logging.getLogger(__name__)

T = TypeVar("T")

REDIS_PATIENCE_SECONDS = 0.25
REDIS_PAUSE_SECONDS = 5.0

_fallbacks = Counter(
    "dust_rate_limit_fallbacks",
    "Times Redis failed and this process went on counting by itself.",
)


@dataclass(frozen=True, slots=True)
class Limit:
    """So many times in so many seconds; ``name`` keeps its count apart from other limits'."""

    name: str
    amount: int
    seconds: int


class MemoryWindows:
    """The windows of one process.

    ``limits`` has a store of this kind too, but it never forgets a key and looks through all of
    them up to a hundred times a second: with 10,000 players that was half a core.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._uses: dict[tuple[Limit, str], deque[float]] = {}
        self._sweep_at = 0.0

    def wait_seconds(self, limit: Limit, who: str) -> float:
        """Take one use and return 0, or take none and return how long until there is one."""
        now = self._clock()
        with self._lock:
            self._forget_old(now, after=limit.seconds)
            uses = self._uses.setdefault((limit, who), deque(maxlen=limit.amount))
            if len(uses) == limit.amount and uses[0] > now - limit.seconds:
                return uses[0] + limit.seconds - now
            uses.append(now)
        return 0.0

    def _forget_old(self, now: float, *, after: int) -> None:
        if now < self._sweep_at:
            return
        self._sweep_at = now + after
        self._uses = {
            key: uses for key, uses in self._uses.items() if uses[-1] > now - key[0].seconds
        }


class RedisWindows:
    """The windows that all processes share."""

    def __init__(self, url: str) -> None:
        storage = RedisStorage(
            url,
            wrap_exceptions=True,
            socket_timeout=REDIS_PATIENCE_SECONDS,
            socket_connect_timeout=REDIS_PATIENCE_SECONDS,
        )
        self._limiter = MovingWindowRateLimiter(storage)

    def wait_seconds(self, limit: Limit, who: str) -> float:
        """Take one use and return 0, or take none and return how long until there is one.

        :raises limits.errors.StorageError: if Redis does not answer.
        """
        item = RateLimitItemPerSecond(limit.amount, limit.seconds)
        if self._limiter.hit(item, limit.name, who):
            return 0.0
        stats = self._limiter.get_window_stats(item, limit.name, who)
        return max(stats.reset_time - time.time(), 0.001)


class Limiter:
    """Counts in Redis where there is one, and by itself while that does not answer.

    Then a player can do as much in each process as otherwise in all of them: still bounded, and
    better than refusing every write for as long as Redis is away, since these limits keep order
    and guard no secret. Redis is left alone for a few seconds after each failure, so that an outage
    costs one request its patience and not every one.
    """

    def __init__(
        self, redis: RedisWindows | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._redis = redis
        self._memory = MemoryWindows(clock)
        self._clock = clock
        self._redis_from = 0.0

    def spend(self, limit: Limit, who: str) -> None:
        """Take one use of the limit for this player.

        :raises RateLimitedError: if none is left; it says when there will be one.
        """
        wait = self._wait_seconds(limit, who)
        if wait > 0:
            raise RateLimitedError(retry_after_seconds=wait)

    def _wait_seconds(self, limit: Limit, who: str) -> float:
        if self._redis is not None and self._clock() >= self._redis_from:
            try:
                return self._redis.wait_seconds(limit, who)
            except StorageError as exc:
                self._redis_from = self._clock() + REDIS_PAUSE_SECONDS
                _fallbacks.inc()
                logger.warning(
                    "rate limits are counted per process, Redis does not answer",
                    extra={"action": "throttle.fallback", "error": str(exc)},
                )
        return self._memory.wait_seconds(limit, who)


@cache
def limiter() -> Limiter:
    """Return this process's limiter."""
    return Limiter(RedisWindows(settings.REDIS_URL) if settings.REDIS_URL else None)


def spend(limit: Limit, who: str) -> None:
    """Take one use of the limit for whoever that is, by the ``key`` of their identity.

    :raises RateLimitedError: if none is left; it says when there will be one.
    """
    limiter().spend(limit, who)


def limited(work: Callable[[], T], limit: Limit, who: str) -> Callable[[], T]:
    """Return the work, which takes one use of the limit when it is first tried, and no other.

    :raises RateLimitedError: when it is tried, if none is left.
    """
    is_spent = False

    def limited_work() -> T:
        nonlocal is_spent
        if not is_spent:
            spend(limit, who)
            is_spent = True
        return work()

    return limited_work
