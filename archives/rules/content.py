"""What documents may look like: what is ingested, playable pages, players' archives. Pure.

The limits stand here and nowhere else. Documents have the names that the ingest tool and the
Convex clients use; in Python they are structs, whose numbers are floats as those clients' are, and
where a field that was left out is ``UNSET``.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

MAX_DOCUMENT_BYTES = 1024 * 1024
"""How large a page, a level or a variant may be, as JSON."""
MAX_CONTENT_BYTES = 256 * 1024
"""How large a playable page may be, as JSON."""

KEY_MAX = 128
KEY_PATTERN = f"[A-Za-z0-9][A-Za-z0-9._:~@+-]{{0,{KEY_MAX - 1}}}"
"""Names of projects, pages, levels, variants and contents, which also stand in paths."""
KEY_RULE = f"Must be 1 to {KEY_MAX} letters, digits and ._:~@+-, the first a letter or digit."
URL_MAX = 2048
TITLE_MAX = 1000
TIME_MAX = 64
LABEL_MAX = 256
NOTE_MAX = 4000
MAX_ELEMENTS = 8192
MAX_STYLES = 1024
MAX_TAGS = 100
MAX_COORDINATE = 1e9

MIN_DIFFICULTY = 1
MAX_DIFFICULTY = 10
MAX_PAGE_IDS = 500
MAX_FAKE_SPANS = 8192
MAX_MARKS = 64

MAX_SECTIONS = 200
MAX_HITS = 200
SECTION_ID_MAX = 256
DECAY_SECONDS_MAX = 3600
DECAY_ORDER_MAX = 5
ARCHIVE_COST_MAX = 10

MAX_ITEMS = 500
ITEM_TEXT_MAX = 2000
MAX_ITEMS_BYTES = MAX_ITEMS * (ITEM_TEXT_MAX * 6 + 256)
"""What the other two come to at most: an escaped character takes six bytes."""
MAX_ARCHIVES = 5_000
"""How many archives a player may have: years of games. None is ever deleted to make room."""

MAX_PAGES_IN_PROJECT = 5000
MAX_LEVELS_IN_PROJECT = 100
MAX_VARIANTS_IN_LEVEL = 500
MAX_CONTENTS = 2000

NEAR = 2
"""So many levels apart, a page is still as hard as was asked for."""

MAX_LISTED = 100
DEFAULT_LISTED = 50
MAX_LISTED_BYTES = 16 * 1024 * 1024
"""How much of whole documents one answer may hold."""
MAX_SEEN = 200
CURSOR_MAX = 512
SAVES_PER_MINUTE = 30
EXPORTS_PER_HOUR = 10

MAX_PROJECTS = 50

KINDS = ("news", "blog", "social", "wiki")
Kind = Literal["news", "blog", "social", "wiki"]
Category = Literal["headline", "body", "quote", "statistic", "attribution", "metadata"]
MARK_KINDS = ("FAKE", "MISLEADING")

Key = Annotated[str, Meta(min_length=1, max_length=KEY_MAX)]
Label = Annotated[str, Meta(max_length=LABEL_MAX)]
Note = Annotated[str, Meta(max_length=NOTE_MAX)]
Url = Annotated[str, Meta(max_length=URL_MAX)]
Title = Annotated[str, Meta(max_length=TITLE_MAX)]
Difficulty = Annotated[float, Meta(ge=MIN_DIFFICULTY, le=MAX_DIFFICULTY, multiple_of=1)]
Share = Annotated[float, Meta(ge=0, le=1)]
Percent = Annotated[float, Meta(ge=0, le=100)]
Coordinate = Annotated[float, Meta(ge=-MAX_COORDINATE, le=MAX_COORDINATE)]
Opt = str | UnsetType | None


class Document(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """Something that comes as JSON, with exactly these fields."""


class Box(Document, frozen=True):
    """Where an element stood on its page."""

    x: Coordinate
    y: Coordinate
    width: Coordinate
    height: Coordinate


class Element(Document, frozen=True):
    """A piece of a page."""

    element_id: Label
    tag: Label
    text: Opt = UNSET
    src: Opt = UNSET
    srcset: Opt = UNSET
    alt: Opt = UNSET
    href: Opt = UNSET
    bbox: Box | UnsetType | None = UNSET


class Asset(Document, frozen=True):
    """A picture of a page."""

    src: str
    alt: Opt = UNSET
    srcset: Opt = UNSET
    element_id: Opt = UNSET


class Page(Document, frozen=True):
    """A web page as it was captured. Its HTML is anybody's, and is never to be rendered."""

    page_id: Key
    url: Url
    title: Title
    captured_at: Annotated[str, Meta(max_length=TIME_MAX)]
    html: str
    elements: Annotated[list[Element], Meta(max_length=MAX_ELEMENTS)]
    assets: Annotated[list[Asset], Meta(max_length=MAX_ELEMENTS)]
    styles: Annotated[list[str], Meta(max_length=MAX_STYLES)]
    project_id: Key
    tags: Annotated[list[Label], Meta(max_length=MAX_TAGS)]


