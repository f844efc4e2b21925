"""Queries by HTTP that are answered from one snapshot."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from dust.convex import codec, endpoints
from dust.livequery import runner
from dust.livequery.engine import Engine
from tests.dust.convex.door import bearer, call, send

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
async def engine(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Engine]:
    engine = Engine()
    await engine.start()
    monkeypatch.setattr(endpoints, "get_engine", lambda: engine)
    yield engine
    await engine.stop()
    await asyncio.to_thread(runner.close)


def at(ts: str, path: str = "test:count", **asked: Any) -> dict[str, Any]:
    return {"path": path, "args": {}, "ts": ts} | asked


class TestSnapshot:
    async def test_answers_every_query_from_the_same_state(self) -> None:
        """As the npm client's ``consistentQuery`` asks."""
        await call("mutation", "test:addTeam", {"name": "red"})
        taken = await send("/api/query_ts", method="POST")
        await call("mutation", "test:addTeam", {"name": "blue"})

        answers = [await send("/api/query_at_ts", at(taken.json["ts"])) for _ in range(2)]
        now = await call("query", "test:count")

        assert taken.status == 200
        assert codec.decode_ts(taken.json["ts"]) > 0
        assert [each.json for each in answers] == [{"status": "success", "value": 1.0}] * 2
        assert now["value"] == 2.0

    async def test_answers_in_the_format_and_as_the_caller(self) -> None:
        ts = (await send("/api/query_ts", method="POST")).json["ts"]
        encoded = {"format": "convex_encoded_json"}

        special = await send("/api/query_at_ts", at(ts, "test:special", **encoded))
        mine = await send("/api/query_at_ts", at(ts, "test:mine"), headers=(bearer("alice"),))
        hidden = await send("/api/query_at_ts", at(ts, "test:internal"))
        failed = await send("/api/query_at_ts", at(ts, "test:players"))

        assert special.json["value"]["data"] == {"$bytes": "AQL/"}
        assert mine.json == {"status": "success", "value": []}
        assert hidden.json["errorMessage"].startswith("Could not find public function")
        assert failed.json["errorMessage"].startswith("ArgumentValidationError: ")

    async def test_is_gone_when_its_engine_is(self, engine: Engine) -> None:
        ts = (await send("/api/query_ts", method="POST")).json["ts"]
        await engine.stop()

        answer = await send("/api/query_at_ts", at(ts))

        assert (answer.status, answer.json["code"]) == (400, "SnapshotUnavailable")

    @pytest.mark.parametrize("ts", ["AAAAAAAAAAA=", "/////////38="])
    async def test_of_no_known_time_is_unavailable(self, ts: str) -> None:
        answer = await send("/api/query_at_ts", at(ts))

        assert (answer.status, answer.json["code"]) == (400, "SnapshotUnavailable")

    @pytest.mark.parametrize("ts", ["", "nonsense", "AAAA", 5, None, "//////////8="])
    async def test_needs_a_time(self, ts: Any) -> None:
        answer = await send("/api/query_at_ts", at(ts))

        assert (answer.status, answer.json["code"]) == (400, "BadJsonBody")


class TestBatch:
    async def test_answers_in_order_and_each_for_itself(self) -> None:
        queries = [
            {"path": "test:count", "args": {}},
            {"path": "test:nothing", "args": {}},
            {"path": "test:countMeanwhile", "args": [{"name": "red"}]},
            {"path": "test:special", "args": {}, "format": "convex_encoded_json"},
            {"path": "test:players", "args": {}},
            {"path": "test:count", "args": [{}]},
        ]

        answer = await send("/api/query_batch", {"queries": queries})

        results = answer.json["results"]
        statuses = [each["status"] for each in results]
        assert statuses == ["success", "error", "success", "success", "error", "success"]
        assert [results[at]["value"] for at in (0, 2, 5)] == [0.0, 0.0, 0.0]
        assert results[3]["value"]["data"] == {"$bytes": "AQL/"}
        assert results[4]["errorMessage"].startswith("ArgumentValidationError: ")

    async def test_may_be_of_none_and_is_of_so_many_at_most(self) -> None:
        query = {"path": "test:total", "args": {}}

        none = await send("/api/query_batch", {"queries": []})
        many = await send("/api/query_batch", {"queries": [query] * 257})

        assert none.json == {"results": []}
        assert (many.status, many.json["code"]) == (400, "BadJsonBody")
        assert "256" in many.json["message"]

    async def test_is_of_queries_that_can_be(self) -> None:
        answer = await send("/api/query_batch", {"queries": [{"path": "a b", "args": {}}]})

        assert (answer.status, answer.json["code"]) == (400, "BadConvexFunctionIdentifier")
