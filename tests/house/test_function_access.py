"""Who may call what of the functions (PLAT-A6): each public one has a line here, which is tried.

A function without a line fails these tests, and so does a line that no function has.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from django.apps import apps
from django.test import Client

from accounts.models import User
from accounts.services import bans
from archives.services import contents
from dust.errors import DustError
from dust.identity import Identity, local_issuer
from dust.livequery.registry import FunctionSpec, Kind, all_functions
from dust.livequery.testing import ask, mutate
from tests.archives import documents
from tests.factories import UserFactory
from tests.house import source
from tests.house.stage import build, enter, filled_in
from tests.rest import restore_boards

NOTHING, SOMETHING, DONE = "nothing", "something", "done"
UNAUTHENTICATED, FORBIDDEN = "unauthenticated", "forbidden"
UNCREDENTIALED = "ingest_credential_required"
BANNED, NO_RUN = "account_banned", "run_not_found"

SOLO_3 = {"leaderboardType": "solo", "level": 3}
PLAY = {"score": 7, "accuracy": 50, "level": 3, "pagesCompleted": 1}
PROGRESS = {"score": 7, "level": 2, "combo": 0, "pagesCompleted": 1, "accuracy": 50}


@dataclass(frozen=True, kw_only=True)
class Line:
    """What becomes of a call by nobody, by a stranger and by the owner of what is there.

    The stranger is signed in and has never done anything here, the owner has what ``stage`` says,
    and ``banned`` is what the owner gets who is. Queries show something or nothing, mutations are
    done; what is refused has the code of an error.
    """

    nobody: str
    stranger: str
    owner: str
    banned: str = BANNED
    args: Mapping[str, Any]


def everybodys(**args: Any) -> Line:
    return Line(nobody=SOMETHING, stranger=SOMETHING, owner=SOMETHING, banned=SOMETHING, args=args)


def players(**args: Any) -> Line:
    return Line(nobody=UNAUTHENTICATED, stranger=DONE, owner=DONE, args=args)


def shown_to_owner(**args: Any) -> Line:
    return Line(nobody=NOTHING, stranger=NOTHING, owner=SOMETHING, args=args)


def owners(refusal: str, **args: Any) -> Line:
    return Line(nobody=UNAUTHENTICATED, stranger=refusal, owner=DONE, args=args)


def nobodys(refusal: str, **args: Any) -> Line:
    """Return the line of what tools or staff may: their own tests let them in."""
    return Line(nobody=refusal, stranger=refusal, owner=refusal, banned=refusal, args=args)


def signed_in(**args: Any) -> Line:
    """Return the line of what looks at nothing but whether somebody is signed in."""
    return Line(nobody=NOTHING, stranger=SOMETHING, owner=SOMETHING, banned=SOMETHING, args=args)


LINES = {
    "healthCheck:get": everybodys(),
    "users:sync": Line(
        nobody=FORBIDDEN,
        stranger=FORBIDDEN,
        owner=DONE,
        args={"clerkId": "owner", "username": "Mallory", "avatarUrl": ""},
    ),
    "users:getByClerkId": Line(
        nobody=NOTHING, stranger=SOMETHING, owner=SOMETHING, args={"clerkId": "owner"}
    ),
    "users:current": shown_to_owner(),
    "gameSessions:create": players(),
    "gameSessions:update": owners(FORBIDDEN, sessionId="<session>", **PROGRESS),
    "gameSessions:finish": owners(
        FORBIDDEN, sessionId="<session>", finalScore=7, accuracy=50, level=2
    ),
    "gameSessions:getActive": shown_to_owner(),
    "leaderboard:submit": players(**PLAY),
    "leaderboard:getTop": Line(
        nobody=SOMETHING, stranger=SOMETHING, owner=SOMETHING, banned=NOTHING, args=SOLO_3
    ),
    "leaderboard:getMyRank": shown_to_owner(**SOLO_3),
    "leaderboard:getAroundMe": shown_to_owner(**SOLO_3),
    "levels:upsert": nobodys(UNCREDENTIALED, **documents.level()),
    "levels:getByProject": everybodys(projectId="<project>"),
    "levels:getByLevelId": everybodys(projectId="<project>", levelId="<level>"),
    "pages:upsert": nobodys(UNCREDENTIALED, **documents.page()),
    "pages:getByPageId": nobodys(NOTHING, pageId="<page>"),
    "pageVariants:insert": nobodys(UNCREDENTIALED, **documents.variant()),
    "pageVariants:getByPageId": signed_in(pageId="<page>"),
    "pageVariants:getByLevelId": signed_in(levelId="<level>"),
    "pageVariants:getRedactedByLevelId": signed_in(levelId="<level>"),
    "pageVariants:countValidByProject": everybodys(projectId="<project>"),
    "cachedContent:getRandom": everybodys(difficulty=1),
    "cachedContent:getDemo": everybodys(),
    "cachedContent:seed": Line(
        nobody=UNAUTHENTICATED,
        stranger=FORBIDDEN,
        owner=FORBIDDEN,
        banned=FORBIDDEN,
        args={
            "content": json.dumps(documents.playable()),
            "contentType": "news",
            "difficulty": 3,
            "isDemo": True,
        },
    ),
    "archives:save": Line(
        nobody="sign_in_to_save",
        stranger=FORBIDDEN,
        owner=DONE,
        args={"sessionId": "<session>", "items": []},
    ),
    "archives:getUserArchive": shown_to_owner(),
    "runs:start": players(mode="demo"),
    "runs:get": shown_to_owner(runId="<run>"),
    "runs:getActive": shown_to_owner(),
    "runs:lifeline": owners(NO_RUN, runId="<run>", page=1, lifeline="purge"),
    "runs:archive": owners(NO_RUN, runId="<run>", page=1, sectionIds=["s1", "s3"]),
    "runs:next": owners(NO_RUN, runId="<run>", page=1),
    "runs:finish": owners(NO_RUN, runId="<run>"),
}


def public_functions() -> dict[str, FunctionSpec]:
    """Return every function that is part of the package and open to clients."""
    return {
        spec.path: spec
        for spec in all_functions()
        if not spec.is_internal and spec.handler.__module__.split(".")[0] in source.PACKAGES
    }


FUNCTIONS = public_functions()


def called(path: str, args: Mapping[str, Any], caller: Identity | None) -> str:
    """Return what comes of a call; unless it is done, it leaves no trace."""
    before = everything()
    outcome = _outcome(FUNCTIONS[path], args, caller)
    assert outcome == DONE or everything() == before
    return outcome


def _outcome(spec: FunctionSpec, args: Mapping[str, Any], caller: Identity | None) -> str:
    try:
        if spec.kind is Kind.MUTATION:
            mutate(spec.path, args, caller=caller)
            return DONE
        return SOMETHING if ask(spec.path, args, caller=caller) else NOTHING
    except DustError as error:
        return error.code


def everything() -> dict[str, list[Any]]:
    """Return every row of every app of the package."""
    return {
        model._meta.label: list(model._default_manager.order_by("pk").values())
        for app in apps.get_app_configs()
        if app.name in source.PACKAGES
        for model in app.get_models()
    }


def set_the_stage(client: Client, path: str) -> dict[str, str]:
    """Do what the owner has done; return what stands for the variables of the arguments."""
    restore_boards()
    build()
    contents.upsert_variant(documents.read_variant(), now=datetime.now(UTC))
    return enter(client, "/runs/" if path.startswith("runs:") else "")


class TestFunctions:
    def test_have_a_line_each(self) -> None:
        assert FUNCTIONS.keys() == LINES.keys()

    def test_are_queries_and_mutations(self) -> None:
        assert {spec.kind for spec in FUNCTIONS.values()} == {Kind.QUERY, Kind.MUTATION}

    def test_dust_cp_1_refuse_no_query_to_nobody_or_to_a_stranger(self) -> None:
        queries = [path for path, spec in FUNCTIONS.items() if spec.kind is Kind.QUERY]
        asked = {LINES[path].nobody for path in queries} | {
            LINES[path].stranger for path in queries
        }

        assert asked == {NOTHING, SOMETHING}


@pytest.mark.django_db(transaction=True)
class TestAccess:
    @pytest.mark.parametrize("path", LINES)
    def test_is_as_the_line_says(self, client: Client, path: str) -> None:
        line = LINES[path]
        variables = set_the_stage(client, path)
        args = json.loads(filled_in(json.dumps(line.args), variables))
        stranger, owner = (Identity(local_issuer.ISSUER, name) for name in ("stranger", "owner"))

        assert called(path, args, None) == line.nobody
        assert called(path, args, stranger) == line.stranger
        assert called(path, args, owner) == line.owner
        root = UserFactory.create(username="root", staff=True)
        user = User.objects.get(subject="owner")
        bans.ban_user(user, reason="a bot", until=None, by=root, now=datetime.now(UTC))
        assert called(path, args, owner) == line.banned
