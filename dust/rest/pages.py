"""Lists that are read a page at a time."""

from collections.abc import Iterable
from functools import cache
from typing import Any

from rest_framework import serializers

from dust.rest.serializers import Shape


def page(shape: type[Shape], rows: Iterable[Any], *, next_cursor: str | None) -> dict[str, Any]:
    """Return one page; ``next_cursor`` asks for the one after it, and is None on the last."""
    return {"results": [shape.show(row) for row in rows], "next_cursor": next_cursor}


@cache
def page_of(shape: type[Shape]) -> type[Shape]:
    """Return the shape of a page of these."""
    attributes = {
        "__doc__": f"One page: {shape.__doc__}",
        "results": shape(many=True),
        "next_cursor": serializers.CharField(
            allow_null=True, help_text="Pass it as `cursor` for the next page; null on the last."
        ),
    }
    return type(f"{shape.__name__}Page", (Shape,), attributes)
