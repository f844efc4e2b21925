"""The tables of game sessions."""

from typing import Any, ClassVar

import msgspec
from django.conf import settings
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Q
from django.db.models.functions import Length
from django.db.models.lookups import LessThanOrEqual, Range
from typing_extensions import override
from uuid_utils.compat import uuid7

from dust import ids
from gamesessions import rules
from gamesessions.rules import EventType, Progress, Status

_ACTIVE = Status.ACTIVE.value
_STATUSES = [(status.value, status.value.title()) for status in Status]
_EVENT_TYPES = [(kind.value, kind.value.replace("_", " ").capitalize()) for kind in EventType]


class JsonText(models.TextField[Any, Any]):
    """Any JSON value, as it was given.

    Nothing ever searches inside, and ``jsonb`` would spell 1e300 out: a kilobyte of such numbers
    would come back as fifty, and as whole numbers.
    """

    def from_db_value(
        self, value: str | None, _expression: object, _connection: BaseDatabaseWrapper
    ) -> Any:
        return None if value is None else msgspec.json.decode(value)

    @override
    def to_python(self, value: Any) -> Any:
        return value

    @override
    def get_prep_value(self, value: Any) -> str:
        return msgspec.json.encode(value).decode()

    @override
    def value_to_string(self, obj: models.Model) -> Any:
        return self.value_from_object(obj)  # fixtures hold JSON inside JSON, and no text of it


class OctetLength(models.Func):
    """How many bytes a text takes."""

    function = "OCTET_LENGTH"
    output_field = models.IntegerField()

    @override
    def as_sqlite(self, compiler: Any, connection: BaseDatabaseWrapper, **options: Any) -> Any:
        template = "LENGTH(CAST(%(expressions)s AS BLOB))"
        return self.as_sql(compiler, connection, template=template, **options)


