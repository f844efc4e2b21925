"""Rows of everything that the admin shows, as many as one likes, and as hostile as may be."""

from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group
from django.db import IntegrityError, connection, models, transaction

from accounts.models import Ban, Erasure, Tombstone, User
from archives.models import (
    Archive,
    CachedContent,
    IngestCredential,
    Level,
    Page,
    PageVariant,
    Run,
)
from dust.convex.models import AdminKey
from dust.livequery.models import CronRow, Job
from gamesessions.models import GameSession, JsonText
from leaderboard.models import Board
from tests.factories import (
    AttemptFactory,
    EntryFactory,
    GameSessionFactory,
    PlayEventFactory,
    SaveFactory,
    UserFactory,
)
from tests.rest import restore_boards

ATTACK = "\"'><i onload=x>"
HARM = "<i onload"
HARMLESS = "&lt;i onload"

NOW = datetime(2026, 3, 14, tzinfo=UTC)

Rows = dict[str, list[Any]]
"""By the label of their model, such as ``leaderboard.Entry``."""

_WRITTEN: dict[str, Any] = {"size": 2, "created_at": NOW}
_DOCUMENT: dict[str, Any] = _WRITTEN | {"project_id": "desert", "updated_at": NOW}


def _page(n: int) -> Page:
    lists: dict[str, Any] = {name: [] for name in ("tags", "elements", "assets", "styles")}
    return Page(page_id=f"page {n}", captured_at="today", element_count=0, **lists, **_DOCUMENT)


def _level(n: int) -> Level:
    of_it: dict[str, Any] = {"difficulty": 3, "page_ids": [], "page_count": 0}
    params = {"fake_rate": 0, "subtlety": 0, "max_fake_spans": 1}
    return Level(level_id=f"level {n}", **of_it, **params, **_DOCUMENT)


def _variant(n: int) -> PageVariant:
    keys: dict[str, Any] = {"variant_id": f"v {n}", "level_id": "level 0", "page_id": f"page {n}"}
    of_it: dict[str, Any] = {"difficulty": 3, "is_valid": True, "mark_count": 1, "fake_marks": []}
    return PageVariant(**keys, **of_it, **_DOCUMENT)


def _content(n: int) -> CachedContent:
    of_it: dict[str, Any] = {"content_type": "news", "difficulty": 3, "section_count": 1}
    of_it |= {"is_demo": False, "content": {}, "updated_at": NOW}
    return CachedContent(key=f"key {n}", title="", **of_it, **_WRITTEN)


def _credential(n: int) -> IngestCredential:
    of_it: dict[str, Any] = {"name": "crawler", "projects": [], "created_at": NOW}
    return IngestCredential(handle=f"{n:012x}", token_digest="0" * 64, **of_it)


def _key(n: int) -> AdminKey:
    return AdminKey(name="console", handle=f"{n:012x}", token_digest="0" * 64, created_at=NOW)


_ALONE: dict[type[models.Model], Callable[[int], models.Model]] = {
    Job: lambda n: Job(path="test:note", kind="mutation", args="{}", scheduled_at=NOW),
    CronRow: lambda n: CronRow(name=f"cron {n}", schedule="hourly", next_at=NOW),
    Tombstone: lambda n: Tombstone(issuer="somebody", subject=f"gone {n}", deleted_at=NOW),
    Page: _page,
    Level: _level,
    PageVariant: _variant,
    CachedContent: _content,
    IngestCredential: _credential,
    AdminKey: _key,
}


def _of_players(users: list[User], sessions: list[GameSession]) -> list[models.Model]:
    board = Board.objects.get(key="solo:3")
    nothing: dict[str, Any] = {"items": [], "total_items": 0, "correct_items": 0}
    rows: list[models.Model] = []
    for user, session in zip(users, sessions, strict=True):
        rows += [
            AttemptFactory.build(user=user, board=board),
            EntryFactory.build(user=user, board=board),
            SaveFactory.build(session=session),
            PlayEventFactory.build(session=session),
            Ban(user=user, reason="a bot", banned_at=NOW),
            Erasure(user=user, requested_at=NOW, progressed_at=NOW),
            LogEntry(user=user, object_id="1", object_repr="it", action_flag=CHANGE),
            Run(session=session, mode="level", level=3, page_count=5),
            Archive(user=user, session=session, saved_at=NOW, **nothing, **_WRITTEN),
        ]
    return rows


def fill(count: int) -> Rows:
    """Create so many rows of every model that the admin shows; those of one number go together.

    Of boards there are the fixed ones, and of groups there are never many.
    """
    restore_boards()
    users = User.objects.bulk_create(UserFactory.build_batch(count))
    sessions = GameSession.objects.bulk_create(
        GameSessionFactory.build(user=user, version=2) for user in users
    )
    rows: Rows = {model._meta.label: [] for model in admin.site._registry}
    rows |= {"accounts.User": users, "gamesessions.GameSession": sessions}
    rows["leaderboard.Board"] = list(Board.objects.all())
    made = _of_players(users, sessions)
    made += [make(n) for make in _ALONE.values() for n in range(count)]
    made += [Group(name=f"group {n}") for n in range(min(count, 3))]
    by_model: dict[type[models.Model], list[models.Model]] = {}
    for row in made:
        by_model.setdefault(type(row), []).append(row)
    for model, unsaved in by_model.items():
        rows[model._meta.label] = model._default_manager.bulk_create(unsaved)
    return rows


def poison(rows: Rows) -> set[str]:
    """Put the attack in every text of each model's first row; return where it cannot stand.

    Sessions are voided, or they would take no reason. A few texts are too short for any attack.
    """
    GameSession.objects.update(
        status="abandoned", ended_at=NOW, voided_at=NOW, voided_reason="a bot"
    )
    safe = set()
    for label, [row, *_] in rows.items():
        for field in row._meta.concrete_fields:
            is_text = isinstance(field, models.CharField | models.TextField)
            has_room = (field.max_length or len(ATTACK)) >= len(ATTACK)
            if is_text and has_room and not field.choices and not field.primary_key:
                values = [[ATTACK]] if isinstance(field, JsonText) else [ATTACK, f"http://{ATTACK}"]
                if not any(_write(row, field.name, value) for value in values):
                    safe.add(f"{label}.{field.name}")
        row.refresh_from_db()
    return safe


def _write(row: models.Model, field: str, value: Any) -> bool:
    try:
        with transaction.atomic():
            type(row)._default_manager.filter(pk=row.pk).update(**{field: value})
    except IntegrityError:
        return False
    return True


def create_groups() -> None:
    """Create the groups again, which migrations made and the test before may have flushed."""
    groups = import_module("archives.migrations.0003_groups")
    groups.create(apps, connection.schema_editor())
    keys = import_module("dust.convex.migrations.0002_operators_revoke")
    keys.add(apps, connection.schema_editor())
