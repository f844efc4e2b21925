from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.db.models import F, Value
from django.test.utils import isolate_apps

from dust.livequery.columns import columns_of, key_fields, kind, known, pins_of
from dust.livequery.readset import MAX_PIN_VALUES
from tests.livequery_app.models import Entry, Player, Team, TimedEntry

KEY = UUID(int=7)


class Colour(models.TextChoices):
    RED = "red"


class LowerCase(models.CharField[str, str]):
    """Somebody's own field, which may store anything."""


class TestKnown:
    @pytest.mark.parametrize(
        ("field", "values", "canonical"),
        [
            (models.IntegerField(), ["5", 5, True], {5, 1}),
            (models.CharField(max_length=9), ["5", 5, Colour.RED], {"5", "red"}),
            (models.TextField(), ["", None], {"", None}),
            (models.BooleanField(), ["True", 1, False], {True, False}),
            (models.UUIDField(), [str(KEY), KEY, KEY.hex], {KEY}),
            (Entry._meta.get_field("player"), [KEY.hex], {KEY}),
            (TimedEntry._meta.get_field("entry_ptr"), ["3"], {3}),
        ],
    )
    def test_brings_values_into_the_form_that_compares(
        self, field: Any, values: list[Any], canonical: set[Any]
    ) -> None:
        found = known(field, values)

        assert found is not None
        assert set(found) == canonical
        assert {type(value) for value in found} <= {int, str, bool, UUID, type(None)}

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            (models.IntegerField(), F("score")),
            (models.IntegerField(), Value(3)),
            (models.IntegerField(), "three"),
            (models.UUIDField(), "no uuid"),
            (models.FloatField(), 1.0),
            (models.DateTimeField(), datetime(2026, 3, 14)),  # noqa: DTZ001
            (models.JSONField(), "text"),
            (models.CharField(db_collation="nocase"), "text"),
            (LowerCase(), "text"),
        ],
    )
    def test_does_not_guess(self, field: Any, value: Any) -> None:
        assert known(field, [value]) is None

    def test_does_not_trust_text_that_the_database_may_cut(self) -> None:
        field = models.CharField(max_length=3)

        assert known(field, ["abc"]) == frozenset({"abc"})
        assert known(field, ["abc "]) is None

    def test_gives_up_on_too_many_values(self) -> None:
        field = models.IntegerField()

        assert len(known(field, range(MAX_PIN_VALUES)) or ()) == MAX_PIN_VALUES
        assert known(field, range(MAX_PIN_VALUES + 1)) is None


class TestKind:
    def test_follows_foreign_keys_to_what_they_hold(self) -> None:
        assert kind(Entry._meta.get_field("player")) is UUID
        assert kind(TimedEntry._meta.get_field("entry_ptr")) is int

    def test_is_not_that_of_what_a_generated_column_computes(self) -> None:
        assert kind(Entry._meta.get_field("double")) is None


class TestKeyFields:
    @pytest.mark.parametrize(
        ("model", "names"),
        [
            (Team, {"id", "name", "captain"}),
            (Player, {"id", "team"}),
            (Entry, {"id", "board", "player"}),
            (TimedEntry, {"entry_ptr", "seconds"}),
            (Player.fans.through, {"id", "from_player", "to_player"}),
        ],
    )
    def test_are_those_that_lead_to_a_row(self, model: Any, names: set[str]) -> None:
        assert {field.name for field in key_fields(model)} == names

    @isolate_apps("tests.livequery_app")
    def test_are_in_any_kind_of_index(self) -> None:
        class Indexed(models.Model):
            free = models.IntegerField()
            together = models.IntegerField()
            named = models.IntegerField()
            descending = models.IntegerField()
            alone = models.SlugField()
            at = models.DateTimeField(db_index=True)

            class Meta:
                app_label = "livequery_app"
                unique_together = [("together", "alone")]
                indexes = [models.Index("named", F("descending").desc(), name="indexed")]

        names = {field.name for field in key_fields(Indexed)}

        assert names == {"id", "together", "alone", "named", "descending"}


class TestPinsOf:
    def test_takes_fields_by_any_of_their_names(self) -> None:
        assert pins_of(Entry, {"player": KEY, "pk": [1, 2], "board": "x"}) == {
            "player_id": {KEY},
            "id": {1, 2},
            "board": {"x"},
        }
        assert pins_of(Entry, {"player_id": str(KEY)}) == {"player_id": {KEY}}

    def test_refuses_what_the_table_does_not_have(self) -> None:
        with pytest.raises(FieldDoesNotExist):
            pins_of(TimedEntry, {"board": "x"})
        with pytest.raises(FieldDoesNotExist):
            columns_of(Entry, ["colour"])
        with pytest.raises(FieldDoesNotExist):
            columns_of(Player, ["fans"])

    def test_leaves_out_what_holds_too_many_values(self) -> None:
        assert pins_of(Entry, {"pk": range(MAX_PIN_VALUES + 1), "board": "x"}) == {"board": {"x"}}

    def test_refuses_values_that_cannot_be_told(self) -> None:
        with pytest.raises(TypeError):
            pins_of(Entry, {"extra": "x"})
