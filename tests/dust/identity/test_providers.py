"""The configuration of providers, and what is refused of it at boot."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

import dust
from dust.identity.providers import Provider, clerk, parse_providers
from tests.dust.identity.providers import data_uri, signing_key

SETTINGS = Path(dust.__file__).with_name("settings.py")
KEYS = data_uri(signing_key("ins_1"))
OIDC = {"type": "oidc", "issuer": "https://tenant.auth0.com/", "audience": "dust"}
CUSTOM = {"type": "custom", "issuer": "own", "jwks": KEYS, "algorithm": "RS256"}


class TestClerk:
    @pytest.mark.parametrize(
        "domain",
        [
            "happy-fox-42.clerk.accounts.dev",
            "https://happy-fox-42.clerk.accounts.dev",
            " https://happy-fox-42.clerk.accounts.dev/ ",
        ],
    )
    def test_plat_a1_is_named_as_clerk_names_it_in_tokens(self, domain: str) -> None:
        assert clerk(domain) == Provider("https://happy-fox-42.clerk.accounts.dev", "convex")

    @pytest.mark.parametrize(
        "domain",
        ["http://clerk.example", "ftp://clerk.example", "/", "foo", "foo bar.example", "https://"],
    )
    def test_is_reached_over_https_only(self, domain: str) -> None:
        with pytest.raises(ValueError, match="https"):
            clerk(domain)

    def test_may_be_on_this_machine(self) -> None:
        assert clerk("http://127.0.0.1:4000").issuer == "http://127.0.0.1:4000"
        assert clerk("http://clerk.test", allow_http=True).issuer == "http://clerk.test"


class TestParseProviders:
    def test_keeps_their_order_and_spelling(self) -> None:
        oidc, custom = parse_providers(json.dumps([OIDC, CUSTOM | {"audience": "dust"}]))

        assert oidc == Provider("https://tenant.auth0.com/", "dust")
        assert custom == Provider("own", "dust", frozenset({"RS256"}), KEYS, dotted_claims=True)

    @pytest.mark.parametrize(
        "entry",
        [
            {},
            {"type": "saml", "issuer": "https://x.example"},
            {"type": "oidc", "issuer": "https://x.example"},
            OIDC | {"audience": ""},
            OIDC | {"issuer": "x.example"},
            OIDC | {"issuer": "http://x.example"},
            OIDC | {"issuer": ""},
            OIDC | {"issuer": "https://x.example/" + "x" * 255},
            OIDC | {"audiense": "dust"},
            CUSTOM | {"algorithm": "HS256"},
            CUSTOM | {"algorithm": "none"},
            CUSTOM | {"algorithm": "ES256"},
            CUSTOM | {"issuer": "local-staff"},
            CUSTOM | {"issuer": "deleted"},
            CUSTOM | {"jwks": "http://x.example/keys"},
            CUSTOM | {"jwks": "/etc/passwd"},
            CUSTOM | {"jwks": "data:application/json;base64"},
            CUSTOM | {"jwks": "data:application/json;base64,!"},
            CUSTOM | {"jwks": "data:application/json,{}"},
        ],
    )
    def test_refuses(self, entry: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=r"\w"):
            parse_providers(json.dumps([entry]))

    def test_reads_keys_written_as_they_are(self) -> None:
        jwk = json.dumps({"keys": [signing_key("ins_1").jwk()]})

        [provider] = parse_providers(json.dumps([CUSTOM | {"jwks": f"data:,{jwk}"}]))

        assert json.loads(provider.load_keys()) == json.loads(jwk)


class TestSettings:
    @pytest.mark.parametrize(
        ("environment", "is_on"),
        [
            ({}, True),
            ({"CLERK_JWT_ISSUER_DOMAIN": "clerk.example"}, False),
            ({"AUTH_PROVIDERS": json.dumps([OIDC])}, False),
            ({"DATABASE_URL": "postgres://u@h/d"}, False),
            ({"DATABASE_URL": "postgres://u@h/d", "LOCAL_ISSUER": "true"}, True),
            ({"CLERK_JWT_ISSUER_DOMAIN": "clerk.example", "LOCAL_ISSUER": "true"}, True),
            ({"LOCAL_ISSUER": "false"}, False),
        ],
    )
    def test_turn_the_local_issuer_on(
        self,
        environment: dict[str, str],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        *,
        is_on: bool,
    ) -> None:
        assert self._settings(environment, tmp_path, monkeypatch)["LOCAL_ISSUER"] is is_on

    def test_plat_a1_put_clerk_first(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        environment = {
            "CLERK_JWT_ISSUER_DOMAIN": "clerk.example",
            "AUTH_PROVIDERS": json.dumps([OIDC]),
        }

        providers = self._settings(environment, tmp_path, monkeypatch)["AUTH_PROVIDERS"]

        assert [provider.issuer for provider in providers] == [
            "https://clerk.example",
            "https://tenant.auth0.com/",
        ]

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("CLERK_JWT_ISSUER_DOMAIN", "http://clerk.example"),
            ("CLERK_JWT_ISSUER_DOMAIN", "foo"),
            ("CLERK_WEBHOOK_SECRET", "whsec_"),
            ("CLERK_WEBHOOK_SECRET", "whsec_c2hvcnQ="),
            ("CLERK_WEBHOOK_SECRET", "whsec_not base64"),
            ("AUTH_PROVIDERS", "{}"),
        ],
    )
    def test_stop_the_boot_with_the_variables_name(
        self, name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(ImproperlyConfigured, match=f"^{name}: "):
            self._settings({name: value}, tmp_path, monkeypatch)

    def _settings(
        self, environment: dict[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> dict[str, Any]:
        for name in ("DATABASE_URL", "REDIS_URL", "LOCAL_ISSUER"):
            monkeypatch.delenv(name, raising=False)
        for name, value in (
            {
                "DUST_DATA_DIR": str(folder),
                "SECRET_KEY": "x" * 50,
                "ALLOWED_HOSTS": "localhost",
            }
            | environment
        ).items():
            monkeypatch.setenv(name, value)
        return runpy.run_path(str(SETTINGS))
