"""The test servers keep their data while they are down, and never outlive their process."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import redis

from tests import servers

_ROOT = Path(__file__).parents[2]
_STARTER = """
import json, sys
from tests import keeper, servers
valkey = servers.start_valkey()
print(json.dumps([valkey.url, str(keeper.keeper().folder)]), flush=True)
sys.stdin.read()
"""


class TestPostgres:
    def test_keeps_what_was_committed_through_a_crash(self) -> None:
        with servers.start_postgres() as postgres:
            with psycopg.connect(postgres.url) as connection:
                connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
            postgres.kill()
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(postgres.url)

            postgres.start()

            with psycopg.connect(postgres.url) as connection:
                assert connection.execute("SELECT answer FROM kept").fetchall() == [(42,)]


class TestValkey:
    def test_comes_back_at_the_same_address(self) -> None:
        with servers.start_valkey() as valkey, redis.Redis.from_url(valkey.url) as client:
            valkey.stop()
            with pytest.raises(redis.ConnectionError):
                client.ping()

            valkey.start()

            assert client.ping() is True


class TestKeeper:
    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
    def test_clears_up_after_a_process_that_is_killed(self, number: signal.Signals) -> None:
        starter = subprocess.Popen(
            [sys.executable, "-c", _STARTER],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert starter.stdout
        url, folder = json.loads(starter.stdout.readline())

        starter.send_signal(number)
        starter.communicate()  # returns when the keeper, who shares its stderr, has ended too

        assert not Path(folder).exists()
        with redis.Redis.from_url(url) as client, pytest.raises(redis.ConnectionError):
            client.ping()
