"""Shapes refuse what they do not declare; fields show and read what every client agrees on."""

from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from rest_framework.exceptions import ValidationError

from dust import ids
from dust.rest.serializers import Id, Number, QueryNumber, Text, Time, WholeNumber
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
            "weight": ["Must be a whole number from 1 to 10."],
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


class TestQueryNumber:
    @pytest.mark.parametrize(("given", "read"), [("7", 7), ("-3", -3), ("007", 7)])
    def test_takes_digits(self, given: str, read: int) -> None:
        assert QueryNumber().run_validation(given) == read

    @pytest.mark.parametrize("given", ["", "seven", "7.5", "7e3", "9" * 1001])
    def test_refuses_whatever_else_a_query_string_may_hold(self, given: str) -> None:
        with pytest.raises(ValidationError, match=r"Must be a whole number\."):
            QueryNumber().run_validation(given)


class TestNumber:
    @pytest.mark.parametrize(("given", "read"), [(99, 99.0), (0.5, 0.5), (-1, -1.0)])
    def test_takes_numbers(self, given: Any, read: float) -> None:
        assert Number().run_validation(given) == read

    @pytest.mark.parametrize("given", ["99", False, None, [], 10**400])
    def test_refuses_texts_truth_values_and_what_no_float_can_hold(self, given: Any) -> None:
        with pytest.raises(ValidationError):
            Number().run_validation(given)


class TestLimit:
    """One sentence names it, whichever side of it a value is on and whichever door it came by."""

    @pytest.mark.parametrize(
        ("limits", "sentence"),
        [
            ({"min_value": -5, "max_value": 5}, "Must be a whole number from -5 to 5."),
            ({"min_value": 0, "max_value": 5}, "Must be a whole number from 0 to 5."),
            ({"min_value": -5}, "Must be a whole number of at least -5."),
            ({"max_value": 5}, "Must be a whole number of at most 5."),
        ],
    )
    @pytest.mark.parametrize("field", [WholeNumber, QueryNumber])
    def test_of_whole_numbers_is_named(
        self, field: Any, limits: dict[str, int], sentence: str
    ) -> None:
        given = [7.5, -6 if "min_value" in limits else None, 6 if "max_value" in limits else None]

        for value in filter(None, given):
            with pytest.raises(ValidationError) as refusal:
                field(**limits).run_validation(value if field is WholeNumber else str(value))
            assert refusal.value.detail == [sentence]

    @pytest.mark.parametrize("given", [-0.1, 1.1, "1"])
    def test_of_numbers_is_named(self, given: Any) -> None:
        with pytest.raises(ValidationError) as refusal:
            Number(min_value=0, max_value=1).run_validation(given)

        assert refusal.value.detail == ["Must be a number from 0 to 1."]

    @pytest.mark.parametrize(
        ("options", "given", "sentence"),
        [
            ({"max_length": 3}, "long", "Must be 1 to 3 characters long."),
            ({"max_length": 3}, "", "Must be 1 to 3 characters long."),
            ({"max_length": 3, "min_length": 2}, "x", "Must be 2 to 3 characters long."),
            ({"max_length": 3, "allow_blank": True}, "long", "Must be at most 3 characters long."),
        ],
    )
    def test_of_texts_is_named(self, options: dict[str, Any], given: str, sentence: str) -> None:
        with pytest.raises(ValidationError) as refusal:
            Text(**options).run_validation(given)

        assert refusal.value.detail == [sentence]


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
