"""The tables of content, of what players archived, and of who may ingest.

What lists and counts need is in columns of its own, written with the document; its bodies are read
only by whoever asks for the whole of it.
"""

from collections.abc import Collection
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from typing_extensions import override
from uuid_utils.compat import uuid7

from archives.rules import content as rules
from archives.rules import runs
from dust import ids
from dust.credentials.models import Credential
from gamesessions.models import GameSession, JsonText

_DIFFICULTIES = (rules.MIN_DIFFICULTY, rules.MAX_DIFFICULTY)
_KINDS = [(kind, kind.title()) for kind in rules.KINDS]
_ENDED = sorted(status.value for status in runs.FINAL)
_UNDER_WAY = sorted(status.value for status in runs.Status if status not in runs.FINAL)
_MODES = [(mode.value, mode.value.title()) for mode in runs.Mode]
_STATUSES = [(status.value, status.value.title()) for status in runs.Status]
_FATES = [(fate.value, fate.value.replace("_", " ").capitalize()) for fate in runs.Fate]


class Bulky(models.Model):
    """A row that holds a document: ``size`` bytes of JSON, most of them in ``BODIES``.

    Those are the columns that lists leave in the database.
    """

    TABLE_NUMBER: ClassVar[int]
    BODIES: ClassVar[Collection[str]]

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    size = models.IntegerField()
    created_at = models.DateTimeField()

    class Meta:
        abstract = True

    @property
    def public_id(self) -> str:
        """The id under which every door knows the row."""
        return ids.encode(self.TABLE_NUMBER, self.id)


class Content(Bulky):
    """A row of what there is to play, written as one document."""

    updated_at = models.DateTimeField()

    class Meta:
        abstract = True


def _within(field: str, least: float, most: float) -> models.CheckConstraint:
    return models.CheckConstraint(
        condition=Q(**{f"{field}__range": (least, most)}), name=f"%(app_label)s_%(class)s_{field}"
    )


def _size(most: int) -> models.CheckConstraint:
    return _within("size", 1, most)


def _difficulty() -> models.CheckConstraint:
    return _within("difficulty", *_DIFFICULTIES)


class Page(Content):
    """A web page as it was captured. Everything in it may be hostile: it is data, never markup."""

    TABLE_NUMBER = 10020
    BODIES = ("html", "elements", "assets", "styles")

    project_id = models.CharField(max_length=rules.KEY_MAX)
    page_id = models.CharField(max_length=rules.KEY_MAX)
    url = models.CharField(max_length=rules.URL_MAX, blank=True)
    title = models.CharField(max_length=rules.TITLE_MAX, blank=True)
    captured_at = models.CharField(max_length=rules.TIME_MAX)
    tags = JsonText()
    element_count = models.IntegerField()
    html = models.TextField(blank=True)
    elements = JsonText()
    assets = JsonText()
    styles = JsonText()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project_id", "page_id"], name="archives_page_once"),
            _size(rules.MAX_DOCUMENT_BYTES),
            _within("element_count", 0, rules.MAX_ELEMENTS),
        ]
        indexes = [models.Index(fields=["page_id", "updated_at"], name="archives_page_newest")]

    @override
    def __str__(self) -> str:
        return f"{self.page_id} of {self.project_id}"


class Level(Content):
    """A level of a project."""

    TABLE_NUMBER = 10021
    BODIES = ()

    project_id = models.CharField(max_length=rules.KEY_MAX)
    level_id = models.CharField(max_length=rules.KEY_MAX)
    difficulty = models.SmallIntegerField()
    page_ids = JsonText()
    page_count = models.SmallIntegerField()
    fake_rate = models.FloatField()
    subtlety = models.FloatField()
    max_fake_spans = models.IntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project_id", "level_id"], name="archives_level_once"),
            _size(rules.MAX_DOCUMENT_BYTES),
            _difficulty(),
            _within("page_count", 0, rules.MAX_PAGE_IDS),
            _within("fake_rate", 0, 1),
            _within("subtlety", 0, 1),
            _within("max_fake_spans", 1, rules.MAX_FAKE_SPANS),
        ]
        indexes = [
            models.Index(
                fields=["project_id", "difficulty", "level_id"], name="archives_level_order"
            ),
            models.Index(fields=["level_id", "id"], name="archives_level_owner"),
        ]

    @override
    def __str__(self) -> str:
        return self.level_id


