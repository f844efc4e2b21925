"""The leaderboard in the admin: all of it can be looked at, and entries can be moderated.

Boards may have millions of entries. So nothing here counts them all, offers them in a menu, or
sorts them in whatever order one clicks on.
"""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Model, Q, QuerySet
from django.forms import CharField, TextInput
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property
from typing_extensions import override

from accounts.models import User
from leaderboard import rules
from leaderboard.errors import InvalidReasonError
from leaderboard.models import Attempt, Board, Entry
from leaderboard.services import moderation

MOST_COUNTED = 10_000
MOST_PLAYERS_FOUND = 200
MOST_MODERATED_AT_ONCE = 1_000

M = TypeVar("M", bound=Model)


class BoundedPaginator(Paginator[M]):
    """Counts only as far as somebody might leaf."""

    object_list: QuerySet[M]

    @cached_property
    @override
    def count(self) -> int:
        return self.object_list[:MOST_COUNTED].count()


class ReasonForm(ActionForm):
    """Which action, and why."""

    reason = CharField(
        required=False,
        max_length=rules.MAX_REASON_LENGTH,
        widget=TextInput(attrs={"placeholder": "The reason, for the log", "size": 40}),
    )


class LookingAdmin(admin.ModelAdmin[M]):
    """Rows to look at; they change by services only."""

    paginator = BoundedPaginator
    show_full_result_count = False
    ordering: ClassVar[tuple[str, ...]] = ("-pk",)
    sortable_by: ClassVar[tuple[str, ...]] = ()
    actions: Any = None

    @override
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @override
    def get_readonly_fields(self, request: HttpRequest, obj: M | None = None) -> list[str]:
        return [field.name for field in self.opts.fields]

    @override
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        no_buttons = {"show_save": False, "show_save_and_continue": False, "show_delete": False}
        return super().change_view(request, object_id, form_url, no_buttons)

    @override
    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        # The permission itself stays: whoever may not delete entries could not delete a user.
        raise PermissionDenied


class PlayersSearch(LookingAdmin[M]):
    """Finds rows by the beginning of their player's name, or by the player's whole subject."""

    search_fields: ClassVar[tuple[str, ...]] = ("user__username", "user__subject")
    search_help_text = (
        f"How a player's name begins (the first {MOST_PLAYERS_FOUND} such players), or a subject."
    )
    list_select_related = ("user", "board")

    @override
    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[M], search_term: str
    ) -> tuple[QuerySet[M], bool]:
        if not search_term:
            return queryset, False
        named = Q(username__istartswith=search_term) | Q(subject=search_term)
        users = User.objects.filter(named).values_list("id", flat=True)
        return queryset.filter(user_id__in=list(users[:MOST_PLAYERS_FOUND])), False


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

    list_display = ("user", "board", "score", "accuracy", "source", "improved", "created_at")
    list_filter = ("board", "source", "improved")


@admin.register(Entry)
class EntryAdmin(PlayersSearch[Entry]):
    """The best result of each player on each board, newest players' first."""

    action_form = ReasonForm
    actions = ("hide", "unhide", "delete_selected")
    list_display = (
        "user",
        "board",
        "score",
        "accuracy",
        "source",
        "ranked",
        "hidden",
        "hidden_reason",
        "achieved_at",
    )
    list_filter = ("board", "hidden", "ranked", "source")
    sortable_by = ("score",)

    @admin.action(description="Hide, for a reason", permissions=["change"])
    def hide(self, request: HttpRequest, entries: QuerySet[Entry]) -> None:
        self._moderate(request, entries, moderation.hide_entries, done="hidden")

    @admin.action(description="Show again, for a reason", permissions=["change"])
    def unhide(self, request: HttpRequest, entries: QuerySet[Entry]) -> None:
        self._moderate(request, entries, moderation.unhide_entries, done="shown again")

    @admin.action(description="Delete, for a reason", permissions=["delete"])
    def delete_selected(self, request: HttpRequest, entries: QuerySet[Entry]) -> None:
        self._moderate(request, entries, moderation.delete_entries, done="deleted")

    def _moderate(
        self,
        request: HttpRequest,
        entries: QuerySet[Entry],
        work: Callable[..., int],
        *,
        done: str,
    ) -> None:
        ids: list[UUID] = list(entries.values_list("id", flat=True)[: MOST_MODERATED_AT_ONCE + 1])
        if len(ids) > MOST_MODERATED_AT_ONCE:
            limit = f"No more than {MOST_MODERATED_AT_ONCE} entries at once."
            self.message_user(request, limit, messages.ERROR)
            return
        try:
            count = work(ids, reason=request.POST.get("reason", ""), moderator_id=request.user.pk)
        except InvalidReasonError as error:
            self.message_user(request, error.message, messages.ERROR)
        else:
            self.message_user(request, f"Entries {done}: {count}.")
