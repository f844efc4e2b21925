"""Shapes: a serializer that refuses what it does not declare, and the fields REST shows."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from typing_extensions import override

from dust import ids

_NAMED_UNKNOWN_FIELDS = 10


@extend_schema_serializer(many=False)
class Shape(serializers.Serializer[Any]):
    """A JSON object of declared fields. It never saves anything.

    One instance of each class, made when first needed, serves every request: Django REST framework
    copies all fields for every instance, which costs more than reading and writing with them.
    """

    @classmethod
    def read(cls, data: Any) -> dict[str, Any]:
        """Return the checked values of what a client sent.

        :raises rest_framework.exceptions.ValidationError: if a field is missing, wrong or unknown.
        """
        checked: dict[str, Any] = _shared(cls).run_validation(data)
        return checked

    @classmethod
    def show(cls, instance: Any) -> dict[str, Any]:
        """Return what clients see of an object, ready for JSON."""
        shown: dict[str, Any] = _shared(cls).to_representation(instance)
        return shown

    @override
    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = sorted(name for name in data if name not in self.fields)
            if unknown:
                raise serializers.ValidationError(
                    {name[:64]: ["Unknown field."] for name in unknown[:_NAMED_UNKNOWN_FIELDS]}
                )
        return super().to_internal_value(data)


@cache
def _shared(shape: type[Shape]) -> Shape:
    return shape()


class NoFields(Shape):
    """Nothing."""


# One sentence says all that is asked of a value, the same that the rules of the apps say.


def _answering(options: dict[str, Any], sentence: str, *codes: str) -> dict[str, Any]:
    """Return the options of a field that says this whichever of its checks fails."""
    return {**options, "error_messages": dict.fromkeys(codes, sentence)}


def _limited(kind: str, options: dict[str, Any]) -> dict[str, Any]:
    least, most = options.get("min_value"), options.get("max_value")
    if least is None or most is None:
        limits = {"of at least": least, "of at most": most}
        where = "".join(f" {side} {limit}" for side, limit in limits.items() if limit is not None)
    else:
        where = f" from {least} to {most}"
    codes = "invalid", "min_value", "max_value", "max_string_length"
    return _answering(options, f"Must be {kind}{where}.", *codes)


class Text(serializers.CharField):
    """A text; neither a number nor a truth value."""

    def __init__(self, **options: Any) -> None:
        most = options.get("max_length")
        if most is not None:
            least = 0 if options.get("allow_blank") else options.get("min_length") or 1
            limit = f"{least} to" if least else "at most"
            sentence = f"Must be {limit} {most} characters long."
            options = _answering(options, sentence, "blank", "min_length", "max_length")
        super().__init__(**options)

    @override
    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class WholeNumber(serializers.IntegerField):
    """A JSON number without a fraction: 1250 and 1250.0, but neither "1250" nor true."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**_limited("a whole number", options))

    @override
    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, float) and data.is_integer():
            return int(data)
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return data


class QueryNumber(serializers.IntegerField):
    """A number without a fraction as it stands in a query string."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**_limited("a whole number", options))


class Number(serializers.FloatField):
    """A JSON number; neither a text nor a truth value."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**_limited("a number", options))

    @override
    def to_internal_value(self, data: Any) -> float:
        if not isinstance(data, int | float) or isinstance(data, bool):
            self.fail("invalid")
        try:
            return float(data)
        except OverflowError:
            self.fail("invalid")


class Time(serializers.DateTimeField):
    """A moment in UTC with microseconds: 2026-01-31T12:00:00.000000Z."""

    @override
    def to_representation(self, value: datetime) -> str:
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@extend_schema_field({"type": "string", "description": "An opaque id."})
class Id(serializers.Field[UUID, str, str, Any]):
    """A row's key as every door shows it: opaque text that also says which table it is of."""

    def __init__(self, table_number: int, **options: Any) -> None:
        super().__init__(**options)
        self._table_number = table_number

    @override
    def to_internal_value(self, data: Any) -> UUID:
        if not isinstance(data, str):
            raise ids.InvalidIdError
        return ids.decode(data, self._table_number)

    @override
    def to_representation(self, value: UUID) -> str:
        return ids.encode(self._table_number, value)