class PageVariant(Content):
    """A page of a level with lies put in; ``fake_marks`` tell which, so players never see them.

    There is one for each page of a level: the next one takes its place. ``worth`` is how many of
    its sections may be correct, which bounds what players can say they have scored with it.
    """

    TABLE_NUMBER = 10022
    BODIES = ("altered_content", "fake_marks")

    variant_id = models.CharField(max_length=rules.KEY_MAX)
    project_id = models.CharField(max_length=rules.KEY_MAX)
    level_id = models.CharField(max_length=rules.KEY_MAX)
    page_id = models.CharField(max_length=rules.KEY_MAX)
    difficulty = models.SmallIntegerField()
    is_valid = models.BooleanField()
    mark_count = models.SmallIntegerField()
    worth = models.SmallIntegerField(default=0)
    altered_content = models.TextField(blank=True)
    fake_marks = JsonText()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["variant_id"], name="archives_variant_id"),
            models.UniqueConstraint(
                fields=["project_id", "level_id", "page_id"], name="archives_variant_once"
            ),
            _size(rules.MAX_DOCUMENT_BYTES),
            _difficulty(),
            _within("mark_count", 1, rules.MAX_MARKS),
        ]
        indexes = [
            models.Index(fields=["level_id", "id"], name="archives_variant_level"),
            models.Index(fields=["page_id", "id"], name="archives_variant_page"),
            # All that counting the valid ones of a project needs.
            models.Index(
                fields=["project_id", "is_valid", "level_id"], name="archives_variant_valid"
            ),
        ]

    @override
    def __str__(self) -> str:
        return self.variant_id


class CachedContent(Content):
    """A playable page that is shipped with the game or seeded by an operator, truth included."""

    TABLE_NUMBER = 10023
    BODIES = ("content",)

    key = models.CharField(max_length=rules.KEY_MAX)
    is_demo = models.BooleanField()
    title = models.CharField(max_length=rules.TITLE_MAX)
    content_type = models.CharField(max_length=8, choices=_KINDS)
    difficulty = models.SmallIntegerField()
    section_count = models.SmallIntegerField()
    content = JsonText()

    class Meta:
        verbose_name_plural = "cached contents"
        constraints = [
            models.UniqueConstraint(fields=["key"], name="archives_content_key"),
            _size(rules.MAX_CONTENT_BYTES),
            _difficulty(),
            _within("section_count", 1, rules.MAX_SECTIONS),
            models.CheckConstraint(
                condition=Q(content_type__in=rules.KINDS), name="archives_content_type"
            ),
        ]
        indexes = [
            models.Index(fields=["content_type", "difficulty"], name="archives_content_choice"),
            models.Index(fields=["id"], condition=Q(is_demo=True), name="archives_content_demo"),
        ]

    @override
    def __str__(self) -> str:
        return self.key


class Archive(Bulky):
    """What a player archived in one session."""

    TABLE_NUMBER = 10024
    BODIES = ("items",)

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="archives",
        db_index=False,
    )
    session = models.OneToOneField(GameSession, on_delete=models.CASCADE, related_name="archive")
    items = JsonText()
    total_items = models.SmallIntegerField()
    correct_items = models.SmallIntegerField()
    saved_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(total_items__range=(0, rules.MAX_ITEMS)), name="archives_archive_total"
            ),
            models.CheckConstraint(
                condition=Q(correct_items__gte=0, correct_items__lte=F("total_items")),
                name="archives_archive_correct",
            ),
        ]
        indexes = [models.Index(fields=["user", "-id"], name="archives_archive_newest")]

    @override
    def __str__(self) -> str:
        return f"{self.correct_items} of {self.total_items}"

    @property
    def session_public_id(self) -> str:
        """The id under which every door knows the session."""
        return ids.encode(GameSession.TABLE_NUMBER, self.session_id)


