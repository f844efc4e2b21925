"""Django behind the event loop, and the way to it; whole servers are in ``test_serve``."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.test import override_settings
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from dust.asgi import Application, Worker
from dust.http import DjangoBridge
from dust.livequery import runner
from tests.dust import asking
from tests.dust.asking import Answer

LIMIT = settings.DATA_UPLOAD_MAX_MEMORY_SIZE


@csrf_exempt
def echo(request: HttpRequest) -> HttpResponse:
    response = HttpResponse(request.body, status=201, headers={"X-Query": request.GET.get("q", "")})
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


def fail(_request: HttpRequest) -> HttpResponse:
    raise RuntimeError("boom")


def stream(_request: HttpRequest) -> StreamingHttpResponse:
    def parts() -> Iterator[bytes]:
        for number in range(3):
            yield f"{number} in {threading.current_thread().name}\n".encode()

    return StreamingHttpResponse(parts())


async def stream_on_the_loop(_request: HttpRequest) -> StreamingHttpResponse:
    async def parts() -> AsyncIterator[bytes]:
        for number in range(3):
            yield str(number).encode()

    return StreamingHttpResponse(parts())


def tell_connection(_request: HttpRequest) -> JsonResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse([threading.get_ident(), id(connection.connection)], safe=False)


urlpatterns = [
    path("echo/", echo),
    path("api/fail/", fail),
    path("stream/", stream),
    path("stream-on-the-loop/", stream_on_the_loop),
    path("connection/", tell_connection),
]
handler500 = "dust.rest.errors.server_error"


async def ask(url: str, *body: bytes, **request: Any) -> Answer:
    """Send a request, its body in these parts, through the bridge."""
    with override_settings(ROOT_URLCONF=__name__):
        return await asking.ask(DjangoBridge(), url, *body, **request)


class TestDjangoBridge:
    async def test_carries_request_and_response(self) -> None:
        answer = await ask("/echo/?q=caf%C3%A9", b"one ", b"two")

        assert answer.status == 201
        assert answer.body == b"one two"
        assert answer.header(b"x-query") == ["café".encode("latin-1")]
        assert answer.header(b"content-length") == [b"7"]
        assert [cookie[:4] for cookie in answer.header(b"set-cookie")] == [b"a=1;", b"b=2;"]

    async def test_runs_the_middleware(self) -> None:
        answer = await ask("/echo/", b"x", headers=((b"x-request-id", b"trace-123"),))

        assert answer.header(b"x-request-id") == [b"trace-123"]
        assert answer.header(b"content-security-policy") == [
            settings.CONTENT_SECURITY_POLICY.encode()
        ]
        assert answer.header(b"x-content-type-options") == [b"nosniff"]

    async def test_takes_a_body_up_to_the_limit(self) -> None:
        answer = await ask("/echo/", b"x" * LIMIT)

        assert answer.status == 201
        assert len(answer.body) == LIMIT

    async def test_refuses_a_larger_body_in_the_one_shape(self) -> None:
        offered = ((b"x-request-id", b"trace-123"),)

        answer = await ask("/echo/", b"x" * LIMIT, b"x", headers=offered)

        assert answer.status == 413
        assert msgspec.json.decode(answer.body) == {
            "code": "body_too_large",
            "message": "The body is too large.",
            "fields": {},
            "request_id": "trace-123",
        }
        assert answer.header(b"x-request-id") == [b"trace-123"]
        assert answer.header(b"content-type") == [b"application/json"]

    @pytest.mark.parametrize(
        "path", ["/api/v1/ingest/", "/api/v1/sessions/x/events/", "/admin/archives/"]
    )
    async def test_takes_larger_ones_where_much_comes_in(self, path: str) -> None:
        [most] = set(settings.LARGE_BODIES.values())

        taken = await ask(f"{path}nowhere/", b"x" * most)
        refused = await ask(f"{path}nowhere/", b"x" * most, b"x")

        assert (taken.status, refused.status) == (404, 413)

    async def test_forgets_a_request_whose_client_has_gone(self) -> None:
        answer = await ask("/echo/", b"half of", is_cut_off=True)

        assert answer == Answer()

    async def test_answers_a_failure_with_no_more_than_an_id(self) -> None:
        answer = await ask("/api/fail/")

        assert answer.status == 500
        body = msgspec.json.decode(answer.body)
        assert body == {
            "code": "server_error",
            "message": "Server Error",
            "fields": {},
            "request_id": answer.header(b"x-request-id")[0].decode(),
        }

    @pytest.mark.parametrize(
        ("url", "kind"),
        [("/echo/?q=\xff", b"text/plain"), ("/echo/", b"text/plain; title*=no-charset''%41")],
    )
    async def test_refuses_what_is_no_text_in_the_one_shape(self, url: str, kind: bytes) -> None:
        offered = ((b"content-type", kind), (b"x-request-id", b"trace-123"))

        answer = await ask(url, b"x", headers=offered)

        assert answer.status == 400
        assert msgspec.json.decode(answer.body) == {
            "code": "bad_request",
            "message": "The request could not be understood.",
            "fields": {},
            "request_id": "trace-123",
        }

    async def test_streams_without_the_event_loop_waiting(self) -> None:
        answer = await ask("/stream/")

        lines = answer.body.decode().splitlines()
        assert [line[:4] for line in lines] == ["0 in", "1 in", "2 in"]
        assert threading.current_thread().name not in answer.body.decode()
        assert len(answer.parts) == 4

    async def test_streams_what_lives_on_the_event_loop(self) -> None:
        answer = await ask("/stream-on-the-loop/")

        assert answer.body == b"012"

    @pytest.mark.django_db(transaction=True)
    async def test_keeps_the_connections_of_its_threads(self) -> None:
        answers = [await ask("/connection/") for _ in range(20)]
        await asyncio.to_thread(runner.close)

        found = {tuple(msgspec.json.decode(answer.body)) for answer in answers}
        assert len(found) == len({thread for thread, _ in found}) <= runner.THREADS
        assert threading.get_ident() not in {thread for thread, _ in found}


@dataclass
class Lifespan:
    """A server's end of the lifespan protocol."""

    to_say: "asyncio.Queue[dict[str, Any]]" = field(default_factory=asyncio.Queue)
    heard: "asyncio.Queue[Any]" = field(default_factory=asyncio.Queue)

    async def say(self, what: str) -> str:
        self.to_say.put_nowait({"type": f"lifespan.{what}"})
        heard: str = (await self.heard.get())["type"]
        return heard

    async def send(self, message: Any) -> None:
        self.heard.put_nowait(message)


