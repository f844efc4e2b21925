"""Jobs and crons in the admin, to be looked at: what is scheduled, and what became of it."""

from typing import ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from typing_extensions import override

from dust import ids
from dust.admin import LookingAdmin
from dust.livequery.models import CronRow, Job


@admin.register(Job)
class JobAdmin(LookingAdmin[Job]):
    """Everything that is scheduled, and what was over in the last week; newest first."""

    list_display = ("path", "state", "scheduled_at", "completed_at", "error", "cron", "job_id")
    list_filter = ("state", "kind")
    search_fields: ClassVar[tuple[str, ...]] = ("path", "cron")
    search_help_text = "A job's id, or the whole name of a function or cron."

    @override
    def has_change_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False

    @override
    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Job], search_term: str
    ) -> tuple[QuerySet[Job], bool]:
        if not search_term:
            return queryset, False
        try:
            return queryset.filter(pk=ids.decode(search_term, Job.TABLE_NUMBER)), False
        except ids.InvalidIdError:
            return queryset.filter(path=search_term) | queryset.filter(cron=search_term), False

    @admin.display(description="id")
    def job_id(self, job: Job) -> str:
        return ids.encode(Job.TABLE_NUMBER, job.id)


@admin.register(CronRow)
class CronAdmin(LookingAdmin[CronRow]):
    """Every declared cron, and when it is due next."""

    list_display = ("name", "schedule", "next_at")
    ordering = ("name",)

    @override
    def has_change_permission(self, request: HttpRequest, obj: CronRow | None = None) -> bool:
        return False
