"""Probes and metrics; parts that fail for real are in ``test_serve``."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import override_settings

from dust import health
from dust.livequery import runner
from tests.dust.serving import ROOT

FAR = "203.0.113.7"


async def ask(
    path: str, *headers: tuple[bytes, bytes], client: str = "127.0.0.1"
) -> tuple[int, bytes]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await health.answer({"path": path, "headers": headers, "client": (client, 1)}, send)
    start, body = sent
    return start["status"], body["body"]


class TestLive:
    async def test_answers_without_a_database(self) -> None:
        status, body = await ask("/health/live")

        assert (status, msgspec.json.decode(body)) == (200, {"status": "ok"})


@pytest.mark.django_db(transaction=True)
class TestReady:
    @pytest_asyncio.fixture(autouse=True)
    async def close(self) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(runner.close)

    async def test_answers_that_every_part_is_there(self) -> None:
        status, body = await ask("/health/ready")

        assert status == 200
        assert msgspec.json.decode(body) == {"status": "ok", "database": "ok", "redis": "ok"}

    @override_settings(REDIS_URL=None)
    async def test_looks_at_redis_only_where_there_is_one(self) -> None:
        _, body = await ask("/health/ready")

        assert msgspec.json.decode(body) == {"status": "ok", "database": "ok"}

    async def test_waits_for_migrations(self) -> None:
        [newest] = MigrationLoader(None).graph.leaf_nodes("accounts")

        def forget() -> None:
            MigrationRecorder(connection).record_unapplied(*newest)

        def remember() -> None:
            MigrationRecorder(connection).record_applied(*newest)

        await runner.run(forget)
        status, body = await ask("/health/ready")
        await runner.run(remember)

        assert status == 503
        assert msgspec.json.decode(body)["database"] == "not migrated"
        assert msgspec.json.decode(body)["status"] == "failing"


class TestMetrics:
    @override_settings(METRICS_TOKEN=None, EMBEDDED=True)
    async def test_are_open_to_a_laptop_s_own_user(self) -> None:
        status, body = await ask("/metrics")

        assert status == 200
        assert b"# TYPE dust_livequery_cycle_seconds histogram" in body

    @override_settings(METRICS_TOKEN=None, EMBEDDED=True)
    @pytest.mark.parametrize(
        ("client", "headers"),
        [(FAR, ()), ("127.0.0.1", ((b"x-forwarded-for", FAR.encode()),))],
    )
    async def test_are_closed_to_others(
        self, client: str, headers: tuple[tuple[bytes, bytes], ...]
    ) -> None:
        status, body = await ask("/metrics", *headers, client=client)

        assert status == 404
        assert msgspec.json.decode(body)["code"] == "not_found"

    @override_settings(METRICS_TOKEN=None, EMBEDDED=False)
    async def test_are_closed_in_production_unless_there_is_a_token(self) -> None:
        status, _ = await ask("/metrics")

        assert status == 404

    @override_settings(METRICS_TOKEN="hush", EMBEDDED=True)
    @pytest.mark.parametrize(
        ("authorization", "expected"),
        [(b"Bearer hush", 200), (b"Bearer hus", 404), (b"hush", 404), (b"", 404)],
    )
    async def test_are_open_to_whoever_has_the_token(
        self, authorization: bytes, expected: int
    ) -> None:
        status, _ = await ask("/metrics", (b"authorization", authorization), client=FAR)

        assert status == expected

    @override_settings(METRICS_TOKEN=None, EMBEDDED=True)
    async def test_of_all_workers_are_added_up(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
        count = "from dust.livequery.metrics import reruns; reruns.inc(2)"
        for _worker in range(2):
            worker = await asyncio.create_subprocess_exec(sys.executable, "-c", count, cwd=ROOT)
            await worker.wait()

        _, body = await ask("/metrics")

        assert "dust_livequery_reruns_total 4.0" in body.decode().splitlines()
