"""Every way to write, as changes to the rows of one side."""

import json
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.db.models import F, Model, Value
from django.db.models.functions import Lower, Upper
from django.test import Client

from dust.livequery.changes import wrote
from tests.livequery_app.every_read import entries
from tests.livequery_app.models import Entry, Player, Team, TimedEntry
from tests.livequery_app.noticing import Side

Write = Callable[[Side], Any]


def saved(row: Model, *, only: list[str] | None = None, **fields: Any) -> None:
    for name, value in fields.items():
        setattr(row, name, value)
    row.save(update_fields=only)


def bulk_updated(side: Side) -> None:
    players = [side.captain, side.fan]
    for player in players:
        player.name += "!"
    Player.objects.bulk_update(players, ["name"])


def upserted(side: Side, board: str) -> None:
    Entry.objects.bulk_create(
        [Entry(board=board, player=side.captain, score=50)],
        update_conflicts=True,
        unique_fields=["board", "player"],
        update_fields=["score"],
    )


def loaded(side: Side) -> None:
    fields = {"name": "loaded", "team": side.team.pk, "fans": [str(side.captain.pk)]}
    row = {"model": "livequery_app.player", "pk": str(side.fan.pk), "fields": fields}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as fixture:
        json.dump([row], fixture)
        fixture.flush()
        call_command("loaddata", fixture.name, verbosity=0)


def staff() -> Client:
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("moderator"))
    return client


def edited_in_admin(side: Side) -> None:
    url = f"/admin/livequery_app/team/{side.team.pk}/change/"
    answer = staff().post(url, {"name": "renamed", "captain": str(side.fan.pk)})
    assert answer.status_code == 302


def deleted_in_admin(side: Side) -> None:
    data = {"action": "delete_selected", "_selected_action": side.team.pk, "post": "yes"}
    answer = staff().post("/admin/livequery_app/team/", data)
    assert answer.status_code == 302


def raw_update(side: Side) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE livequery_app_entry SET score = 70 WHERE id = %s", [side.entry.pk])
    wrote(
        Entry,
        columns=["score", "double"],
        id=side.entry.pk,
        board=side.board,
        player=side.captain.pk,
    )


WRITES: dict[str, Write] = {
    "create": lambda side: Entry.objects.create(board=side.board, player=side.fan, score=9),
    "create with a key": lambda side: Player.objects.create(name="new", team=side.team),
    "save of a new child": lambda side: TimedEntry(
        board=side.board, player=side.fan, score=9, seconds=1
    ).save(),
    "get_or_create": lambda side: Entry.objects.get_or_create(board=side.board, player=side.fan),
    "update_or_create, created": lambda side: Entry.objects.update_or_create(
        board=side.board, player=side.fan, defaults={"score": 8}
    ),
    "update_or_create, updated": lambda side: Entry.objects.update_or_create(
        board=side.board, player=side.captain, defaults={"score": 8}
    ),
    "save": lambda side: saved(side.entry, score=20),
    "save of another key": lambda side: saved(side.entry, board=f"{side.board} timed"),
    "save of another foreign key": lambda side: saved(side.entry, player=side.fan),
    "save of a hidden flag": lambda side: saved(side.entry, hidden=True),
    "save of some fields": lambda side: saved(side.team, captain=None, only=["captain"]),
    "save of a date": lambda side: saved(side.fan, last_seen=datetime(2026, 3, 14, tzinfo=UTC)),
    "save of a child": lambda side: saved(side.timed, score=6, seconds=7),
    "bulk_create": lambda side: Entry.objects.bulk_create(
        [
            Entry(board=side.board, player=side.fan, score=6),
            Entry(board=f"{side.board} timed", player=side.captain, score=7),
        ]
    ),
    "bulk_create updating conflicts": lambda side: upserted(side, side.board),
    "bulk_create finding no conflict": lambda side: upserted(side, f"{side.board} timed"),
    "bulk_update": bulk_updated,
    "update": lambda side: entries(side).update(score=30),
    "update with F": lambda side: entries(side).update(score=F("score") + 40),
    "update of another key": lambda side: entries(side).update(board=f"{side.board} moved"),
    "update to a row": lambda side: Team.objects.filter(pk=side.team.pk).update(captain=side.fan),
    "update to NULL": lambda side: Player.objects.filter(team=side.team).update(team=None),
    "update across joins": lambda side: Entry.objects.filter(
        player__team__name=side.team.name
    ).update(score=60),
    "update by a subquery": lambda side: Entry.objects.filter(
        player__in=Player.objects.filter(team=side.team)
    ).update(hidden=True),
    "update of parent and child": lambda side: TimedEntry.objects.filter(player=side.fan).update(
        score=61, seconds=62
    ),
    "many to many add": lambda side: side.fan.fans.add(side.captain),
    "many to many remove": lambda side: side.captain.fans.remove(side.fan),
    "many to many set": lambda side: side.captain.fans.set([side.captain]),
    "many to many clear": lambda side: side.team.seen.clear(),
    "many to many create": lambda side: side.captain.fans.create(name="new", team=side.team),
    "delete of a row": lambda side: side.entry.delete(),
    "delete of a child": lambda side: side.timed.delete(),
    "delete keeping the parent": lambda side: side.timed.delete(keep_parents=True),
    "delete of a queryset": lambda side: entries(side).delete(),
    "delete across joins": lambda side: Entry.objects.filter(
        player__team__name=side.team.name
    ).delete(),
    "fast delete": lambda side: Player.fans.through.objects.filter(
        from_player=side.captain
    ).delete(),
    "fast delete across joins": lambda side: Player.fans.through.objects.filter(
        from_player__team__name=side.team.name
    ).delete(),
    "cascade": lambda side: side.team.delete(),
    "cascade that sets NULL": lambda side: side.captain.delete(),
    "admin edit": edited_in_admin,
    "admin action": deleted_in_admin,
    "loaddata": loaded,
    "raw SQL": raw_update,
}
"""Writes to one side's rows, each known to be there in every table."""

VAGUE: dict[str, Write] = {
    "bulk_create updating other columns": lambda side: Team.objects.bulk_create(
        [Team(name=side.team.name, motto="new")],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["motto"],
    ),
    "bulk_create ignoring conflicts": lambda side: Entry.objects.bulk_create(
        [Entry(board=side.board, player=player, score=6) for player in [side.captain, side.fan]],
        ignore_conflicts=True,
    ),
    "update of a key to an expression": lambda side: entries(side).update(board=Upper("board")),
    "insert of a key by an expression": lambda side: Entry.objects.create(
        board=Lower(Value(side.board.upper())), player=side.fan
    ),
    "update of very many": lambda side: (
        Player.objects.bulk_create(Player(name="fan", team=side.team) for _ in range(101)),
        side.team.players.update(name="many"),
    ),
    "delete of very many": lambda side: (
        Player.fans.through.objects.bulk_create(
            Player.fans.through(from_player=side.fan, to_player=player)
            for player in Player.objects.bulk_create(Player(name="fan") for _ in range(101))
        ),
        Player.fans.through.objects.filter(from_player__team=side.team).delete(),
    ),
}
"""Writes of which it is not known, in some column, which rows they concern."""
