"""Users in the admin: staff are added here, players are found, renamed and disabled."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.http import HttpRequest
from typing_extensions import override

from accounts.models import User


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


@admin.register(LogEntry)
class LogAdmin(admin.ModelAdmin[LogEntry]):
    """What staff have done, and why: also to things that are gone."""

    date_hierarchy = "action_time"
    list_display = ("action_time", "user", "content_type", "object_repr", "change_message")
    list_filter = ("action_flag", "content_type")
    list_select_related = ("user", "content_type")
    search_fields = ("object_repr", "change_message", "user__login")

    @override
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @override
    def has_change_permission(self, request: HttpRequest, obj: LogEntry | None = None) -> bool:
        return False

    @override
    def has_delete_permission(self, request: HttpRequest, obj: LogEntry | None = None) -> bool:
        return False


@admin.register(User)
class UserAdmin(DjangoUserAdmin[User]):
    """Users, newest first."""

    form = ChangeForm
    add_form = StaffCreationForm
    list_display = ("username", "subject", "issuer", "is_active", "is_staff", "created_at")
    list_filter = ("is_active", "is_staff", "is_superuser", "created_at")
    search_fields = ("username", "subject", "login")
    ordering = ("-id",)
    readonly_fields = ("issuer", "subject", "login", "created_at", "last_login")
    show_full_result_count = False
    fieldsets: ClassVar[Any] = (
        (None, {"fields": ("username", "avatar_url", "is_active")}),
        ("Identity", {"fields": ("issuer", "subject", "created_at")}),
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
                    "user_permissions",
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
        return self.readonly_fields if obj else ()
