"""What functions take and return, said in Convex's validators.

A validator is JSON that describes values: the one language in which Convex's tools know types, and
what TypeScript is written from here.
"""

from collections.abc import Iterable, Iterator
from typing import Any, get_args

import msgspec
from msgspec import inspect

from dust.livequery.registry import FunctionSpec
from dust.livequery.shapes import AnyArgs

Spec = dict[str, Any]
Validator = dict[str, Any]


class UnsupportedTypeError(TypeError):
    """A function takes or returns something that Convex clients have no value for."""


def function_specs(functions: Iterable[FunctionSpec]) -> list[Spec]:
    """Describe functions as ``npx convex function-spec`` does.

    :raises UnsupportedTypeError: if clients have no value for something.
    """
    return [
        {
            "args": _described(spec, "takes", spec.args_type),
            "functionType": spec.kind.value.capitalize(),
            "identifier": "{}.js:{}".format(*split(spec.path)),
            "returns": _described(spec, "returns", spec.returns_type),
            "visibility": {"kind": "internal" if spec.is_internal else "public"},
        }
        for spec in functions
    ]


def split(path: str) -> tuple[str, str]:
    """Return the module and the name in it that make up the name of a function."""
    module, _, name = path.partition(":")
    return module, name or "default"


def tables(specs: list[Spec]) -> dict[str, Validator]:
    """Return the tables that there are ids of, each with its documents.

    A document has its own id and the time it was made. Functions may show more or less of it: the
    most that one of them shows counts.
    """
    found: dict[str, Validator] = {}
    for part in _parts(specs):
        if part.get("type") == "id":
            found[part["tableName"]] = _bare_document(part)
    for part in _parts([spec["returns"] for spec in specs]):
        match part:
            case {
                "type": "object",
                "value": {"_id": {"fieldType": {"tableName": table}}, "_creationTime": _},
            } if len(part["value"]) > len(found[table]["value"]):
                found[table] = part
    return dict(sorted(found.items()))


def _bare_document(own_id: Validator) -> Validator:
    fields = {"_id": own_id, "_creationTime": {"type": "number"}}
    return {
        "type": "object",
        "value": {name: {"fieldType": kind, "optional": False} for name, kind in fields.items()},
    }


def _parts(described: Any) -> Iterator[dict[str, Any]]:
    """Yield all objects that a description is made of, its validators among them."""
    if isinstance(described, dict):
        yield described
        described = list(described.values())
    if isinstance(described, list):
        for part in described:
            yield from _parts(part)


def _described(spec: FunctionSpec, does: str, kind: Any) -> Validator:
    if kind is AnyArgs:
        return {"type": "any"}
    inspection = _Inspection(f"{spec.path} {does}", are_args=does == "takes")
    return inspection.validator(inspect.type_info(kind))


_PLAIN = {
    inspect.AnyType: "any",
    inspect.NoneType: "null",
    inspect.BoolType: "boolean",
    inspect.IntType: "number",
    inspect.FloatType: "number",
    inspect.StrType: "string",
    inspect.UUIDType: "string",
    inspect.BytesType: "bytes",
}


class _Inspection:
    """A walk through one type. What is optional depends on who leaves it out.

    Arguments may lack whatever has a default. Results have all their fields but those that may be
    ``UNSET``. Validators cannot contain themselves: where a type does, anything may stand.
    """

    def __init__(self, place: str, *, are_args: bool) -> None:
        self._place = place
        self._are_args = are_args
        self._inside: list[tuple[type, str]] = []

    def validator(self, kind: inspect.Type) -> Validator:
        if name := _PLAIN.get(type(kind)):
            return {"type": name}
        match kind:
            case inspect.Metadata():
                return self._marked(kind)
            case inspect.CollectionType():
                return {"type": "array", "value": self.validator(kind.item_type)}
            case inspect.DictType():
                return self._record(kind)
            case inspect.StructType(array_like=False):
                return self._object(kind)
            case _:
                return _union(self._members(kind))

    def _marked(self, kind: inspect.Metadata) -> Validator:
        match kind.extra:
            case {"table": table}:
                return {"type": "id", "tableName": table}
            case {"int64": True}:
                return {"type": "bigint"}
            case _:
                return self.validator(kind.type)

    def _record(self, kind: inspect.DictType) -> Validator:
        keys = self.validator(kind.key_type)
        if keys["type"] not in {"string", "id"}:
            raise self._unsupported(kind)
        values = {"fieldType": self.validator(kind.value_type), "optional": False}
        return {"type": "record", "keys": keys, "values": values}

    def _object(self, kind: inspect.StructType) -> Validator:
        if kind.cls in [each for each, _ in self._inside]:
            return {"type": "any"}
        fields = {}
        if kind.tag_field is not None:
            fields[kind.tag_field] = {"fieldType": _literal(kind.tag), "optional": False}
        for field in kind.fields:
            self._inside.append((kind.cls, field.encode_name))
            fields[field.encode_name] = {
                "fieldType": self.validator(field.type),
                "optional": self._is_optional(kind.cls, field),
            }
            self._inside.pop()
        return {"type": "object", "value": fields}

    def _is_optional(self, owner: type[msgspec.Struct], field: inspect.Field) -> bool:
        if self._are_args:
            return not field.required
        declared = next(each for each in msgspec.structs.fields(owner) if each.name == field.name)
        return msgspec.UnsetType in get_args(declared.type)

    def _members(self, kind: inspect.Type) -> list[Validator]:
        match kind:
            case inspect.UnionType(types=members):
                return [self.validator(each) for each in members]
            case inspect.LiteralType(values=values):
                return [_literal(value) for value in values]
            case inspect.EnumType(cls=cls):
                return [_literal(member.value) for member in cls]
            case _:
                raise self._unsupported(kind)

    def _unsupported(self, kind: inspect.Type) -> UnsupportedTypeError:
        name = getattr(kind, "cls", type(kind)).__qualname__
        field = ".".join(name for _, name in self._inside)
        return UnsupportedTypeError(
            f"{self._place} {name}{field and f' in {field}'}: Convex clients have no such values."
        )


def _literal(value: Any) -> Validator:
    return {"type": "null"} if value is None else {"type": "literal", "value": value}


def _union(members: list[Validator]) -> Validator:
    """Return what describes a value of any of these, each said once."""
    flat: list[Validator] = []
    for member in members:
        for each in member["value"] if member["type"] == "union" else [member]:
            if each not in flat:
                flat.append(each)
    return flat[0] if len(flat) == 1 else {"type": "union", "value": flat}
