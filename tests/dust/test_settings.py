import json
import logging
import runpy
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from dust.settings import _secret_in
from tests.dust.serving import EMBEDDED, ROOT, manage

Read = Callable[..., dict[str, Any]]

PRODUCTION = {
    "DATABASE_URL": "postgres://dust:p%40ss@db.internal:5433/game?sslmode=require",
    "REDIS_URL": "redis://cache.internal/0",
    "SECRET_KEY": "a secret of sufficient length, and with many different characters",
    "ALLOWED_HOSTS": "dust.example, www.dust.example",
    "CLERK_JWT_ISSUER_DOMAIN": "clerk.dust.example",
    "HTTPS_ONLY": "",
    "LOCAL_ISSUER": "",
}


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    """Read the settings anew from the given variables, all others unset."""

    def read(**environment: str) -> dict[str, Any]:
        for name in (
            *("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ALLOWED_HOSTS", "DEBUG", "LOG_LEVEL"),
            *("CORS_ALLOWED_ORIGINS", "CSRF_TRUSTED_ORIGINS", "METRICS_TOKEN", "HTTPS_ONLY"),
            *("AUTH_PROVIDERS", "CLERK_JWT_ISSUER_DOMAIN", "LOCAL_ISSUER", "ANONYMOUS_INGEST"),
        ):
            monkeypatch.setenv(name, "")
        monkeypatch.setenv("DUST_DATA_DIR", str(tmp_path / "data"))
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return runpy.run_path(str(ROOT / "dust" / "settings.py"))

    return read


class TestEmbeddedDefault:
    def test_is_sqlite_in_the_data_folder(self, read: Read, tmp_path: Path) -> None:
        database = read()["DATABASES"]["default"]

        assert database["ENGINE"] == "dust.livequery.backends.sqlite3"
        assert database["NAME"] == str(tmp_path / "data" / "dust.sqlite3")
        assert database["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
        assert "journal_mode=WAL" in database["OPTIONS"]["init_command"]
        assert database["TEST"]["NAME"].startswith(str(tmp_path))

    def test_needs_no_services_and_answers_this_machine_only(self, read: Read) -> None:
        settings = read()

        assert settings["EMBEDDED"] is True
        assert settings["DEBUG"] is False
        assert settings["HTTPS_ONLY"] is False
        assert settings["ALLOWED_HOSTS"] == ["localhost", "127.0.0.1", "[::1]"]
        assert settings["CHANNEL_LAYERS"]["default"]["BACKEND"].endswith("InMemoryChannelLayer")
        assert settings["LOCAL_ISSUER"] is True

    def test_keeps_the_secret_it_generates(self, read: Read, tmp_path: Path) -> None:
        first = read()["SECRET_KEY"]
        second = read()["SECRET_KEY"]

        kept = tmp_path / "data" / "secret_key"
        assert first == second == kept.read_text()
        assert len(first) >= 50
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700

    def test_agrees_on_one_secret_when_many_start_together(self, tmp_path: Path) -> None:
        with ThreadPoolExecutor(16) as pool:
            found = set(pool.map(_secret_in, [tmp_path] * 64))

        assert len(found) == 1
        assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]

    def test_prefers_a_secret_it_is_given(self, read: Read, tmp_path: Path) -> None:
        assert read(SECRET_KEY="given")["SECRET_KEY"] == "given"
        assert not (tmp_path / "data" / "secret_key").exists()

    def test_has_no_local_issuer_beside_a_real_one(self, read: Read) -> None:
        assert read(CLERK_JWT_ISSUER_DOMAIN="clerk.dust.example")["LOCAL_ISSUER"] is False


