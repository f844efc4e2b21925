"""What REST takes is read by fields of our own, which say of a limit what the rules say of it."""

from collections.abc import Iterator
from typing import Any

from rest_framework import serializers

from dust.rest.serializers import Shape
from tests.house.routes import operations

PLAIN = {serializers.CharField, serializers.IntegerField, serializers.FloatField}


def taken() -> dict[str, Shape]:
    """Return the shape of every query string and every body."""
    return {
        f"{endpoint} {part}": shape()
        for endpoint, operation in operations().items()
        for part, shape in {"query": operation.query, "body": operation.body}.items()
        if shape is not None
    }


def inside(field: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield the field and all that it is made of, by their dotted names."""
    yield name, field
    for inner_name, inner in getattr(field, "fields", {}).items():
        yield from inside(inner, f"{name}.{inner_name}")
    if hasattr(field, "child"):
        yield from inside(field.child, f"{name}.*")


class TestShapes:
    def test_that_are_taken_have_no_field_with_words_of_its_own(self) -> None:
        found = [each for name, shape in taken().items() for each in inside(shape, name)]

        assert [name for name, field in found if type(field) in PLAIN] == []
        assert len(found) > len(taken()) > 10
