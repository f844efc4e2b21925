"""Functions by HTTP: bodies, formats, errors, other origins."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import pytest

from dust.convex import endpoints, http
from dust.convex.http import BODY_BYTES
from dust.livequery import runner
from dust.livequery.console import ConsoleHandler
from dust.livequery.engine import Engine
from tests.dust.convex.door import JSON, call, send
from tests.livequery_app.models import Team

pytestmark = pytest.mark.django_db(transaction=True)

ENCODED = "convex_encoded_json"


@pytest.fixture(autouse=True)
async def engine(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Engine]:
    """An engine for actions, which need no more than that there is one."""
    engine = Engine()
    monkeypatch.setattr(endpoints, "get_engine", lambda: engine)
    yield engine
    await asyncio.to_thread(runner.close)


async def names() -> list[str]:
    return await runner.run(lambda: list(Team.objects.values_list("name", flat=True)))


class TestFunctions:
    async def test_of_each_kind_are_called_at_their_endpoint(self) -> None:
        added = await call("mutation", "test:addTeam", {"name": "red"})
        acted = await call("action", "test:act", {"name": "blue"})
        found = await call("query", "test:total")

        assert added == {"status": "success", "value": 1.0}
        assert acted == {"status": "success", "value": 2.0}
        assert found == {"status": "success", "value": 0.0}
        assert await names() == ["blue", "red"]

    @pytest.mark.parametrize("args", [{"name": "red"}, [{"name": "red"}]])
    async def test_take_an_object_or_an_array_of_one(self, args: Any) -> None:
        answer = await send("/api/mutation", {"path": "test:addTeam", "args": args})

        assert (answer.status, answer.json) == (200, {"status": "success", "value": 1.0})
        assert answer.header(b"content-type") == [b"application/json"]

    async def test_may_be_queries_asked_for_by_get(self) -> None:
        await call("mutation", "test:addTeam", {"name": "caf\u00e9"})
        query = "path=test%3Aecho&args=%7B%22value%22%3A%22caf%C3%A9%22%7D&format=json"

        answer = await send(f"/api/query?{query}")

        assert answer.json == {"status": "success", "value": "caf\u00e9"}

    async def test_are_called_by_their_path_whatever_their_kind(self) -> None:
        mutation = await send("/api/run/test/addTeam", {"args": {"name": "red"}})
        query = await send("/api/run/test/special", {"args": {}, "format": ENCODED})
        action = await send("/api/run/test/act", {"args": {"name": "blue"}})

        assert [answer.json["status"] for answer in (mutation, query, action)] == ["success"] * 3
        assert query.json["value"]["data"] == {"$bytes": "AQL/"}

    @pytest.mark.parametrize("path", ["test:total", "test.js:total"])
    async def test_have_names_as_clients_write_them(self, path: str) -> None:
        assert (await call("query", path))["status"] == "success"

    async def test_read_what_was_written_before(self) -> None:
        for number in range(5):
            count = await call("mutation", "test:addTeam", {"name": f"team {number}"})
            assert (await call("action", "test:act", {"name": f"more {number}"}))["value"] == (
                count["value"] + 1
            )


class TestErrors:
    @pytest.mark.parametrize(
        ("endpoint", "path", "args", "message"),
        [
            ("query", "test:nothing", {}, "Could not find public function for 'test:nothing'."),
            ("query", "test:internal", {}, "Could not find public function for 'test:internal'."),
            ("query", "test:addTeam", {}, "Could not find public function for 'test:addTeam'."),
            ("mutation", "test:nothing", {}, "Could not find public function for 'test:nothing'."),
            ("action", "test:nothing", {}, "Could not find public function for 'test:nothing'."),
        ],
    )
    async def test_plat_f2_tell_internal_functions_from_none_in_nothing(
        self, endpoint: str, path: str, args: Any, message: str
    ) -> None:
        assert await call(endpoint, path, args) == {"status": "error", "errorMessage": message}

    async def test_of_a_path_that_leads_nowhere_say_so_as_tools_expect(self) -> None:
        for path in ("nothing", "internal"):
            answer = await send(f"/api/run/test/{path}", {"args": {}})

            assert answer.status == 200
            message = answer.json["errorMessage"]
            assert message == f"There is no function named test:{path}."

    @pytest.mark.parametrize(
        ("args", "named"),
        [
            ({}, "`name`"),
            ({"name": 1}, "name"),
            ({"name": None}, "name"),
            ({"name": "red", "more": 1}, "`more`"),
            ([{"name": "red"}, {}], "one object"),
            ([], "one object"),
            ("red", "one object"),
            (None, "one object"),
        ],
    )
    async def test_of_arguments_name_them(self, args: Any, named: str) -> None:
        answer = await send("/api/mutation", {"path": "test:addTeam", "args": args})

        assert (answer.status, answer.json["status"]) == (200, "error")
        assert answer.json["errorMessage"].startswith("ArgumentValidationError: ")
        assert named in answer.json["errorMessage"]
        assert await names() == []

    async def test_of_values_name_their_place(self) -> None:
        told = await call("query", "test:echo", {"value": [1, {"$integer": "AA"}]})

        assert told["status"] == "error"
        assert told["errorMessage"].startswith("args.value[1] ")

    async def test_that_are_expected_are_told_with_their_data_and_leave_no_trace(self) -> None:
        encoded = await call("mutation", "test:refuse", {"name": "red"})
        clean = await call("mutation", "test:refuse", {"name": "red"}, format="json")

        assert encoded == {
            "status": "error",
            "errorMessage": "No red.",
            "errorData": {"left": 3.0, "name": "red"},
        }
        assert clean == encoded
        assert await names() == []

    async def test_without_data_have_none(self) -> None:
        told = await call("mutation", "test:failLate", {"name": "red"})

        assert told == {"status": "error", "errorMessage": "Not authorized."}

    @pytest.mark.parametrize(
        ("endpoint", "path", "logged"),
        [
            ("query", "fails", "a secret"),
            ("query", "writes", "WriteInQueryError"),
            ("action", "crash", "a secret"),
        ],
    )
    async def test_that_nobody_expected_are_told_by_an_id_that_is_in_the_log(
        self, endpoint: str, path: str, logged: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        told = await call(endpoint, f"test:{path}", {"name": "red"})

        assert told.keys() == {"status", "errorMessage"}
        request_id, said = told["errorMessage"].removeprefix("[Request ID: ").split("] ")
        assert said == "Server Error"
        [line] = [each for each in caplog.records if "request_id" in each.__dict__]
        assert line.__dict__["request_id"] == request_id
        assert line.exc_text
        assert logged in line.exc_text

    async def test_of_conflicts_are_no_functions(self) -> None:
        body = {"path": "test:conflict", "args": {"name": "red"}}

        answer = await send("/api/mutation", body)

        assert answer.status == 503
        assert answer.json == {
            "code": "WriteConflict",
            "message": "Too many writes collided. Try again.",
        }

    async def test_of_patience_are_told_while_the_function_goes_on(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(http, "LONGEST_SECONDS", 0)

        answer = await send("/api/query", {"path": "test:total", "args": {}})

        assert (answer.status, answer.json["code"]) == (408, "RequestTimeout")


class TestFormats:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            (
                "convex_encoded_json",
                (
                    b'{"count":5.0,"data":{"$bytes":"AQL/"},"huge":{"$integer":"AQAAAAAAIAA="},'
                    b'"infinite":{"$float":"AAAAAAAA8P8="},"zero":{"$float":"AAAAAAAAAIA="}}'
                ),
            ),
            (
                "json",
                (
                    b'{"count":5.0,"data":"AQL/","huge":"9007199254740993",'
                    b'"infinite":"-Infinity","zero":-0.0}'
                ),
            ),
            (
                "export_json",
                (
                    b'{"count":5.0,"data":{"$bytes":"AQL/"},"huge":9007199254740993,'
                    b'"infinite":{"$float":"AAAAAAAA8P8="},"zero":{"$float":"AAAAAAAAAIA="}}'
                ),
            ),
        ],
    )
    async def test_write_what_json_has_no_word_for(self, name: str, value: bytes) -> None:
        aliases = {ENCODED: "convex_json", "json": "convex_clean_json"}

        for format_ in (name, aliases.get(name, name)):
            body = {"path": "test:special", "args": {}, "format": format_}
            answer = await send("/api/query", body)
            assert answer.body == b'{"status":"success","value":' + value + b"}"

    @pytest.mark.parametrize(
        ("client", "is_encoded"),
        [
            (None, False),
            (b"npm-1.48.0", False),
            (b"npm-1.4.1", False),
            (b"npm-1.4.0", True),
            (b"python-0.5.0", False),
            (b"python-0.4.9", True),
            (b"swift-0.1.0", False),
            (b"nonsense", False),
        ],
    )
    async def test_of_old_clients_is_the_only_one_they_know(
        self, client: bytes | None, *, is_encoded: bool
    ) -> None:
        headers = () if client is None else ((b"convex-client", client),)

        answer = await send("/api/query", {"path": "test:special", "args": {}}, headers=headers)

        expected = {"$bytes": "AQL/"} if is_encoded else "AQL/"
        assert answer.json["value"]["data"] == expected

    @pytest.mark.parametrize(
        "value",
        [
            None,
            True,
            1.5,
            {"$integer": "BQAAAAAAAAA="},
            {"$float": "AAAAAAAA+H8="},
            {"$bytes": "AQL/"},
            "caf\u00e9 \U0001f6f0",
            [[], {}, {"a b": [None]}],
        ],
    )
    async def test_give_values_back_as_they_came(self, value: Any) -> None:
        told = await call("query", "test:echo", {"value": value})

        expected = 5.0 if value == {"$integer": "BQAAAAAAAAA="} else value
        assert told == {"status": "success", "value": expected}


class TestLogLines:
    @pytest.fixture
    def console(self) -> Iterator[None]:
        handler = ConsoleHandler()
        logging.getLogger().addHandler(handler)
        yield
        logging.getLogger().removeHandler(handler)

    async def test_are_left_out_in_production(self) -> None:
        told = await call("query", "test:log", {"name": "red"})

        assert told == {"status": "success", "value": None}

    async def test_are_told_to_developers(self, console: None) -> None:
        told = await call("query", "test:log", {"name": "red"})

        assert told["logLines"] == ["[WARN] looked at red"]


class TestBodies:
    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            (b'{"path": "test:total", "args": {}}', None),
            (b'{"path": "test:total", "args": {}}', b"text/plain"),
            (b"", b"application/json"),
            (b"nonsense", b"application/json"),
            (b"[]", b"application/json"),
            (b'{"path": "test:total"}', b"application/json"),
            (b'{"args": {}}', b"application/json"),
            (b'{"path": 5, "args": {}}', b"application/json"),
            (b'{"path": "test:total", "args": {"a": "\\ud800"}}', b"application/json"),
            (b'{"path": "test:total", "args": {"a": "\xff"}}', b"application/json"),
            (b'{"path": "test:total", "args": ' + b"[" * 100_000, b"application/json"),
        ],
    )
    async def test_that_are_none_are_refused(self, body: bytes, kind: bytes | None) -> None:
        headers = () if kind is None else ((b"content-type", kind),)

        answer = await send("/api/query", body, headers=headers)

        assert (answer.status, answer.json["code"]) == (400, "BadJsonBody")
        assert answer.json.keys() == {"code", "message"}

    @pytest.mark.parametrize("query", ["", "path=test:total", "path=test:total&args=nonsense"])
    async def test_of_a_get_are_its_parameters(self, query: str) -> None:
        answer = await send(f"/api/query?{query}")

        assert (answer.status, answer.json["code"]) == (400, "BadJsonBody")

    @pytest.mark.parametrize("kind", [b"application/json; charset=utf-8", b"Application/JSON"])
    async def test_may_say_more_of_their_type(self, kind: bytes) -> None:
        body = b'{"path": "test:total", "args": {}}'

        assert (await send("/api/query", body, headers=((b"content-type", kind),))).status == 200

    async def test_name_a_function_and_a_format_that_can_be(self) -> None:
        path = await send("/api/query", {"path": "test total", "args": {}})
        format_ = await send("/api/query", {"path": "test:total", "args": {}, "format": "xml"})

        assert (path.status, path.json["code"]) == (400, "BadConvexFunctionIdentifier")
        assert (format_.status, format_.json["code"]) == (400, "BadFormat")

    async def test_dust_in_1_have_16_mib_and_no_more(self) -> None:
        around = len(b'{"path":"test:echo","args":{"value":""}}')
        most = 16 * 1024 * 1024 - around

        whole = await send("/api/query", {"path": "test:echo", "args": {"value": "x" * most}})
        larger = await send("/api/query", b"x" * (BODY_BYTES + 1), headers=(JSON,))

        assert (whole.status, whole.json["status"]) == (200, "success")
        assert len(whole.json["value"]) == most
        assert (larger.status, larger.json["code"]) == (413, "BodyTooLarge")

    async def test_that_are_cut_off_do_nothing(self) -> None:
        body = msgspec.json.encode({"path": "test:addTeam", "args": {"name": "red"}})

        answer = await send("/api/mutation", body, headers=(JSON,), is_cut_off=True)

        assert answer.parts == []
        assert await names() == []
