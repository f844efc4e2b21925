"""Four models with every kind of relation, on which the engine's noticing is tried."""

from django.db import models
from typing_extensions import override
from uuid_utils.compat import uuid7


class Team(models.Model):
    name = models.CharField(max_length=40, unique=True)
    motto = models.TextField(blank=True)
    captain = models.ForeignKey(
        "Player", on_delete=models.SET_NULL, null=True, related_name="captained"
    )

    class Meta:
        ordering = ["name"]

    @override
    def __str__(self) -> str:
        return self.name


class Player(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=40)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, null=True, related_name="players")
    fans = models.ManyToManyField("self", symmetrical=False, related_name="idols")
    last_seen = models.DateTimeField(null=True)

    @override
    def __str__(self) -> str:
        return self.name


class Entry(models.Model):
    board = models.CharField(max_length=16)
    player = models.ForeignKey(Player, on_delete=models.CASCADE, related_name="entries")
    score = models.IntegerField(default=0)
    hidden = models.BooleanField(default=False)
    extra = models.JSONField(default=dict)
    seen_by = models.ManyToManyField(Team, related_name="seen")
    double = models.GeneratedField(
        expression=models.F("score") * 2, output_field=models.IntegerField(), db_persist=True
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["board", "player"], name="livequery_app_entry_once")
        ]

    @override
    def __str__(self) -> str:
        return f"{self.score} on {self.board}"


class TimedEntry(Entry):
    """In two tables: what an entry has is in the entry's."""

    seconds = models.IntegerField(db_index=True)
