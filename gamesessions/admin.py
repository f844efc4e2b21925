"""Game sessions in the admin: found, looked at, voided, and taken back to an earlier save."""

from datetime import UTC, datetime
from functools import partial
from typing import ClassVar, TypeVar

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from typing_extensions import override

from accounts.admin import PlayersSearch
from dust.admin import ReasonForm
from gamesessions.models import GameSession, PlayEvent, Save
from gamesessions.services import moderation

M = TypeVar("M", bound=Model)


class StatefulAdmin(PlayersSearch[M]):
    """Rows whose states, which are long, are shown one at a time."""

    heavy: ClassVar[tuple[str, ...]] = ("state",)

    @override
    def get_queryset(self, request: HttpRequest) -> QuerySet[M]:
        return super().get_queryset(request).defer(*self.heavy)


@admin.register(GameSession)
class GameSessionAdmin(StatefulAdmin[GameSession]):
    """All games, newest first."""

    action_form = ReasonForm
    actions = ("void",)
    list_select_related = ("user",)
    list_display = (
        "user",
        "status",
        "refereed",
        "score",
        "level",
        "pages_completed",
        "accuracy",
        "version",
        "started_at",
        "updated_at",
        "voided_reason",
    )
    list_filter = ("status", "refereed", ("voided_at", admin.EmptyFieldListFilter))

    @admin.action(description="Void, for a reason", permissions=["change"])
    def void(self, request: HttpRequest, sessions: QuerySet[GameSession]) -> None:
        work = partial(moderation.void_sessions, now=datetime.now(UTC))
        self.moderate(request, sessions, work, done="voided")


@admin.register(Save)
class SaveAdmin(StatefulAdmin[Save]):
    """Former copies of games that can still be gone back to, newest first."""

    action_form = ReasonForm
    actions = ("restore",)
    heavy = ("state", "session__state")
    players_path = "session__user_id"
    search_fields = ("session__user__username", "session__user__subject")
    list_select_related = ("session__user",)
    list_display = (
        "session__user",
        "session",
        "version",
        "score",
        "level",
        "pages_completed",
        "saved_at",
    )

    @admin.action(description="Go back to this save, for a reason", permissions=["change"])
    def restore(self, request: HttpRequest, saves: QuerySet[Save]) -> None:
        work = partial(moderation.restore_saves, now=datetime.now(UTC))
        self.moderate(request, saves, work, done="restored")


@admin.register(PlayEvent)
class PlayEventAdmin(StatefulAdmin[PlayEvent]):
    """What clients say of games that nobody watched, newest first."""

    heavy = ("data", "session__state")
    players_path = "session__user_id"
    search_fields = ("session__user__username", "session__user__subject")
    list_select_related = ("session__user",)
    list_display = ("session__user", "session", "type", "occurred_at", "recorded_at", "client_id")
    list_filter = ("type",)
