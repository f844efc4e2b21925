"""Whether documents are what ``content`` says they are, with what no type can tell. Pure."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET

from archives.errors import DocumentTooLargeError, InvalidContentError
from archives.rules.content import (
    KEY_PATTERN,
    KEY_RULE,
    LABEL_MAX,
    MAX_CONTENT_BYTES,
    MAX_DOCUMENT_BYTES,
    MAX_ITEMS_BYTES,
    Content,
    Document,
    Items,
    Level,
    Page,
    PageContent,
    Variant,
)

D = TypeVar("D", bound=Document)

_KEY = re.compile(KEY_PATTERN)
_PLACE = re.compile(r"(?P<problem>.*?)(?: - at `\$\.?(?P<path>.*)`)?", re.DOTALL)
_NAMED = re.compile(r"Object (?P<problem>missing required|contains unknown) field `(?P<name>.*)`")
_WORDS = {"missing required": "Missing.", "contains unknown": "Unknown field."}


def read(kind: type[D], data: object) -> D:
    """Return the data as a document of that kind.

    :raises InvalidContentError: if it is none; the first field that is wrong is named.
    """
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as exc:
        raise InvalidContentError(fields=_refusal(str(exc))) from exc
    except UnicodeEncodeError as exc:
        raise InvalidContentError("The document holds a text that is none.") from exc


def check(document: Document) -> int:
    """Return how many bytes of JSON the document has, once it has been found good.

    :raises InvalidContentError: if a field breaks a rule; it is named.
    :raises DocumentTooLargeError: if it has more bytes than one of its kind may.
    """
    if refused := dict(_problems(document)):
        raise InvalidContentError(fields=refused)
    field, limit, counted = _limit_of(document)
    try:
        encoded = msgspec.json.encode(counted)
    except UnicodeEncodeError as exc:
        raise InvalidContentError("The document holds a text that is none.") from exc
    if len(encoded) > limit:
        too_large = f"Must have at most {limit} bytes as JSON; it has {len(encoded)}."
        raise DocumentTooLargeError(fields={field: [too_large]})
    if b"\\u0000" in encoded:  # which a text may also spell out
        for path, text in _texts(msgspec.to_builtins(document)):
            if "\0" in text:
                raise InvalidContentError(fields={path: ["Must not hold a NUL."]})
    return len(encoded)


def plain(value: Any) -> Any:
    """Return a document, or a part of one, as JSON-able builtins, its whole numbers as such."""
    match value:
        case msgspec.Struct():
            return plain(msgspec.to_builtins(value))
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {name: plain(item) for name, item in value.items()}
        case list():
            return [plain(item) for item in value]
        case _:
            return value


def check_key(field: str, key: str) -> str:
    """Return the name of a project, page, level, variant or content.

    :raises InvalidContentError: if it is empty, too long, or has other characters than names may.
    """
    if refused := dict(_bad_key(field, key)):
        raise InvalidContentError(fields=refused)
    return key


def is_playable(altered_content: str) -> bool:
    """Return whether there is anything in a variant."""
    return bool(altered_content.replace("\ufeff", "").strip())


def snake(path: str) -> str:
    """Return a field's path as REST writes it: ``elements.3.elementId`` with an underscore."""
    return re.sub(r"[A-Z]", lambda capital: f"_{capital[0].lower()}", path)


def _limit_of(document: Document) -> tuple[str, int, Document]:
    """Return what of the document is limited in size, how, and under which name."""
    match document:
        case Content():
            return "content", MAX_CONTENT_BYTES, document.content
        case Items():
            return "items", MAX_ITEMS_BYTES, document
        case _:
            return "document", MAX_DOCUMENT_BYTES, document


def _problems(document: Document) -> Iterator[tuple[str, list[str]]]:
    """Yield each field that breaks a rule which its type cannot tell."""
    match document:
        case Page():
            yield from _bad_key("pageId", document.page_id)
            yield from _bad_time("capturedAt", document.captured_at)
        case Level():
            yield from _bad_key("levelId", document.level_id)
            for index, key in enumerate(document.page_ids):
                yield from _bad_key(f"pageIds.{index}", key)
        case Variant():
            yield from _bad_variant(document)
        case Content():
            yield from _bad_key("key", document.key)
            yield from _bad_sections(document.content)
        case _:
            pass
    if isinstance(document, Page | Level | Variant):
        yield from _bad_key("projectId", document.project_id)


def _bad_key(field: str, key: str) -> Iterator[tuple[str, list[str]]]:
    if not _KEY.fullmatch(key):
        yield field, [KEY_RULE]


def _bad_time(field: str, text: str) -> Iterator[tuple[str, list[str]]]:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        yield field, ["Must be a time as ISO 8601 writes it."]


def _bad_variant(variant: Variant) -> Iterator[tuple[str, list[str]]]:
    yield from _bad_key("variantId", variant.variant_id)
    yield from _bad_key("pageId", variant.page_id)
    yield from _bad_key("levelId", variant.level_id)
    for index, mark in enumerate(variant.fake_marks):
        if not mark.snippet.strip():  # it would be found in every section
            yield f"fakeMarks.{index}.snippet", ["Must not be blank."]


def _bad_sections(content: PageContent) -> Iterator[tuple[str, list[str]]]:
    sections = content.sections
    if len({section.id for section in sections}) < len(sections):
        yield "content.sections", ["Must have ids of their own."]
    # Pictures and what costs nothing cannot be chosen.
    truths = {each.is_true for each in sections if each.archive_cost and each.image_src is UNSET}
    if truths != {True, False}:
        yield "content.sections", ["Must leave a true one and a false one to choose between."]


def _refusal(error: str) -> dict[str, list[str]]:
    """Return the field that msgspec found wrong, and what it says of it."""
    found = _PLACE.fullmatch(error)
    problem, path = (found["problem"], found["path"] or "") if found else (error, "")
    path = re.sub(r"\[(.*?)\]", r".\1", path).lstrip(".")
    if named := _NAMED.fullmatch(problem):
        path = f"{path}.{named['name'][:LABEL_MAX]}".lstrip(".")
        problem = _WORDS[named["problem"]]
    return {path or "document": [problem.replace("`", "")]}


def _texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    match value:
        case str():
            yield path, value
        case dict():
            for name, item in value.items():
                yield from _texts(item, f"{path}.{name}".lstrip("."))
        case list():
            for index, item in enumerate(value):
                yield from _texts(item, f"{path}.{index}".lstrip("."))
        case _:
            pass
