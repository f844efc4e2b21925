"""The tables of the leaderboard."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import ExpressionWrapper, Q, Value
from django.db.models.functions import Cast, Concat
from typing_extensions import override
from uuid_utils.compat import uuid7

from leaderboard import rules
from leaderboard.rules import Source

_SOURCES = [(source.value, source.value.title()) for source in Source]
_KINDS = [(kind.value, kind.value.title()) for kind in rules.Kind]


class Board(models.Model):
    """One of the fixed boards.

    Its primary key is the name that every door shows (``solo:3``, ``coop``), which never changes:
    whatever reads or writes one board says so without having looked the board up.
    """

    key = models.CharField(max_length=16, primary_key=True)
    kind = models.CharField(max_length=8, choices=_KINDS)
    level = models.SmallIntegerField(null=True, blank=True)

    @override
    def __str__(self) -> str:
        return self.key


class ScoreBound(models.Model):
    """The most that may be claimed on a board by whoever has completed so many pages, or more.

    With still more pages the next bound of the board holds. Where a board has none, any score may
    be claimed. What the server itself knows of is not bounded.
    """

    board = models.ForeignKey(
        Board, on_delete=models.CASCADE, related_name="bounds", db_index=False
    )
    pages_completed = models.SmallIntegerField()
    score = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["board", "pages_completed"], name="leaderboard_bound_once"
            )
        ]

    @override
    def __str__(self) -> str:
        return f"{self.score} on {self.board_id} from {self.pages_completed} pages on"


class Result(models.Model):
    """What someone achieved on a board, within the limits of ``leaderboard.rules``.

    ``VALUES`` are the columns that tell what it was.
    """

    VALUES: ClassVar = ("score", "accuracy", "level", "pages_completed", "source")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    board = models.ForeignKey(
        Board, on_delete=models.PROTECT, related_name="%(class)s_set", db_index=False
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="leaderboard_%(class)s_set",
        db_index=False,
    )
    score = models.BigIntegerField()
    accuracy = models.FloatField()
    level = models.SmallIntegerField()
    pages_completed = models.SmallIntegerField()
    source = models.CharField(max_length=16, choices=_SOURCES)

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=Q(score__range=(rules.MIN_SCORE, rules.MAX_SCORE)),
                name="%(app_label)s_%(class)s_score",
            ),
            models.CheckConstraint(
                condition=Q(accuracy__range=(0, rules.MAX_ACCURACY)),
                name="%(app_label)s_%(class)s_accuracy",
            ),
            models.CheckConstraint(
                condition=Q(level__range=(rules.MIN_LEVEL, rules.MAX_LEVEL)),
                name="%(app_label)s_%(class)s_level",
            ),
            models.CheckConstraint(
                condition=Q(board=rules.COOP)
                | Q(board=Concat(Value("solo:"), Cast("level", models.CharField()))),
                name="%(app_label)s_%(class)s_level_of_board",
            ),
            models.CheckConstraint(
                condition=Q(pages_completed__range=(0, rules.MAX_PAGES)),
                name="%(app_label)s_%(class)s_pages_completed",
            ),
            models.CheckConstraint(
                condition=Q(source__in=[source.value for source in Source]),
                name="%(app_label)s_%(class)s_source",
            ),
        ]

    @override
    def __str__(self) -> str:
        return f"{self.score} on {self.board_id}"


class EntryQuerySet(models.QuerySet["Entry"]):
    """Entries of a board."""

    def listed(self) -> "EntryQuerySet":
        """Keep those that are shown and count in ranks."""
        return self.filter(ranked=True, hidden=False, suspended=False)

    def in_order(self) -> "EntryQuerySet":
        """Best first; of equals, whoever was earlier."""
        return self.order_by("-score", "achieved_at", "id")


class Entry(Result):
    """A player's best result on a board.

    ``ranked`` says whether its source was among those that rank when it was written; a change of
    that setting reaches the rows by ``manage.py check_ranks --repair``. Hiding is a moderator's
    doing and outlives better scores; ``suspended`` says that the player is banned. On PostgreSQL a
    trigger keeps the rank counters (see ``leaderboard.queries.ranks``) true to these rows, however
    they are written.
    """

    TABLE_NUMBER: ClassVar[int] = 10002

    ranked = models.BooleanField()
    achieved_at = models.DateTimeField()
    hidden = models.BooleanField(default=False)
    suspended = models.BooleanField(default=False, db_default=False)
    hidden_reason = models.CharField(max_length=rules.MAX_REASON_LENGTH, blank=True, default="")

    objects = EntryQuerySet.as_manager()

    class Meta(Result.Meta):
        verbose_name_plural = "entries"
        constraints = [
            *Result.Meta.constraints,
            models.UniqueConstraint(fields=["user", "board"], name="leaderboard_entry_once"),
        ]
        indexes = [
            models.Index(
                "board",
                models.F("score").desc(),
                "achieved_at",
                "id",
                condition=Q(ranked=True, hidden=False, suspended=False),
                name="leaderboard_entry_order",
            )
        ]

    @property
    def is_listed(self) -> bool:
        """Whether the entry is shown and counts in ranks."""
        return self.ranked and not self.hidden and not self.suspended


class AttemptQuerySet(models.QuerySet["Attempt"]):
    """What players have submitted."""

    def best_first(self) -> "AttemptQuerySet":
        """Keep those that count, in the order in which entries prefer them.

        What ranks goes before what does not (see ``Entry``); of equals, whoever was earlier.
        """
        ranks = Q(source__in=settings.LEADERBOARD_RANKED_SOURCES)
        counting = self.filter(withdrawn=False).annotate(
            ranks=ExpressionWrapper(ranks, output_field=models.BooleanField())
        )
        return counting.order_by("-ranks", "-score", "created_at", "id")


class Attempt(Result):
    """One result as it was submitted, whether or not it was the player's best.

    It is evidence and stays as it was, except that ``withdrawn`` says when it counts no more. Of a
    great many, ``leaderboard.services.attempts`` keeps a player's best and newest.
    """

    TABLE_NUMBER: ClassVar[int] = 10003

    improved = models.BooleanField()
    withdrawn = models.BooleanField(default=False, db_default=False)
    created_at = models.DateTimeField()

    objects = AttemptQuerySet.as_manager()

    class Meta(Result.Meta):
        indexes = [models.Index(fields=["user", "board"], name="leaderboard_attempt_player")]


class RankCount(models.Model):
    """How many listed entries a range of scores holds; see ``leaderboard.queries.ranks``."""

    pk = models.CompositePrimaryKey("board_key", "node")
    board_key = models.CharField(max_length=16)
    node = models.BigIntegerField()
    count = models.BigIntegerField()
    is_split = models.BooleanField(default=False)

    @override
    def __str__(self) -> str:
        return f"{self.count} in {self.node} on {self.board_key}"


class RankDelta(models.Model):
    """An entry that came to (1) or went from (-1) a score and is not yet in the counters."""

    board_key = models.CharField(max_length=16)
    score = models.BigIntegerField()
    change = models.SmallIntegerField()

    class Meta:
        indexes = [
            models.Index("board_key", "score", include=["change"], name="leaderboard_delta_score")
        ]

    @override
    def __str__(self) -> str:
        return f"{self.change:+} at {self.score} on {self.board_key}"