@pytest.mark.django_db(transaction=True)
class TestLifespan:
    async def test_starts_and_stops_in_order(self) -> None:
        server = Lifespan()
        running = asyncio.create_task(
            Application()({"type": "lifespan"}, server.to_say.get, server.send)
        )

        started = await server.say("startup")
        stopped = await server.say("shutdown")
        await running

        assert started == "lifespan.startup.complete"
        assert stopped == "lifespan.shutdown.complete"
        assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert not [thread for thread in threading.enumerate() if "dust-worker" in thread.name]

    async def test_tells_the_server_that_it_did_not_start(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def claim() -> None:
            raise RuntimeError("taken")

        monkeypatch.setattr("dust.asgi.claim_database", claim)
        server = Lifespan()
        running = asyncio.create_task(
            Application()({"type": "lifespan"}, server.to_say.get, server.send)
        )

        answer = await server.say("startup")
        await running

        assert answer == "lifespan.startup.failed"
        assert [record.exc_text for record in caplog.records if "taken" in (record.exc_text or "")]


class TestSocketToNowhere:
    @pytest.mark.parametrize("door", [Application, Worker])
    @pytest.mark.parametrize(
        ("extensions", "refusal"),
        [
            ({"websocket.http.response": {}}, "websocket.http.response.start"),
            ({}, "websocket.close"),
            (None, "websocket.close"),
        ],
    )
    async def test_is_refused_as_the_server_can(
        self, door: type[Application | Worker], extensions: Any, refusal: str
    ) -> None:
        application = door()
        application._started = True
        sent = []

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "websocket", "path": "/no", "headers": [], "extensions": extensions}
        await application(scope, receive, send)

        assert sent[0]["type"] == refusal
        assert sent[0].get("status", 404) == 404
