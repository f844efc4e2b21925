"""What a team brings from Convex: a zip as ``npx convex export`` writes it, and its import."""

import hashlib
import json
import zipfile
from collections.abc import Iterable
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from django.core.management import CommandError, call_command

from dust import ids
from dust.identity import Identity, local_issuer

Json = dict[str, Any]

NUMBERS = {
    name: 10_001 + at
    for at, name in enumerate(
        (
            *("archives", "cachedContent", "gameSessions", "leaderboard", "levels"),
            *("multiplayerActions", "multiplayerRooms", "pageVariants", "pages", "users"),
        )
    )
}
"""The numbers that tables have there, which are not ours."""

MADE_AT = 1_771_113_600_123.25
"""When the first row was made, in milliseconds: Convex has fractions of them."""

ada = Identity(local_issuer.ISSUER, "user_ada")
bob = Identity(local_issuer.ISSUER, "user_bob")

_README = "Welcome to your Convex snapshot export!"
_DAY = 20_499


class Report(NamedTuple):
    """What the command says, and with what it fails, if it does."""

    lines: list[str]
    error: str = ""


def old_key(name: str) -> UUID:
    """Return the internal id of a document: fourteen bytes of chance and the day it was made."""
    return UUID(bytes=hashlib.sha256(name.encode()).digest()[:14] + _DAY.to_bytes(2))


def old_id(table: str, name: str) -> str:
    """Return the id of a document at Convex."""
    return ids.encode(NUMBERS[table], old_key(f"{table} {name}"))


def document(table: str, name: str, *, after: float = 0, **fields: Any) -> Json:
    """Return a document made so many milliseconds after the first."""
    return {"_creationTime": MADE_AT + after, "_id": old_id(table, name), **fields}


def user(name: str = "ada", *, after: float = 0, **changed: Any) -> Json:
    fields = {
        "avatarUrl": f"https://img.clerk.com/{name}",
        "clerkId": f"user_{name}",
        "createdAt": float(int(MADE_AT + after)),
        "username": name,
    }
    return document("users", name, after=after, **{**fields, **changed})


def session(name: str = "first", *, of: str = "ada", after: float = 0, **changed: Any) -> Json:
    """Return a game that was completed; ``endedAt=None`` leaves it active."""
    fields = {
        "accuracy": 87.5,
        "combo": 4.0,
        "endedAt": MADE_AT + after + 60_000,
        "level": 3.0,
        "pagesCompleted": 5.0,
        "score": 1250.0,
        "startedAt": float(int(MADE_AT + after)),
        "status": "completed",
        "userId": f"user_{of}",
    } | changed
    if fields["endedAt"] is None:
        fields |= {"status": "active"}
        del fields["endedAt"]
    return document("gameSessions", name, after=after, **fields)


def entry(of: str = "ada", *, name: str = "", after: float = 0, **changed: Any) -> Json:
    fields = {
        "accuracy": 92.5,
        "achievedAt": float(int(MADE_AT + after)),
        "avatarUrl": f"https://img.clerk.com/{of}",
        "boardKey": "solo:3",
        "clerkId": f"user_{of}",
        "leaderboardType": "solo",
        "level": 3.0,
        "pagesCompleted": 5.0,
        "score": 1250.0,
        "userId": old_id("users", of),
        "username": of,
    }
    return document("leaderboard", name or of, after=after, **{**fields, **changed})


def archive(name: str = "first", *, of: str = "ada", after: float = 0, **changed: Any) -> Json:
    """Return what was archived in the first game."""
    items = [
        {"contentType": "wiki", "level": 3.0, "sectionText": "Lighthouses.", "wasCorrect": True},
        {"contentType": "news", "level": 3.0, "sectionText": "A sea.", "wasCorrect": False},
    ]
    fields = {
        "correctItems": 1.0,
        "items": items,
        "savedAt": float(int(MADE_AT + after)),
        "sessionId": old_id("gameSessions", "first"),
        "totalItems": 2.0,
        "userId": f"user_{of}",
    }
    return document("archives", name, after=after, **{**fields, **changed})


def write(path: Path, tables: dict[str, Iterable[Json | bytes]]) -> Path:
    """Write an export; a line of bytes is written as it is."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("README.md", _README)
        numbered = [{"name": name, "id": NUMBERS[name]} for name in tables if name in NUMBERS]
        packed.writestr("_tables/documents.jsonl", _lines(numbered))
        for name, rows in tables.items():
            packed.writestr(f"{name}/generated_schema.jsonl", '"any"\n')
            packed.writestr(f"{name}/documents.jsonl", _lines(rows))
    return path


def import_file(path: Path, *options: str, issuer: str = local_issuer.ISSUER) -> Report:
    """Run the command."""
    out = StringIO()
    try:
        call_command("import_convex", str(path), "--issuer", issuer, *options, stdout=out)
    except CommandError as error:
        return Report(out.getvalue().splitlines(), str(error))
    return Report(out.getvalue().splitlines())


def import_rows(folder: Path, **tables: Iterable[Json | bytes]) -> Report:
    """Write an export of these rows, and import it."""
    return import_file(write(folder / "export.zip", tables))


def _lines(rows: Iterable[Json | bytes]) -> bytes:
    texts = (row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows)
    return b"".join(text + b"\n" for text in texts)
