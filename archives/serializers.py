"""The shapes of content and archives in REST. Their limits are those of ``archives.rules.content``.

What comes in is read under the names that documents have, and whole documents are shown from those.
"""

from typing import Any, get_args

from django.core.validators import RegexValidator
from drf_spectacular.utils import extend_schema_field
from msgspec import UNSET
from msgspec.structs import asdict
from rest_framework import serializers
from typing_extensions import override

from archives import models
from archives.rules import content as rules
from archives.rules import runs
from archives.rules.play import Lifeline
from archives.services.contents import Outcome
from dust.rest.serializers import Id, Number, QueryNumber, Shape, Text, Time, WholeNumber
from gamesessions.models import GameSession


def _text(most: int | None = None, **options: Any) -> Any:
    """Take a text as it is."""
    return Text(max_length=most, allow_blank=True, trim_whitespace=False, **options)


def _key(**options: Any) -> Any:
    name = RegexValidator(f"^{rules.KEY_PATTERN}\\Z", rules.KEY_RULE)
    return Text(max_length=rules.KEY_MAX, trim_whitespace=False, validators=[name], **options)


def _many(shape: Any, **options: Any) -> Any:
    return shape(many=True, **options)


def _difficulty(**options: Any) -> Any:
    return WholeNumber(min_value=rules.MIN_DIFFICULTY, max_value=rules.MAX_DIFFICULTY, **options)


_OPTIONAL: dict[str, Any] = {"required": False, "allow_null": True}


@extend_schema_field({"type": "array", "items": {"type": "string"}, "maxItems": rules.MAX_SEEN})
class Listed(serializers.Field[list[str], str, str, Any]):
    """Several ids in one parameter, with commas between them."""

    default_error_messages = {"max_length": f"Must be at most {rules.MAX_SEEN}."}

    @override
    def to_internal_value(self, data: str) -> list[str]:
        found = [part for part in data.split(",") if part]
        if len(found) > rules.MAX_SEEN:
            self.fail("max_length")
        return found


# --- what there is to play ------------------------------------------------------------------------


class Level(Shape):
    """A level of a project."""

    id: Any = Id(models.Level.TABLE_NUMBER)
    level_id = serializers.CharField()
    project_id = serializers.CharField()
    difficulty = serializers.IntegerField()
    page_ids: Any = serializers.ListField(child=serializers.CharField())
    fake_rate = serializers.FloatField()
    subtlety = serializers.FloatField()
    max_fake_spans = serializers.IntegerField()


class LevelCount(Shape):
    """How many variants of a level can be played."""

    level_id = serializers.CharField()
    valid_variants = serializers.IntegerField()


class Variant(Shape):
    """What there is to know of a variant before it is played."""

    id: Any = Id(models.PageVariant.TABLE_NUMBER)
    variant_id = serializers.CharField()
    page_id = serializers.CharField()
    level_id = serializers.CharField()
    project_id = serializers.CharField()
    difficulty = serializers.IntegerField()
    is_playable = serializers.BooleanField(
        source="is_valid", help_text="Whether there is anything in it."
    )


class Page(Shape):
    """What there is to know of a page before it is played."""

    id: Any = Id(models.Page.TABLE_NUMBER)
    page_id = serializers.CharField()
    project_id = serializers.CharField()
    title = serializers.CharField(allow_blank=True)
    tags: Any = serializers.ListField(child=serializers.CharField(allow_blank=True))
    element_count = serializers.IntegerField()


class Content(Shape):
    """What there is to know of a playable page before it is played."""

    id: Any = Id(models.CachedContent.TABLE_NUMBER)
    title = serializers.CharField()
    content_type = serializers.ChoiceField(list(rules.KINDS))
    difficulty = serializers.IntegerField()
    section_count = serializers.IntegerField()
    is_demo = serializers.BooleanField()


class ListQuery(Shape):
    """Which part of a list."""

    limit = QueryNumber(min_value=1, max_value=rules.MAX_LISTED, default=rules.DEFAULT_LISTED)
    cursor = Text(
        required=False,
        max_length=rules.CURSOR_MAX,
        help_text="The `next_cursor` of the page before.",
    )


class RandomQuery(Shape):
    """About how hard, of which kind, and what was seen before."""

    difficulty = QueryNumber(min_value=rules.MIN_DIFFICULTY, max_value=rules.MAX_DIFFICULTY)
    content_type = serializers.ChoiceField(list(rules.KINDS), required=False)
    seen = Listed(required=False, help_text="Ids of contents, with commas between them.")
    seed = Text(
        required=False,
        max_length=rules.KEY_MAX,
        help_text="The same seed picks the same content; without one, chance does.",
    )


