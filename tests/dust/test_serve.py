"""Starting and stopping, for real: every server here is a process with a database of its own."""

import json
import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import httpx
import jwt
import psycopg
import pytest
from django.core.management import CommandError, call_command
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from dust.identity.providers import Provider
from dust.identity.tokens import Verifier
from dust.server import SOCKET_MESSAGE_BYTES
from tests.dust.serving import EMBEDDED, PATIENCE_SECONDS, Process, Serving, manage
from tests.servers import Server, start_postgres, start_valkey

BOARD = "/ws/leaderboard/solo:1/"
MOST_BYTES = 64 * 1024


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with Serving(folder=tmp_path_factory.mktemp("embedded"), **EMBEDDED) as server:
        yield server


@pytest.fixture(scope="module")
def postgres() -> Iterator[Server]:
    with start_postgres() as server:
        yield server


@pytest.fixture(scope="module")
def valkey() -> Iterator[Server]:
    with start_valkey() as server:
        yield server


@pytest.fixture
def database_url(postgres: Server, request: pytest.FixtureRequest) -> str:
    name = f"serve_{abs(hash(request.node.nodeid))}"
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return postgres.url.removesuffix("postgres") + name


class TestServeOnNothing:
    """The embedded default, in an empty folder."""

    def test_says_where_it_is_and_how_to_get_a_token(self, embedded: Serving) -> None:
        last = embedded.wait_for_line("  a token")

        assert f"API documentation  {embedded.url}/api/docs/" in embedded.said
        assert f"admin              {embedded.url}/admin/" in embedded.said
        assert last.endswith("python manage.py token alice")

    def test_answers_probes_and_pages(self, embedded: Serving) -> None:
        with httpx.Client(base_url=embedded.url) as client:
            assert client.get("/health/live").json() == {"status": "ok"}
            assert client.get("/health/ready").json() == {"status": "ok", "database": "ok"}
            assert client.get("/static/admin/css/base.css").status_code == 200
            assert client.get("/admin/login/").status_code == 200
            assert "dust_livequery_cycle_seconds" in client.get("/metrics").text

    def test_can_be_trusted_by_another_server(self, embedded: Serving) -> None:
        folder = str(embedded.folder / "data")
        printed = manage("token", "alice", **EMBEDDED | {"DUST_DATA_DIR": folder}).stdout.strip()
        issuer = jwt.decode(printed, options={"verify_signature": False})["iss"]
        provider = Provider(issuer, "dust")
        verifier = Verifier([(provider, provider.load_keys)])

        identity = verifier.verify(printed, now=datetime.now(UTC))

        assert issuer == f"{embedded.url}/local-issuer"
        assert (identity.issuer, identity.subject) == (issuer, "alice")

    def test_answers_sockets(self, embedded: Serving) -> None:
        with connect(embedded.socket_url + BOARD) as board:
            assert board.recv(timeout=PATIENCE_SECONDS)

    def test_takes_64_kib_from_a_socket_at_once_and_no_more(self, embedded: Serving) -> None:
        with connect(embedded.socket_url + BOARD) as board:
            board.send("x" * MOST_BYTES)
            first = _next_error_code(board)
            board.send("x" * (MOST_BYTES + 1))
            with suppress(ConnectionClosed):
                _next_error_code(board)

        assert first == "invalid_message"
        assert board.close_code == 1009

    def test_compresses_nothing_for_sockets(self, embedded: Serving) -> None:
        with connect(embedded.socket_url + BOARD, compression="deflate") as board:
            assert board.request is not None
            assert board.response is not None
            offered = board.request.headers["Sec-WebSocket-Extensions"]
            selected = board.response.headers.get("Sec-WebSocket-Extensions")

        assert offered.startswith("permessage-deflate")
        assert selected is None

    def test_refuses_sockets_to_nowhere(self, embedded: Serving) -> None:
        with pytest.raises(InvalidStatus) as refused:
            connect(embedded.socket_url + "/ws/nowhere/")

        response = refused.value.response
        assert response.status_code == 404
        assert b'"code":"not_found"' in (response.body or b"")
        assert "without completing handshake" not in embedded.log

    def test_seeds_the_empty_database(self, embedded: Serving) -> None:
        assert _count_users(embedded.folder) > 0

    def test_refuses_a_second_server_until_the_first_has_died(self, tmp_path: Path) -> None:
        with Serving(folder=tmp_path, **EMBEDDED) as first:
            data = str(tmp_path / "data")
            second = manage("serve", "--port", "0", DUST_DATA_DIR=data, **EMBEDDED)
            bare = Process(
                *("-m", "uvicorn", "dust.asgi:application", "--port", "0"),
                folder=tmp_path / "bare",
                DUST_DATA_DIR=data,
                **EMBEDDED,
            )
            with bare:
                bare_code = bare.wait()
                bare_log = bare.log
            command = manage("check_ranks", DUST_DATA_DIR=data, **EMBEDDED)
            first.stop(signal.SIGKILL)
        users = _count_users(tmp_path)

        with Serving(folder=tmp_path, **EMBEDDED) as third:
            third_code = third.stop()

        assert second.returncode == 1
        assert "Another process already serves from" in second.stderr
        assert "Traceback" not in second.stderr
        assert bare_code == 3
        assert "Another process already serves from" in bare_log
        assert command.returncode == 0
        assert third_code == 0
        assert _count_users(tmp_path) == users  # seeded once


