"""REST: what there is to play, without the truth; documents from tools; players' own archives."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
from django.http import StreamingHttpResponse
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response
from typing_extensions import override

from accounts.errors import REFUSALS
from archives import errors, serializers
from archives.queries import archives, contents, documents, levels, pages
from archives.queries import runs as shown_runs
from archives.queries.places import Place
from archives.rules import checking, runs
from archives.rules import content as rules
from archives.services import credentials, ingesting, saving
from archives.services import runs as refereeing
from archives.services.contents import Kept, Outcome
from dust.errors import DustError, ForbiddenError
from dust.identity import Identity
from dust.ids import PATTERN, InvalidIdError
from dust.limits import Limit
from dust.livequery.transactions import Isolation, snapshot
from dust.rest.auth import Anybody, HeaderAuthentication, IsSignedIn, identity_of
from dust.rest.operations import Operation
from dust.rest.pages import page, page_of
from dust.rest.serializers import NoFields, Shape
from dust.rest.views import Answer, RestViewSet
from gamesessions.errors import SessionNotFoundError, SessionRefereedError

EXPORTS = Limit("archives.export", rules.EXPORTS_PER_HOUR, 3600)
_LUCK = random.SystemRandom()

_NO_RUN = (InvalidIdError, errors.RunNotFoundError, *REFUSALS)
_NO_SESSION = (InvalidIdError, SessionNotFoundError, SessionRefereedError)
_NOT_KEPT = (
    errors.IngestCredentialRequiredError,
    errors.ProjectNotCoveredError,
    errors.InvalidContentError,
    errors.DocumentTooLargeError,
    errors.NoRoomError,
)


def _in_path(*names: str, kind: dict[str, Any]) -> list[OpenApiParameter]:
    return [OpenApiParameter(name, kind, OpenApiParameter.PATH) for name in names]


_KEY = {"type": "string", "pattern": f"^{rules.KEY_PATTERN}$"}
_ID = {"type": "string", "pattern": f"^{PATTERN}$"}


# --- what there is to play ------------------------------------------------------------------------


class ProjectViewSet(RestViewSet):
    """What there is to play in a project. What is true of it is told to nobody."""

    path_parameters = _in_path("project", "level", "page", kind=_KEY)

    @override
    def initial(self, request: Request, *args: Any, **names: Any) -> None:
        super().initial(request, *args, **names)
        for field, name in names.items():
            checking.check_key(field, name)

    @Operation(access=Anybody, answers={200: page_of(serializers.Level)})
    def levels(self, _request: Request, project: str) -> Response:
        """List a project's levels, easiest first."""
        return Response(page(serializers.Level, levels.list_levels(project), next_cursor=None))

    @Operation(access=Anybody, answers={200: serializers.Level}, raises=[errors.LevelNotFoundError])
    def level(self, _request: Request, project: str, level: str) -> Response:
        """Show a level."""
        return Response(serializers.Level.show(levels.get_level(project, level)))

    @Operation(access=Anybody, answers={200: page_of(serializers.LevelCount)})
    def counts(self, _request: Request, project: str) -> Response:
        """Tell how many variants can be played on each level that has any."""
        return Response(page(serializers.LevelCount, levels.count_valid(project), next_cursor=None))

    @Operation(
        access=Anybody,
        query=serializers.ListQuery,
        answers={200: page_of(serializers.Variant)},
        raises=[InvalidIdError],
    )
    def variants(self, _request: Request, project: str, level: str) -> Response:
        """List a level's variants in the order in which they are played."""
        found = pages.list_variants(project, level, **self.query)
        return Response(page(serializers.Variant, found.variants, next_cursor=found.next_cursor))

    @Operation(access=Anybody, answers={200: serializers.Page}, raises=[errors.PageNotFoundError])
    def page(self, _request: Request, project: str, page: str) -> Response:
        """Show what there is to know of a page."""
        return Response(serializers.Page.show(pages.get_page(project, page)))

    @Operation(
        access=IsSignedIn,
        answers={200: serializers.PageDocument},
        raises=[ForbiddenError, errors.PageNotFoundError],
    )
    def document(self, request: Request, project: str, page: str) -> Response:
        """Show a whole page as it was captured, to staff who may see it."""
        with snapshot():
            found = pages.access_page(identity_of(request), project, page)
        return Response(serializers.PageDocument.show(documents.page_document(found)))


class ContentViewSet(RestViewSet):
    """Playable pages that come with the game. What is true of them is told to nobody."""

    @Operation(
        access=Anybody,
        query=serializers.RandomQuery,
        answers={200: serializers.Content},
        raises=[errors.ContentNotFoundError, InvalidIdError],
    )
    def random(self, _request: Request) -> Response:
        """Pick a page about as hard as asked for, else any, that was not seen before."""
        luck = random.Random(self.query.get("seed"))  # noqa: S311 - games, not secrets
        with snapshot():
            found = contents.get_random(
                difficulty=self.query["difficulty"],
                content_type=self.query.get("content_type"),
                seen=self.query.get("seen", ()),
                luck=luck,
            )
        return Response(serializers.Content.show(found), headers={"Cache-Control": "no-store"})

    @Operation(access=Anybody, answers={200: page_of(serializers.Content)})
    def demo(self, _request: Request) -> Response:
        """List the pages of the demo in their order."""
        return Response(page(serializers.Content, contents.list_demo(), next_cursor=None))


