"""The HTTP door of a whole server, with tools that know nothing of this one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.archives import documents
from tests.archives.documents import PROJECT, Json
from tests.dust.serving import EMBEDDED, PATIENCE_SECONDS, Serving, manage


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    with Serving(folder=tmp_path / "server", **EMBEDDED) as server:
        yield server


def make(server: Serving, *command: str) -> str:
    """Make a credential by command, beside the server; return its token."""
    done = manage(*command, **EMBEDDED, DUST_DATA_DIR=str(server.folder / "data"))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def post(url: str, body: Json, **headers: str) -> Any:
    request = Request(  # noqa: S310 - the server's own
        url,
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **headers},
        method="POST",
    )
    with urlopen(request, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310
        return json.load(answer)


class TestServer:
    def test_dust_in_3_takes_what_the_ingest_tool_sends_and_logs_no_secret(
        self, server: Serving
    ) -> None:
        token = make(server, "ingest_credential", "create", "crawler", PROJECT)
        url = f"{server.url}/ingest/{token}/api/mutation"
        asked = {"path": "pages:upsert", "format": "json"}

        told = post(url, asked | {"args": documents.page()})
        with pytest.raises(HTTPError) as refused:  # DUST-IN-2
            post(url, asked | {"args": documents.page(projectId="swamp")})
        with pytest.raises(HTTPError) as lost:
            post(f"{url}/more", asked | {"args": documents.page()})

        assert told["status"] == "success"
        assert (refused.value.code, lost.value.code) == (560, 404)
        assert json.load(refused.value)["status"] == "error"
        lost.value.close()
        assert token[-20:] not in server.log

    def test_plat_a7_lets_in_whoever_has_an_admin_key(self, server: Serving) -> None:
        key = make(server, "admin_key", "create", "console")
        asked = {"path": "livequery:purge", "args": {}, "format": "convex_encoded_json"}
        url = f"{server.url}/api/function"

        told = post(url, asked, Authorization=f"Convex {key}")
        with pytest.raises(HTTPError) as refused:
            post(f"{url}?adminKey={key}x", asked)

        assert told["status"] == "success"
        assert refused.value.code == 403
        refused.value.close()
        assert key[-20:] not in server.log
