"""The paths that are for Convex clients, and the origins that may ask."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from dust.livequery import runner
from tests.dust.convex.door import send

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
async def closed(transactional_db: None) -> AsyncIterator[None]:
    yield
    await asyncio.to_thread(runner.close)


class TestOrigins:
    ORIGIN = (b"origin", b"https://play.example")

    async def test_may_be_any_and_are_told_so_before_they_ask(self) -> None:
        asked = (
            self.ORIGIN,
            (b"access-control-request-method", b"POST"),
            (b"access-control-request-headers", b"content-type,convex-client"),
        )

        answer = await send("/api/mutation", method="OPTIONS", headers=asked)

        assert (answer.status, answer.body) == (200, b"")
        assert (
            dict(answer.headers).items()
            >= {
                b"access-control-allow-origin": b"https://play.example",
                b"access-control-allow-credentials": b"true",
                b"access-control-allow-headers": b"content-type,convex-client",
                b"access-control-allow-methods": b"GET,POST,OPTIONS,PATCH,DELETE,PUT",
                b"access-control-max-age": b"86400",
                b"vary": b"Origin",
            }.items()
        )

    @pytest.mark.parametrize("body", [{"path": "test:total", "args": {}}, {}])
    async def test_may_read_answers_and_errors(self, body: Any) -> None:
        answer = await send("/api/query", body, headers=(self.ORIGIN,))

        assert answer.header(b"access-control-allow-origin") == [b"https://play.example"]

    async def test_are_not_spoken_of_to_those_who_have_none(self) -> None:
        answer = await send("/api/query", {"path": "test:total", "args": {}})

        assert answer.header(b"access-control-allow-origin") == []


class TestPaths:
    @pytest.mark.parametrize("path", ["/version", "/instance_version", "/instance_name"])
    async def test_tell_tools_what_this_is(self, path: str) -> None:
        answer = await send(path)

        assert answer.status == 200
        assert answer.header(b"content-type") == [b"text/plain; charset=utf-8"]
        assert answer.body

    @pytest.mark.parametrize(
        "path",
        [
            *("/", "/api/", "/api/schema/", "/api/docs/", "/api/asyncapi.json", "/api/v1/me/"),
            *("/api/query/", "/api/nothing", "/api/run", "/admin/", "/ingest/x/api/v1/me/"),
        ],
    )
    async def test_of_others_are_passed_on(self, path: str) -> None:
        answer = await send(path)

        assert (answer.status, answer.body) == (299, path.encode())

    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [
            ("GET", "/api/mutation", b"POST"),
            ("PUT", "/api/query", b"GET, POST"),
            ("DELETE", "/api/run/test/total", b"POST"),
            ("OPTIONS", "/api/query", b"GET, POST"),
            ("POST", "/version", b"GET"),
        ],
    )
    async def test_take_their_methods_only(self, method: str, path: str, allowed: bytes) -> None:
        answer = await send(path, method=method)

        assert (answer.status, answer.json["code"]) == (405, "MethodNotAllowed")
        assert answer.header(b"allow") == [allowed]

    async def test_stand_below_the_one_that_the_server_is_mounted_at(self) -> None:
        body = {"path": "test:total", "args": {}}

        answer = await send("/games/dust/api/query", body, root_path="/games/dust")
        other = await send("/games/dust/api/query", body)

        assert (answer.status, other.status) == (200, 299)

    async def test_are_closed_to_clients_that_are_too_old(self) -> None:
        body = {"path": "test:total", "args": {}}

        answer = await send("/api/query", body, headers=((b"convex-client", b"npm-0.19.1"),))

        assert (answer.status, answer.json["code"]) == (400, "ClientVersionUnsupported")
