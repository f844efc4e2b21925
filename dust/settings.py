"""The whole configuration: the environment is read here, once, and a mistake stops the boot.

With nothing set the project runs on the embedded default: SQLite, one process, no services, and a
generated secret, all kept in the data folder. ``.env.example`` lists every variable.
"""

import base64
import os
import re
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django_stubs_ext
from django.core.exceptions import ImproperlyConfigured
from environs import Env
from psycopg.pq import Conninfo

from dust.identity.providers import Provider, clerk, parse_providers

django_stubs_ext.monkeypatch()  # lets admin and generic view classes take their model in brackets

SHORTEST_WEBHOOK_KEY = 16  # bytes; an empty one would let everybody sign

BASE_DIR = Path(__file__).resolve().parent.parent

env = Env()
env.read_env(BASE_DIR / ".env", recurse=False)


def _secret_in(folder: Path) -> str:
    """Return the folder's secret, made on first use.

    The file appears whole or not at all, so two processes that start together agree.
    """
    path = folder / "secret_key"
    if not path.exists():
        with tempfile.NamedTemporaryFile("w", dir=folder) as draft:  # created with mode 0600
            draft.write(secrets.token_urlsafe(50))
            draft.flush()
            with suppress(FileExistsError):  # another process was first; its secret is read below
                os.link(draft.name, path)
    return path.read_text()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise ImproperlyConfigured(f"DUST_DATA_DIR: {folder}: {exc.strerror}.") from exc


def _text(name: str) -> str:
    return env.str(name, "").strip()


def _required(name: str) -> str:
    if value := _text(name):
        return value
    raise ImproperlyConfigured(f"{name}: required once DATABASE_URL is set.")


def _flag(name: str, *, default: bool) -> bool:
    return env.bool(name) if _text(name) else default


def _list(name: str) -> list[str]:
    return [part.strip() for part in _text(name).split(",") if part.strip()]


def _sqlite(path: Path) -> dict[str, Any]:
    return {
        "ENGINE": "dust.livequery.backends.sqlite3",
        "NAME": str(path),
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;",
        },
        # A file: a shared in-memory database ignores the lock timeout.
        "TEST": {"NAME": str(path.with_name(f"test-{path.name}"))},
    }


def _database() -> dict[str, Any]:
    """Translate DATABASE_URL; connections stay open, one for each worker thread of the runner."""
    parsed: dict[str, Any] = dict(env.dj_db_url("DATABASE_URL"))
    kind = parsed["ENGINE"].rpartition(".")[2]
    if kind == "sqlite3":
        if not parsed["NAME"] or ":memory:" in parsed["NAME"]:
            raise ImproperlyConfigured("DATABASE_URL: SQLite needs a file, e.g. sqlite:///dust.db.")
        path = Path(parsed["NAME"]).absolute()
        if not path.parent.is_dir():
            raise ImproperlyConfigured(f"DATABASE_URL: there is no folder {path.parent}.")
        return _sqlite(path)
    if kind != "postgresql":
        raise ImproperlyConfigured("DATABASE_URL: must begin with postgres:// or sqlite:///.")
    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    if unknown := parsed.get("OPTIONS", {}).keys() - known:
        raise ImproperlyConfigured(f"DATABASE_URL: PostgreSQL has no option {min(unknown)}.")
    return parsed | {
        "ENGINE": "dust.livequery.backends.postgresql",
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
    }


def _redis_url() -> str | None:
    url = _text("REDIS_URL")
    if url and not url.startswith(("redis://", "rediss://", "unix://")):
        raise ImproperlyConfigured("REDIS_URL: must begin with redis://, rediss:// or unix://.")
    parts = urlsplit(url)
    try:
        parts.port  # noqa: B018 - looked at to have it checked
    except ValueError as exc:
        raise ImproperlyConfigured(f"REDIS_URL: {exc}.") from exc
    if parts.scheme != "unix" and not re.fullmatch(r"/?\d*", parts.path):
        raise ImproperlyConfigured("REDIS_URL: must end with the number of a database, if any.")
    return url or None


