"""Content, archives and credentials in the admin.

Content is hostile: it is shown as text, a part of it at a time, and never as what it says it is. It
comes in by files only, since what is counted stands in columns that are worked out on the way.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial, reduce
from operator import or_
from typing import Any, TypeVar

import msgspec
from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from typing_extensions import override

from accounts.admin import PlayersSearch
from archives.models import (
    Archive,
    Bulky,
    CachedContent,
    Content,
    IngestCredential,
    Level,
    Page,
    PageVariant,
    Run,
)
from archives.queries.documents import export_rows
from archives.rules import content as rules
from archives.services import credentials, loading, moderation
from archives.services.loading import Loaded
from dust.admin import LookingAdmin, ReasonForm
from dust.errors import DustError
from gamesessions.rules import MAX_REASON_LENGTH
from gamesessions.services.moderation import void_sessions

EXCERPT_CHARACTERS = 5_000
MOST_REPORTED = 100

B = TypeVar("B", bound=Bulky)
S = TypeVar("S", bound=Content)

_KINDS = ("page", "level", "pagevariant", "cachedcontent")
_MAY_IMPORT = [f"archives.{verb}_{kind}" for kind in _KINDS for verb in ("add", "change")]
_MAY_EXPORT = [f"archives.view_{kind}" for kind in _KINDS]


class ExcerptAdmin(LookingAdmin[B]):
    """Rows with bodies, of which no list loads any and no page shows more than the beginning."""

    action_form = ReasonForm
    actions = ("delete_selected",)

    @override
    def get_queryset(self, request: HttpRequest) -> QuerySet[B]:
        return super().get_queryset(request).defer(*self.model.BODIES)

    @override
    def get_fields(self, request: HttpRequest, obj: B | None = None) -> Any:
        columns = [field.name for field in self.opts.fields if field.name not in self.model.BODIES]
        return [*columns, "beginning"] if self.model.BODIES else columns

    @override
    def get_readonly_fields(self, request: HttpRequest, obj: B | None = None) -> Any:
        return self.get_fields(request, obj)

    @admin.display(description="How it begins")
    def beginning(self, row: B) -> str:
        """Return the beginning of each body as text, which the page escapes."""
        parts = ((name, getattr(row, name)) for name in row.BODIES)
        return "\n\n".join(f"{name}:\n{_excerpt(body)}" for name, body in parts)


def _excerpt(body: Any) -> str:
    text = body if isinstance(body, str) else msgspec.json.encode(body).decode()
    return text if len(text) <= EXCERPT_CHARACTERS else f"{text[:EXCERPT_CHARACTERS]}…"


class DifficultyFilter(admin.SimpleListFilter):
    """All difficulties there can be, without looking which there are."""

    title = "difficulty"
    parameter_name = "difficulty"

    @override
    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        numbers = range(rules.MIN_DIFFICULTY, rules.MAX_DIFFICULTY + 1)
        return [(str(number), str(number)) for number in numbers]

    @override
    def queryset(self, request: HttpRequest, queryset: QuerySet[S]) -> QuerySet[S]:
        chosen = self.value()
        if chosen is None or not chosen.isdecimal():
            return queryset
        return queryset.filter(difficulty=int(chosen))


class ContentAdmin(ExcerptAdmin[S]):
    """Content of one kind: found by its whole name, looked at in part, deleted for a reason."""

    change_list_template = "admin/archives/content_list.html"

    @override
    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[S], search_term: str
    ) -> tuple[QuerySet[S], bool]:
        if not search_term:
            return queryset, False
        found = [Q(**{name: search_term}) for name in self.search_fields]
        return queryset.filter(reduce(or_, found)), False

    @admin.action(description="Delete, for a reason", permissions=["delete"])
    def delete_selected(self, request: HttpRequest, rows: QuerySet[S]) -> None:
        work = partial(moderation.delete_content, kind=self.model)
        self.moderate(request, rows, work, done="deleted")


class ImportForm(forms.Form):
    """A file of content, and why it is to be imported."""

    file = forms.FileField(help_text="JSON lines, or JSON where its name ends so. At most 15 MiB.")
    reason = forms.CharField(max_length=MAX_REASON_LENGTH, help_text="For the log.")


@admin.register(Page)
class PageAdmin(ContentAdmin[Page]):
    """Pages as they were captured."""

    list_display = ("page_id", "project_id", "title", "element_count", "size", "updated_at")
    search_fields = ("page_id", "project_id")
    search_help_text = "The whole id of a page, or of its project."


@admin.register(Level)
class LevelAdmin(ContentAdmin[Level]):
    """Levels; and the way in and out for files of all content."""

    list_display = ("level_id", "project_id", "difficulty", "page_count", "updated_at")
    list_filter = (DifficultyFilter,)
    search_fields = ("level_id", "project_id")
    search_help_text = "The whole id of a level, or of its project."

    @override
    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("import/", view(self.import_content), name="archives_import"),
            path("export/", view(self.export_content), name="archives_export"),
            *super().get_urls(),
        ]

    def import_content(self, request: HttpRequest) -> HttpResponse:
        """Load a file and report what became of its rows."""
        if not request.user.has_perms(_MAY_IMPORT):
            raise PermissionDenied
        form, report = ImportForm(), {}
        if request.method == "POST":
            form = ImportForm(request.POST, request.FILES)
            report = _load(request, form.cleaned_data) if form.is_valid() else {}
        context = {
            **self.admin_site.each_context(request),
            "title": "Import content",
            "opts": self.opts,
            "form": form,
            **report,
        }
        return TemplateResponse(request, "admin/archives/import.html", context)

    def export_content(self, request: HttpRequest) -> StreamingHttpResponse:
        """Give out all content as a file that can be imported."""
        if not request.user.has_perms(_MAY_EXPORT):
            raise PermissionDenied
        lines: Iterator[bytes] = (msgspec.json.encode(row) + b"\n" for row in export_rows())
        headers = {"Content-Disposition": 'attachment; filename="content.jsonl"'}
        return StreamingHttpResponse(lines, content_type="application/x-ndjson", headers=headers)


def _load(request: HttpRequest, given: dict[str, Any]) -> dict[str, Any]:
    file: UploadedFile[bytes] = given["file"]
    name = file.name or ""
    counts: dict[str, int] = {}
    refused: list[Loaded] = []
    try:
        for loaded in loading.load(file, name=name, now=datetime.now(UTC)):
            what = loaded.outcome or "refused"
            counts[what] = counts.get(what, 0) + 1
            if loaded.outcome is None and len(refused) < MOST_REPORTED:
                refused.append(loaded)
    except DustError as error:
        messages.error(request, " ".join([error.message, *error.fields]))
        return {}
    summary = ", ".join(f"{count} {what}" for what, count in counts.items()) or "nothing in it"
    LogEntry.objects.create(
        user_id=str(request.user.pk),
        object_repr=f"content of {name}"[:200],
        action_flag=CHANGE,
        change_message=f"Imported: {given['reason']} ({summary})",
    )
    return {"summary": summary, "refused": refused}


@admin.register(PageVariant)
class PageVariantAdmin(ContentAdmin[PageVariant]):
    """Variants, answers included."""

    list_display = (
        "variant_id",
        "project_id",
        "level_id",
        "page_id",
        "difficulty",
        "is_valid",
        "mark_count",
        "size",
        "updated_at",
    )
    list_filter = ("is_valid", DifficultyFilter)
    search_fields = (
        "variant_id",
        "level_id",
        "page_id",
        "project_id",
    )
    search_help_text = "The whole id of a variant, or of its level, page or project."


@admin.register(CachedContent)
class CachedContentAdmin(ContentAdmin[CachedContent]):
    """Playable pages, truth included."""

    list_display = ("key", "title", "content_type", "difficulty", "is_demo", "updated_at")
    list_filter = ("is_demo", "content_type", DifficultyFilter)
    search_fields = ("key",)
    search_help_text = "The whole key."


@admin.register(Archive)
class ArchiveAdmin(ExcerptAdmin[Archive], PlayersSearch[Archive]):
    """What players archived, newest first."""

    list_display = ("user", "session_public_id", "total_items", "correct_items", "saved_at")
    list_select_related = ("user",)

    @admin.action(description="Delete, for a reason", permissions=["delete"])
    def delete_selected(self, request: HttpRequest, archives: QuerySet[Archive]) -> None:
        self.moderate(request, archives, moderation.delete_archives, done="deleted")


@admin.register(Run)
class RunAdmin(PlayersSearch[Run]):
    """Refereed games, newest first. Without a page of theirs: what is true on it is not told."""

    action_form = ReasonForm
    actions = ("void",)
    players_path = "session__user_id"
    search_fields = ("session__user__username", "session__user__subject")
    list_select_related = ("session__user",)
    list_display = ("player", "mode", "level", "status", "score", "page_number", "page_count")
    list_filter = ("mode", "status", "level")

    @override
    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        return super().get_queryset(request).defer("session__state")

    def has_void_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("gamesessions.change_gamesession")

    @admin.display
    def player(self, run: Run) -> str:
        return str(run.session.user)

    @admin.display
    def score(self, run: Run) -> int:
        return run.session.score

    @admin.action(description="Void, for a reason", permissions=["void"])
    def void(self, request: HttpRequest, rows: QuerySet[Run]) -> None:
        """Void the runs' sessions: what they brought to a board counts no more."""
        work = partial(void_sessions, now=datetime.now(UTC))
        self.moderate(request, rows, work, done="voided")


