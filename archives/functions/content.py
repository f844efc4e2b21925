"""The functions of content and archives, as Convex clients and the ingest tool know them.

Those that ingest are for the ingest door, which calls them as ``services.credentials.check_token``
says; everybody else is refused. Numbers are floats, as those clients' are.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Protocol, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from archives.errors import SignInToSaveError
from archives.queries import archives, contents, documents, levels, pages, playables
from archives.rules import content as rules
from archives.rules.playable import SeenPage
from archives.services import ingesting, saving, seeding
from dust.errors import ForbiddenError
from dust.livequery.context import MutationContext, QueryContext
from dust.livequery.registry import mutation, query
from dust.livequery.shapes import Args, Millis, NoArgs, in_table, milliseconds
from gamesessions.errors import SessionNotFoundError
from gamesessions.queries import SessionId, parse_id

# Of rows here; ``level_id`` and its like are names that ingest tools give.
LevelRowId = Annotated[str, in_table("levels")]
PageRowId = Annotated[str, in_table("pages")]
VariantRowId = Annotated[str, in_table("pageVariants")]
ContentId = Annotated[str, in_table("cachedContent")]
ArchiveId = Annotated[str, in_table("archives")]


class ProjectArgs(Args, frozen=True):
    """Which project."""

    project_id: str


class LevelArgs(Args, frozen=True):
    """Which level of which project."""

    level_id: str
    project_id: str


class LevelIdArgs(Args, frozen=True):
    """Which level."""

    level_id: str


class PageIdArgs(Args, frozen=True):
    """Which page."""

    page_id: str


class LevelDocument(rules.Level, frozen=True):
    """A level, with its id and when it first came."""

    id: LevelRowId = msgspec.field(name="_id")
    creation_time: Millis = msgspec.field(name="_creationTime")


class PageDocument(rules.Page, frozen=True):
    """A page, with its id and when it first came."""

    id: PageRowId = msgspec.field(name="_id")
    creation_time: Millis = msgspec.field(name="_creationTime")


class VariantDocument(rules.Variant, frozen=True):
    """A variant with the answers, its id and when it first came."""

    id: VariantRowId = msgspec.field(name="_id")
    creation_time: Millis = msgspec.field(name="_creationTime")


class RedactedDocument(rules.Document, frozen=True):
    """A variant as the page that is played of it, of which nobody is told what is true."""

    id: VariantRowId = msgspec.field(name="_id")
    creation_time: Millis = msgspec.field(name="_creationTime")
    variant_id: str
    page_id: str
    level_id: str
    project_id: str
    difficulty: float
    page: SeenPage


# --- levels ---------------------------------------------------------------------------------------


@mutation("levels:upsert")
def upsert_level(ctx: MutationContext, args: rules.Level) -> LevelRowId:
    """Keep a level and return its id; for the ingest door."""
    return ingesting.ingest_level(args, by=ctx.identity, now=ctx.now).row.public_id


@query("levels:getByProject")
def get_levels(_ctx: QueryContext, args: ProjectArgs) -> list[LevelDocument]:
    """List a project's levels, easiest first."""
    found = levels.list_levels(args.project_id)
    return [_as(LevelDocument, each, documents.level_document(each)) for each in found]


@query("levels:getByLevelId")
def get_level(_ctx: QueryContext, args: LevelArgs) -> LevelDocument | None:
    """Show a level; null if there is none."""
    level = levels.find_level(args.project_id, args.level_id)
    return None if level is None else _as(LevelDocument, level, documents.level_document(level))


# --- pages ----------------------------------------------------------------------------------------


@mutation("pages:upsert")
def upsert_page(ctx: MutationContext, args: rules.Page) -> PageRowId:
    """Keep a captured page and return its id; for the ingest door."""
    return ingesting.ingest_page(args, by=ctx.identity, now=ctx.now).row.public_id


@query("pages:getByPageId")
def get_page(ctx: QueryContext, args: PageIdArgs) -> PageDocument | None:
    """Show staff the page of that name that was written last; null for everybody else."""
    page = pages.find_page(ctx.identity, args.page_id)
    return None if page is None else _as(PageDocument, page, documents.page_document(page))


# --- variants -------------------------------------------------------------------------------------


@mutation("pageVariants:insert")
def insert_variant(ctx: MutationContext, args: rules.Variant) -> VariantRowId:
    """Keep a variant, in place of its page's former one on that level; for the ingest door."""
    return ingesting.ingest_variant(args, by=ctx.identity, now=ctx.now).row.public_id


@query("pageVariants:getByPageId")
def get_variants_of_page(ctx: QueryContext, args: PageIdArgs) -> list[VariantDocument]:
    """List a page's variants, answers included; none for nobody."""
    found = pages.list_whole_of_page(ctx.identity, args.page_id)
    return [_as(VariantDocument, each, documents.variant_document(each)) for each in found]


@query("pageVariants:getByLevelId")
def get_variants_of_level(ctx: QueryContext, args: LevelIdArgs) -> list[VariantDocument]:
    """List a level's variants in their order, answers included; none for nobody."""
    found = pages.list_whole_of_level(ctx.identity, args.level_id)
    return [_as(VariantDocument, each, documents.variant_document(each)) for each in found]


