"""Admin keys in the admin: looked at, and revoked."""

from datetime import UTC, datetime
from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from typing_extensions import override

from dust.admin import LookingAdmin, ReasonForm
from dust.convex import keys
from dust.convex.models import AdminKey


@admin.register(AdminKey)
class AdminKeyAdmin(LookingAdmin[AdminKey]):
    """Keys that were made by command, which alone can make them."""

    action_form = ReasonForm
    actions = ("revoke",)
    list_display = ("name", "handle", "created_at", "last_used_at", "revoked_at")
    search_fields = ("name", "handle")

    @override
    def get_fields(self, request: HttpRequest, obj: AdminKey | None = None) -> Any:
        return list(self.list_display)

    @admin.action(description="Revoke, for a reason", permissions=["change"])
    def revoke(self, request: HttpRequest, rows: QuerySet[AdminKey]) -> None:
        work = partial(keys.revoke, now=datetime.now(UTC))
        self.moderate(request, rows, work, done="revoked")