class CredentialForm(forms.ModelForm[IngestCredential]):
    """Who is to ingest, and what for."""

    projects = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 4}), help_text="One project on each line."
    )

    class Meta:
        model = IngestCredential
        fields = ("name", "projects")

    @override
    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        given["projects"] = [line.strip() for line in str(given.get("projects", "")).splitlines()]
        given["projects"] = [line for line in given["projects"] if line]
        try:
            credentials.check(given.get("name", ""), given["projects"])
        except DustError as error:
            for field, said in error.fields.items():
                self.add_error(field, said)
        return given


@admin.register(IngestCredential)
class IngestCredentialAdmin(LookingAdmin[IngestCredential]):
    """Credentials of tools: made here, told once, and revoked."""

    action_form = ReasonForm
    actions = ("revoke",)
    list_display = ("name", "handle", "projects", "created_at", "last_used_at", "revoked_at")
    search_fields = ("name", "handle")

    @override
    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("archives.add_ingestcredential")

    @override
    def get_fields(self, request: HttpRequest, obj: IngestCredential | None = None) -> Any:
        shown = ["name", "handle", "projects", "created_at", "last_used_at", "revoked_at"]
        return shown if obj else ["name", "projects"]

    @override
    def get_readonly_fields(self, request: HttpRequest, obj: IngestCredential | None = None) -> Any:
        return self.get_fields(request, obj) if obj else []

    @override
    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any
    ) -> Any:
        return super().get_form(request, obj, change, **options) if obj else CredentialForm

    @override
    def save_model(
        self, request: HttpRequest, obj: IngestCredential, form: Any, change: bool
    ) -> None:
        if change:  # there is nothing in its form
            return
        given = form.cleaned_data
        issued = credentials.create(given["name"], given["projects"], now=datetime.now(UTC))
        for field in self.opts.fields:
            setattr(obj, field.name, getattr(issued.credential, field.name))
        obj.__dict__["token"] = issued.token  # on this object only, for the answer

    @override
    def response_add(
        self, request: HttpRequest, obj: IngestCredential, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the token here and nowhere else: a message would be kept in the session."""
        context = {
            **self.admin_site.each_context(request),
            "title": "The credential's token",
            "opts": self.opts,
            "credential": obj,
        }
        return TemplateResponse(request, "admin/archives/issued.html", context)

    @admin.action(description="Revoke, for a reason", permissions=["change"])
    def revoke(self, request: HttpRequest, rows: QuerySet[IngestCredential]) -> None:
        work = partial(moderation.revoke_credentials, now=datetime.now(UTC))
        self.moderate(request, rows, work, done="revoked")
