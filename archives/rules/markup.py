"""HTML as browsers read it, taken apart into the elements that pages are made of. Pure.

The HTML is anybody's. It is read, never shown; and however it is made, reading it takes time and
memory in proportion to its length.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from turbohtml.saxparse import SaxHandler, sax_parse
from typing_extensions import override

ID_ATTRIBUTE = "data-element-id"
"""What marks an element as one of a page. Where nothing is marked, ``CONTENT_TAGS`` are."""
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_BLOCKS = ("p", "li", "blockquote", "figcaption", "pre", "code", "img")
CONTENT_TAGS = frozenset((*_HEADINGS, *_BLOCKS))

MAX_TEXT = 4 * 1024 * 1024
"""How many characters of text the elements of a page have together.

An element has the text of those in it, too: a text within hundreds of others is there as often. The
elements that would pass this have no text.
"""
MAX_REOPENED = 300_000
"""How many elements a browser may at most make of formatting that opens again and again."""

_FORMATTING = re.compile(
    r"<(/?)(b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u)(?=[\s/>])",
    re.ASCII | re.IGNORECASE,
)
_INERT = "inert-"


@dataclass(frozen=True, slots=True)
class Node:
    """An element of HTML. ``text`` is all text in it, as it was written."""

    tag: str
    attributes: Mapping[str, str]
    text: str


def nodes_of(html: str) -> list[Node]:
    """Return the elements that are marked as a page's, or else all with content, in their order."""
    reader = _Reader()
    sax_parse(_without_reopening(html), reader)
    return reader.nodes()


def _without_reopening(html: str) -> str:
    """Return the HTML, with formatting that opens once and no more if it could open too often.

    What is bold when a paragraph ends is bold in the next, and browsers put an element there for
    it: a thousand of them in each of a thousand paragraphs are a million elements, by 20 kB. So
    where that might be, formatting becomes elements that know nothing of it. They differ only where
    formatting was not closed in order.
    """
    most = html.count("<") * sum(not found[1] for found in _FORMATTING.finditer(html))
    return _FORMATTING.sub(rf"<\1{_INERT}\2", html) if most > MAX_REOPENED else html


@dataclass(slots=True)
class _Span:
    """An element, and where its text begins and ends in the text of all."""

    tag: str
    attributes: Mapping[str, str]
    start: int
    end: int


class _Reader(SaxHandler):
    """Notes all elements that a page may be made of, and the text that it reads."""

    def __init__(self) -> None:
        self._spans: list[_Span] = []
        self._open: list[_Span | None] = []
        self._texts: list[str] = []
        self._length = 0
        self._templates = 0

    @override
    def start_element(self, tag: str, attrs: tuple[tuple[str, str | None], ...]) -> None:
        tag = tag.removeprefix(_INERT)
        span = None
        if not self._templates:
            attributes = {name: value or "" for name, value in attrs}
            if tag in CONTENT_TAGS or ID_ATTRIBUTE in attributes:
                span = _Span(tag, attributes, self._length, self._length)
                self._spans.append(span)
        self._templates += tag == "template"
        self._open.append(span)

    @override
    def end_element(self, tag: str) -> None:
        self._templates -= tag == "template"
        if span := self._open.pop():
            span.end = self._length

    @override
    def characters(self, data: str) -> None:
        if not self._templates:  # what stands in a template is not on the page
            self._texts.append(data)
            self._length += len(data)

    def nodes(self) -> list[Node]:
        """Return the elements, once all has been read."""
        marked = [span for span in self._spans if ID_ATTRIBUTE in span.attributes]
        return _with_texts(marked or self._spans, "".join(self._texts))


def _with_texts(spans: Sequence[_Span], text: str) -> list[Node]:
    nodes, left = [], MAX_TEXT
    for span in spans:
        left -= span.end - span.start
        own = text[span.start : span.end] if left >= 0 else ""
        nodes.append(Node(span.tag, span.attributes, own))
    return nodes
