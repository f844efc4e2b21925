"""Keeps tests from reaching other machines."""

import ipaddress
import sys
from typing import Any


class NetworkForbiddenError(Exception):
    """A test reached for another machine."""


def stay_here() -> None:
    """Refuse other machines to every library of this process that uses Python's sockets."""
    sys.addaudithook(_refuse)


def _refuse(event: str, args: tuple[Any, ...]) -> None:
    if event in {"socket.connect", "socket.sendto"}:
        address = args[1]
        host = address[0] if isinstance(address, tuple) else None  # a unix socket has no host
    elif event == "socket.getaddrinfo":
        host = args[0]
    else:
        return
    if host and not _is_here(host.decode() if isinstance(host, bytes) else host):
        raise NetworkForbiddenError(host)


def _is_here(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
