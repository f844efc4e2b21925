"""The shapes of the leaderboard in REST. Their limits are those of ``leaderboard.rules``."""

from typing import Any

from rest_framework import serializers

from dust.rest.serializers import Id, Number, QueryNumber, Shape, Text, Time, WholeNumber
from leaderboard import models, rules


class Board(Shape):
    """A leaderboard."""

    board = serializers.CharField(source="key")
    kind = serializers.ChoiceField(list(rules.Kind))
    level = serializers.IntegerField(
        allow_null=True, help_text="The level that is played there; null where any may be."
    )


class TopQuery(Shape):
    """Which part of a board."""

    limit = QueryNumber(min_value=1, max_value=rules.MAX_TOP, default=rules.DEFAULT_TOP)
    cursor = Text(
        required=False,
        max_length=rules.MAX_CURSOR_LENGTH,
        help_text="The `next_cursor` of the page before.",
    )


class AroundQuery(Shape):
    """How many entries in each direction."""

    radius = QueryNumber(min_value=1, max_value=rules.MAX_RADIUS, default=rules.DEFAULT_RADIUS)


class Play(Shape):
    """What came of one game."""

    score = WholeNumber(min_value=rules.MIN_SCORE, max_value=rules.MAX_SCORE)
    accuracy = Number(min_value=0, max_value=rules.MAX_ACCURACY, help_text="In percent.")
    level = WholeNumber(
        min_value=rules.MIN_LEVEL,
        max_value=rules.MAX_LEVEL,
        help_text="That of the board, where it has one.",
    )
    pages_completed = WholeNumber(min_value=0, max_value=rules.MAX_PAGES)


class Best(Shape):
    """A player's best result on a board."""

    id: Any = Id(models.Entry.TABLE_NUMBER)
    score = serializers.IntegerField(min_value=rules.MIN_SCORE, max_value=rules.MAX_SCORE)
    accuracy = serializers.FloatField()
    level = serializers.IntegerField()
    pages_completed = serializers.IntegerField()
    source: Any = serializers.ChoiceField(list(rules.Source))
    achieved_at = Time()


class Entry(Best):
    """An entry as its board shows it."""

    rank = serializers.IntegerField(
        allow_null=True, help_text="Null if the entry is hidden or does not rank."
    )
    username = serializers.CharField()
    avatar_url = serializers.CharField(allow_blank=True)


class Mine(Shape):
    """The caller's entry."""

    entry = Entry(allow_null=True, help_text="Null for those who have none.")


class Around(Shape):
    """The entries around the caller's, best first; none for those who have none."""

    results = Entry(many=True)


class Submission(Shape):
    """What became of a result, and the player's best after it. The rank is left to `me`."""

    status = serializers.ChoiceField(list(rules.Status))
    leaderboard_updated = serializers.BooleanField()
    board = serializers.CharField()
    entry = Best()
