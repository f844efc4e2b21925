"""The command that makes a page of a variant."""

import io
import json
import subprocess
import sys
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.archives.variants import page
from tests.house.source import ROOT

VARIANT = {
    "variantId": "v1",
    "difficulty": 3,
    "alteredContent": page("a", "b"),
    "fakeMarks": [{"kind": "FAKE", "elementId": "b", "snippet": "x", "explanation": "why"}],
    "unknown": ["fields", "are", "ignored"],
}
HEADLINES = VARIANT | {
    "alteredContent": '<h1 data-element-id="a">One</h1><h2 data-element-id="b">Two words</h2>'
    + page("c", "d")
}


def run(monkeypatch: pytest.MonkeyPatch, given: Any, *options: str) -> Any:
    """Return the page that the command prints for what it is given."""
    data = given if isinstance(given, bytes) else json.dumps(given).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    out = io.StringIO()
    call_command("adapt", *options, stdout=out)
    return json.loads(out.getvalue())


class TestAdapt:
    def test_prints_the_page(self, monkeypatch: pytest.MonkeyPatch) -> None:
        printed = run(monkeypatch, {"variant": VARIANT})

        assert printed.keys() == {
            *("id", "title", "contentType", "author", "date", "url", "difficulty"),
            *("decayDuration", "sections", "factCheckData"),
        }
        assert [(each["id"], each["isTrue"]) for each in printed["sections"]] == [
            ("a", True),
            ("b", False),
        ]
        assert (printed["difficulty"], printed["decayDuration"]) == (3, 107)

    def test_makes_it_playable_unless_told_not_to(self, monkeypatch: pytest.MonkeyPatch) -> None:
        costs = [
            [
                each["archiveCost"]
                for each in run(monkeypatch, {"variant": HEADLINES}, *raw)["sections"]
            ]
            for raw in ([], ["--raw"])
        ]

        assert costs == [[1, 1, 1], [0, 1, 1]]

    def test_takes_the_original(self, monkeypatch: pytest.MonkeyPatch) -> None:
        original = {
            "title": "The title",
            "url": "https://blog.example/",
            "capturedAt": "2026-03-14",
        }

        printed = run(monkeypatch, {"variant": VARIANT, "original": original})

        assert (printed["title"], printed["contentType"]) == ("The title", "blog")
        assert printed["date"] == "14 March 2026"

    @pytest.mark.parametrize("original", [None, {}, {"title": None, "url": None}])
    def test_takes_an_original_that_says_nothing(
        self, monkeypatch: pytest.MonkeyPatch, original: Any
    ) -> None:
        printed = run(monkeypatch, {"variant": VARIANT, "original": original})

        assert printed == run(monkeypatch, {"variant": VARIANT})

    def test_prints_text_as_it_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        content = page("é", "b") + '<p data-element-id="c">日本 \U0001f600 1</p>'

        printed = run(monkeypatch, {"variant": VARIANT | {"alteredContent": content}})

        assert [each["id"] for each in printed["sections"]] == ["é", "b", "c"]
        assert printed["sections"][2]["text"] == "日本 \U0001f600 1"

    @pytest.mark.parametrize(
        ("given", "problem"),
        [
            (b"", "Not JSON"),
            (b"{", "Not JSON"),
            (b"\xff\xfe", "Not JSON"),
            (b"[" * 10**5, "Not JSON"),
            ([], "document: Expected object, got array"),
            ({}, "variant: Missing"),
            ({"variant": None}, "variant: Expected object, got null"),
            ({"variant": {}}, "variant.variantId: Missing"),
            ({"variant": VARIANT | {"variantId": ""}}, "variant.variantId: "),
            ({"variant": VARIANT | {"difficulty": 11}}, "variant.difficulty: "),
            ({"variant": VARIANT | {"difficulty": 2.5}}, "variant.difficulty: "),
            ({"variant": VARIANT | {"difficulty": "3"}}, "variant.difficulty: "),
            ({"variant": VARIANT | {"alteredContent": None}}, "variant.alteredContent: "),
            (
                {"variant": VARIANT | {"alteredContent": "x" * (2**20 + 1)}},
                "variant.alteredContent",
            ),
            ({"variant": VARIANT | {"fakeMarks": {}}}, "variant.fakeMarks: "),
            ({"variant": VARIANT | {"fakeMarks": [{}]}}, "variant.fakeMarks.0.snippet: Missing"),
            ({"variant": VARIANT | {"fakeMarks": [{"snippet": 1}]}}, "variant.fakeMarks.0.snippet"),
            ({"variant": VARIANT | {"fakeMarks": [{"snippet": ""}] * 65}}, "variant.fakeMarks: "),
            ({"variant": VARIANT, "original": []}, "original: Expected object"),
            ({"variant": VARIANT, "original": {"title": 5}}, "original.title: Expected str"),
        ],
    )
    def test_names_what_is_wrong(
        self, monkeypatch: pytest.MonkeyPatch, given: Any, problem: str
    ) -> None:
        with pytest.raises(CommandError) as refusal:
            run(monkeypatch, given)

        assert problem in str(refusal.value)
        assert "\n" not in str(refusal.value)


class TestManage:
    def test_exits_with_an_error_and_no_traceback(self) -> None:
        done = subprocess.run(
            [sys.executable, "manage.py", "adapt"],
            cwd=ROOT,
            input=json.dumps({"variant": VARIANT | {"difficulty": 0}}),
            capture_output=True,
            text=True,
            check=False,
        )

        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.splitlines() == [done.stderr.strip()]
        assert done.stderr.startswith("CommandError: variant.difficulty: ")
