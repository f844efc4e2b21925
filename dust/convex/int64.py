"""Where the 64-bit integers are in the values of a declared type. Pure.

On the wire a function's numbers are doubles, except those declared ``Int64``. Only the type tells
which these are: in Python all of them are ints.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from msgspec import inspect


@dataclass(slots=True, eq=False)
class Shape:
    """What one declared type says of its values, as far as 64-bit integers may be in them.

    ``kinds`` is what such a value can be in Python; an ``int`` is a 64-bit one. A union has
    ``members`` instead, and its values have the first of these that they fit. ``fields`` are an
    object's by name; all elements of an array and all values of a record have the shape ``rest``.
    Types that contain themselves make circles.
    """

    kinds: tuple[type, ...] = ()
    tag: tuple[str, Any] | None = None
    members: tuple["Shape", ...] = ()
    fields: dict[str, "Shape | None"] = field(default_factory=dict)
    rest: "Shape | None" = None

    def of(self, value: Any) -> "Shape | None":
        """Return the shape that a value of this type has by itself, whatever else it may be."""
        if not self.members:
            return self
        return next((member for member in self.members if member.fits(value)), None)

    def at(self, name: str) -> "Shape | None":
        """Return the shape of what an object of this type has under that name."""
        return self.fields.get(name, self.rest)

    def fits(self, value: Any) -> bool:
        """Return whether a value has this shape, given that it has one of its union's."""
        if self.tag is not None and isinstance(value, dict):
            return bool(value.get(self.tag[0]) == self.tag[1])
        return isinstance(value, self.kinds)


def shape_of(declared: Any) -> Shape | None:
    """Return the shape of a declared type, or None if no ``Int64`` is anywhere in it."""
    shape = _shape(inspect.type_info(declared), {})
    return shape if any(int in part.kinds for part in _parts(shape, set())) else None


def _shape(info: inspect.Type, known: dict[type, Shape]) -> Shape | None:
    match info:
        case inspect.Metadata():
            is_int64 = (info.extra or {}).get("int64", False)
            return Shape((int,)) if is_int64 else _shape(info.type, known)
        case inspect.UnionType():
            shapes = (_shape(member, known) for member in info.types)
            return Shape(members=tuple(shape for shape in shapes if shape is not None))
        case inspect.CollectionType():
            return Shape((list, tuple), rest=_shape(info.item_type, known))
        case inspect.DictType():
            return Shape((dict,), rest=_shape(info.value_type, known))
        case inspect.StructType():
            return _object(info, known)
        case _:
            return None


def _object(info: inspect.StructType, known: dict[type, Shape]) -> Shape:
    if info.cls not in known:
        tag = None if info.tag_field is None else (info.tag_field, info.tag)
        shape = known[info.cls] = Shape((dict,), tag)
        shape.fields = {part.encode_name: _shape(part.type, known) for part in info.fields}
    return known[info.cls]


def _parts(shape: Shape | None, seen: set[int]) -> Iterator[Shape]:
    if shape is not None and id(shape) not in seen:
        seen.add(id(shape))
        yield shape
        for part in (*shape.members, *shape.fields.values(), shape.rest):
            yield from _parts(part, seen)
