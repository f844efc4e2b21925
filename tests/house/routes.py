"""Every path there is, and what the REST door declares of those that are its own."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib.admindocs.views import simplify_regex
from django.urls import URLPattern, URLResolver, get_resolver

from dust.rest.operations import Operation, operation_of

API = "/api/v1/"


def patterns(
    branches: Iterable[URLPattern | URLResolver], prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    """Yield every path below the branches, variables in angle brackets, with its view."""
    for branch in branches:
        path = prefix + str(branch.pattern)
        if isinstance(branch, URLPattern):
            yield simplify_regex(path), branch.callback
        else:
            yield from patterns(branch.url_patterns, path)


def views() -> dict[str, Any]:
    """Return the view behind every path."""
    return dict(patterns(get_resolver().url_patterns))


def rest_views() -> dict[str, Any]:
    """Return the view behind every path of the REST door."""
    return {path: view for path, view in views().items() if path.startswith(API)}


def operations() -> dict[str, Operation]:
    """Return what is declared of every method of every path of the REST door."""
    return {
        f"{method.upper()} {path}": operation_of(view.cls, action)
        for path, view in rest_views().items()
        for method, action in view.actions.items()
        if method != "head"
    }
