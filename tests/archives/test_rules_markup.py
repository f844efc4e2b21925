"""How HTML is taken apart: as browsers do it, whatever it is."""

import time
from collections.abc import Callable

import pytest

from archives.rules import markup
from archives.rules.adapter import adapt
from archives.rules.markup import Node, nodes_of
from archives.rules.pieces import Piece, pieces_of
from archives.rules.playable import is_winnable, make_playable
from tests.archives.variants import mark, variant

MEBIBYTE = 2**20
_OTHER_TAGS = "p li blockquote figcaption pre code"


def seen(html: str) -> list[tuple[str, str]]:
    return [(node.tag, node.text) for node in nodes_of(html)]


class TestNodes:
    def test_are_those_that_are_marked(self) -> None:
        html = '<h1>No</h1><DIV DATA-ELEMENT-ID=a>yes<b data-element-id="b">also</b></DIV><p>no'

        assert nodes_of(html) == [
            Node("div", {"data-element-id": "a"}, "yesalso"),
            Node("b", {"data-element-id": "b"}, "also"),
        ]

    def test_are_all_with_content_where_none_is_marked(self) -> None:
        tags = [*(f"h{level}" for level in range(1, 7)), *_OTHER_TAGS.split()]
        html = "".join(f"<{tag}>{tag}</{tag}>" for tag in [*tags, "div", "span", "td"])

        assert seen(html + "<img>") == [*((tag, tag) for tag in tags), ("img", "")]

    @pytest.mark.parametrize(
        ("html", "found"),
        [
            ("<p>one<p>two", [("p", "one"), ("p", "two")]),
            ("<ul><li>one<li>two</ul>", [("li", "one"), ("li", "two")]),
            ("<p>one<div>two</div>three</p>", [("p", "one"), ("p", "")]),
            ("<blockquote><p>both</p></blockquote>", [("blockquote", "both"), ("p", "both")]),
            ("<p><b>one</p><p>two</b></p>", [("p", "one"), ("p", "two")]),
            (
                "<p><code>one</p><p>two",
                [("p", "one"), ("code", "one"), ("p", "two"), ("code", "two")],
            ),
            ("<table><p>before</p><tr><td>in</table>", [("p", "before")]),
            ("<p>&lt;&amp;&notin;&#65;</p>", [("p", "<&\u2209A")]),
            ("<!-- <p>no</p> --><p>yes</p>", [("p", "yes")]),
            ("<p><script>x</script>y</p>", [("p", "xy")]),
            ("<template><p>no</p></template><p>y<template>no</template></p>", [("p", "y")]),
            ("<image src=x>", [("img", "")]),
            ("<pre>\n one\n  two</pre>", [("pre", " one\n  two")]),
            ("<noscript><p>yes</p></noscript>", [("p", "yes")]),
        ],
    )
    def test_are_found_as_browsers_find_them(self, html: str, found: list[tuple[str, str]]) -> None:
        assert seen(html) == found

    def test_have_attributes_with_and_without_a_value(self) -> None:
        [node] = nodes_of('<img src="a&amp;b" alt hidden SRC=other>')

        assert node.attributes == {"src": "a&b", "alt": "", "hidden": ""}

    def test_share_a_limited_text(self) -> None:
        html = "<blockquote>" * 10 + "x" * (markup.MAX_TEXT // 4)

        lengths = [len(node.text) for node in nodes_of(html)]

        assert lengths == [*[markup.MAX_TEXT // 4] * 4, *[0] * 6]


def codes(number: int) -> str:
    return "".join(f"<code a{each}>" for each in range(number))


class TestFormatting:
    def test_that_is_left_open_opens_again(self) -> None:
        html = f"<p>{codes(3)}one</p><p>two</p>"

        assert [tag for tag, _ in seen(html)] == [*["p", "code", "code", "code"] * 2]

    def test_that_could_open_too_often_opens_once(self) -> None:
        html = f"<p>{codes(1000)}one</p>" + "<p>two</p>" * 1000

        assert len(seen(html)) == 1 + 1000 + 1000

    def test_is_read_as_ever_where_it_is_in_order(self) -> None:
        html = '<p>one <code>two</code> <b data-element-id="b">three</b></p>' * 2000

        assert html.count("<") * 4000 > markup.MAX_REOPENED
        assert seen(html) == [("b", "three")] * 2000
        assert seen(html.replace("data-element-id", "id"))[:2] == [
            ("p", "one two three"),
            ("code", "two"),
        ]


class TestPieces:
    def test_are_listed_by_json(self) -> None:
        listed = '[{"elementId": "a", "type": "H2", "text": " A\\n text ", "src": "s", "alt": "t"}]'

        assert pieces_of(listed) == [Piece("a", "h2", "A text", "s", "t")]

    @pytest.mark.parametrize(
        "content",
        ["", "  ", "[]", "[1, null, {}]", '{"text": "x"}', "NaN", "[NaN]", "[" * 10**5, "\ufeff[]"],
    )
    def test_may_be_none(self, content: str) -> None:
        assert pieces_of(content) == []

    def test_count_what_was_dropped(self) -> None:
        assert [piece.id for piece in pieces_of("<p></p><p>x</p>")] == ["html-1"]
        assert [piece.id for piece in pieces_of('[0, {"text": "x"}]')] == ["json-1"]

    def test_hold_nothing_that_cannot_be_stored(self) -> None:
        listed = (
            '[{"elementId": "\\ud83d", "text": "a\\u0000b", "src": "\\udc00", "alt": "\\u0000"}]'
        )

        assert pieces_of(listed) == [Piece("\ufffd", "p", "a\ufffdb", "\ufffd", "\ufffd")]


def filled(unit: str, size: int) -> str:
    return unit * (size // len(unit))


def attributes(size: int) -> str:
    """Return as many attributes as fit, all of other names."""
    return " ".join(f"a{number}" for number in range(size // 8))


HOSTILE: dict[str, Callable[[int], str]] = {
    "nothing but paragraphs": lambda n: filled("<p>1</p>", n),
    "paragraphs left open": lambda n: filled("<p>1", n),
    "headlines": lambda n: filled("<h1>1</h1>", n),
    "nested divisions": lambda n: filled("<div>", n),
    "nested lists": lambda n: filled("<ul><li>x", n),
    "nested tables": lambda n: filled("<table><td>", n),
    "nested quotations of much": lambda n: filled("<blockquote>", n // 2) + filled("x. ", n // 2),
    "nested quotations of nothing": lambda n: filled("<blockquote>", n // 2) + " " * (n // 2),
    "links left open": lambda n: filled("<a><div></a>", n),
    "ends of nothing": lambda n: filled("<x>", n // 2) + filled("</y>", n // 2),
    "formatting opened over and over": lambda n: (
        f"<p>{''.join(f'<b a{number}>' for number in range(n // 40))}</p>{filled('<p>x', n // 2)}"
    ),
    "many attributes": lambda n: f"<p {attributes(n)}>x</p>",
    "a huge attribute": lambda n: f'<p data-element-id="{"x" * n}">x 1</p>',
    "a huge picture": lambda n: f'<img src="data:{"x" * n}">',
    "less-than signs": lambda n: filled("<", n),
    "references": lambda n: filled("&notit", n),
    "comments": lambda n: "<!--" + filled("-->x<!--", n),
    "full stops": lambda n: "<p>" + filled(".", n),
    "sentences": lambda n: "<p>" + filled("a. ", n),
    "one word": lambda n: "<p>" + filled("1", n),
    "spaces": lambda n: f"<p>{' ' * n}1",
    "equal ids": lambda n: filled(
        '<p data-element-id="a">1</p><h4 data-element-id="a__2">1</h4>', n
    ),
    "nested JSON": lambda n: filled("[", n),
    "JSON of much": lambda n: "[" + filled('{"text":"1"},', n) + "0]",
    "a long number": lambda n: f"[{'1' * n}]",
}


@pytest.mark.parametrize("kind", HOSTILE)
class TestHostileContent:
    """However it is made, it takes time in proportion to its length."""

    def test_becomes_a_page_in_time(self, kind: str) -> None:
        assert seconds_for(HOSTILE[kind](MEBIBYTE // 8)) < 5

    @pytest.mark.soak
    def test_becomes_a_page_in_time_at_full_size(self, kind: str) -> None:
        assert seconds_for(HOSTILE[kind](MEBIBYTE)) < 25


def seconds_for(content: str) -> float:
    """Return how long it takes to make a page of it, which can be won."""
    marks = [mark(f"needle {number}") for number in range(63)]
    made = variant(content, [*marks, mark("1" * 4000)])
    began = time.process_time()

    page = make_playable(adapt(made))

    assert is_winnable(page)
    return time.process_time() - began
