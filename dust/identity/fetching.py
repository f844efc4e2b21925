"""Where a provider's key set comes from: discovery, an address, or the configuration itself."""

from base64 import b64decode
from ipaddress import ip_address
from urllib.parse import unquote_to_bytes, urlsplit

import httpx
import msgspec

from dust.identity.errors import KeysError

TIMEOUT_SECONDS = 5.0
MAX_BYTES = 256 * 1024
DISCOVERY_PATH = "/.well-known/openid-configuration"


class _Discovery(msgspec.Struct):
    issuer: str
    jwks_uri: str


def discover(issuer: str, *, allow_http: bool) -> bytes:
    """Return the key set document of an OpenID provider, found by its discovery document.

    :raises KeysError: if either cannot be had, or if the provider calls itself something else.
    """
    document = fetch(issuer.rstrip("/") + DISCOVERY_PATH, allow_http=allow_http)
    try:
        discovery = msgspec.json.decode(document, type=_Discovery)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise KeysError("the discovery document is not valid") from exc
    if discovery.issuer != issuer:
        raise KeysError("the discovery document names another issuer")
    return fetch(discovery.jwks_uri, allow_http=allow_http)


def fetch(url: str, *, allow_http: bool) -> bytes:
    """Return what is at the address. Redirects are not followed: keys come from where they should.

    :raises KeysError: if the address is not safe, or the answer is late, too long or not 200.
    """
    if not is_safe(url, allow_http=allow_http):
        raise KeysError("only https is allowed")
    body = bytearray()
    try:
        with httpx.stream("GET", url, timeout=TIMEOUT_SECONDS) as response:
            if response.status_code != httpx.codes.OK:
                raise KeysError(f"answered {response.status_code}")
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise KeysError("the answer is too long")
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise KeysError(f"cannot be reached ({type(exc).__name__})") from exc
    return bytes(body)


def is_safe(url: str, *, allow_http: bool) -> bool:
    """Return whether keys from this address can be trusted: over https, or from this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if not host:
        return False
    return parts.scheme == "https" or (
        parts.scheme == "http" and (allow_http or _is_loopback(host))
    )


def read_data_uri(uri: str) -> bytes:
    """Return what a ``data:`` URI holds.

    :raises KeysError: if it is not one.
    """
    head, comma, content = uri.removeprefix("data:").partition(",")
    if not comma:
        raise KeysError("the data URI has no content")
    raw = unquote_to_bytes(content)
    if not head.endswith(";base64"):
        return raw
    try:
        return b64decode(raw, validate=True)
    except ValueError as exc:
        raise KeysError("the data URI is not base64") from exc


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