def _hosts() -> list[str]:
    hosts = _list("ALLOWED_HOSTS")
    if any("/" in host for host in hosts):
        raise ImproperlyConfigured("ALLOWED_HOSTS: takes host names, not addresses of pages.")
    return hosts


def _ranked_sources() -> list[str]:
    known = ["claimed", "refereed", "match"]
    chosen = _list("LEADERBOARD_RANKED_SOURCES") or known
    if not set(chosen) <= set(known):
        raise ImproperlyConfigured(f"LEADERBOARD_RANKED_SOURCES: may name {', '.join(known)}.")
    return chosen


def _anonymous_ingest() -> bool:
    is_open = _flag("ANONYMOUS_INGEST", default=False)
    if is_open and not DEBUG:
        raise ImproperlyConfigured(
            "ANONYMOUS_INGEST: lets everybody write content, so needs DEBUG."
        )
    return is_open


def _clerk() -> Provider | None:
    name = "CLERK_JWT_ISSUER_DOMAIN"
    try:
        return clerk(_text(name), allow_http=DEBUG) if _text(name) else None
    except ValueError as exc:
        raise ImproperlyConfigured(f"{name}: {exc}") from exc


def _webhook_secrets() -> list[str]:
    """List the secrets that webhooks may be signed with: several while one replaces another."""
    found = _list("CLERK_WEBHOOK_SECRET")
    for secret in found:
        try:
            key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except ValueError:
            key = b""
        if len(key) < SHORTEST_WEBHOOK_KEY:  # not said what it is: it may be most of a secret
            raise ImproperlyConfigured(
                "CLERK_WEBHOOK_SECRET: must be a signing secret as Clerk shows it, whsec_…"
            )
    return found


def _auth_providers() -> list[Provider]:
    """List whose tokens are accepted; the first whose issuer and audience fit a token decides."""
    found = [CLERK] if CLERK else []
    name = "AUTH_PROVIDERS"
    try:
        if described := _text(name):
            found += parse_providers(described, allow_http=DEBUG)
    except ValueError as exc:
        raise ImproperlyConfigured(f"{name}: {exc}") from exc
    return found


# --- where things are ---------------------------------------------------------------------------

EMBEDDED = not _text("DATABASE_URL")
DATA_DIR = Path(_text("DUST_DATA_DIR") or BASE_DIR / ".dust").absolute()
REDIS_URL = _redis_url()
DEBUG = _flag("DEBUG", default=False)
RUN_JOBS = _flag("RUN_JOBS", default=True)  # while serving; `manage.py worker` always does

if EMBEDDED:
    _make_folder(DATA_DIR)
    SECRET_KEY = _text("SECRET_KEY") or _secret_in(DATA_DIR)
    ALLOWED_HOSTS = _hosts() or ["localhost", "127.0.0.1", "[::1]"]
    DATABASES = {"default": _sqlite(DATA_DIR / "dust.sqlite3")}
else:
    DATABASES = {"default": _database()}
    SECRET_KEY = _required("SECRET_KEY")
    _required("ALLOWED_HOSTS")
    ALLOWED_HOSTS = _hosts()

CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        # Stated, because newer Redis clients default to less than an idle layer waits.
        "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": 15}]},
    }
    if REDIS_URL
    else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
}

# --- who may come in ----------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
CLERK = _clerk()
CLERK_ISSUER = CLERK.issuer if CLERK else None
CLERK_WEBHOOK_SECRETS = _webhook_secrets()
AUTH_PROVIDERS = _auth_providers()
LOCAL_ISSUER = _flag("LOCAL_ISSUER", default=EMBEDDED and not AUTH_PROVIDERS)
CORS_ALLOWED_ORIGINS = _list("CORS_ALLOWED_ORIGINS")
CSRF_TRUSTED_ORIGINS = _list("CSRF_TRUSTED_ORIGINS")
METRICS_TOKEN = _text("METRICS_TOKEN") or None
ANONYMOUS_INGEST = _anonymous_ingest()
FORWARDED_ALLOW_IPS = _text("FORWARDED_ALLOW_IPS") or "127.0.0.1,::1"  # proxies that are believed

