"""``manage.py worker`` for real: started, asked how it is, and stopped."""

import json
import signal
import sqlite3
from pathlib import Path

import httpx

from tests.dust.serving import EMBEDDED, Process, Serving, manage


def work(folder: Path, *arguments: str) -> Process:
    environment = {"DUST_DATA_DIR": str(folder / "data"), **EMBEDDED}
    return Process("manage.py", "worker", "--port", "0", *arguments, folder=folder, **environment)


def url_of(worker: Process) -> str:
    return worker.wait_for_line("Running jobs").partition("probes at ")[2].partition("/health")[0]


class TestWorker:
    def test_runs_jobs_in_an_empty_folder_and_answers_probes_only(self, tmp_path: Path) -> None:
        with work(tmp_path) as worker, httpx.Client(base_url=url_of(worker)) as client:
            ready = client.get("/health/ready")
            metrics = client.get("/metrics")
            elsewhere = [client.get(path).status_code for path in ("/", "/admin/", "/api/v1/me/")]
            code = worker.stop()
            log = worker.log

        assert ready.json() == {"status": "ok", "database": "ok"}
        assert "dust_livequery_job_lag_seconds_count" in metrics.text
        assert elsewhere == [404, 404, 404]
        assert code == 0
        assert log == ""

    def test_takes_an_interrupt_for_an_order_to_stop(self, tmp_path: Path) -> None:
        with work(tmp_path) as worker:
            url_of(worker)
            code = worker.stop(signal.SIGINT)

        assert code == 0

    def test_is_refused_beside_a_server_on_sqlite_which_does_its_work(self, tmp_path: Path) -> None:
        with Serving(folder=tmp_path, **EMBEDDED):
            data = str(tmp_path / "data")
            done = manage("worker", "--port", "0", DUST_DATA_DIR=data, **EMBEDDED)

        assert done.returncode == 1
        assert "Another process already serves from" in done.stderr
        assert count_crons(tmp_path) > 0

    def test_leaves_the_tables_alone_if_told_to(self, tmp_path: Path) -> None:
        with work(tmp_path, "--no-migrate") as worker:
            code = worker.wait()
            log = worker.log

        assert code == 3  # there are none
        assert json.loads(log.splitlines()[0])["message"] == "start failed"


class TestServe:
    def test_runs_no_jobs_if_told_that_a_worker_does(self, tmp_path: Path) -> None:
        with Serving(folder=tmp_path, RUN_JOBS="false", **EMBEDDED):
            assert count_crons(tmp_path) == 0


def count_crons(folder: Path) -> int:
    """Count the crons that a worker has begun with."""
    database = sqlite3.connect(folder / "data" / "dust.sqlite3")
    try:
        found: int = database.execute("SELECT count(*) FROM livequery_cron").fetchone()[0]
    finally:
        database.close()
    return found
