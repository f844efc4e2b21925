"""What REST and the functions take and show of runs is the same, under the names of each."""

from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from rest_framework.exceptions import ValidationError

from archives import serializers
from archives.functions import runs as functions
from archives.rules.content import MAX_SECTIONS
from archives.rules.playable import SeenPage
from archives.rules.runs import Mode
from dust.livequery.registry import find_job_function


class TestBothDoors:
    def test_show_the_same_fields(self) -> None:
        pairs: list[tuple[Any, Any]] = [
            (serializers.Run, functions.RunDocument),
            (serializers.RunPage, functions.PageDocument),
            (serializers.Reveal, get_args(get_type_hints(functions.PageDocument)["reveal"])[0]),
            (serializers.Truth, get_args(get_type_hints(functions.PageDocument)["verified"])[0]),
            (serializers.SeenPage, SeenPage),
        ]

        for shape, struct in pairs:
            names = {field.name for field in msgspec.structs.fields(struct)} - {"creation_time"}
            names -= {"id"} if struct is SeenPage else set()
            assert set(shape().fields) == names

    def test_take_as_many_sections(self) -> None:
        body = {"page": 1, "section_ids": ["s1"] * (MAX_SECTIONS + 1)}
        args = {"runId": "x", "page": 1, "sectionIds": body["section_ids"]}

        with pytest.raises(ValidationError):
            serializers.PageArchive.read(body)
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(args, functions.ArchiveArgs)
        assert find_job_function("runs:archive").args_type is functions.ArchiveArgs

    def test_know_the_same_modes(self) -> None:
        mode: Any = serializers.RunStart().fields["mode"]

        assert set(mode.choices) == set(Mode)