@query("pageVariants:getRedactedByLevelId")
def get_redacted_of_level(ctx: QueryContext, args: LevelIdArgs) -> list[RedactedDocument]:
    """List a level's variants that can be played, without the answers; none for nobody.

    They are as a run on that level shows them.
    """
    found = playables.list_redacted(ctx.identity, args.level_id)
    return [_as(RedactedDocument, each, _redacted(each, page)) for each, page in found]


@query("pageVariants:countValidByProject")
def count_valid(_ctx: QueryContext, args: ProjectArgs) -> dict[str, float]:
    """Tell how many variants can be played on each level of a project."""
    counts = levels.count_valid(args.project_id)
    return {each.level_id: float(each.valid_variants) for each in counts}


# --- playable pages -------------------------------------------------------------------------------


class RandomArgs(Args, frozen=True):
    """About how hard, of which kind, and which ones the player has seen (which is ours)."""

    difficulty: float
    content_type: str | UnsetType = UNSET
    seen: Annotated[list[str], Meta(max_length=rules.MAX_SEEN)] = msgspec.field(
        default_factory=list
    )


class SeedArgs(Args, frozen=True):
    """A playable page as JSON, and what is true of it."""

    content: Annotated[str, Meta(max_length=rules.MAX_CONTENT_BYTES)]
    content_type: rules.Kind
    difficulty: rules.Difficulty
    is_demo: bool


class ContentDocument(rules.Document, frozen=True):
    """A playable page, truth included, with what is told of it beside."""

    id: ContentId = msgspec.field(name="_id")
    creation_time: Millis = msgspec.field(name="_creationTime")
    content: rules.PageContent
    content_type: rules.Kind
    difficulty: float
    is_demo: bool
    created_at: Millis


@query("cachedContent:getRandom")
def get_random(ctx: QueryContext, args: RandomArgs) -> ContentDocument | None:
    """Show a page about as hard as asked for, else any; null if there is none left to see.

    The same arguments show the same page.
    """
    found = contents.find_random(
        difficulty=args.difficulty,
        content_type=args.content_type or None,
        seen=args.seen,
        luck=ctx.random,
        with_bodies=True,
    )
    return None if found is None else _as(ContentDocument, found, _content(found))


@query("cachedContent:getDemo")
def get_demo(_ctx: QueryContext, _args: NoArgs) -> list[ContentDocument]:
    """List the pages of the demo in their order."""
    demo = contents.list_demo(with_bodies=True)
    return [_as(ContentDocument, each, _content(each)) for each in demo]


@mutation("cachedContent:seed")
def seed(ctx: MutationContext, args: SeedArgs) -> ContentId:
    """Keep a playable page and return its id; for operators."""
    kept = seeding.seed_content(
        args.content,
        is_demo=args.is_demo,
        stated=(args.content_type, args.difficulty),
        by=ctx.identity,
        now=ctx.now,
    )
    return kept.row.public_id


# --- players' archives ----------------------------------------------------------------------------


class SaveArgs(rules.Items, frozen=True):
    """What the caller archived, and in which session."""

    session_id: SessionId


class ArchiveDocument(rules.Items, frozen=True):
    """What a player archived in one session."""

    id: ArchiveId = msgspec.field(name="_id")
    creation_time: Millis = msgspec.field(name="_creationTime")
    user_id: str
    session_id: SessionId
    total_items: float
    correct_items: float
    saved_at: Millis


@mutation("archives:save", limit=saving.SAVES)
def save(ctx: MutationContext, args: SaveArgs) -> ArchiveId:
    """Keep what the caller archived in a session, in place of what was kept of it before."""
    caller = ctx.identity
    if caller is None:
        raise SignInToSaveError("Must be logged in to save archives")
    items = rules.Items(items=args.items)
    try:
        saved = saving.save_archive(parse_id(args.session_id), items, caller=caller, now=ctx.now)
    except SessionNotFoundError as error:
        if error.is_foreign:
            raise ForbiddenError("Not authorized") from error
        raise
    return saved.archive.public_id


@query("archives:getUserArchive")
def get_user_archive(ctx: QueryContext, _args: NoArgs) -> list[ArchiveDocument]:
    """List the caller's newest archives; none for nobody."""
    caller = ctx.identity
    if caller is None:
        return []
    found = archives.list_whole(caller)
    return [_as(ArchiveDocument, each, _archive(each, caller.subject)) for each in found]


class _Row(Protocol):
    @property
    def public_id(self) -> str: ...
    @property
    def created_at(self) -> datetime: ...


D = TypeVar("D", bound=msgspec.Struct)


def _as(kind: type[D], row: _Row, document: Mapping[str, Any]) -> D:
    stamp = {"_id": row.public_id, "_creationTime": milliseconds(row.created_at)}
    return msgspec.convert({**document, **stamp}, kind)


def _redacted(row: Any, page: SeenPage) -> dict[str, Any]:
    return {
        "variantId": row.variant_id,
        "pageId": row.page_id,
        "levelId": row.level_id,
        "projectId": row.project_id,
        "difficulty": row.difficulty,
        "page": page,
    }


def _content(row: Any) -> dict[str, Any]:
    return {
        "content": row.content,
        "contentType": row.content_type,
        "difficulty": row.difficulty,
        "isDemo": row.is_demo,
        "createdAt": milliseconds(row.created_at),
    }


def _archive(row: Any, subject: str) -> dict[str, Any]:
    return {
        "userId": subject,
        "sessionId": row.session_public_id,
        "items": row.items,
        "totalItems": row.total_items,
        "correctItems": row.correct_items,
        "savedAt": milliseconds(row.saved_at),
    }