class Copy(models.Model):
    """How far a game has come, within the limits of ``gamesessions.rules``.

    ``state`` is the client's own, and means nothing here. ``version`` counts the session's copies.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    version = models.PositiveIntegerField(default=1)
    score = models.BigIntegerField(default=0)
    level = models.PositiveSmallIntegerField(default=rules.MIN_LEVEL)
    combo = models.PositiveIntegerField(default=0)
    pages_completed = models.PositiveIntegerField(default=0)
    accuracy = models.FloatField(default=0)
    state = JsonText(default=None)

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=Q(version__range=(1, rules.MAX_COUNT)),
                name="%(app_label)s_%(class)s_version",
            ),
            models.CheckConstraint(
                condition=Q(score__range=(rules.MIN_SCORE, rules.MAX_SCORE)),
                name="%(app_label)s_%(class)s_score",
            ),
            models.CheckConstraint(
                condition=Q(level__range=(rules.MIN_LEVEL, rules.MAX_LEVEL)),
                name="%(app_label)s_%(class)s_level",
            ),
            models.CheckConstraint(
                condition=Q(combo__range=(0, rules.MAX_COUNT)),
                name="%(app_label)s_%(class)s_combo",
            ),
            models.CheckConstraint(
                condition=Q(pages_completed__range=(0, rules.MAX_COUNT)),
                name="%(app_label)s_%(class)s_pages_completed",
            ),
            models.CheckConstraint(
                condition=Q(accuracy__range=(0, rules.MAX_ACCURACY)),
                name="%(app_label)s_%(class)s_accuracy",
            ),
            models.CheckConstraint(
                condition=LessThanOrEqual(OctetLength("state"), rules.MAX_STATE_BYTES),
                name="%(app_label)s_%(class)s_state_bytes",
            ),
        ]

    @property
    def progress(self) -> Progress:
        """The numbers of this copy."""
        return Progress(
            score=self.score,
            level=self.level,
            combo=self.combo,
            pages_completed=self.pages_completed,
            accuracy=self.accuracy,
        )


class GameSession(Copy):
    """One game of a player's, and the present copy of how far it has come.

    ``refereed`` says that the server plays it by its own rules, so that no client may save it.
    ``trimmed`` says that saves, events and state are gone for good, some time after its end. A
    voided session counts for nothing, and is over.
    """

    TABLE_NUMBER: ClassVar[int] = 10010

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, db_index=False)
    status = models.CharField(max_length=16, choices=_STATUSES, default=rules.INITIAL.value)
    refereed = models.BooleanField(default=False)
    started_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    trimmed = models.BooleanField(default=False)
    voided_at = models.DateTimeField(null=True, blank=True)
    voided_reason = models.CharField(max_length=rules.MAX_REASON_LENGTH, blank=True, default="")

    class Meta(Copy.Meta):
        verbose_name = "game session"
        constraints = [
            *Copy.Meta.constraints,
            models.UniqueConstraint(
                fields=["user"],
                condition=Q(status=_ACTIVE),
                name="gamesessions_one_active",
            ),
            models.CheckConstraint(
                condition=Q(status=_ACTIVE, ended_at=None)
                | Q(
                    status__in=sorted(status.value for status in rules.FINAL),
                    ended_at__isnull=False,
                ),
                name="gamesessions_gamesession_status",
            ),
            models.CheckConstraint(
                condition=Q(voided_at=None, voided_reason="")
                | Q(voided_at__isnull=False) & ~Q(voided_reason="") & ~Q(status=_ACTIVE),
                name="gamesessions_gamesession_voided",
            ),
        ]
        indexes = [
            models.Index("user", F("id").desc(), name="gamesessions_newest"),
            models.Index(
                fields=["ended_at"],
                condition=Q(ended_at__isnull=False, trimmed=False),
                name="gamesessions_untrimmed",
            ),
            models.Index(
                fields=["-id"], condition=Q(voided_at__isnull=False), name="gamesessions_voided"
            ),
        ]

    @override
    def __str__(self) -> str:
        return f"{self.score} ({self.status}), begun {self.started_at:%Y-%m-%d %H:%M}"

    @property
    def public_id(self) -> str:
        """The id under which every door knows the session."""
        return ids.encode(self.TABLE_NUMBER, self.id)

    @property
    def is_over(self) -> bool:
        """Whether the session changes no more."""
        return self.status in rules.FINAL


class Save(Copy):
    """A former copy of a session; of each, the last ``rules.MAX_SAVES`` are kept."""

    TABLE_NUMBER: ClassVar[int] = 10011

    session = models.ForeignKey(GameSession, on_delete=models.CASCADE, db_index=False)
    saved_at = models.DateTimeField()

    class Meta(Copy.Meta):
        constraints = [
            *Copy.Meta.constraints,
            models.UniqueConstraint(fields=["session", "version"], name="gamesessions_save_once"),
        ]

    @override
    def __str__(self) -> str:
        return f"version {self.version}: {self.score}"


class PlayEvent(models.Model):
    """Something that a client says a player did, in a game that no server has watched."""

    TABLE_NUMBER: ClassVar[int] = 10012

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    session = models.ForeignKey(GameSession, on_delete=models.CASCADE, db_index=False)
    client_id = models.CharField(max_length=rules.MAX_CLIENT_ID_LENGTH)
    type = models.CharField(max_length=16, choices=_EVENT_TYPES)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    data = JsonText(default=None)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["session", "client_id"], name="gamesessions_event_once"
            ),
            models.CheckConstraint(
                condition=Range(Length("client_id"), (1, rules.MAX_CLIENT_ID_LENGTH)),
                name="gamesessions_playevent_client_id",
            ),
            models.CheckConstraint(
                condition=Q(type__in=[kind.value for kind in EventType]),
                name="gamesessions_playevent_type",
            ),
            models.CheckConstraint(
                condition=LessThanOrEqual(OctetLength("data"), rules.MAX_EVENT_BYTES),
                name="gamesessions_playevent_data_bytes",
            ),
        ]

    @override
    def __str__(self) -> str:
        return f"{self.type} at {self.occurred_at}"
