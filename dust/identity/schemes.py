"""Secrets in the path, for tools that can send nothing else; apps say which there are."""

from collections.abc import Callable
from dataclasses import dataclass

from dust.identity.claims import Identity


@dataclass(frozen=True, slots=True)
class PathScheme:
    """What ``/<name>/<token>/…`` leads to: the same as ``/…``, as whoever ``verify`` says.

    Those who come so may call these functions and no others. ``verify`` may use the database, and
    raises a DustError if the token is none.
    """

    name: str
    verify: Callable[[str], Identity]
    functions: frozenset[str]


_schemes: dict[str, PathScheme] = {}


def register_path_scheme(scheme: PathScheme) -> None:
    """Let callers come by this scheme."""
    _schemes[scheme.name] = scheme


def find_path_scheme(name: str) -> PathScheme | None:
    """Return the scheme of that name, None if there is none."""
    return _schemes.get(name)