class IngestCredential(Credential):
    """Lets a tool write the content of some projects, until it is revoked."""

    TABLE_NUMBER: ClassVar[int] = 10025
    PREFIX = "dig"

    projects = JsonText()


class Run(models.Model):
    """A game that the server referees: what its session does not tell of it.

    Score, combo, completed pages and accuracy are the session's, and so is its level, which decides
    about the decay; ``level`` is the one that was asked for. The session's row is also the run's
    lock. ``page_number`` is the page that began last. ``board_status`` tells what the result did to
    the player's entry, where it was submitted to a board.
    """

    TABLE_NUMBER: ClassVar[int] = 10030

    session = models.OneToOneField(
        GameSession, on_delete=models.CASCADE, primary_key=True, related_name="run"
    )
    mode = models.CharField(max_length=8, choices=_MODES)
    level = models.SmallIntegerField(null=True)
    status = models.CharField(max_length=16, choices=_STATUSES, default=runs.INITIAL.value)
    page_count = models.SmallIntegerField()
    page_number = models.SmallIntegerField(default=1)
    best_combo = models.IntegerField(default=0)
    archived = models.SmallIntegerField(default=0)
    correct = models.SmallIntegerField(default=0)
    board_status = models.CharField(max_length=16, blank=True, default="")
    ended_at = models.DateTimeField(null=True)
    trimmed = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(mode=runs.Mode.DEMO.value, level=None)
                | ~Q(mode=runs.Mode.DEMO.value) & Q(level__range=_DIFFICULTIES),
                name="archives_run_level",
            ),
            models.CheckConstraint(
                condition=Q(status__in=_ENDED, ended_at__isnull=False)
                | Q(status__in=_UNDER_WAY, ended_at=None),
                name="archives_run_status",
            ),
            _within("page_count", 1, runs.MAX_PAGES),
            models.CheckConstraint(
                condition=Q(page_number__gte=1, page_number__lte=F("page_count")),
                name="archives_run_page",
            ),
            models.CheckConstraint(
                condition=Q(correct__gte=0, correct__lte=F("archived")),
                name="archives_run_correct",
            ),
        ]
        indexes = [
            models.Index(
                fields=["ended_at"],
                condition=Q(ended_at__isnull=False, trimmed=False),
                name="archives_run_untrimmed",
            )
        ]

    @override
    def __str__(self) -> str:
        return f"{self.mode} {self.level or ''}".strip()

    @property
    def public_id(self) -> str:
        """The id under which every door knows the run."""
        return ids.encode(self.TABLE_NUMBER, self.session_id)

    @property
    def is_over(self) -> bool:
        """Whether the run changes no more."""
        return self.status in runs.FINAL


class RunPage(Bulky):
    """A page of a run, truth included, as it was when the run began, and what was done to it.

    It has begun when it has ``started_at``, with the ``level`` that the run had then, and is over
    when it has a ``fate``. ``archived`` lists the sections in the order in which they were chosen,
    each with its points; ``points`` is by how much the page changed the score.
    """

    TABLE_NUMBER = 10031
    BODIES = ("content",)

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="pages", db_index=False)
    number = models.SmallIntegerField()
    level = models.SmallIntegerField(null=True)
    content = JsonText()
    started_at = models.DateTimeField(null=True)
    verified = models.CharField(max_length=runs.SECTION_PLACE_MAX, blank=True, default="")
    purged = models.CharField(max_length=runs.SECTION_PLACE_MAX, blank=True, default="")
    frozen_at = models.DateTimeField(null=True)
    thawed_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    fate = models.CharField(max_length=16, choices=_FATES, blank=True, default="")
    points = models.IntegerField(default=0)
    is_clutch = models.BooleanField(default=False)
    archived = JsonText(default=list)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "number"], name="archives_runpage_once"),
            models.CheckConstraint(
                condition=Q(fate="", ended_at=None)
                | ~Q(fate="") & Q(ended_at__isnull=False, started_at__isnull=False),
                name="archives_runpage_fate",
            ),
        ]

    @override
    def __str__(self) -> str:
        return f"page {self.number}"