class TestStop:
    def test_finishes_requests_closes_sockets_and_exits_cleanly(self, tmp_path: Path) -> None:
        with (
            Serving(folder=tmp_path, **EMBEDDED) as server,
            connect(server.socket_url + BOARD) as board,
            socket.create_connection(("127.0.0.1", server.port)) as connection,
            connection.makefile("rwb", buffering=0) as request,
        ):
            request.write(
                b"POST /api/v1/nowhere/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
                b"Expect: 100-continue\r\n\r\n"
            )
            go_on = request.readline()  # the application has the request

            server.send(signal.SIGTERM)
            close_code = _read_until_closed(board)
            request.write(b"{}")
            answer = request.read()
            code = server.wait()
            log = server.log

        assert go_on == b"HTTP/1.1 100 Continue\r\n"
        assert close_code == 1012
        assert b"HTTP/1.1 404 " in answer
        assert b'"code":"not_found"' in answer
        assert code == 0
        assert '"level":"error"' not in log

    def test_takes_an_interrupt_for_the_same(self, tmp_path: Path) -> None:
        with Serving(folder=tmp_path, **EMBEDDED) as server:
            code = server.stop(signal.SIGINT)
            log = server.log

        assert code == 0
        assert log == ""


class TestServeRefuses:
    def test_several_workers_on_sqlite(self, tmp_path: Path) -> None:
        done = manage("serve", "--workers", "2", DUST_DATA_DIR=str(tmp_path), **EMBEDDED)

        assert done.returncode == 1
        assert "Several workers need PostgreSQL" in done.stderr

    def test_several_workers_without_redis(self) -> None:
        done = manage(
            "serve", "--workers", "2", DATABASE_URL="postgres://x@localhost/x", REDIS_URL=""
        )

        assert done.returncode == 1
        assert "Several workers need Redis" in done.stderr

    def test_no_workers(self) -> None:
        with pytest.raises(CommandError, match="at least 1"):
            call_command("serve", workers=0)

    def test_a_port_that_is_taken(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            done = manage("serve", "--port", str(port), DUST_DATA_DIR=str(tmp_path), **EMBEDDED)

        assert done.returncode == 1
        assert f"Cannot listen on 127.0.0.1:{port}: Address already in use." in done.stderr
        assert not list(tmp_path.glob("*.sqlite3"))


class TestServeOnServices:
    def test_serves_with_several_workers(
        self, tmp_path: Path, database_url: str, valkey: Server
    ) -> None:
        environment = {"DATABASE_URL": database_url, "REDIS_URL": valkey.url, "METRICS_TOKEN": "t"}
        with (
            Serving("--workers", "2", folder=tmp_path, **environment) as server,
            connect(server.socket_url + BOARD) as board,
        ):
            board.recv(timeout=PATIENCE_SECONDS)
            ready = httpx.get(server.url + "/health/ready")
            secret = httpx.get(server.url + "/metrics")
            metrics = httpx.get(server.url + "/metrics", headers={"Authorization": "Bearer t"})
            code = server.stop()
            close_code = _read_until_closed(board)
            log = server.log

        assert ready.json() == {"status": "ok", "database": "ok", "redis": "ok"}
        assert secret.status_code == 404
        assert "dust_livequery_cycle_seconds_count" in metrics.text
        assert "python_gc" not in metrics.text  # one worker's own; these are all workers' sums
        assert close_code == 1012
        assert code == 0
        assert log == ""

    def test_seeds_nothing(self, tmp_path: Path, database_url: str) -> None:
        with (
            Serving(folder=tmp_path, DATABASE_URL=database_url, REDIS_URL=""),
            psycopg.connect(database_url) as connection,
        ):
            users = connection.execute("SELECT count(*) FROM accounts_user").fetchone()

        assert users == (0,)

    def test_migrates_once_when_two_start_together(
        self, tmp_path: Path, database_url: str, valkey: Server
    ) -> None:
        environment = {"DATABASE_URL": database_url, "REDIS_URL": valkey.url}
        command = ("manage.py", "serve", "--port", "0")
        with (
            Process(*command, folder=tmp_path / "first", **environment) as first,
            Process(*command, folder=tmp_path / "second", **environment) as second,
        ):
            first.wait_for_line("Serving at ")
            second.wait_for_line("Serving at ")
            codes = first.stop(), second.stop()

        assert codes == (0, 0)

    def test_leaves_the_tables_alone_if_told_to(self, tmp_path: Path, database_url: str) -> None:
        done = manage(
            *("serve", "--port", "0", "--no-migrate"), DATABASE_URL=database_url, REDIS_URL=""
        )

        with psycopg.connect(database_url) as connection:
            tables = connection.execute(
                "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
            ).fetchone()
        assert done.returncode == 3  # the engine needs its tables
        assert tables == (0,)


class TestServeWithoutRedis:
    def test_says_so_in_one_line(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as unreliable:
            unreliable.settimeout(PATIENCE_SECONDS)
            url = f"redis://127.0.0.1:{unreliable.getsockname()[1]}"
            with Serving(folder=tmp_path, **EMBEDDED | {"REDIS_URL": url}) as server:
                while "hints cut off" not in server.log:
                    unreliable.accept()[0].close()
                server.stop()
                lines = [json.loads(line) for line in server.log.splitlines()]

        told = {line["message"]: line for line in lines}
        assert told.keys() <= {"hints cut off", "hints not sent"}  # the demo's
        assert len(told) == len(lines)
        assert not any("exception" in line for line in lines)
        assert told["hints cut off"]["reason"].startswith("ConnectionError: ")


class TestReadiness:
    def test_tells_which_part_has_failed(self, tmp_path: Path) -> None:
        with (
            start_postgres() as postgres,
            start_valkey() as valkey,
            Serving(folder=tmp_path, DATABASE_URL=postgres.url, REDIS_URL=valkey.url) as server,
            httpx.Client(base_url=server.url, timeout=PATIENCE_SECONDS) as client,
        ):
            before = client.get("/health/ready")
            valkey.stop()
            without_redis = client.get("/health/ready")
            postgres.stop()
            without_both = client.get("/health/ready")
            alive = client.get("/health/live")
            valkey.start()
            postgres.start()
            after = client.get("/health/ready")

        assert before.status_code == 200
        assert without_redis.status_code == 200
        assert without_redis.json() == {
            "status": "degraded",
            "database": "ok",
            "redis": "unreachable",
        }
        assert without_both.status_code == 503
        assert without_both.json()["status"] == "failing"
        assert without_both.json()["database"] == "unreachable"
        assert alive.status_code == 200
        assert after.json() == {"status": "ok", "database": "ok", "redis": "ok"}


class TestRunserver:
    def test_serves_requests_and_sockets(self, tmp_path: Path) -> None:
        environment = {"DUST_DATA_DIR": str(tmp_path / "data"), **EMBEDDED}
        manage("migrate", **environment)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        command = ("-u", "manage.py", "runserver", "--noreload", str(port))
        with Process(*command, folder=tmp_path, **environment) as server:
            server.wait_for_line("Quit the server")
            ready = _ask_until_it_listens(port)
            with connect(f"ws://127.0.0.1:{port}{BOARD}") as board:
                top = board.recv(timeout=PATIENCE_SECONDS)
                board.send("x" * (SOCKET_MESSAGE_BYTES + 1))
                code = _read_until_closed(board)

        assert ready.json() == {"status": "ok", "database": "ok"}
        assert top
        assert code == 1006  # daphne drops whom it would tell 1009

    def test_is_refused_beside_a_server_on_sqlite(self, tmp_path: Path) -> None:
        with Serving(folder=tmp_path, **EMBEDDED):
            data = str(tmp_path / "data")
            second = manage("runserver", "--noreload", "0", DUST_DATA_DIR=data, **EMBEDDED)

        assert second.returncode == 1
        assert "Another process already serves" in second.stderr


def _next_error_code(board: ClientConnection) -> str:
    while (message := json.loads(board.recv(timeout=PATIENCE_SECONDS)))["type"] != "error":
        pass
    code: str = message["code"]
    return code


def _read_until_closed(board: ClientConnection) -> int | None:
    with suppress(ConnectionClosed):
        for _message in board:
            pass
    return board.close_code


def _count_users(folder: Path) -> int:
    database = sqlite3.connect(folder / "data" / "dust.sqlite3")
    try:
        found: int = database.execute("SELECT count(*) FROM accounts_user").fetchone()[0]
    finally:
        database.close()
    return found


def _ask_until_it_listens(port: int) -> httpx.Response:
    transport = httpx.HTTPTransport(retries=8)  # with growing pauses in between
    with httpx.Client(transport=transport) as client:
        return client.get(f"http://127.0.0.1:{port}/health/ready")
