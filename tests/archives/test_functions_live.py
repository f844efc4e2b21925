"""The functions of content and archives, live: whom a result is shared with, who hears of what."""

from datetime import datetime

import pytest

from accounts.models import User
from archives.services import contents
from dust.livequery.execution import run_query
from dust.livequery.registry import Kind, find_function
from dust.livequery.testing import Watch, assert_live, mutate
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
from tests.archives.playing import alice
from tests.archives.variants import page as html
from tests.factories import GameSessionFactory, UserFactory, identity_of

pytestmark = pytest.mark.django_db(transaction=True)

LEVEL = f"{PROJECT}_level_01"


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
            ("pageVariants:getRedactedByLevelId", {"levelId": LEVEL}, {"signed in"}),
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

    def test_of_redacted_variants(self, now: datetime) -> None:
        contents.upsert_variant(read_variant(), now=now)
        other = Watch("pageVariants:countValidByProject", {"projectId": PROJECT})

        with assert_live("pageVariants:getRedactedByLevelId", {"levelId": LEVEL}, caller=alice):
            contents.upsert_page(read_page(title="Deserts"), now=now)
        with assert_live(
            "pageVariants:getRedactedByLevelId",
            {"levelId": LEVEL},
            caller=alice,
            bystanders=(other,),
        ):
            contents.upsert_variant(read_variant(alteredContent=html("a", "e1")), now=now)

    def test_of_a_level_that_had_none(self, now: datetime) -> None:
        with assert_live("pageVariants:getByLevelId", {"levelId": LEVEL}, caller=alice):
            contents.upsert_variant(read_variant(), now=now)

    def test_of_a_page(self, now: datetime) -> None:
        operator = identity_of(UserFactory.create(username="operator", staff=True))
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

    def test_of_ones_archive(self) -> None:
        session = GameSessionFactory.create(user__username="alice")
        UserFactory.create(username="bob")
        other = Watch("levels:getByProject", {"projectId": PROJECT})
        save = {"sessionId": session.public_id, "items": [item()]}

        with assert_live("archives:getUserArchive", caller=alice, bystanders=(other,)):
            mutate("archives:save", save, caller=alice)
        with assert_live("archives:getUserArchive", caller=alice):
            User.objects.filter(username="alice").update(is_banned=True)
