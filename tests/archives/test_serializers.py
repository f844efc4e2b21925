"""REST and functions refuse the same documents, whichever is asked first."""

from typing import Any

import pytest
from rest_framework.exceptions import ValidationError

from archives import serializers
from archives.errors import InvalidContentError
from archives.rules import checking
from archives.rules import content as rules
from tests.archives import documents
from tests.archives.documents import Json, mark, snake

SHAPES: list[tuple[Any, type[rules.Document], Json, str]] = [
    (serializers.PageDocument, rules.Page, documents.page(), "pageId"),
    (serializers.LevelDocument, rules.Level, documents.level(), "levelId"),
    (serializers.VariantDocument, rules.Variant, documents.variant(), "variantId"),
]


class TestShapes:
    @pytest.mark.parametrize(("shape", "kind", "document", "key"), SHAPES)
    def test_read_documents_as_functions_do(
        self, shape: Any, kind: type[rules.Document], document: Json, key: str
    ) -> None:
        body = snake(document)
        del body[checking.snake(key)]

        read = shape.read(body)

        assert checking.plain(checking.read(kind, {**read, key: document[key]})) == document

    @pytest.mark.parametrize(
        ("number", "changed"),
        [
            (0, {"url": "u" * 2049}),
            (0, {"title": "t" * 1001}),
            (0, {"capturedAt": "t" * 65}),
            (0, {"elements": [{"elementId": "", "tag": "p"}] * 8193}),
            (0, {"elements": [{"elementId": "e" * 257, "tag": "p"}]}),
            (0, {"assets": [{"src": None}]}),
            (0, {"styles": ["s"] * 1025}),
            (0, {"tags": ["t"] * 101}),
            (0, {"tags": ["t" * 257]}),
            (0, {"html": 5}),
            (0, {"projectId": ""}),
            (0, {"projectId": "p" * 129}),
            (1, {"difficulty": 0}),
            (1, {"difficulty": 11}),
            (1, {"difficulty": 1.5}),
            (1, {"pageIds": ["p"] * 501}),
            (1, {"pageIds": [""]}),
            (1, {"mutationParams": {"fakeRate": 1.1, "subtlety": 0, "maxFakeSpans": 1}}),
            (1, {"mutationParams": {"fakeRate": 0, "subtlety": -0.1, "maxFakeSpans": 1}}),
            (1, {"mutationParams": {"fakeRate": 0, "subtlety": 0, "maxFakeSpans": 0}}),
            (1, {"mutationParams": {"fakeRate": 0, "subtlety": 0, "maxFakeSpans": 8193}}),
            (2, {"difficulty": 11}),
            (2, {"levelId": "l" * 129}),
            (2, {"fakeMarks": []}),
            (2, {"fakeMarks": [mark()] * 65}),
            (2, {"fakeMarks": [mark(kind="TRUE")]}),
            (2, {"fakeMarks": [mark(snippet="")]}),
            (2, {"fakeMarks": [mark(snippet="s" * 4001)]}),
            (2, {"fakeMarks": [mark(explanation="e" * 4001)]}),
            (2, {"fakeMarks": [mark(elementId="e" * 257)]}),
            (2, {"alteredContent": None}),
        ],
    )
    def test_have_the_limits_that_the_rules_have(self, number: int, changed: Json) -> None:
        shape, kind, document, key = SHAPES[number]
        body = snake(document | changed)
        del body[checking.snake(key)]

        with pytest.raises(InvalidContentError):
            checking.read(kind, document | changed)
        with pytest.raises(ValidationError):
            shape.read(body)
