"""Where every connection comes in: sockets, health, Convex clients, and Django for all other HTTP.

A process that does nothing but run jobs has a door of its own, for probes only.
"""

import asyncio
import gc
import logging
import os
import sys
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dust.settings")
django.setup(set_prefix=False)

# What follows needs the settings.
from channels.routing import URLRouter  # noqa: E402
from django.conf import settings  # noqa: E402
from django.urls import re_path  # noqa: E402
from typing_extensions import override  # noqa: E402

from dust import health  # noqa: E402
from dust.convex.consumer import SyncConsumer  # noqa: E402
from dust.convex.http import ConvexDoor  # noqa: E402
from dust.errors import NotFoundError  # noqa: E402
from dust.http import (  # noqa: E402
    DjangoBridge,
    Receive,
    Scope,
    Send,
    can_deny,
    denying,
    send_error,
)
from dust.livequery import runner  # noqa: E402
from dust.livequery.engine import JOB_GRACE_SECONDS, get_engine  # noqa: E402
from dust.server import claim_database  # noqa: E402
from dust.urls import websocket_urlpatterns  # noqa: E402

logger = logging.getLogger(__name__)

SWITCH_SECONDS = 0.0005


class _Door:
    """Every connection's first stop; it starts the engine before the first one gets further.

    Servers that speak lifespan start it before they listen and stop it when all connections have
    ended. Others (daphne, which runserver uses) have it started by the first connection.
    """

    def __init__(self, *, runs_jobs: bool, job_grace_seconds: float | None) -> None:
        self._runs_jobs = runs_jobs
        self._job_grace_seconds = job_grace_seconds
        self._starting = asyncio.Lock()
        self._started = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one connection (or the server's own lifespan) to the application for it."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if not self._started:
            await self._start()
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        elif scope["path"] in health.PATHS:
            await health.answer(scope, send)
        else:
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, _receive: Receive, send: Send) -> None:
        await send_error(NotFoundError(), scope, send)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await refuse_socket(scope, receive, send)

    async def _start(self) -> None:
        async with self._starting:
            if not self._started:
                claim_database()
                await get_engine().start(runs_jobs=self._runs_jobs)
                _settle_down()
                self._started = True

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self._start()
        except Exception:  # the border: whatever it was, the server must be told
            logger.exception("start failed", extra={"action": "server.start"})
            await send({"type": "lifespan.startup.failed"})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await get_engine().stop(job_grace_seconds=self._job_grace_seconds)
        await asyncio.to_thread(runner.close)
        await send({"type": "lifespan.shutdown.complete"})


class Application(_Door):
    """What serves. It runs jobs too, unless the settings say that others do."""

    def __init__(self) -> None:
        super().__init__(runs_jobs=settings.RUN_JOBS, job_grace_seconds=JOB_GRACE_SECONDS)
        self._http_door = ConvexDoor(DjangoBridge())
        self._router: Any = URLRouter(_socket_routes)

    @override
    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._http_door(scope, receive, send)

    @override
    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._router(scope, receive, send)


class Worker(_Door):
    """What runs jobs and serves nobody but probes. It stops when its jobs have ended."""

    def __init__(self) -> None:
        super().__init__(runs_jobs=True, job_grace_seconds=None)


def _settle_down() -> None:
    """Tune the interpreter for a process that holds thousands of sockets.

    What has been loaded stays, so the collector need not look through it again and again; and the
    event loop should not wait long for a worker thread to let go of the interpreter, which takes
    5 ms by default.
    """
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(SWITCH_SECONDS)


async def refuse_socket(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse a WebSocket that no path leads to: with 404, or 403 where the server has no other."""
    await receive()
    if can_deny(scope):
        await send_error(NotFoundError(), scope, denying(send))
    else:
        await send({"type": "websocket.close"})


_socket_routes: list[Any] = [
    *websocket_urlpatterns,
    # A deployment may have a path of its own, which clients keep.
    re_path(r"^(?:.+/)?api/(?:(?P<version>[^/]+)/)?sync$", SyncConsumer.as_asgi()),  # type: ignore[arg-type]
    re_path("", refuse_socket),  # type: ignore[arg-type]  # Channels borrows Django's routes
]

application = Application()
worker = Worker()