# The sources whose results rank. After a change: manage.py check_ranks --repair.
LEADERBOARD_RANKED_SOURCES = _ranked_sources()

# The project whose levels are played on the boards, and bound what may be claimed there.
DUST_PROJECT = _text("DUST_PROJECT") or "calgaryhacks2026"

CORS_URLS_REGEX = r"^/api/v1/"
CORS_ALLOW_HEADERS = ["accept", "authorization", "content-type", "idempotency-key", "x-request-id"]
CORS_EXPOSE_HEADERS = ["idempotency-replayed", "retry-after", "x-request-id"]

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# --- browsers -----------------------------------------------------------------------------------

HTTPS_ONLY = _flag("HTTPS_ONLY", default=not EMBEDDED and not DEBUG)
SECURE_SSL_REDIRECT = HTTPS_ONLY
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS_ONLY else 0

# Cookies serve the admin alone; nothing else is ever sent one.
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = "/admin/"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS_ONLY
CSRF_COOKIE_HTTPONLY = True

CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'self'",
        "img-src 'self' data: https:",  # avatars live wherever players keep them
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "object-src 'none'",
    ]
)

DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440  # 2.5 MiB, the largest body outside these
LARGE_BODIES = dict.fromkeys(  # by how their paths begin
    (r"/api/v1/ingest/", r"/api/v1/sessions/[^/]+/events/", r"/admin/archives/"), 16 * 1024 * 1024
)

# --- what it is made of -------------------------------------------------------------------------

INSTALLED_APPS = [
    "dust",  # first: its runserver, daphne's, must win over Django's
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "corsheaders",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "rest_framework",
    "dust.livequery",
    "dust.convex",
    "accounts",
    "gamesessions",
    "leaderboard",
    "archives",
]

MIDDLEWARE = [
    "dust.logs.RequestMiddleware",
    "dust.http.ContentPolicyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "dust.urls"
ASGI_APPLICATION = "dust.asgi.application"
SILENCED_SYSTEM_CHECKS = [
    "models.W040",  # SQLite makes do without what an index covers
    "security.W005",  # HSTS is not set for a whole domain,
    "security.W021",  # of which this server may be a small part
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_I18N = False
TIME_ZONE = "UTC"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True  # served from where the apps keep them: no collectstatic step

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["dust.rest.auth.BearerAuthentication"],
    "DEFAULT_PARSER_CLASSES": ["dust.rest.formats.JsonParser"],
    "DEFAULT_RENDERER_CLASSES": ["dust.rest.formats.JsonRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "dust.rest.errors.handle_error",
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "DUST",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_PATCH": False,  # what a PATCH must say is required there too
    "ENUM_NAME_OVERRIDES": {
        "OutcomeEnum": ["created", "updated", "unchanged"],  # of whatever is kept by its name
        "SessionStatusEnum": "gamesessions.rules.TRANSITIONS",  # its keys
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "dust.logs.JsonFormatter"}},
    "filters": {"not_utf8": {"()": "dust.logs.NotUtf8"}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "json"},
        "console": {"class": "dust.livequery.console.ConsoleHandler"},
    },
    "root": {
        # What functions log is told to whoever calls them in development alone.
        "handlers": ["stderr", "console"] if DEBUG else ["stderr"],
        "level": env.log_level("LOG_LEVEL") if _text("LOG_LEVEL") else "INFO",
    },
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        # The line that is logged for every request says as much.
        "django.request": {"level": "ERROR"},
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        "uvicorn": {"level": "WARNING"},  # it has a line for every socket
        "uvicorn.error": {"filters": ["not_utf8"]},
        # While Redis is away it has a traceback a second; ``dust.livequery`` has a line.
        "channels_redis": {"level": "CRITICAL"},
    },
}
