"""What an operator runs."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from typing_extensions import override

from archives.management.commands import seed_content
from archives.models import CachedContent, IngestCredential, Level, Page, PageVariant
from archives.queries.contents import list_demo
from archives.queries.levels import count_valid, list_levels
from archives.services import credentials
from tests.archives import documents
from tests.archives.documents import PROJECT

pytestmark = pytest.mark.django_db


class Terminal(StringIO):
    @override
    def isatty(self) -> bool:
        return True


def run(*command: Any, stderr: StringIO | None = None) -> str:
    out = StringIO()
    call_command(*command, stdout=out, stderr=stderr or StringIO())
    return out.getvalue()


def write(path: Path, *rows: Any) -> Path:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


LEVEL = {"kind": "level", **documents.level()}


class TestSeedContent:
    def test_loads_what_is_shipped_once(self) -> None:
        first = run("seed_content")
        rows = [kind.objects.count() for kind in (Page, Level, PageVariant, CachedContent)]

        again = run("seed_content")

        assert "refused" not in first
        assert [kind.objects.count() for kind in (Page, Level, PageVariant, CachedContent)] == rows
        assert "created" not in again
        assert "updated" not in again

    def test_leaves_something_to_play_everywhere(self) -> None:
        run("seed_content")

        playable = {each.level_id for each in count_valid("calgaryhacks2026")}
        levels = list_levels("calgaryhacks2026")
        assert [level.difficulty for level in levels] == list(range(1, 11))
        assert {level.level_id for level in levels} <= playable
        assert len(list_demo()) == 5
        assert CachedContent.objects.count() >= 17

    def test_takes_a_file_and_reports_on_each_row(self, tmp_path: Path) -> None:
        file = write(tmp_path / "rows.jsonl", LEVEL, "nonsense", LEVEL | {"difficulty": 99})
        out = StringIO()

        with pytest.raises(CommandError, match="Rows refused: 2") as failure:
            call_command("seed_content", "--file", file, stdout=out)

        told = out.getvalue().splitlines()
        assert failure.value.returncode == 1
        assert told[0] == f"row 1: level '{PROJECT}_level_01': created"
        assert told[1].startswith("row 2: no object: refused. It is no JSON")
        assert told[2].startswith(f"row 3: level '{PROJECT}_level_01': refused.")
        assert "difficulty" in told[2]
        assert told[3] == "rows.jsonl: 1 created, 2 refused"
        assert Level.objects.count() == 1

    def test_takes_json(self, tmp_path: Path) -> None:
        file = write(tmp_path / "rows.json", {"levels": [documents.level()]})

        told = run("seed_content", "--file", file)

        assert told == f"row 1: level '{PROJECT}_level_01': created\nrows.json: 1 created\n"

    def test_tells_as_much_as_it_is_asked_to(self, tmp_path: Path) -> None:
        file = write(tmp_path / "rows.jsonl", LEVEL)
        brief, wordy = ("--verbosity", "0"), ("--verbosity", "2")

        assert run("seed_content", "--file", file, *brief) == "rows.jsonl: 1 created\n"
        assert "row 1: " not in run("seed_content")
        assert run("seed_content", *wordy).startswith("row 1: ")

    def test_shows_how_far_it_is_where_somebody_looks(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        file = write(tmp_path / "rows.jsonl", LEVEL, LEVEL | {"levelId": "another"})
        terminal = Terminal()

        told = run("seed_content", "--file", file, stderr=terminal)

        assert "[###############" in terminal.getvalue()
        assert "100%, 2 rows" in terminal.getvalue()
        assert [line[:7] for line in told.splitlines()] == ["row 1: ", "row 2: ", "rows.js"]
        assert "\r" not in told
        assert not caplog.records

    def test_logs_what_it_changes_where_nobody_looks(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        run("seed_content", stderr=Terminal())

        run("seed_content", "--file", write(tmp_path / "rows.jsonl", LEVEL))

        assert "content changed" in caplog.messages

    def test_says_what_is_wrong_with_a_file(self, tmp_path: Path) -> None:
        with pytest.raises(CommandError, match="No such file"):
            run("seed_content", "--file", tmp_path / "nowhere.jsonl")
        with pytest.raises(CommandError, match="no JSON object"):
            run("seed_content", "--file", write(tmp_path / "rows.json", "nonsense"))
        assert run("seed_content", "--file", write(tmp_path / "empty.jsonl")) == (
            "empty.jsonl: empty\n"
        )

    def test_finds_what_is_shipped(self) -> None:
        names = {path.name for path in seed_content.SHIPPED.glob("*.jsonl")}

        assert names == {"demo.jsonl", "calgaryhacks2026.jsonl"}


class TestExportContent:
    def test_writes_what_can_be_loaded(self, tmp_path: Path) -> None:
        run("seed_content")
        file = tmp_path / "all.jsonl"

        assert run("export_content", "--output", file) == ""
        told = run("export_content")

        assert file.read_text() == told
        count = len(told.splitlines())
        assert run("seed_content", "--file", file).endswith(f"\nall.jsonl: {count} unchanged\n")
        for kind in (Page, Level, PageVariant, CachedContent):
            kind.objects.all().delete()
        assert run("seed_content", "--file", file).endswith(f"\nall.jsonl: {count} created\n")
        assert run("export_content") == told

    def test_keeps_to_projects_if_asked_to(self, tmp_path: Path) -> None:
        run("seed_content", "--file", write(tmp_path / "rows.jsonl", LEVEL))
        run("seed_content")

        rows = [json.loads(line) for line in run("export_content", PROJECT).splitlines()]

        assert rows == [LEVEL]


class TestIngestCredential:
    def test_is_made_told_once_listed_and_revoked(self) -> None:
        told = StringIO()
        token = run("ingest_credential", "create", "crawler", PROJECT, "swamp", stderr=told).strip()
        handle = IngestCredential.objects.get().handle

        listed = run("ingest_credential", "list")

        assert credentials.check_token(token, PROJECT).subject == handle
        assert "never told again" in told.getvalue()
        assert listed == f"{handle}  crawler  {PROJECT}, swamp  last used never\n"
        assert run("ingest_credential", "revoke", handle) == f"{handle} is revoked.\n"
        assert run("ingest_credential", "list").strip().endswith("revoked")

    def test_says_what_is_wrong(self) -> None:
        with pytest.raises(CommandError, match="1 to 128 letters, digits"):
            run("ingest_credential", "create", "crawler", " ")
        with pytest.raises(CommandError, match="Not there, or revoked before: nobody"):
            run("ingest_credential", "revoke", "nobody")
        with pytest.raises(CommandError):
            run("ingest_credential")
