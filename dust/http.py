"""Django behind the event loop: a whole request in one piece of work for the runner.

Django's own ASGI handler crosses to a new thread several times a request, which then opens a
database connection of its own. Here the body is read first; middleware, view and rendering then
run in one go, on a thread that keeps its connection.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from functools import partial
from io import BytesIO
from typing import Any

import msgspec
from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.base import BaseHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.http import (
    FileResponse,
    HttpRequest,
    HttpResponse,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from dust.errors import DustError
from dust.livequery.runner import run
from dust.logs import new_request_id
from dust.rest.bodies import limit_for
from dust.rest.errors import BadRequestError, BodyTooLargeError, error_body

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_CHUNK_BYTES = 64 * 1024

# The runner looks after connections between pieces of work, and asks the server nothing for it.
request_started.disconnect(close_old_connections)
request_finished.disconnect(close_old_connections)


class DjangoBridge(BaseHandler):
    """Answers HTTP through Django's synchronous middleware and views."""

    def __init__(self) -> None:
        super().__init__()
        self.load_middleware()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; what its client no longer waits for still runs to its end."""
        try:
            body = await read_body(receive, limit=limit_for(path_of(scope)))
            if body is None:
                return
            response = await run(partial(self._respond, scope, body))
        except (BadRequestError, BodyTooLargeError) as exc:
            await send_error(exc, scope, send)
        else:
            await _send(response, send)

    def _respond(self, scope: Scope, body: bytes) -> HttpResponseBase:
        """Answer one request.

        :raises BadRequestError: if the query string is no text, or the Content-Type has a parameter
            in a charset that is none.
        """
        set_script_prefix(scope.get("root_path", ""))
        try:
            request = ASGIRequest(scope, BytesIO(body))
        except ValueError as exc:
            raise BadRequestError from exc
        request_started.send(sender=type(self), scope=scope)
        response: HttpResponseBase = self.get_response(request)
        if isinstance(response, FileResponse):
            response.block_size = _CHUNK_BYTES
        if not response.streaming:
            response.close()
        return response


def path_of(scope: Scope) -> str:
    """Return the request's path below the one that this server is mounted at."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


async def read_body(receive: Receive, *, limit: int) -> bytes | None:
    """Return the request's body of at most so many bytes, None if its client has gone meanwhile.

    :raises BodyTooLargeError: if it has more. It is read to its end all the same: clients look at
        an answer only when they have sent all.
    """
    body, size, more = bytearray(), 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        size += len(part)
        if size <= limit:
            body += part
        more = message.get("more_body", False)
    if size > limit:
        raise BodyTooLargeError
    return bytes(body)


class ContentPolicyMiddleware:
    """Give each page the strict content policy, unless its view has stated another."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer as the rest of the stack does, with the header."""
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", settings.CONTENT_SECURITY_POLICY)
        return response


async def _send(response: HttpResponseBase, send: Send) -> None:
    headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in response.items()]
    headers += [
        (b"set-cookie", cookie.OutputString().encode("ascii"))
        for cookie in response.cookies.values()
    ]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    if isinstance(response, HttpResponse):
        await send({"type": "http.response.body", "body": response.content})
        return
    assert isinstance(response, StreamingHttpResponse)
    try:
        async for part in _parts(response):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})
    finally:
        await run(response.close)


async def _parts(response: StreamingHttpResponse) -> AsyncIterator[bytes]:
    if response.is_async:
        async for part in response:
            yield part
        return
    following = partial(next, iter(response), None)
    while (part := await run(following)) is not None:
        yield part


def can_deny(scope: Scope) -> bool:
    """Return whether the server lets a WebSocket be refused with a response."""
    return "websocket.http.response" in (scope.get("extensions") or {})


def denying(send: Send) -> Send:
    """Return what sends a response to the handshake of a WebSocket that is refused."""

    async def deny(message: MutableMapping[str, Any]) -> None:
        await send({**message, "type": f"websocket.{message['type']}"})

    return deny


async def send_error(error: DustError, scope: Scope, send: Send) -> None:
    """Answer with an error where no view, and no Django, has a say."""
    offered = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
    request_id = new_request_id(offered)
    await send_json(
        error_body(error, request_id=request_id),
        send,
        status=error.status,
        headers=[(b"x-request-id", request_id.encode())],
    )


async def send_json(
    body: Any,
    send: Send,
    *,
    status: int = 200,
    headers: list[tuple[bytes, bytes]] | None = None,
) -> None:
    """Answer with JSON."""
    content = msgspec.json.encode(body)
    await send_bytes(content, send, kind="application/json", status=status, headers=headers)


async def send_bytes(
    content: bytes,
    send: Send,
    *,
    kind: str,
    status: int = 200,
    headers: list[tuple[bytes, bytes]] | None = None,
) -> None:
    """Answer with content of that media type, not to be kept by anyone."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", kind.encode("ascii")),
                (b"content-length", str(len(content)).encode("ascii")),
                (b"cache-control", b"no-store"),
                *(headers or ()),
            ],
        }
    )
    await send({"type": "http.response.body", "body": content})