class TestProduction:
    def test_uses_the_services_it_is_given(self, read: Read) -> None:
        settings = read(**PRODUCTION)

        database = settings["DATABASES"]["default"]
        assert database["ENGINE"] == "dust.livequery.backends.postgresql"
        assert (database["HOST"], database["PORT"]) == ("db.internal", 5433)
        assert (database["NAME"], database["USER"], database["PASSWORD"]) == (
            *("game", "dust"),
            "p@ss",
        )
        assert database["OPTIONS"] == {"sslmode": "require"}
        assert settings["CHANNEL_LAYERS"]["default"]["CONFIG"] == {
            "hosts": [{"address": "redis://cache.internal/0", "socket_timeout": 15}]
        }
        assert settings["ALLOWED_HOSTS"] == ["dust.example", "www.dust.example"]

    def test_is_https_only_and_has_no_local_issuer(self, read: Read, tmp_path: Path) -> None:
        settings = read(**PRODUCTION)

        assert settings["EMBEDDED"] is False
        assert settings["SECURE_SSL_REDIRECT"] is True
        assert settings["SESSION_COOKIE_SECURE"] is True
        assert settings["LOCAL_ISSUER"] is False
        assert not (tmp_path / "data").exists()

    def test_may_be_a_sqlite_file(self, read: Read, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/game.db"

        database = read(**PRODUCTION | {"DATABASE_URL": url})["DATABASES"]["default"]

        assert database["NAME"] == f"{tmp_path}/game.db"
        assert database["TEST"]["NAME"] == f"{tmp_path}/test-game.db"

    def test_passes_the_deployment_check(self) -> None:
        done = manage("check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)

        assert done.returncode == 0, done.stderr

    def test_with_a_local_issuer_does_not_pass_the_deployment_check(self) -> None:
        done = manage("check", "--deploy", **PRODUCTION | {"LOCAL_ISSUER": "true"})

        assert done.returncode == 1
        assert "dust.E001" in done.stderr


class TestMistake:
    @pytest.mark.parametrize("name", ["SECRET_KEY", "ALLOWED_HOSTS"])
    def test_is_to_leave_out_what_a_database_requires(self, read: Read, name: str) -> None:
        with pytest.raises(ImproperlyConfigured, match=f"^{name}: required"):
            read(**PRODUCTION | {name: " "})

    @pytest.mark.parametrize(
        ("name", "value", "reason"),
        [
            ("DATABASE_URL", "mysql://localhost/x", "must begin with postgres"),
            ("DATABASE_URL", "sqlite://:memory:", "needs a file"),
            ("DATABASE_URL", "sqlite://", "needs a file"),
            ("DATABASE_URL", "sqlite:////there/is/none.db", "no folder /there/is"),
            ("DATABASE_URL", "postgres://localhost/dust?pool=true", "no option pool"),
            ("REDIS_URL", "localhost:6379", "must begin with redis://"),
            ("REDIS_URL", "redis://localhost:bad/0", "Port could not be cast"),
            ("REDIS_URL", "redis://localhost/abc", "number of a database"),
            ("ALLOWED_HOSTS", "https://dust.example.com/", "host names"),
            ("AUTH_PROVIDERS", "{}", "Expected `array`"),
            ("AUTH_PROVIDERS", json.dumps([{"type": "oidc", "issuer": "https://a.b"}]), "audience"),
            ("CLERK_JWT_ISSUER_DOMAIN", "http://insecure.example", "https"),
            ("ANONYMOUS_INGEST", "true", "needs DEBUG"),
            ("LEADERBOARD_RANKED_SOURCES", "claimed, hearsay", "claimed, refereed, match"),
        ],
    )
    def test_stops_the_boot_with_its_name_and_reason(
        self, read: Read, name: str, value: str, reason: str
    ) -> None:
        with pytest.raises(ImproperlyConfigured, match=rf"^{name}: .*{reason}"):
            read(**PRODUCTION | {name: value})

    @pytest.mark.parametrize(
        "name", ["DATABASE_URL", "DEBUG", "LOCAL_ISSUER", "HTTPS_ONLY", "LOG_LEVEL"]
    )
    def test_stops_the_boot_if_a_word_means_nothing(self, read: Read, name: str) -> None:
        with pytest.raises(ValueError, match=f'"{name}" invalid'):
            read(**PRODUCTION | {name: "perhaps"})

    def test_is_shown_to_whoever_runs_a_command(self, tmp_path: Path) -> None:
        environment = EMBEDDED | {"REDIS_URL": "nonsense", "DUST_DATA_DIR": str(tmp_path)}

        done = manage("serve", **environment)

        assert done.returncode == 1
        assert "REDIS_URL: must begin with" in done.stderr


class TestChoice:
    def test_of_origins_is_a_list(self, read: Read) -> None:
        settings = read(CORS_ALLOWED_ORIGINS="https://a.example, https://b.example,")

        assert settings["CORS_ALLOWED_ORIGINS"] == ["https://a.example", "https://b.example"]

    def test_of_plain_http_lets_browsers_keep_the_cookies(self, read: Read) -> None:
        settings = read(**PRODUCTION | {"HTTPS_ONLY": "false"})

        assert settings["SESSION_COOKIE_SECURE"] is False
        assert settings["SECURE_HSTS_SECONDS"] == 0

    def test_of_content_from_everybody_is_one_of_development(self, read: Read) -> None:
        assert read()["ANONYMOUS_INGEST"] is False
        assert read(DEBUG="true", ANONYMOUS_INGEST="true")["ANONYMOUS_INGEST"] is True

    def test_of_debugging_shows_developers_what_functions_log(self, read: Read) -> None:
        assert read(DEBUG="true")["LOGGING"]["root"]["handlers"] == ["stderr", "console"]
        for production in (read(), read(**PRODUCTION)):
            assert production["LOGGING"]["root"]["handlers"] == ["stderr"]

    def test_of_a_log_level_is_taken(self, read: Read) -> None:
        assert read(LOG_LEVEL="warning")["LOGGING"]["root"]["level"] == logging.WARNING

    @pytest.mark.parametrize(
        ("given", "ranked"),
        [("", ["claimed", "refereed", "match"]), ("match, refereed", ["match", "refereed"])],
    )
    def test_of_ranked_sources_is_all_unless_some_are_named(
        self, read: Read, given: str, ranked: list[str]
    ) -> None:
        settings = read(LEADERBOARD_RANKED_SOURCES=given)

        assert settings["LEADERBOARD_RANKED_SOURCES"] == ranked
