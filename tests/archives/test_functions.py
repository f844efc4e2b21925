"""The functions, as Convex clients and the ingest tool know them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from accounts.errors import AccountBannedError
from accounts.models import User
from archives.errors import (
    DocumentTooLargeError,
    IngestCredentialRequiredError,
    InvalidContentError,
    ProjectNotCoveredError,
    SignInToSaveError,
)
from archives.models import Archive, CachedContent, Level, Page, PageVariant
from archives.services import contents, credentials
from dust.errors import ForbiddenError, UnauthenticatedError
from dust.identity import Identity
from dust.ids import InvalidIdError
from dust.livequery.context import Caller
from dust.livequery.errors import InvalidArgumentsError
from dust.livequery.execution import run_mutation, run_query, run_query_alone
from dust.livequery.registry import Kind, find_function
from dust.livequery.testing import Watch, assert_live
from gamesessions.errors import SessionNotFoundError
from gamesessions.models import GameSession
from tests.archives import documents
from tests.archives.documents import (
    PROJECT,
    Json,
    item,
    read_content,
    read_level,
    read_page,
    read_variant,
)
from tests.factories import ISSUER, GameSessionFactory, UserFactory, identity_of

pytestmark = pytest.mark.django_db(transaction=True)

LEVEL = f"{PROJECT}_level_01"
alice = Identity(ISSUER, "alice")
bob = Identity(ISSUER, "bob")


def call(path: str, caller: Caller | None = None, **args: Any) -> Any:
    return run_mutation(find_function(path, kind=Kind.MUTATION), args, caller).value


def ask(path: str, caller: Caller | None = None, **args: Any) -> Any:
    result = run_query_alone(find_function(path, kind=Kind.QUERY), args, caller)
    if result.error:
        raise result.error
    return result.value


def millis(moment: datetime) -> float:
    return moment.timestamp() * 1000


@pytest.fixture
def tool(transactional_db: None, now: datetime) -> Identity:
    """The caller that the ingest door makes of a credential."""
    issued = credentials.create("the crawler", [PROJECT], now=now)
    return credentials.check_token(issued.token)


@pytest.fixture
def operator(transactional_db: None) -> Identity:
    return identity_of(UserFactory.create(username="operator", staff=True))


INGESTED: list[tuple[str, Json, type[Any]]] = [
    ("pages:upsert", documents.page(), Page),
    ("levels:upsert", documents.level(), Level),
    ("pageVariants:insert", documents.variant(), PageVariant),
]


@pytest.mark.parametrize(("path", "document", "model"), INGESTED)
class TestIngest:
    def test_keeps_a_document_and_returns_its_id(
        self, tool: Identity, path: str, document: Json, model: type[Any]
    ) -> None:
        first = call(path, tool, **document)
        again = call(path, tool, **document)

        assert first == again == model.objects.get().public_id

    def test_d5_refuses_everybody_who_is_no_tool(
        self, tool: Identity, operator: Identity, path: str, document: Json, model: type[Any]
    ) -> None:
        for caller in (None, alice, operator, Identity(ISSUER, tool.subject)):
            with pytest.raises(IngestCredentialRequiredError):
                call(path, caller, **document)

        assert not model.objects.exists()

    def test_d5_refuses_other_projects(
        self, tool: Identity, path: str, document: Json, model: type[Any]
    ) -> None:
        with pytest.raises(ProjectNotCoveredError):
            call(path, tool, **document | {"projectId": "swamp"})

        assert not model.objects.exists()

    def test_refuses_unknown_and_missing_fields(
        self, tool: Identity, path: str, document: Json, model: type[Any]
    ) -> None:
        for name in document:
            without = {key: value for key, value in document.items() if key != name}
            with pytest.raises(InvalidArgumentsError, match=f"`{name}`"):
                call(path, tool, **without)
        with pytest.raises(InvalidArgumentsError, match="`_id`"):
            call(path, tool, **document, _id="x")

        assert not model.objects.exists()

    def test_takes_numbers_as_clients_send_them(
        self, tool: Identity, path: str, document: Json, model: type[Any]
    ) -> None:
        floats = json.loads(json.dumps(document), parse_int=float)

        call(path, tool, **floats)

        assert model.objects.exists()


class TestIngestLimits:
    def test_names_the_limit_of_a_document(self, tool: Identity) -> None:
        with pytest.raises(DocumentTooLargeError):
            call("pages:upsert", tool, **documents.page(html="x" * 1024 * 1024))
        with pytest.raises(InvalidArgumentsError, match=r"<= 10.0 - at `\$.difficulty`"):
            call("levels:upsert", tool, **documents.level(difficulty=11))
        with pytest.raises(InvalidContentError) as refused:
            call("pageVariants:insert", tool, **documents.variant(variantId=" "))

        assert list(refused.value.fields) == ["variantId"]

    def test_d21_ends_with_as_many_variants_as_pages(self, tool: Identity) -> None:
        for run in ("a1b2", "c3d4"):
            for page in ("one", "two"):
                call(
                    "pageVariants:insert",
                    tool,
                    **documents.variant(variantId=f"{run}{page}", pageId=page),
                )

        found = ask("pageVariants:getByLevelId", alice, levelId=LEVEL)
        assert [each["variantId"] for each in found] == ["c3d4one", "c3d4two"]

    def test_d22_keeps_the_pages_of_two_projects_apart(self, now: datetime) -> None:
        issued = credentials.create("the crawler", [PROJECT, "swamp"], now=now)
        both = credentials.check_token(issued.token)

        ours = call("pages:upsert", both, **documents.page())
        theirs = call("pages:upsert", both, **documents.page(projectId="swamp"))

        assert ours != theirs
        assert set(Page.objects.values_list("project_id", flat=True)) == {PROJECT, "swamp"}


class TestLevels:
    def test_are_shown_as_they_were_ingested(self, now: datetime) -> None:
        level = contents.upsert_level(read_level(), now=now).row
        shown = documents.level() | {"_id": level.public_id, "_creationTime": millis(now)}

        assert ask("levels:getByProject", projectId=PROJECT) == [shown]
        assert ask("levels:getByLevelId", projectId=PROJECT, levelId=LEVEL) == shown
        assert ask("levels:getByLevelId", projectId="swamp", levelId=LEVEL) is None
        assert ask("levels:getByProject", projectId="swamp") == []

    def test_d28_come_by_difficulty_and_then_by_name(self, now: datetime) -> None:
        for name, difficulty in [("b", 2), ("c", 1), ("a", 2)]:
            contents.upsert_level(read_level(levelId=name, difficulty=difficulty), now=now)

        found = ask("levels:getByProject", projectId=PROJECT)

        assert [each["levelId"] for each in found] == ["c", "a", "b"]

    def test_come_with_floats_and_their_moment_in_milliseconds(self) -> None:
        moment = datetime(2026, 2, 15, 1, 2, 3, 456789, tzinfo=UTC)
        contents.upsert_level(read_level(difficulty=3), now=moment)

        [found] = ask("levels:getByProject", projectId=PROJECT)

        assert found["_creationTime"] == pytest.approx(1771117323456.789, abs=0.001)
        numbers = [found["_creationTime"], found["difficulty"], *found["mutationParams"].values()]
        assert {type(number) for number in numbers} == {float}


class TestPages:
    def test_are_for_operators_alone(self, operator: Identity, now: datetime) -> None:
        page = contents.upsert_page(read_page(), now=now).row
        key = documents.page()["pageId"]
        UserFactory.create(username="alice")

        assert ask("pages:getByPageId", operator, pageId=key) == documents.page() | {
            "_id": page.public_id,
            "_creationTime": millis(now),
        }
        assert ask("pages:getByPageId", pageId=key) is None
        assert ask("pages:getByPageId", alice, pageId=key) is None
        assert ask("pages:getByPageId", operator, pageId="nowhere") is None


class TestVariants:
    @pytest.mark.parametrize(
        ("path", "args"),
        [
            ("pageVariants:getByLevelId", {"levelId": LEVEL}),
            ("pageVariants:getByPageId", {"pageId": documents.variant()["pageId"]}),
        ],
    )
    def test_are_whole_for_whoever_is_signed_in(self, now: datetime, path: str, args: Json) -> None:
        variant = contents.upsert_variant(read_variant(), now=now).row

        assert ask(path, alice, **args) == [
            documents.variant() | {"_id": variant.public_id, "_creationTime": millis(now)}
        ]
        assert ask(path, **args) == []
        assert ask(path, alice, **dict.fromkeys(args, "nowhere")) == []

    def test_are_counted_where_they_can_be_played(self, now: datetime) -> None:
        unassigned = f"{PROJECT}_unassigned"
        for number, (level, text) in enumerate(
            [(LEVEL, "a"), (LEVEL, "b"), (LEVEL, " "), (unassigned, "c"), ("empty", "")]
        ):
            variant = read_variant(
                variantId=f"v{number}", pageId=f"p{number}", levelId=level, alteredContent=text
            )
            contents.upsert_variant(variant, now=now)

        counted = ask("pageVariants:countValidByProject", projectId=PROJECT)

        assert counted == {LEVEL: 2.0, unassigned: 1.0}
        assert ask("pageVariants:countValidByProject", projectId="swamp") == {}


class TestPlayablePages:
    def test_are_shown_with_what_is_told_of_them(self, now: datetime) -> None:
        row = contents.save_content(read_content(isDemo=True), now=now).row
        shown = {
            "_id": row.public_id,
            "_creationTime": millis(now),
            "content": documents.playable(),
            "contentType": "news",
            "difficulty": 3.0,
            "isDemo": True,
            "createdAt": millis(now),
        }

        assert ask("cachedContent:getDemo") == [shown]
        assert ask("cachedContent:getRandom", difficulty=3) is None

    def test_are_picked_the_same_way_for_the_same_question(self, now: datetime) -> None:
        for number in range(8):
            contents.save_content(read_content(key=f"key-{number}"), now=now)

        def pick(**args: Any) -> str:
            return str(ask("cachedContent:getRandom", **args)["_id"])

        picks = {level: pick(difficulty=level) for level in (1, 2, 3, 4, 5)}
        assert picks == {level: pick(difficulty=level) for level in picks}
        assert len(set(picks.values())) > 1
        seen: list[str] = []
        for _ in range(8):
            seen.append(pick(difficulty=3, contentType="news", seen=seen))
        assert len(set(seen)) == 8
        assert ask("cachedContent:getRandom", difficulty=3, seen=seen) is None
        with pytest.raises(InvalidIdError):
            pick(difficulty=3, seen=["x"])
        with pytest.raises(InvalidArgumentsError):
            pick(difficulty=3, seen=["x"] * 201)

    @pytest.mark.parametrize("difficulty", [-5, 2.5, 1e300])
    def test_are_there_for_any_difficulty(self, now: datetime, difficulty: float) -> None:
        contents.save_content(read_content(), now=now)

        assert ask("cachedContent:getRandom", difficulty=difficulty)["isDemo"] is False


class TestSeed:
    def args(self, **changed: Any) -> Json:
        return {
            "content": json.dumps(documents.playable()),
            "contentType": "news",
            "difficulty": 3,
            "isDemo": True,
        } | changed

    def test_keeps_a_playable_page_under_its_own_id(self, operator: Identity) -> None:
        first = call("cachedContent:seed", operator, **self.args())
        again = call("cachedContent:seed", operator, **self.args(isDemo=False))

        row = CachedContent.objects.get()
        assert first == again == row.public_id
        assert (row.key, row.is_demo) == ("demo-news-1", False)

    def test_d5_is_for_operators_alone(self, tool: Identity, now: datetime) -> None:
        UserFactory.create(username="alice")
        UserFactory.create(username="staff", is_staff=True)

        with pytest.raises(UnauthenticatedError):
            call("cachedContent:seed", None, **self.args())
        for caller in (alice, bob, tool, Identity(ISSUER, "staff")):
            with pytest.raises(ForbiddenError):
                call("cachedContent:seed", caller, **self.args())

        assert not CachedContent.objects.exists()

    @pytest.mark.parametrize(
        "content",
        ["", "{", "[]", "\ud800", json.dumps(documents.playable(sections=[]))],
    )
    def test_refuses_what_is_no_playable_page(self, operator: Identity, content: str) -> None:
        with pytest.raises(InvalidContentError):
            call("cachedContent:seed", operator, **self.args(content=content))

        assert not CachedContent.objects.exists()

    @pytest.mark.parametrize(
        "stated", [{"contentType": "blog"}, {"difficulty": 4}], ids=["kind", "difficulty"]
    )
    def test_refuses_what_is_stated_falsely(self, operator: Identity, stated: Json) -> None:
        with pytest.raises(InvalidContentError):
            call("cachedContent:seed", operator, **self.args(**stated))

    def test_refuses_more_than_a_quarter_of_a_mebibyte(self, operator: Identity) -> None:
        content = json.dumps(documents.playable()) + " " * 256 * 1024

        with pytest.raises(InvalidArgumentsError, match="262144"):
            call("cachedContent:seed", operator, **self.args(content=content))


@pytest.fixture
def session(transactional_db: None) -> GameSession:
    return GameSessionFactory.create(user__username="alice")


class TestArchives:
    def test_are_saved_and_listed(self, session: GameSession) -> None:
        saved = call(
            "archives:save",
            alice,
            sessionId=session.public_id,
            items=[item(), item(wasCorrect=False)],
        )

        row = Archive.objects.get()
        assert saved == row.public_id
        assert ask("archives:getUserArchive", alice) == [
            {
                "_id": saved,
                "_creationTime": millis(row.created_at),
                "userId": "alice",
                "sessionId": session.public_id,
                "items": [item(), item(wasCorrect=False)],
                "totalItems": 2.0,
                "correctItems": 1.0,
                "savedAt": millis(row.saved_at),
            }
        ]
        assert ask("archives:getUserArchive", bob) == []
        assert ask("archives:getUserArchive") == []

    def test_need_somebody_to_save_them(self, session: GameSession) -> None:
        with pytest.raises(SignInToSaveError) as refused:
            call("archives:save", None, sessionId=session.public_id, items=[item()])

        assert refused.value.message == "Must be logged in to save archives"
        assert not Archive.objects.exists()

    def test_d7_are_saved_by_nobody_but_the_sessions_player(self, session: GameSession) -> None:
        UserFactory.create(username="bob")

        with pytest.raises(ForbiddenError) as refused:
            call("archives:save", bob, sessionId=session.public_id, items=[item()])

        assert refused.value.message == "Not authorized"
        assert not Archive.objects.exists()

    def test_are_of_sessions_that_are_there(self, session: GameSession) -> None:
        nowhere = GameSession(user=session.user).public_id

        with pytest.raises(SessionNotFoundError):
            call("archives:save", alice, sessionId=nowhere, items=[])
        with pytest.raises(InvalidIdError):
            call("archives:save", alice, sessionId="x", items=[])

    @pytest.mark.parametrize(
        ("items", "named"),
        [
            ([item()] * 501, "500"),
            ([item(sectionText="t" * 2001)], "2000"),
            ([item(contentType="poem")], "contentType"),
            ([item() | {"points": 5}], "points"),
        ],
    )
    def test_hold_what_an_archive_may(
        self, session: GameSession, items: list[Json], named: str
    ) -> None:
        with pytest.raises(InvalidArgumentsError, match=named):
            call("archives:save", alice, sessionId=session.public_id, items=items)

    def test_are_closed_to_the_banned(self, session: GameSession) -> None:
        User.objects.update(is_banned=True)

        with pytest.raises(AccountBannedError):
            call("archives:save", alice, sessionId=session.public_id, items=[item()])
        with pytest.raises(AccountBannedError):
            ask("archives:getUserArchive", alice)


class TestSharing:
    """What a query reads of its caller is what its result cannot be shared beyond."""

    @pytest.mark.parametrize(
        ("path", "args", "facts"),
        [
            ("levels:getByProject", {"projectId": PROJECT}, set()),
            ("levels:getByLevelId", {"projectId": PROJECT, "levelId": LEVEL}, set()),
            ("pageVariants:countValidByProject", {"projectId": PROJECT}, set()),
            ("pageVariants:getByLevelId", {"levelId": LEVEL}, {"signed in"}),
            ("pageVariants:getByPageId", {"pageId": "a"}, {"signed in"}),
            ("cachedContent:getDemo", {}, set()),
            ("cachedContent:getRandom", {"difficulty": 3}, set()),
            ("pages:getByPageId", {"pageId": "a"}, {"signed in", "subject"}),
            ("archives:getUserArchive", {}, {"signed in", "subject"}),
        ],
    )
    def test_is_as_wide_as_what_is_shown_allows(
        self, now: datetime, path: str, args: Json, facts: set[str]
    ) -> None:
        contents.upsert_level(read_level(), now=now)
        contents.upsert_variant(read_variant(), now=now)
        spec = find_function(path, kind=Kind.QUERY)

        outcome = run_query(spec, spec.parse(args), alice, now=now)

        assert outcome.facts == facts


class TestLiveness:
    def test_of_a_level(self, now: datetime) -> None:
        contents.upsert_level(read_level(), now=now)
        other = Watch("pageVariants:countValidByProject", {"projectId": PROJECT})

        with assert_live(
            "levels:getByLevelId", {"projectId": PROJECT, "levelId": LEVEL}, bystanders=(other,)
        ):
            contents.upsert_level(read_level(difficulty=2), now=now)

    @pytest.mark.parametrize(
        ("path", "args"),
        [
            ("pageVariants:getByLevelId", {"levelId": LEVEL}),
            ("pageVariants:getByPageId", {"pageId": documents.variant()["pageId"]}),
        ],
    )
    def test_of_variants(self, now: datetime, path: str, args: Json) -> None:
        contents.upsert_variant(read_variant(), now=now)
        other = Watch("levels:getByProject", {"projectId": PROJECT})

        with assert_live(path, args, caller=alice, bystanders=(other,)):
            contents.upsert_variant(read_variant(alteredContent="[]"), now=now)

    def test_of_a_level_that_had_none(self, now: datetime) -> None:
        with assert_live("pageVariants:getByLevelId", {"levelId": LEVEL}, caller=alice):
            contents.upsert_variant(read_variant(), now=now)

    def test_of_a_page(self, operator: Identity, now: datetime) -> None:
        args = {"pageId": documents.page()["pageId"]}

        with assert_live("pages:getByPageId", args, caller=operator):
            contents.upsert_page(read_page(), now=now)
        with assert_live("pages:getByPageId", args, caller=operator):
            User.objects.update(is_staff=False)

    def test_of_playable_pages(self, now: datetime) -> None:
        with assert_live("cachedContent:getRandom", {"difficulty": 3}):
            contents.save_content(read_content(), now=now)
        with assert_live("cachedContent:getDemo"):
            contents.save_content(read_content(isDemo=True), now=now)

    def test_of_ones_archive(self, session: GameSession) -> None:
        UserFactory.create(username="bob")
        other = Watch("levels:getByProject", {"projectId": PROJECT})
        save = {"sessionId": session.public_id, "items": [item()]}

        with assert_live("archives:getUserArchive", caller=alice, bystanders=(other,)):
            call("archives:save", alice, **save)
        with assert_live("archives:getUserArchive", caller=alice):
            User.objects.filter(username="alice").update(is_banned=True)
