"""Shapes refuse what they do not declare; fields show and read what every client agrees on."""

from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from rest_framework.exceptions import ValidationError

from dust import ids
from dust.rest.serializers import Id, Number, Time, WholeNumber
from tests.dust.rest.toys import TOY, Toy


class TestShape:
    def test_reads_what_it_declares(self) -> None:
        assert Toy.read({"name": "top", "weight": 3.0}) == {"name": "top", "weight": 3}

    @pytest.mark.parametrize("data", [None, [], [TOY], "top", 3])
    def test_refuses_what_is_no_object(self, data: Any) -> None:
        with pytest.raises(ValidationError):
            Toy.read(data)

    def test_names_each_missing_and_wrong_field(self) -> None:
        with pytest.raises(ValidationError) as refusal:
            Toy.read({"weight": 11})

        assert refusal.value.detail == {
            "name": ["This field is required."],
            "weight": ["Must be at most 10."],
        }

    def test_names_a_few_of_the_unknown_fields_and_not_all_of_each(self) -> None:
        extra = {f"{number:02}{'x' * 100}": 1 for number in range(30)}

        with pytest.raises(ValidationError) as refusal:
            Toy.read(TOY | extra)

        assert isinstance(refusal.value.detail, dict)
        assert len(refusal.value.detail) == 10
        assert refusal.value.detail["00" + "x" * 62] == ["Unknown field."]

    def test_serves_every_request_with_one_instance_that_keeps_nothing(self) -> None:
        first = Toy.read(TOY)

        second = Toy.read({"name": "ball", "weight": 1})

        assert first == TOY
        assert second == {"name": "ball", "weight": 1}


class TestWholeNumber:
    @pytest.mark.parametrize(("given", "read"), [(7, 7), (7.0, 7), (-3, -3), (2**70, 2**70)])
    def test_takes_numbers_without_a_fraction(self, given: Any, read: int) -> None:
        result = WholeNumber().run_validation(given)

        assert result == read
        assert type(result) is int

    @pytest.mark.parametrize("given", ["7", 7.5, True, None, [7], {}, float("nan"), float("inf")])
    def test_refuses_texts_truth_values_and_fractions(self, given: Any) -> None:
        with pytest.raises(ValidationError):
            WholeNumber().run_validation(given)

    def test_names_its_limits(self) -> None:
        with pytest.raises(ValidationError, match="Must be at least -5"):
            WholeNumber(min_value=-5).run_validation(-6)


class TestNumber:
    @pytest.mark.parametrize(("given", "read"), [(99, 99.0), (0.5, 0.5), (-1, -1.0)])
    def test_takes_numbers(self, given: Any, read: float) -> None:
        assert Number().run_validation(given) == read

    @pytest.mark.parametrize("given", ["99", False, None, [], 10**400])
    def test_refuses_texts_truth_values_and_what_no_float_can_hold(self, given: Any) -> None:
        with pytest.raises(ValidationError):
            Number().run_validation(given)


class TestTime:
    def test_shows_utc_with_microseconds(self) -> None:
        noon_in_kathmandu = datetime(
            2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=5, minutes=45))
        )

        assert Time().to_representation(noon_in_kathmandu) == "2026-01-31T06:15:00.000000Z"


class TestId:
    key = UUID("0196f0a0-0000-7000-8000-000000000001")

    def test_shows_and_reads_the_same_opaque_text(self) -> None:
        text = Id(7).to_representation(self.key)

        assert text == ids.encode(7, self.key)
        assert Id(7).run_validation(text) == self.key

    @pytest.mark.parametrize("given", ["", "nonsense", 7, str(key)])
    def test_refuses_what_is_no_id(self, given: Any) -> None:
        with pytest.raises(ids.InvalidIdError):
            Id(7).run_validation(given)

    def test_refuses_an_id_of_another_table(self) -> None:
        with pytest.raises(ids.InvalidIdError):
            Id(7).run_validation(ids.encode(8, self.key))
