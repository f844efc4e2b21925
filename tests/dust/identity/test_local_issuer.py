"""The local issuer: its tokens pass the verifier that everybody's pass, and only where it is on."""

import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from threading import Barrier
from typing import Any

import httpx
import jwt
import msgspec
import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.test import Client
from pytest_django import Settings

from dust.identity import InvalidTokenError, find_verified, local_issuer, verify_token
from dust.identity.tokens import get_verifier


@pytest.fixture(autouse=True)
def data_dir(settings: Settings, tmp_path: Path) -> Iterator[Path]:
    settings.LOCAL_ISSUER = True
    settings.AUTH_PROVIDERS = []
    settings.DATA_DIR = tmp_path / "data"
    get_verifier.cache_clear()
    yield settings.DATA_DIR
    get_verifier.cache_clear()


def token(*args: str, **options: Any) -> str:
    out = StringIO()
    call_command("token", *args, stdout=out, **options)
    return out.getvalue()


class TestToken:
    def test_passes_the_verifier(self) -> None:
        printed = token("alice")

        identity = verify_token(printed.strip(), now=datetime.now(UTC))

        assert (identity.issuer, identity.subject) == (local_issuer.ISSUER, "alice")
        assert identity.claims["name"] == "alice"

    def test_is_all_that_is_printed(self) -> None:
        assert token("alice").count(".") == 2
        assert len(token("alice").split()) == 1

    def test_takes_a_name_and_a_lifetime(self) -> None:
        printed = token("alice", "--name", "Alice in Chains", "--ttl", "60").strip()
        now = datetime.now(UTC)

        assert verify_token(printed, now=now).claims["name"] == "Alice in Chains"
        assert verify_token(printed, now=now + timedelta(seconds=59)).subject == "alice"
        with pytest.raises(InvalidTokenError, match="expired"):
            verify_token(printed, now=now + timedelta(seconds=70))

    @pytest.mark.parametrize("arguments", [[""], ["x" * 256], ["a\x00"], ["alice", "--ttl", "0"]])
    def test_is_refused_for(self, arguments: list[str]) -> None:
        with pytest.raises(CommandError):
            token(*arguments)

    def test_is_refused_where_the_issuer_is_off(self, settings: Settings) -> None:
        settings.LOCAL_ISSUER = False

        with pytest.raises(CommandError, match="LOCAL_ISSUER=true"):
            token("alice")

    def test_is_worth_nothing_where_the_issuer_is_off(self, settings: Settings) -> None:
        printed = token("alice").strip()
        settings.LOCAL_ISSUER = False
        get_verifier.cache_clear()

        with pytest.raises(InvalidTokenError, match="unknown issuer"):
            verify_token(printed, now=datetime.now(UTC))

    def test_of_another_data_folder_is_refused(self, settings: Settings, tmp_path: Path) -> None:
        foreign = token("alice").strip()
        settings.DATA_DIR = tmp_path / "other"

        with pytest.raises(InvalidTokenError, match="unknown key"):
            verify_token(foreign, now=datetime.now(UTC))

    def test_is_known_without_waiting_once_verified(self) -> None:
        printed, now = token("alice").strip(), datetime.now(UTC)

        assert find_verified(printed, now=now) is None
        identity = verify_token(printed, now=now)
        assert find_verified(printed, now=now) is identity

    def test_is_verified_without_asking_a_server(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delattr(httpx, "stream")

        identity = verify_token(token("alice").strip(), now=datetime.now(UTC))

        assert identity.subject == "alice"


class TestName:
    def test_is_where_it_is_served_in_tokens_and_documents(self, client: Client) -> None:
        local_issuer.serve_at("http://localhost:9000")

        claims = jwt.decode(token("alice").strip(), options={"verify_signature": False})
        document = client.get("/local-issuer/.well-known/openid-configuration").json()

        assert claims["iss"] == document["issuer"] == "http://localhost:9000/local-issuer"

    def test_may_change_and_players_stay_who_they_are(self) -> None:
        printed = []
        for port in (8000, 9000):
            local_issuer.serve_at(f"http://localhost:{port}")
            printed.append(token("alice").strip())

        identities = [verify_token(each, now=datetime.now(UTC)) for each in printed]

        assert {identity.issuer for identity in identities} == {local_issuer.ISSUER}

    @pytest.mark.parametrize(
        "name",
        [
            "http://localhost:8000/local-issuer/",
            "http://localhost:8000/a/local-issuer",
            "/local-issuer",
            "http:///local-issuer",
            7,
            None,
        ],
    )
    def test_is_an_address_and_that_path(self, name: object) -> None:
        assert not local_issuer.PROVIDER.is_named(name)


class TestKey:
    def test_is_for_the_owners_eyes_only(self, data_dir: Path) -> None:
        token("alice")

        assert stat.S_IMODE((data_dir / local_issuer.KEY_FILE).stat().st_mode) == 0o600
        assert [path.name for path in data_dir.iterdir()] == [local_issuer.KEY_FILE]

    def test_is_one_for_all_who_ask_first_together(self) -> None:
        start = Barrier(8)

        def ask() -> bytes:
            start.wait(timeout=10)
            return local_issuer.public_keys()

        with ThreadPoolExecutor(8) as pool:
            answers = {future.result() for future in [pool.submit(ask) for _ in range(8)]}

        assert len(answers) == 1


class TestPublishedDocuments:
    def test_lead_a_stranger_to_the_key(self, client: Client) -> None:
        discovery = client.get("/local-issuer/.well-known/openid-configuration").json()
        path = discovery["jwks_uri"].removeprefix("http://testserver")
        keys = jwt.PyJWKSet.from_dict(client.get(path).json())

        printed = token("alice").strip()
        key = keys[jwt.get_unverified_header(printed)["kid"]]
        claims = jwt.decode(printed, key, audience="dust", issuer=discovery["issuer"])
        assert claims["sub"] == "alice"

    def test_hold_no_private_key(self, client: Client) -> None:
        answer = client.get("/local-issuer/.well-known/jwks.json")

        [key] = msgspec.json.decode(answer.content)["keys"]
        assert set(key) == {"kty", "crv", "x", "y", "kid", "alg", "use"}

    @pytest.mark.parametrize("name", ["openid-configuration", "jwks.json"])
    def test_are_not_found_where_the_issuer_is_off(
        self, client: Client, settings: Settings, name: str
    ) -> None:
        settings.LOCAL_ISSUER = False

        assert client.get(f"/local-issuer/.well-known/{name}").status_code == 404

    @pytest.mark.parametrize("name", ["openid-configuration", "jwks.json"])
    def test_cannot_be_written(self, client: Client, name: str) -> None:
        assert client.post(f"/local-issuer/.well-known/{name}").status_code == 405


class TestDeployCheck:
    def test_objects_to_the_local_issuer(self) -> None:
        with pytest.raises(SystemCheckError, match=r"dust\.E001"):
            call_command("check", deploy=True, tags=["security"])

    def test_is_content_without(self, settings: Settings) -> None:
        settings.LOCAL_ISSUER = False
        complaints = StringIO()

        call_command("check", deploy=True, tags=["security"], stderr=complaints)

        assert "dust.E001" not in complaints.getvalue()

    def test_lets_development_be(self) -> None:
        call_command("check", tags=["security"])
