"""One HTTP request to an ASGI application, without a server between."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

Application = Callable[[Any, Any, Any], Awaitable[None]]


@dataclass
class Answer:
    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    parts: list[bytes] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    def header(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key.lower() == name]


async def ask(
    application: Application,
    url: str,
    *body: bytes,
    method: str | None = None,
    headers: tuple[tuple[bytes, bytes], ...] = (),
    is_cut_off: bool = False,
    **scope: Any,
) -> Answer:
    """Send a request, its body in these parts; with one, it is a POST unless said otherwise."""
    path, _, query = url.partition("?")
    scope = {
        "type": "http",
        "method": method or ("POST" if body else "GET"),
        "path": path,
        "query_string": query.encode("latin-1"),
        "headers": [(b"host", b"localhost"), *headers],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    } | scope
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": part, "more_body": True} for part in body
    ]
    messages.append({"type": "http.disconnect"} if is_cut_off else {"type": "http.request"})
    answer = Answer()

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = message["headers"]
        else:
            answer.parts.append(message.get("body", b""))

    await application(scope, receive, send)
    return answer
