"""What operators' machines ask: is it alive, is it ready, and its numbers.

Answered beside Django, so that a probe needs no allowed host name and no redirect stands in its
way; only readiness uses the database.
"""

import asyncio
import hmac
import logging
import os

import redis.asyncio as redis
from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from dust.errors import NotFoundError
from dust.http import Scope, Send, send_bytes, send_error, send_json
from dust.livequery.runner import run

logger = logging.getLogger(__name__)

LIVE = "/health/live"
READY = "/health/ready"
METRICS = "/metrics"
PATHS = frozenset({LIVE, READY, METRICS})

TIMEOUT_SECONDS = 5
_LOOPBACK = frozenset({"127.0.0.1", "::1"})
_FORWARDED = (b"forwarded", b"x-forwarded-for")


async def answer(scope: Scope, send: Send) -> None:
    """Answer a request for one of ``PATHS``."""
    path = scope["path"]
    if path == LIVE:
        await send_json({"status": "ok"}, send)
    elif path == READY:
        parts = await check_parts()
        is_ready = parts["database"] == "ok"
        is_whole = all(state == "ok" for state in parts.values())
        status = "failing" if not is_ready else "ok" if is_whole else "degraded"
        await send_json({"status": status} | parts, send, status=200 if is_ready else 503)
    elif _may_read_metrics(scope):
        await send_bytes(_metrics(), send, kind=CONTENT_TYPE_LATEST)
    else:
        await send_error(NotFoundError(), scope, send)


async def check_parts() -> dict[str, str]:
    """Tell the state of each part: "ok", or a few words without secrets.

    Requests need the database. Without Redis they are answered all the same, and live results come
    a little later; taking every process out of service for it would make the outage complete.
    """
    parts = {"database": await _database()}
    if settings.REDIS_URL:
        parts["redis"] = await _redis(settings.REDIS_URL)
    return parts


async def _database() -> str:
    try:
        return await asyncio.wait_for(run(_migrated), TIMEOUT_SECONDS)
    except (Error, TimeoutError):
        logger.exception("database unreachable", extra={"action": "health.ready"})
        return "unreachable"


def _migrated() -> str:
    executor = MigrationExecutor(connection)
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return "not migrated" if pending else "ok"


async def _redis(url: str) -> str:
    client = redis.from_url(
        url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS
    )
    try:
        await client.ping()  # type: ignore[misc]  # typed for both clients at once
    except (redis.RedisError, OSError):
        logger.exception("redis unreachable", extra={"action": "health.ready"})
        return "unreachable"
    finally:
        await client.aclose()
    return "ok"


def _may_read_metrics(scope: Scope) -> bool:
    """Return whether the caller has the token, or needs none: on a laptop, from the laptop."""
    headers = dict(scope["headers"])
    if settings.METRICS_TOKEN:
        expected = f"Bearer {settings.METRICS_TOKEN}".encode()
        return hmac.compare_digest(headers.get(b"authorization", b""), expected)
    client = scope.get("client") or ("", 0)
    forwarded = any(name in headers for name in _FORWARDED)
    return settings.EMBEDDED and client[0] in _LOOPBACK and not forwarded


def _metrics() -> bytes:
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
