"""The shapes of game sessions in REST. Their limits are those of ``gamesessions.rules``."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from typing_extensions import override

from dust.rest.serializers import Id, Number, QueryNumber, Shape, Text, Time, WholeNumber
from gamesessions import models, rules


@extend_schema_field({"description": "Any JSON."})
class Json(serializers.Field[Any, Any, Any, Any]):
    """A value that is the client's own."""

    @override
    def to_internal_value(self, data: Any) -> Any:
        return data

    @override
    def to_representation(self, value: Any) -> Any:
        return value


_MEASURE = "counted as compact JSON in UTF-8, however it is written and escaped"
_STATE = (
    f"The client's own: any JSON of at most {rules.MAX_STATE_BYTES} bytes ({_MEASURE}), nested at "
    f"most {rules.MAX_DEPTH} deep."
)


class Copy(Shape):
    """How far a game had come."""

    version = serializers.IntegerField(help_text="Counts the session's copies.")
    score = serializers.IntegerField()
    level = serializers.IntegerField()
    combo = serializers.IntegerField()
    pages_completed = serializers.IntegerField()
    accuracy = serializers.FloatField(help_text="In percent.")


class Session(Copy):
    """A game, without the client's state."""

    id: Any = Id(models.GameSession.TABLE_NUMBER)
    status = serializers.ChoiceField(list(rules.Status))
    refereed = serializers.BooleanField(
        help_text="True where the server plays by its own rules: no client can save it."
    )
    started_at = Time()
    updated_at = Time()
    ended_at = Time(allow_null=True)
    voided_at = Time(
        allow_null=True, help_text="When a moderator decided that it counts for nothing."
    )


class WholeSession(Session):
    """A game, with all that is needed to resume it."""

    state: Any = Json(allow_null=True, help_text=_STATE)


class Active(Shape):
    """The game that the caller is in."""

    session = WholeSession(allow_null=True, help_text="Null for those who are in none.")


class Save(Copy):
    """A former copy of a session, without the client's state."""

    saved_at = Time(help_text="When it became the present copy.")


class ListQuery(Shape):
    """Which of the caller's sessions."""

    limit = QueryNumber(min_value=1, max_value=rules.MAX_PAGE, default=rules.DEFAULT_PAGE)
    cursor = Text(
        required=False,
        max_length=rules.MAX_CURSOR_LENGTH,
        help_text="The `next_cursor` of the page before.",
    )


class Change(Shape):
    """What to save; what is left out stays as it is."""

    version = WholeNumber(
        min_value=1, max_value=rules.MAX_COUNT, help_text="The one that this is based on."
    )
    score = WholeNumber(required=False, min_value=rules.MIN_SCORE, max_value=rules.MAX_SCORE)
    level = WholeNumber(required=False, min_value=rules.MIN_LEVEL, max_value=rules.MAX_LEVEL)
    combo = WholeNumber(required=False, min_value=0, max_value=rules.MAX_COUNT)
    pages_completed = WholeNumber(
        required=False, min_value=0, max_value=rules.MAX_COUNT, help_text="It never becomes less."
    )
    accuracy = Number(
        required=False, min_value=0, max_value=rules.MAX_ACCURACY, help_text="In percent."
    )
    state: Any = Json(required=False, allow_null=True, help_text=_STATE)


class Restoration(Shape):
    """Which former copy to make the present one again."""

    version = WholeNumber(
        min_value=1, max_value=rules.MAX_COUNT, help_text="The present one, that this is based on."
    )
    save: Any = WholeNumber(
        min_value=1, max_value=rules.MAX_COUNT, help_text="The former one, to go back to."
    )


class Batch(Shape):
    """Events of a game that was played while the server was away."""

    events = serializers.ListField(
        child=Json(allow_null=True),
        max_length=rules.MAX_EVENTS_PER_CALL,
        help_text=(
            f"Objects of `client_id` (1 to {rules.MAX_CLIENT_ID_LENGTH} printable characters, the "
            f"event's own within the session), `type` (one of {', '.join(rules.EventType)}), "
            "`occurred_at` (a time with its offset) and, if there is more to say, `data` (any JSON "
            f"of at most {rules.MAX_EVENT_BYTES} bytes, {_MEASURE}). Each is judged by itself, "
            "even if it holds NaN, a number too large, a NUL or half of a surrogate pair."
        ),
    )


class Rejection(Shape):
    """Why an event was not kept."""

    index = serializers.IntegerField(help_text="Where in the batch it stands, from 0.")
    code = serializers.CharField()
    message = serializers.CharField()
    fields: Any = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()),
        help_text="What is wrong with which of its fields.",
    )


class Report(Shape):
    """What became of a batch."""

    recorded = serializers.IntegerField()
    duplicates = serializers.IntegerField(
        help_text="Events whose `client_id` the session has already; they count once."
    )
    rejected = Rejection(many=True)
