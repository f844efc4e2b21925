"""The TypeScript that ``npx convex codegen`` would write for the functions of this server.

Frontends import it as Convex's documentation says. Types for the server's side are left out, for
functions are written in Python.
"""

import inspect
import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from dust.convex.specs import Spec, Validator, function_specs, split, tables
from dust.livequery.registry import FunctionSpec

_IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)
_INDENT = "  "

_HEADER = """\
/* eslint-disable */
/**
 * {}
 *
 * Written by `python manage.py codegen`, and not to be edited.
 * @module
 */

"""

_API_JS = (
    _HEADER.format("How clients name the functions of the server.")
    + """\
import { anyApi } from "convex/server";

export const api = anyApi;
export const internal = anyApi;
"""
)

_API_TYPES = (
    _HEADER.format("The functions of the server, and what they take and return.")
    + """\
import type { FunctionReference } from "convex/server";
import type { Doc, Id } from "./dataModel.js";

"""
)

_DATA_MODEL = (
    _HEADER.format("The documents that functions show.")
    + """\
import type { SystemTableNames } from "convex/server";
import type { GenericId } from "convex/values";

type Documents = %s;

/** The names of all tables. */
export type TableNames = keyof Documents;

/** A document of the table of that name. */
export type Doc<TableName extends TableNames> = Documents[TableName];

/** The id of a document: a string, which is told from the ids of other tables. */
export type Id<TableName extends TableNames | SystemTableNames> = GenericId<TableName>;

/** What generic types of Convex are told of the tables. */
export type DataModel = {
  [TableName in TableNames]: {
    document: Doc<TableName>;
    fieldPaths: keyof Doc<TableName>;
    indexes: { by_id: ["_id"]; by_creation_time: ["_creationTime"] };
    searchIndexes: {};
    vectorIndexes: {};
  };
};
"""
)


def generated(functions: Iterable[FunctionSpec]) -> dict[str, str]:
    """Return the text of each file in ``_generated``, by its name.

    :raises UnsupportedTypeError: if clients have no value for something.
    """
    functions = list(functions)
    specs = function_specs(functions)
    writer = _Writer(tables(specs))
    api, internal = _Module(), _Module()
    for function, spec in zip(functions, specs, strict=True):
        module = internal if function.is_internal else api
        module.add(function, writer.reference(spec))
    return {
        "api.d.ts": (
            f"{_API_TYPES}export declare const api: {api.text()};\n"
            f"\nexport declare const internal: {internal.text()};\n"
        ),
        "api.js": _API_JS,
        "dataModel.d.ts": _DATA_MODEL % writer.documents(),
    }


@dataclass(frozen=True, slots=True)
class _Module:
    """What stands under one name: functions, and modules with more of them."""

    functions: dict[str, str] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=dict)
    modules: dict[str, "_Module"] = field(default_factory=dict)

    def add(self, function: FunctionSpec, reference: str) -> None:
        path, name = split(function.path)
        module = self
        for part in path.split("/"):
            module = module.modules.setdefault(part, _Module())
        module.functions[name] = reference
        module.comments[name] = _comment(inspect.getdoc(function.handler) or "")

    def text(self) -> str:
        return _block(
            self.comments.get(name, "") + _property(name, " & ".join(self._meanings(name)))
            for name in sorted({*self.functions, *self.modules})
        )

    def _meanings(self, name: str) -> Iterator[str]:
        if name in self.functions:
            yield self.functions[name]
        if name in self.modules:
            yield self.modules[name].text()


class _Writer:
    """Writes validators as types, and those of whole documents by their names."""

    def __init__(self, documents: Mapping[str, Validator]) -> None:
        self._documents = documents

    def reference(self, spec: Spec) -> str:
        kinds = [spec["functionType"].lower(), spec["visibility"]["kind"]]
        types = [self._type(spec["args"]), self._type(spec["returns"])]
        return f"FunctionReference<{', '.join([*map(_quoted, kinds), *types])}>"

    def documents(self) -> str:
        return _block(
            _property(table, self._fields(document["value"]))
            for table, document in self._documents.items()
        )

    def _type(self, validator: Validator) -> str:
        match validator:
            case {"type": "array", "value": item}:
                return f"Array<{self._type(item)}>"
            case {"type": "record", "keys": keys, "values": {"fieldType": values}}:
                return f"Record<{self._type(keys)}, {self._type(values)}>"
            case {"type": "union", "value": members}:
                return " | ".join(self._type(member) for member in members)
            case {"type": "object", "value": fields}:
                return self._document_name(validator) or self._fields(fields)
            case _:
                return _scalar(validator)

    def _document_name(self, validator: Validator) -> str | None:
        names = [table for table, document in self._documents.items() if document == validator]
        return f"Doc<{_quoted(names[0])}>" if names else None

    def _fields(self, fields: Mapping[str, Validator]) -> str:
        if not fields:
            return "Record<string, never>"
        return _block(
            _property(name, self._type(field["fieldType"]), is_optional=field["optional"])
            for name, field in fields.items()
        )


def _scalar(validator: Validator) -> str:
    match validator["type"]:
        case "id":
            return f"Id<{_quoted(validator['tableName'])}>"
        case "literal":
            return _quoted(validator["value"])
        case "bytes":
            return "ArrayBuffer"
        case name:
            return str(name)


def _quoted(value: str | float) -> str:
    return json.dumps(value)


def _property(name: str, text: str, *, is_optional: bool = False) -> str:
    key = name if _IDENTIFIER.fullmatch(name) else _quoted(name)
    return f"{key}{'?' if is_optional else ''}: {text};"


def _block(properties: Iterable[str]) -> str:
    lines = [textwrap.indent(each, _INDENT) for each in properties]
    return "\n".join(["{", *lines, "}"])


def _comment(text: str) -> str:
    if not text:
        return ""
    lines = [f" * {line}".rstrip() for line in text.replace("*/", "* /").splitlines()]
    return "\n".join(["/**", *lines, " */", ""])