# --- documents from tools -------------------------------------------------------------------------


class IngestAuthentication(HeaderAuthentication):
    """Verify ``Authorization: Ingest <token>``: the credential of a tool."""

    scheme = "ingest"
    refusal = errors.IngestCredentialRequiredError

    @override
    def verify(self, token: str) -> Identity:
        return credentials.check_token(token)


class IngestScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How tools sign in, as the document names it."""

    target_class = IngestAuthentication
    name = IngestAuthentication.scheme

    @override
    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {"type": "http", "scheme": self.name}


class HasCredential(IsSignedIn):
    """Open to tools that have an ingest credential."""


class IngestViewSet(RestViewSet):
    """Documents for the projects that the tool's credential is for, each at most 1 MiB of JSON.

    Each is kept whole or not at all, in place of what was there under its name.
    """

    authentication_classes = [IngestAuthentication]
    authenticator = IngestAuthentication()
    path_parameters = _in_path("key", kind=_KEY)

    @Operation(
        access=HasCredential,
        body=serializers.PageDocument,
        answers={200: serializers.Ingested, 201: serializers.Ingested},
        raises=_NOT_KEPT,
    )
    def pages(self, request: Request, key: str) -> Response:
        """Keep a captured page under that id."""
        document = {**self.body, "pageId": key}
        return self._ingest(request, rules.Page, document, ingesting.ingest_page)

    @Operation(
        access=HasCredential,
        body=serializers.LevelDocument,
        answers={200: serializers.Ingested, 201: serializers.Ingested},
        raises=_NOT_KEPT,
    )
    def levels(self, request: Request, key: str) -> Response:
        """Keep a level under that id."""
        document = {**self.body, "levelId": key}
        return self._ingest(request, rules.Level, document, ingesting.ingest_level)

    @Operation(
        access=HasCredential,
        body=serializers.VariantDocument,
        answers={200: serializers.Ingested, 201: serializers.Ingested},
        raises=[*_NOT_KEPT, errors.VariantTakenError],
    )
    def variants(self, request: Request, key: str) -> Response:
        """Keep a variant under that id, in place of its page's former one on the same level."""
        document = {**self.body, "variantId": key}
        return self._ingest(request, rules.Variant, document, ingesting.ingest_variant)

    def _ingest(
        self, request: Request, kind: type[Any], document: Any, ingest: Callable[..., Kept[Any]]
    ) -> Response:
        identity, now = identity_of(request), datetime.now(UTC)

        def work() -> Answer:
            with _rest_names():
                kept = ingest(checking.read(kind, document), by=identity, now=now)
            shown = {"id": kept.row.public_id, "outcome": kept.outcome}
            status = 201 if kept.outcome is Outcome.CREATED else 200
            return status, serializers.Ingested.show(shown)

        return self.write(request, work, name=f"archives.ingest.{self.action}")


@contextmanager
def _rest_names() -> Iterator[None]:
    """Name the fields that are refused as REST does."""
    try:
        yield
    except DustError as error:
        error.fields = {checking.snake(field): said for field, said in error.fields.items()}
        raise


# --- players' archives ----------------------------------------------------------------------------


