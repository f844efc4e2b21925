"""What the adapter makes pages of: a variant, and the page it was made of. Pure.

Documents that were ingested will do, and so will what was never stored: it may have no marks, or
marks without a snippet.
"""

from collections.abc import Sequence
from typing import Annotated, Protocol

from msgspec import UNSET, Meta, UnsetType

from archives.rules.content import (
    MAX_DOCUMENT_BYTES,
    MAX_MARKS,
    TIME_MAX,
    Difficulty,
    Document,
    Key,
    Label,
    Note,
    Title,
    Url,
)


class Mark(Protocol):
    """What is false in a variant, and why."""

    @property
    def snippet(self) -> str: ...
    @property
    def explanation(self) -> str: ...
    @property
    def element_id(self) -> str | UnsetType | None: ...


class Variant(Protocol):
    """What the adapter needs of a variant."""

    @property
    def variant_id(self) -> str: ...
    @property
    def difficulty(self) -> float: ...
    @property
    def altered_content(self) -> str: ...
    @property
    def fake_marks(self) -> Sequence[Mark]: ...


class Original(Protocol):
    """What the adapter needs of the page that a variant was made of."""

    @property
    def title(self) -> str | None: ...
    @property
    def url(self) -> str | None: ...
    @property
    def captured_at(self) -> str | None: ...


class LooseMark(Document, frozen=True, forbid_unknown_fields=False):
    """A mark that need not say where it belongs."""

    snippet: Note
    explanation: Note = ""
    element_id: Label | UnsetType | None = UNSET


class LooseVariant(Document, frozen=True, forbid_unknown_fields=False):
    """A variant, as far as a page follows from it."""

    variant_id: Key
    difficulty: Difficulty
    altered_content: Annotated[str, Meta(max_length=MAX_DOCUMENT_BYTES)]
    fake_marks: Annotated[list[LooseMark], Meta(max_length=MAX_MARKS)]


class LooseOriginal(Document, frozen=True, forbid_unknown_fields=False):
    """A page, as far as another follows from it."""

    title: Title | None = None
    url: Url | None = None
    captured_at: Annotated[str, Meta(max_length=TIME_MAX)] | None = None


class Source(Document, frozen=True, forbid_unknown_fields=False):
    """Everything that a page is made of."""

    variant: LooseVariant
    original: LooseOriginal | None = None
