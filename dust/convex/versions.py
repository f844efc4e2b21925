"""Which client, of which version, is on the other side. Pure."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dust.errors import InvalidError

HEADER = b"convex-client"

_SEMVER = r"(\d+)\.(\d+)\.(\d+)(?:[-+][0-9A-Za-z.+-]*)?"
_IN_PATH = re.compile(_SEMVER)
_IN_HEADER = re.compile(rf"(?P<name>[^0-9]+)-{_SEMVER}")
_UNSUPPORTED = {"npm": (0, 19, 1), "python": (0, 0, 2), "python-convex": (0, 0, 2)}
_FIRST_TO_JOIN_CHUNKS = (1, 28, 0)


class ClientVersionUnsupportedError(InvalidError):
    """This client is too old, or says what version it is in no way that is known."""

    code = "client_version_unsupported"


@dataclass(frozen=True, slots=True)
class ClientVersion:
    """A client library by name and version; other names than the known ones are as welcome."""

    name: str
    number: tuple[int, int, int]

    @property
    def joins_chunks(self) -> bool:
        """Whether it puts together transitions that come in parts."""
        return self.name == "npm" and self.number >= _FIRST_TO_JOIN_CHUNKS


UNKNOWN = ClientVersion("unknown", (0, 0, 0))


def find_version(
    headers: Iterable[tuple[bytes, bytes]], *, path_version: str | None = None
) -> ClientVersion:
    """Return what the request's header says, or else its path, which npm clients put it in.

    :raises ClientVersionUnsupportedError: if the client is too old, or the path names no version.
    """
    header = next((value for name, value in headers if name == HEADER), None)
    if header is not None:
        found = _IN_HEADER.fullmatch(header.decode("latin-1"))
        version = UNKNOWN if found is None else _version(found["name"], found.groups()[1:])
    elif path_version is not None:
        found = _IN_PATH.fullmatch(path_version)
        if found is None:
            raise ClientVersionUnsupportedError(f"The path names no version: {path_version[:40]}.")
        version = _version("npm", found.groups())
    else:
        version = UNKNOWN
    if version.number <= _UNSUPPORTED.get(version.name, (-1,)):
        raise ClientVersionUnsupportedError
    return version


def _version(name: str, number: Sequence[str]) -> ClientVersion:
    major, minor, patch = map(int, number)
    return ClientVersion(name, (major, minor, patch))
