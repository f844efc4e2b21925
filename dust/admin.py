"""What the admin pages of every app share: rows are found and looked at, and changed by services.

Tables may have millions of rows. So nothing here counts them all, offers them in a menu, or sorts
them in whatever order one clicks on.
"""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.forms import CharField, TextInput
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property
from typing_extensions import override

from dust.errors import DustError

MOST_COUNTED = 10_000
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
        widget=TextInput(attrs={"placeholder": "The reason, for the log", "size": 40}),
    )


class LookingAdmin(admin.ModelAdmin[M]):
    """Rows to look at; they change by services only."""

    paginator = BoundedPaginator
    show_full_result_count = False
    ordering: ClassVar[tuple[str, ...]] = ("-pk",)
    sortable_by: ClassVar[tuple[str, ...]] = ()
    actions: Any = None

    class Media:
        css = {"all": ["dust/admin.css"]}

    @override
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @override
    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        # Not the one that every page is offered: it deletes, and asks for no reason.
        own = self.actions or ()
        return {name: it for name, it in super().get_actions(request).items() if name in own}

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

    def moderate(
        self, request: HttpRequest, rows: QuerySet[M], work: Callable[..., int], *, done: str
    ) -> None:
        """Have ``work`` done to the chosen rows, for the reason that was given; tell what came.

        It is called with their keys, ``reason`` and ``moderator_id``, and returns how many it
        changed. What it refuses is shown.
        """
        name = self.opts.verbose_name_plural
        ids: list[UUID] = list(rows.values_list("pk", flat=True)[: MOST_MODERATED_AT_ONCE + 1])
        if len(ids) > MOST_MODERATED_AT_ONCE:
            limit = f"No more than {MOST_MODERATED_AT_ONCE} {name} at once."
            self.message_user(request, limit, messages.ERROR)
            return
        try:
            count = work(ids, reason=request.POST.get("reason", ""), moderator_id=request.user.pk)
        except DustError as error:
            self.message_user(request, error.message, messages.ERROR)
        else:
            self.message_user(request, f"{str(name).capitalize()} {done}: {count}.")
