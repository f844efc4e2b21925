"""The pieces that a variant's altered content is made of, whether it is JSON or HTML. Pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from archives.rules.markup import ID_ATTRIBUTE, nodes_of
from archives.rules.texts import clean, storable

DEFAULT_TAG = "p"
IMAGE_TAG = "img"


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of altered content that has a text or a picture. ``text`` is not yet cut."""

    id: str
    tag: str
    text: str
    src: str | None
    alt: str | None

    @property
    def is_image(self) -> bool:
        """Whether it is a picture, by its tag."""
        return self.tag == IMAGE_TAG


def pieces_of(altered_content: str) -> list[Piece]:
    """Return the pieces of altered content, in its order.

    A JSON array lists them; anything else is HTML, also JSON that is nested too deep to be read.
    """
    listed = _as_list(altered_content)
    found = _listed(listed) if listed is not None else _marked_up(altered_content)
    return [piece for piece in found if piece.text or piece.src]


def _listed(items: list[Any]) -> Iterator[Piece]:
    for index, item in enumerate(items):
        fields: Mapping[str, Any] = item if isinstance(item, dict) else {}
        texts = {name: value for name, value in fields.items() if isinstance(value, str)}
        yield _piece(
            texts.get("elementId") or f"json-{index}",
            texts.get("type") or DEFAULT_TAG,
            texts.get("text"),
            texts,
        )


def _marked_up(html: str) -> Iterator[Piece]:
    for index, node in enumerate(nodes_of(html)):
        found = node.attributes.get(ID_ATTRIBUTE) or f"html-{index}"
        yield _piece(found, node.tag, node.text, node.attributes)


def _piece(key: str, tag: str, text: str | None, attributes: Mapping[str, str]) -> Piece:
    src, alt = attributes.get("src"), attributes.get("alt")
    return Piece(
        id=storable(key),
        tag=tag.lower(),
        text=clean(text or "") or clean(alt or ""),
        src=storable(src) if src else None,
        alt=None if alt is None else storable(alt),
    )


def _as_list(text: str) -> list[Any] | None:
    try:
        # Whole numbers of any length are read, as JavaScript reads them; nobody looks at them.
        value = json.loads(text, parse_int=float, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, list) else None


def _refuse(constant: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python takes for JSON.

    :raises ValueError: always.
    """
    raise ValueError(constant)
