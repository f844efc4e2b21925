"""Users in the admin: staff are added here; players are found, renamed, banned, deleted."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html_join
from typing_extensions import override

from accounts import rules
from accounts.errors import InvalidBanError
from accounts.models import Ban, Erasure, Tombstone, User
from accounts.queries import search_users
from accounts.services import bans, deletion
from dust.admin import BoundedPaginator, LookingAdmin, M, ReasonForm
from dust.errors import DustError

MOST_MODERATED_AT_ONCE = 100
MOST_STAFF_LISTED = 100
SEARCH_HELP = (
    "How a player's name begins, or a whole subject, e-mail address, login or id: the first"
    f" {rules.MOST_USERS_FOUND} players."
)

Work = Callable[[User, User], None]
"""What is done to a user, and by whom."""


class BanForm(ReasonForm):
    """Which action, why, and until when a ban lasts."""

    until = forms.CharField(
        required=False,
        widget=forms.TextInput(
            attrs={"type": "datetime-local", "title": "Until when, in UTC; empty: for good"}
        ),
    )


class StaffCreationForm(AdminUserCreationForm[User]):
    """A login and a password: players need neither."""

    class Meta:
        model = User
        fields = ("login",)
        field_classes: dict[str, type[forms.Field]] = {}

    @override
    def save(self, commit: bool = True) -> User:
        self.instance.become_staff(self.cleaned_data["login"])
        return super().save(commit)


class ChangeForm(UserChangeForm[User]):
    """What staff may change of a user; the identity is not among it."""

    class Meta:
        model = User
        fields = "__all__"
        field_classes: dict[str, type[forms.Field]] = {}


class StaffFilter(admin.SimpleListFilter):
    """Who did it, of those who are staff today: the log is not searched for who has been."""

    title = "member of staff"
    parameter_name = "by"

    @override
    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        staff = User.objects.filter(is_staff=True).order_by("-id")[:MOST_STAFF_LISTED]
        return [(user.id.hex, user.login or user.username) for user in staff]

    @override
    def queryset(self, request: HttpRequest, queryset: QuerySet[LogEntry]) -> QuerySet[LogEntry]:
        chosen = self.value()
        known = {key for key, _ in self.lookup_choices}
        return queryset.filter(user_id=chosen) if chosen in known else queryset


class PlayersSearch(LookingAdmin[M]):
    """Finds rows by their player, as ``search_users`` finds those."""

    search_fields: ClassVar[tuple[str, ...]] = ("user__username", "user__subject")
    search_help_text = SEARCH_HELP
    players_path: ClassVar[str] = "user_id"
    """Where the rows' player is, as lookups write it."""

    @override
    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[M], search_term: str
    ) -> tuple[QuerySet[M], bool]:
        if not search_term:
            return queryset, False
        return queryset.filter(**{f"{self.players_path}__in": search_users(search_term)}), False


@admin.register(LogEntry)
class LogAdmin(LookingAdmin[LogEntry]):
    """What staff have done, and why: also to things that are gone."""

    Media = LookingAdmin.Media
    list_display = ("action_time", "user", "content_type", "object_repr", "get_change_message")
    list_filter = (StaffFilter, "action_time", "action_flag", "content_type")
    list_select_related = ("user", "content_type")
    search_fields = ("object_repr", "change_message", "user__login")