# --- documents ------------------------------------------------------------------------------------


class Box(Shape):
    """Where an element stood on its page."""

    x = Number(min_value=-rules.MAX_COORDINATE, max_value=rules.MAX_COORDINATE)
    y = Number(min_value=-rules.MAX_COORDINATE, max_value=rules.MAX_COORDINATE)
    width = Number(min_value=-rules.MAX_COORDINATE, max_value=rules.MAX_COORDINATE)
    height = Number(min_value=-rules.MAX_COORDINATE, max_value=rules.MAX_COORDINATE)


class Element(Shape):
    """A piece of a page."""

    element_id = _text(rules.LABEL_MAX, source="elementId")
    tag = _text(rules.LABEL_MAX)
    text = _text(**_OPTIONAL)
    src = _text(**_OPTIONAL)
    srcset = _text(**_OPTIONAL)
    alt = _text(**_OPTIONAL)
    href = _text(**_OPTIONAL)
    bbox = Box(required=False, allow_null=True)


class Asset(Shape):
    """A picture of a page."""

    src = _text()
    alt = _text(**_OPTIONAL)
    srcset = _text(**_OPTIONAL)
    element_id = _text(source="elementId", **_OPTIONAL)


class PageDocument(Shape):
    """A web page as it was captured."""

    url = _text(rules.URL_MAX)
    title = _text(rules.TITLE_MAX)
    captured_at = _text(rules.TIME_MAX, source="capturedAt", help_text="As ISO 8601 writes it.")
    html = _text(help_text="Anybody's, and hostile: never render it.")
    elements: Any = _many(Element, max_length=rules.MAX_ELEMENTS)
    assets: Any = _many(Asset, max_length=rules.MAX_ELEMENTS)
    styles: Any = serializers.ListField(child=_text(), max_length=rules.MAX_STYLES)
    project_id = _key(source="projectId")
    tags: Any = serializers.ListField(child=_text(rules.LABEL_MAX), max_length=rules.MAX_TAGS)


class MutationParams(Shape):
    """How a level's variants were made."""

    fake_rate = Number(min_value=0, max_value=1, source="fakeRate")
    subtlety = Number(min_value=0, max_value=1)
    max_fake_spans = WholeNumber(min_value=1, max_value=rules.MAX_FAKE_SPANS, source="maxFakeSpans")


class LevelDocument(Shape):
    """A level of a project."""

    project_id = _key(source="projectId")
    difficulty = _difficulty()
    page_ids: Any = serializers.ListField(
        child=_key(), max_length=rules.MAX_PAGE_IDS, source="pageIds"
    )
    mutation_params = MutationParams(source="mutationParams")


class Mark(Shape):
    """What is false in a variant, and why."""

    kind = serializers.ChoiceField(list(rules.MARK_KINDS))
    element_id = _text(rules.LABEL_MAX, source="elementId", **_OPTIONAL)
    snippet = Text(max_length=rules.NOTE_MAX, trim_whitespace=False)
    explanation = _text(rules.NOTE_MAX)


class VariantDocument(Shape):
    """A page with lies put in, and which they are."""

    project_id = _key(source="projectId")
    level_id = _key(source="levelId")
    page_id = _key(source="pageId")
    difficulty = _difficulty()
    altered_content = _text(
        source="alteredContent", help_text="HTML, or a JSON array of elements. Blank if it failed."
    )
    fake_marks: Any = _many(Mark, min_length=1, max_length=rules.MAX_MARKS, source="fakeMarks")


class Ingested(Shape):
    """The row that holds a document, and what has become of it."""

    id = serializers.CharField(help_text="An opaque id.")
    outcome = serializers.ChoiceField(list(Outcome))


# --- players' archives ----------------------------------------------------------------------------


class Item(Shape):
    """A section that was archived."""

    section_text = _text(rules.ITEM_TEXT_MAX, source="sectionText")
    was_correct = serializers.BooleanField(source="wasCorrect")
    level = _difficulty()
    content_type = serializers.ChoiceField(list(rules.KINDS), source="contentType")


class Items(Shape):
    """What the caller archived, and in which of their sessions."""

    session_id: Any = Id(GameSession.TABLE_NUMBER)
    items: Any = _many(Item, max_length=rules.MAX_ITEMS)


class Archive(Shape):
    """What was archived in one session, without the items."""

    id: Any = Id(models.Archive.TABLE_NUMBER)
    session_id: Any = Id(GameSession.TABLE_NUMBER)
    total_items = serializers.IntegerField()
    correct_items = serializers.IntegerField()
    saved_at = Time()


class WholeArchive(Archive):
    """What was archived in one session."""

    items: Any = Item(many=True)


