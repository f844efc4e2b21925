"""The leaderboard in the admin: all of it can be looked at, and entries can be moderated."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin import PlayersSearch
from dust.admin import LookingAdmin, ReasonForm
from leaderboard.models import Attempt, Board, Entry
from leaderboard.services import moderation


@admin.register(Board)
class BoardAdmin(LookingAdmin[Board]):
    """The boards there are."""

    list_display = ("key", "kind", "level")
    ordering = ("level", "key")
    search_fields = ("key",)
    list_filter = ("kind",)


@admin.register(Attempt)
class AttemptAdmin(PlayersSearch[Attempt]):
    """Everything that was ever submitted, newest first."""

    list_select_related = ("user", "board")
    list_display = (
        "user",
        "board",
        "score",
        "accuracy",
        "source",
        "improved",
        "withdrawn",
        "created_at",
    )
    list_filter = ("board", "source", "improved", "withdrawn")


@admin.register(Entry)
class EntryAdmin(PlayersSearch[Entry]):
    """The best result of each player on each board, newest players' first."""

    action_form = ReasonForm
    actions = ("hide", "unhide", "delete_selected")
    list_select_related = ("user", "board")
    list_display = (
        "user",
        "board",
        "score",
        "accuracy",
        "source",
        "ranked",
        "suspended",
        "hidden",
        "hidden_reason",
        "achieved_at",
    )
    list_filter = ("board", "hidden", "suspended", "ranked", "source")
    sortable_by = ("score",)

    @admin.action(description="Hide, for a reason", permissions=["change"])
    def hide(self, request: HttpRequest, entries: QuerySet[Entry]) -> None:
        self.moderate(request, entries, moderation.hide_entries, done="hidden")

    @admin.action(description="Show again, for a reason", permissions=["change"])
    def unhide(self, request: HttpRequest, entries: QuerySet[Entry]) -> None:
        self.moderate(request, entries, moderation.unhide_entries, done="shown again")

    @admin.action(description="Delete, for a reason", permissions=["delete"])
    def delete_selected(self, request: HttpRequest, entries: QuerySet[Entry]) -> None:
        self.moderate(request, entries, moderation.delete_entries, done="deleted")
