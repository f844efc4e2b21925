"""The HTTP half of what Convex clients speak: an ASGI application, without Django's middleware.

Any origin may call, and cookies are not looked at. Clients are told of a function's failure with a
status of success; any other status comes with ``{"code", "message"}`` and says that there was no
call, or that nobody knows what became of it. The same paths are behind each entrance that has a
secret in its path (see ``access``).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final
from urllib.parse import parse_qsl

from django.db import Error

from dust.convex.access import find_entrance
from dust.convex.calls import Answer
from dust.convex.endpoints import Request, Route, find_route
from dust.convex.errors import RequestTimeoutError, new_request_id, transport_error
from dust.convex.versions import find_version
from dust.errors import DustError
from dust.http import Receive, Scope, Send, path_of, read_body, send_bytes, send_json
from dust.livequery.errors import DatabaseLostError
from dust.livequery.execution import ServerError
from dust.rest.errors import MethodNotAllowedError

logger = logging.getLogger(__name__)

BODY_BYTES: Final = 16 * 1024 * 1024 + 2000
"""The largest body: the largest arguments, and what stands around them."""

LONGEST_SECONDS: Final = 300.0
"""How long a client waits at most. What was begun for it goes on."""

_PREFLIGHT_SECONDS: Final = 86_400
_METHODS: Final = b"GET,POST,OPTIONS,PATCH,DELETE,PUT"

Headers = Mapping[bytes, bytes]


class ConvexDoor:
    """Answers what is for Convex clients, and passes on everything else."""

    def __init__(self, otherwise: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; what its client no longer waits for still runs to its end."""
        entrance, path = find_entrance(path_of(scope))
        route = find_route(path)
        if route is None:
            await self._otherwise(scope, receive, send)
            return
        headers = dict(scope["headers"])
        send = _shared_with_origin(headers, send)
        try:
            body = await read_body(receive, limit=BODY_BYTES)
            if body is None:
                return
            if scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
                await _send_leave(headers, send)
                return
            request = Request(
                method=scope["method"],
                path=path,
                headers=headers,
                parameters=dict(parse_qsl(scope["query_string"].decode("latin-1"))),
                body=body,
                entrance=entrance,
                client=find_version(scope["headers"]),
            )
            answer = await _answer(request, route)
        except DustError as exc:
            await _send_error(exc, send, route)
        else:
            await _send(answer, send)


async def _answer(request: Request, route: Route) -> Answer | str:
    """Have the request answered.

    :raises DustError: if it cannot be.
    """
    if request.method not in route.methods:
        raise MethodNotAllowedError
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            return await route.handler(request)
    except DustError:
        raise
    except TimeoutError as exc:
        raise RequestTimeoutError from exc
    except Exception as exc:  # the border: told as "Server Error", logged whole
        request_id = new_request_id()
        extra = {"action": "convex.fail", "request_id": request_id}
        logger.exception("request failed", extra=extra)
        is_lost = isinstance(exc, Error)
        raise (DatabaseLostError() if is_lost else ServerError(request_id)) from exc


async def _send(answer: Answer | str, send: Send) -> None:
    if isinstance(answer, str):
        await send_bytes(answer.encode(), send, kind="text/plain; charset=utf-8")
    else:
        await send_json(answer.body, send, status=answer.status)


async def _send_error(error: DustError, send: Send, route: Route) -> None:
    headers = []
    if isinstance(error, MethodNotAllowedError):
        headers.append((b"allow", ", ".join(route.methods).encode()))
    await send_json(transport_error(error), send, status=error.status, headers=headers)


# --- other origins --------------------------------------------------------------------------------


def _shared_with_origin(headers: Headers, send: Send) -> Send:
    """Return what sends an answer that pages of the request's origin may read."""
    origin = headers.get(b"origin")
    if origin is None:
        return send

    async def send_shared(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] += [
                (b"access-control-allow-origin", origin),
                (b"access-control-allow-credentials", b"true"),
                (b"vary", b"Origin"),
            ]
        await send(message)

    return send_shared


async def _send_leave(headers: Headers, send: Send) -> None:
    """Tell a browser that it may send what it asks for."""
    granted = [
        (b"access-control-allow-methods", _METHODS),
        (b"access-control-max-age", str(_PREFLIGHT_SECONDS).encode()),
    ]
    if wanted := headers.get(b"access-control-request-headers"):
        granted.append((b"access-control-allow-headers", wanted))
    await send_bytes(b"", send, kind="text/plain; charset=utf-8", headers=granted)