class Totals(Shape):
    """What the caller has archived in all."""

    archives = serializers.IntegerField()
    items = serializers.IntegerField()
    correct_items = serializers.IntegerField()


class ArchiveExport(Shape):
    """All archives of the caller's, the oldest first."""

    archives: Any = WholeArchive(many=True)


class SeenSection(Shape):
    """A section, of which nobody has yet been told whether it is true."""

    id = serializers.CharField()
    text = serializers.CharField(allow_blank=True)
    category = serializers.ChoiceField(list(get_args(rules.Category)))
    decay_order = serializers.IntegerField(help_text="What has a lower one decays first.")
    archive_cost = serializers.IntegerField(help_text="What costs nothing cannot be chosen.")
    image_src = serializers.CharField(required=False, help_text="Pictures cannot be chosen either.")
    image_alt = serializers.CharField(required=False, allow_blank=True)

    @override
    def to_representation(self, instance: Any) -> Any:
        there = {name: it for name, it in asdict(instance).items() if it is not UNSET}
        return super().to_representation(there)


class SeenPage(Shape):
    """A page as it is played."""

    title = serializers.CharField()
    content_type = serializers.ChoiceField(list(rules.KINDS))
    author = serializers.CharField(allow_blank=True)
    date = serializers.CharField(allow_blank=True)
    url = serializers.CharField(allow_blank=True)
    difficulty = serializers.IntegerField()
    decay_duration = serializers.FloatField(help_text="In seconds.")
    sections: Any = SeenSection(many=True)


class Truth(Shape):
    """What is known of a section. Its points are null if it was not archived."""

    section_id = serializers.CharField()
    is_true = serializers.BooleanField()
    reason = serializers.CharField(allow_null=True, allow_blank=True, help_text="Why it is false.")
    points = serializers.IntegerField(allow_null=True)


class Reveal(Shape):
    """What became of a page, and the whole truth of it."""

    fate = serializers.ChoiceField(list(runs.Fate))
    points = serializers.IntegerField(help_text="By how much the score changed.")
    is_clutch = serializers.BooleanField(help_text="Whether it was late enough to bring more.")
    sections: Any = Truth(many=True)
    hints: Any = serializers.ListField(child=serializers.CharField())


class RunPage(Shape):
    """A page of a run that has begun."""

    number = serializers.IntegerField()
    level = serializers.IntegerField(help_text="Whose curve it decays along.")
    energy = serializers.IntegerField(help_text="All of it must be spent on sections.")
    content = SeenPage()
    started_at = Time()
    deadline = Time(help_text="When it will be gone.")
    frozen_until = Time(allow_null=True)
    ended_at = Time(allow_null=True)
    verified = Truth(allow_null=True)
    purged = serializers.CharField(allow_null=True, help_text="A false section, out of the game.")
    reveal = Reveal(allow_null=True, help_text="Null until the page is over.")


class Run(Shape):
    """A run: all that is needed to go on with it."""

    id = serializers.CharField(help_text="An opaque id.")
    session_id = serializers.CharField(help_text="The id of its game session.")
    mode = serializers.ChoiceField(list(runs.Mode))
    level = serializers.IntegerField(allow_null=True, help_text="As asked for.")
    status = serializers.ChoiceField(list(runs.Status))
    score = serializers.IntegerField()
    combo = serializers.IntegerField()
    best_combo = serializers.IntegerField()
    archived = serializers.IntegerField()
    correct = serializers.IntegerField()
    accuracy = serializers.FloatField(help_text="In percent.")
    pages_completed = serializers.IntegerField()
    page_count = serializers.IntegerField()
    started_at = Time()
    ended_at = Time(allow_null=True)
    page = RunPage(allow_null=True, help_text="The one that began last; null after some days.")
    next_page = serializers.IntegerField(allow_null=True, help_text="What can be begun now.")
    board = serializers.CharField(allow_null=True, help_text="Where the result was entered.")
    board_status = serializers.CharField(allow_null=True, help_text="What came of it there.")


class RunStart(Shape):
    """What to play: a level, some pages about as hard as one, or the demo."""

    mode = serializers.ChoiceField(list(runs.Mode))
    level = _difficulty(required=False)


class PageStep(Shape):
    """Which page."""

    page: Any = WholeNumber(min_value=1, max_value=runs.MAX_PAGES)


class LifelineUse(PageStep):
    """Which lifeline to use on which page; verifying is for a section."""

    lifeline = serializers.ChoiceField(list(Lifeline))
    section_id = _text(rules.SECTION_ID_MAX, required=False)


class PageArchive(PageStep):
    """What to archive of which page, in the order of choice."""

    section_ids: Any = serializers.ListField(child=_text(), max_length=rules.MAX_SECTIONS)