class ArchiveViewSet(RestViewSet):
    """What the caller archived, one archive for each of their sessions; nobody else sees it."""

    path_parameters = _in_path("archive", kind=_ID)

    @Operation(
        access=IsSignedIn,
        query=serializers.ListQuery,
        answers={200: page_of(serializers.Archive)},
        raises=[InvalidIdError, *REFUSALS],
    )
    def list(self, request: Request) -> Response:
        """List the caller's archives without their items, the newest first."""
        with snapshot():
            found = archives.list_archives(identity_of(request), **self.query)
        return Response(page(serializers.Archive, found.archives, next_cursor=found.next_cursor))

    @Operation(
        access=IsSignedIn,
        body=serializers.Items,
        answers={200: serializers.Archive, 201: serializers.Archive},
        limit=saving.SAVES,
        raises=[*_NO_SESSION, errors.InvalidContentError, errors.NoRoomError, *REFUSALS],
    )
    def create(self, request: Request) -> Response:
        """Keep what the caller archived in a session, in place of what was kept of it before.

        Answered with 201 if the session had no archive, else with 200.
        """
        identity, now = identity_of(request), datetime.now(UTC)
        session_id = self.body["session_id"]

        def work() -> Answer:
            with _rest_names():
                items = checking.read(rules.Items, {"items": self.body["items"]})
                saved = saving.save_archive(session_id, items, caller=identity, now=now)
            return 201 if saved.is_new else 200, serializers.Archive.show(saved.archive)

        return self.write(request, work, name="archives.save")

    @Operation(
        access=IsSignedIn,
        answers={200: serializers.WholeArchive},
        raises=[InvalidIdError, errors.ArchiveNotFoundError, *REFUSALS],
    )
    def retrieve(self, request: Request, archive: str) -> Response:
        """Show one of the caller's archives."""
        with snapshot():
            found = archives.access_archive(identity_of(request), archives.parse_id(archive))
        return Response(serializers.WholeArchive.show(found))

    @Operation(access=IsSignedIn, answers={200: serializers.Totals}, raises=REFUSALS)
    def totals(self, request: Request) -> Response:
        """Tell how much the caller has archived in all."""
        return Response(serializers.Totals.show(archives.get_totals(identity_of(request))))

    @Operation(
        access=IsSignedIn, answers={200: serializers.ArchiveExport}, limit=EXPORTS, raises=REFUSALS
    )
    def export(self, request: Request) -> StreamingHttpResponse:
        """Give the caller all of their archives, the oldest first."""
        found = archives.export_own(identity_of(request))
        self.spend_limit(request)
        parts = _json_parts(serializers.WholeArchive.show(each) for each in found)
        headers = {
            "Cache-Control": "no-store",
            "Content-Disposition": 'attachment; filename="dust-archives.json"',
        }
        return StreamingHttpResponse(parts, content_type="application/json", headers=headers)


def _json_parts(rows: Iterator[Any]) -> Iterator[bytes]:
    yield b'{"archives":['
    for number, row in enumerate(rows):
        yield (b"," if number else b"") + msgspec.json.encode(row)
    yield b"]}"


def _move(body: type[Shape], *raises: type[DustError]) -> Operation:
    return Operation(
        access=IsSignedIn,
        body=body,
        answers={200: serializers.Run},
        limit=refereeing.MOVES,
        raises=[*_NO_RUN, *raises],
    )


class RunViewSet(RestViewSet):
    """Games that the server referees, each its player's own. Every answer is the whole run."""

    path_parameters = _in_path("run", kind=_ID)

    @Operation(
        access=IsSignedIn,
        body=serializers.RunStart,
        answers={201: serializers.Run},
        limit=refereeing.STARTS,
        raises=[errors.InvalidRunError, errors.NothingToPlayError, *REFUSALS],
    )
    def create(self, request: Request) -> Response:
        """Begin a run and its first page. The game that the caller was in is abandoned."""
        mode, level = runs.Mode(self.body["mode"]), self.body.get("level")
        start = partial(refereeing.start_run, mode=mode, level=level, luck=_LUCK)
        return self._write(request, start, status=201)

    @Operation(access=IsSignedIn, answers={200: serializers.Run}, raises=_NO_RUN)
    def retrieve(self, request: Request, run: str) -> Response:
        """Show a run; `active` instead of an id is the one that the caller is in."""
        key = None if run == "active" else shown_runs.parse_id(run)
        with snapshot():
            found = shown_runs.access_run(identity_of(request), key, now=datetime.now(UTC))
        return Response(serializers.Run.show(found))

    @_move(serializers.LifelineUse, *errors.NO_LIFELINE)
    def lifelines(self, request: Request, run: str) -> Response:
        """Verify a section, freeze the page or purge it; each once for each page."""
        use = refereeing.Use(**self.body)
        return self._write(request, partial(refereeing.use_lifeline, use=use, luck=_LUCK), run)

    @_move(serializers.PageArchive, *errors.NO_ARCHIVE)
    def archive(self, request: Request, run: str) -> Response:
        """Archive sections of the page and reveal it. The last page finishes the run."""
        number, section_ids = self.body["page"], self.body["section_ids"]
        archive = partial(refereeing.archive_page, number=number, section_ids=section_ids)
        return self._write(request, archive, run)

    @_move(serializers.PageStep, *errors.NO_NEXT)
    def next(self, request: Request, run: str) -> Response:
        """Begin the page after the one that is over: its time begins to run."""
        begin = partial(refereeing.begin_next_page, number=self.body["page"])
        return self._write(request, begin, run)

    @_move(NoFields)
    def finish(self, request: Request, run: str) -> Response:
        """End the run. With pages left it is abandoned; one that is over stays as it is."""
        return self._write(request, refereeing.finish_run, run)

    def _write(
        self, request: Request, move: Callable[..., Place], run: str = "", *, status: int = 200
    ) -> Response:
        caller, now = identity_of(request), datetime.now(UTC)
        which = [shown_runs.parse_id(run)] if run else []

        def work() -> Answer:
            place = move(caller, *which, now=now)
            return status, serializers.Run.show(shown_runs.show(place))

        # Each of these waits for the one before it, by a lock: see services.runs.
        name = f"runs.{self.action}"
        return self.write(request, work, name=name, isolation=Isolation.READ_COMMITTED)
