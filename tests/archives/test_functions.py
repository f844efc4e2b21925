"""The functions, as Convex clients and the ingest tool know them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from accounts.errors import AccountBannedError
from accounts.models import User
from archives.errors import (
    InvalidContentError,
    SignInToSaveError,
)
from archives.models import Archive, CachedContent
from archives.services import contents, credentials
from dust.errors import ForbiddenError, UnauthenticatedError
from dust.identity import Identity
from dust.ids import InvalidIdError
from dust.livequery.context import Caller
from dust.livequery.errors import InvalidArgumentsError
from dust.livequery.execution import run_mutation, run_query_alone
from dust.livequery.registry import Kind, find_function
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
from tests.archives.variants import page as html
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

    def test_d20_are_shown_without_the_truth_as_runs_show_them(self, now: datetime) -> None:
        contents.upsert_page(read_page(), now=now)
        shown = contents.upsert_variant(read_variant(alteredContent=html("a", "e1")), now=now).row
        other = read_variant(variantId="blank", pageId="blank", alteredContent=" ")
        contents.upsert_variant(other, now=now)

        [found] = ask("pageVariants:getRedactedByLevelId", alice, levelId=LEVEL)

        page = found.pop("page")
        answers = {"alteredContent", "fakeMarks"}
        assert found == {"_id": shown.public_id, "_creationTime": millis(now)} | {
            name: value for name, value in documents.variant().items() if name not in answers
        }
        assert page["title"] == "Lighthouses"
        assert [(each["id"], *sorted(each)) for each in page["sections"]] == [
            (f"s{place}", "archiveCost", "category", "decayOrder", "id", "text") for place in (1, 2)
        ]
        assert ask("pageVariants:getRedactedByLevelId", levelId=LEVEL) == []
        assert ask("pageVariants:getRedactedByLevelId", alice, levelId="nowhere") == []

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

    def test_are_of_the_kind_that_is_asked_for(self, now: datetime) -> None:
        """Null asks for none, and is not the same as asking for any (DUST-DB-2)."""
        contents.save_content(read_content(), now=now)

        assert ask("cachedContent:getRandom", difficulty=3, contentType="poem") is None
        with pytest.raises(InvalidArgumentsError, match="contentType"):
            ask("cachedContent:getRandom", difficulty=3, contentType=None)

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