class MutationParams(Document, frozen=True):
    """How a level's variants were made."""

    fake_rate: Share
    subtlety: Share
    max_fake_spans: Annotated[float, Meta(ge=1, le=MAX_FAKE_SPANS, multiple_of=1)]


class Level(Document, frozen=True):
    """A level of a project."""

    level_id: Key
    project_id: Key
    difficulty: Difficulty
    page_ids: Annotated[list[Key], Meta(max_length=MAX_PAGE_IDS)]
    mutation_params: MutationParams


class Mark(Document, frozen=True):
    """What is false in a variant, and why: the answer that players look for."""

    kind: Literal["FAKE", "MISLEADING"]
    snippet: Annotated[str, Meta(min_length=1, max_length=NOTE_MAX)]
    explanation: Note
    element_id: Annotated[str, Meta(max_length=LABEL_MAX)] | UnsetType | None = UNSET


class Variant(Document, frozen=True):
    """A page with lies put in. ``altered_content`` is HTML, or JSON that lists elements."""

    variant_id: Key
    page_id: Key
    level_id: Key
    difficulty: Difficulty
    altered_content: str
    fake_marks: Annotated[list[Mark], Meta(min_length=1, max_length=MAX_MARKS)]
    project_id: Key


class Section(Document, frozen=True):
    """A part of a playable page, which players keep or leave."""

    id: Annotated[str, Meta(min_length=1, max_length=SECTION_ID_MAX)]
    text: str
    is_true: bool
    category: Category
    decay_order: Annotated[float, Meta(ge=1, le=DECAY_ORDER_MAX, multiple_of=1)]
    archive_cost: Annotated[float, Meta(ge=0, le=ARCHIVE_COST_MAX, multiple_of=1)]
    image_src: str | UnsetType = UNSET
    image_alt: str | UnsetType = UNSET
    false_reason: Note | UnsetType = UNSET
    source_issue: bool | Note | UnsetType = UNSET
    date_issue: bool | Note | UnsetType = UNSET
    cross_ref_issue: bool | Note | UnsetType = UNSET
    emotional_language: bool | Note | UnsetType = UNSET


class FactCheckData(Document, frozen=True):
    """What a reader might find out about a playable page."""

    source_credibility: Percent
    date_accuracy: bool
    emotional_language_score: Percent
    cross_reference_hits: Annotated[list[Note], Meta(max_length=MAX_HITS)]
    author_history: Note


class PageContent(Document, frozen=True):
    """A playable page, truth included."""

    id: Key
    title: Annotated[str, Meta(min_length=1, max_length=TITLE_MAX)]
    content_type: Kind
    author: Label
    date: Label
    url: Url
    difficulty: Difficulty
    decay_duration: Annotated[float, Meta(ge=1, le=DECAY_SECONDS_MAX)]
    sections: Annotated[list[Section], Meta(min_length=1, max_length=MAX_SECTIONS)]
    fact_check_data: FactCheckData


class Content(Document, frozen=True):
    """A playable page as it is shipped; the same key again is a newer edition of it."""

    key: Key
    is_demo: bool
    content: PageContent


class Item(Document, frozen=True):
    """A section that a player archived."""

    section_text: Annotated[str, Meta(max_length=ITEM_TEXT_MAX)]
    was_correct: bool
    level: Difficulty
    content_type: Kind


class Items(Document, frozen=True):
    """Everything that a player archived in one session."""

    items: Annotated[list[Item], Meta(max_length=MAX_ITEMS)]


ROWS: Mapping[str, type[Document]] = {
    "page": Page,
    "level": Level,
    "variant": Variant,
    "content": Content,
}
"""What a file of content may hold, by the kind that a row of it names."""
