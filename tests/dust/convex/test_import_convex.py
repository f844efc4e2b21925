"""A team moves here: what an operator sees of it, and what a bad file does."""

import json
import logging
import tracemalloc
import zipfile
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from accounts.models import User
from dust import jsonlines
from dust.identity import local_issuer
from dust.identity.providers import clerk
from gamesessions.models import GameSession
from leaderboard.models import Entry
from tests import exported
from tests.exported import Json, import_file, import_rows, write
from tests.rest import restore_boards

pytestmark = pytest.mark.django_db(transaction=True)

TABLES: dict[str, list[Json | bytes]] = {
    "users": [exported.user("ada"), exported.user("bob")],
    "gameSessions": [exported.session()],
    "leaderboard": [exported.entry("ada"), exported.entry("bob")],
    "archives": [exported.archive()],
    "multiplayerRooms": [exported.document("multiplayerRooms", "a", roomCode="ABCDEF")],
}


@pytest.fixture(autouse=True)
def _boards(db: None) -> None:
    restore_boards()


@pytest.fixture
def export(tmp_path: Path) -> Path:
    return write(tmp_path / "export.zip", {**TABLES})


def damage(path: Path, *, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(data)


def set_flag(path: Path, bit: int) -> None:
    """Set a flag of every entry where a zip lists them."""
    data = bytearray(path.read_bytes())
    start = 0
    while (start := data.find(b"PK\1\2", start + 1)) >= 0:
        data[start + 8] |= bit
    path.write_bytes(data)


class TestImport:
    def test_says_of_every_table_what_became_of_it(self, export: Path) -> None:
        report = import_file(export)

        assert report.error == ""
        assert report.lines == [
            "users: 2 taken, 0 there already, 0 refused",
            "gameSessions: 1 taken, 0 there already, 0 refused",
            "leaderboard: 2 taken, 0 there already, 0 refused",
            "pages: not in the file",
            "levels: not in the file",
            "pageVariants: not in the file",
            "cachedContent: not in the file",
            "archives: 1 taken, 0 there already, 0 refused",
            "multiplayerRooms: not taken, there is no such table here",
        ]

    def test_adds_the_second_time_what_the_first_did_not(self, tmp_path: Path) -> None:
        import_rows(tmp_path, users=TABLES["users"][:1])

        report = import_rows(tmp_path, **TABLES)

        assert report.lines[0] == "users: 1 taken, 1 there already, 0 refused"

    def test_leaves_out_what_components_keep(self, tmp_path: Path) -> None:
        components: dict[str, Any] = {"_components/other/users": [exported.user("eve")]}
        report = import_file(write(tmp_path / "export.zip", TABLES | components))

        assert report.lines[-2] == (
            "_components/other/users: not taken, there is no such table here"
        )
        assert not User.objects.filter(username="eve").exists()


class TestDryRun:
    def test_says_the_same_and_writes_nothing(
        self, export: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO):
            dry = import_file(export, "--dry-run")

        assert not User.objects.exists()
        assert not Entry.objects.exists()
        assert caplog.records == []
        assert dry.lines == [*import_file(export).lines, "Nothing was written."]

    def test_refuses_the_same(self, tmp_path: Path) -> None:
        rows = [exported.session(level=11.0), exported.session("second")]
        export = write(tmp_path / "export.zip", {"gameSessions": rows})

        dry = import_file(export, "--dry-run")

        assert dry.error == "Rows refused: 1."
        assert not GameSession.objects.exists()


class TestLines:
    @pytest.mark.parametrize(
        ("line", "why"),
        [
            (b'{"_id": "j57', "It is no JSON"),
            (b"\xff\xfe", "It is no JSON"),
            (b"[" * 5000, "It is no JSON"),
            (b"[]", "It is no object."),
            (b'{"$integer": "AAAAAAAAAAA="}', "It is no object."),
            (b"{}", "It has no _id, or no _creationTime."),
            (json.dumps(exported.user() | {"_id": 5}).encode(), "It has no _id"),
            (json.dumps(exported.user() | {"_id": "j57"}).encode(), "This is not an id"),
            (json.dumps(exported.user() | {"_creationTime": None}).encode(), "no _creationTime"),
            (
                json.dumps(exported.user() | {"_creationTime": 1e300}).encode(),
                "_creationTime: Must be a time in milliseconds since 1970.",
            ),
            (
                json.dumps(exported.user() | {"username": ["ada"]}).encode(),
                "Expected `str`, got `array` - at `$.username`.",
            ),
            (
                json.dumps({"_id": exported.old_id("users", "x"), "_creationTime": 1}).encode(),
                "Object missing required field `clerkId`.",
            ),
            (b'{"username": "\\ud800"}', ""),
            (b'{"username": {"$bytes": "!"}}', "document.username is not in padded base64."),
        ],
    )
    def test_that_are_bad_are_refused_one_by_one(
        self, tmp_path: Path, line: bytes, why: str
    ) -> None:
        report = import_rows(tmp_path, users=[exported.user("bob"), line, exported.user("eve")])

        assert report.lines[0].startswith("users line 2: refused. ")
        assert why in report.lines[0]
        assert report.lines[1] == "users: 2 taken, 0 there already, 1 refused"
        assert report.error == "Rows refused: 1."

    def test_may_have_whole_numbers_without_a_point(self, tmp_path: Path) -> None:
        whole = {"_creationTime": 1771113600123, "createdAt": 1771113600123}

        report = import_rows(tmp_path, users=[exported.user() | whole])

        assert report.error == ""

    def test_that_are_far_too_long_are_never_in_memory(self, tmp_path: Path) -> None:
        endless = b'{"username": "' + b"x" * (8 * jsonlines.LONGEST_LINE_BYTES) + b'"}'
        path = write(tmp_path / "export.zip", {"users": [endless, exported.user()]})
        del endless

        tracemalloc.start()
        report = import_file(path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert report.lines[:2] == [
            f"users line 1: refused. It has more than {jsonlines.LONGEST_LINE_BYTES} bytes.",
            "users: 1 taken, 0 there already, 1 refused",
        ]
        assert peak < 4 * jsonlines.LONGEST_LINE_BYTES


class TestFiles:
    @pytest.mark.parametrize("data", [b"", b"users", b"PK\5\6" + bytes(17), b"PK\3\4" * 99])
    def test_are_zips(self, tmp_path: Path, data: bytes) -> None:
        path = tmp_path / "export.zip"
        path.write_bytes(data)

        assert import_file(path).error.startswith(f"{path}: It is no zip: ")

    def test_are_there(self, tmp_path: Path) -> None:
        missing = import_file(tmp_path / "export.zip")

        assert missing.error.endswith("export.zip: It cannot be read: No such file or directory.")
        assert import_file(tmp_path).error == f"{tmp_path}: It cannot be read: Is a directory."

    def test_hold_a_table_of_ours(self, tmp_path: Path) -> None:
        path = write(tmp_path / "export.zip", {"videos": []})

        assert import_file(path).error == f"{path}: It holds none of our tables."

    def test_that_were_cut_short_are_no_zips(self, export: Path) -> None:
        export.write_bytes(export.read_bytes()[:-60])

        assert "It is no zip" in import_file(export).error
        assert not User.objects.exists()

    @pytest.mark.parametrize("bit", [1, 32])
    def test_are_packed_so_that_they_can_be_read(self, export: Path, bit: int) -> None:
        set_flag(export, bit)

        assert "users/documents.jsonl cannot be read on: " in import_file(export).error

    def test_are_loaded_as_far_as_they_can_be_read(self, tmp_path: Path) -> None:
        path = tmp_path / "export.zip"
        rows = [exported.user(f"player{number}") for number in range(3000)]
        write(path, {"users": [exported.user(), *([b" "] * 9), *rows]})
        with zipfile.ZipFile(path) as packed:
            info = packed.getinfo("users/documents.jsonl")
        damage(path, at=info.header_offset + info.compress_size // 2)

        report = import_file(path)

        assert "users/documents.jsonl cannot be read on: " in report.error
        assert User.objects.filter(username="ada").exists()


class TestIssuer:
    def test_is_clerk_as_it_is_set_up(self, export: Path, settings: Settings) -> None:
        provider = clerk("clerk.example")
        settings.AUTH_PROVIDERS, settings.CLERK_ISSUER = [provider], provider.issuer

        call_command("import_convex", str(export), stdout=StringIO())

        assert {*User.objects.values_list("issuer", flat=True)} == {"https://clerk.example"}

    def test_must_be_named_without_clerk(self, export: Path) -> None:
        with pytest.raises(CommandError, match=r"^--issuer is needed without Clerk\. .*"):
            call_command("import_convex", str(export))

        assert not User.objects.exists()

    @pytest.mark.parametrize("issuer", ["https://elsewhere.example", "local-staff", "deleted"])
    def test_is_one_whose_tokens_are_accepted(self, export: Path, issuer: str) -> None:
        report = import_file(export, issuer=issuer)

        assert report.error == (f"--issuer {issuer}: tokens are accepted of {local_issuer.ISSUER}.")
        assert not User.objects.exists()