@admin.register(User)
class UserAdmin(DjangoUserAdmin[User]):
    """Users, newest first. Who else is staff, and with what rights, only superusers decide."""

    Media = LookingAdmin.Media
    form = ChangeForm
    add_form = StaffCreationForm
    action_form = BanForm
    actions = ("ban", "unban", "delete_accounts")
    paginator = BoundedPaginator
    show_full_result_count = False
    ordering = ("-id",)
    sortable_by = ()
    list_display = (
        "username",
        "subject",
        "email",
        "is_banned",
        "is_active",
        "is_staff",
        "created_at",
    )
    list_filter = ("is_banned", "is_active", "is_staff", "created_at")
    search_fields = ("username",)
    search_help_text = SEARCH_HELP
    filter_horizontal = ("groups",)
    readonly_fields = (
        "issuer",
        "subject",
        "email",
        "login",
        "is_banned",
        "latest_bans",
        "created_at",
        "announced_at",
        "last_login",
    )
    fieldsets: ClassVar[Any] = (
        (None, {"fields": ("username", "avatar_url", "is_active", "is_banned", "latest_bans")}),
        ("Identity", {"fields": ("issuer", "subject", "email", "created_at", "announced_at")}),
        (
            "Staff",
            {
                "fields": (
                    "login",
                    "password",
                    "last_login",
                    "is_staff",
                    "is_superuser",
                    "groups",
                ),
                "classes": ("collapse",),
            },
        ),
    )
    add_fieldsets: Any = (
        (None, {"fields": ("login", "usable_password", "password1", "password2")}),
    )

    @override
    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        if obj is None:
            return ()
        of_superusers = () if _is_superuser(request) else ("is_staff", "is_superuser", "groups")
        return (*self.readonly_fields, *of_superusers)

    @override
    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        # Not the one that every page is offered: it deletes rows.
        own = super().get_actions(request)
        return {name: action for name, action in own.items() if name in self.actions}

    @override
    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[User], search_term: str
    ) -> tuple[QuerySet[User], bool]:
        if not search_term:
            return queryset, False
        return queryset.filter(id__in=search_users(search_term)), False

    @override
    def has_add_permission(self, request: HttpRequest) -> bool:
        return _is_superuser(request)

    @override
    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        if obj is not None and obj.is_staff and not _is_superuser(request):
            return False
        return super().has_change_permission(request, obj)

    @override
    def user_change_password(
        self,
        request: HttpRequest,
        id: str,
        form_url: str = "",
    ) -> HttpResponse:
        if not _is_superuser(request):
            raise PermissionDenied
        return super().user_change_password(request, id, form_url)

    @override
    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        # The row would take with it what must stay. Accounts are deleted by the action.
        raise PermissionDenied

    @override
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        return super().change_view(request, object_id, form_url, {"show_delete": False})

    @admin.display(description="Bans")
    def latest_bans(self, user: User) -> str:
        """Tell the latest bans, one a line."""
        bans = user.bans.select_related("banned_by", "lifted_by").order_by("-id")
        return format_html_join("", "<div>{}</div>", ((ban,) for ban in bans[:10])) or "None."

    @admin.action(description="Ban, for a reason, until a time or for good", permissions=["change"])
    def ban(self, request: HttpRequest, users: QuerySet[User]) -> None:
        now, reason = datetime.now(UTC), request.POST.get("reason", "")

        def work(user: User, by: User) -> None:
            until = _moment(request.POST.get("until", ""))
            bans.ban_user(user, reason=reason, until=until, by=by, now=now)

        self._moderate(request, users, work, done="banned")

    @admin.action(description="Unban, for a reason", permissions=["change"])
    def unban(self, request: HttpRequest, users: QuerySet[User]) -> None:
        now, reason = datetime.now(UTC), request.POST.get("reason", "")

        def work(user: User, by: User) -> None:
            bans.unban_user(user, reason=reason, by=by, now=now)

        self._moderate(request, users, work, done="let in again")

    @admin.action(
        description="Delete the account, for a reason and for good", permissions=["delete"]
    )
    def delete_accounts(self, request: HttpRequest, users: QuerySet[User]) -> None:
        now, reason = datetime.now(UTC), request.POST.get("reason", "")

        def work(user: User, by: User) -> None:
            deletion.delete_player(user, reason=reason, by=by, now=now)

        self._moderate(request, users, work, done="deleted")

    def _moderate(
        self, request: HttpRequest, users: QuerySet[User], work: Work, *, done: str
    ) -> None:
        """Do it to all of them, or to none and say why."""
        chosen = list(users.order_by("id")[: MOST_MODERATED_AT_ONCE + 1])
        if len(chosen) > MOST_MODERATED_AT_ONCE:
            limit = f"No more than {MOST_MODERATED_AT_ONCE} users at once."
            self.message_user(request, limit, messages.ERROR)
            return
        if not all(self.has_change_permission(request, user) for user in chosen):
            raise PermissionDenied
        by = request.user
        assert isinstance(by, User)
        try:
            with transaction.atomic():
                for user in chosen:
                    work(user, by)
        except DustError as error:
            why = [f"{name}: {text}" for name, texts in error.fields.items() for text in texts]
            self.message_user(request, " ".join([error.message, *why]), messages.ERROR)
        else:
            self.message_user(request, f"Users {done}: {len(chosen)}.")


@admin.register(Ban)
class BanAdmin(PlayersSearch[Ban]):
    """Every ban there has been, newest first; they are imposed and lifted among the users."""

    list_display = ("user", "reason", "banned_at", "banned_by", "until", "lifted_at", "lifted_by")
    list_filter = ("banned_at",)
    list_select_related = ("user", "banned_by", "lifted_by")


@admin.register(Tombstone)
class TombstoneAdmin(LookingAdmin[Tombstone]):
    """Who was deleted, and is refused until lifted."""

    list_display = ("subject", "issuer", "deleted_at", "lifted_at")
    search_fields = ("=subject",)


@admin.register(Erasure)
class ErasureAdmin(LookingAdmin[Erasure]):
    """How far deleted accounts have been erased."""

    list_display = ("id", "part", "requested_at", "progressed_at", "finished_at")
    list_filter = (("finished_at", admin.EmptyFieldListFilter),)


def _is_superuser(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))


def _moment(text: str) -> datetime | None:
    """Read the form's time, which is in UTC; None for no text.

    :raises InvalidBanError: if it is no time.
    """
    if not text.strip():
        return None
    try:
        moment = parse_datetime(text.strip())
    except ValueError:
        moment = None
    if moment is None:
        raise InvalidBanError(fields={"until": ["Must be a date and a time."]})
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
