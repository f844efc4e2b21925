"""What can be done by REST and by a function has the same limits by both."""

from itertools import count
from typing import Any
from uuid import UUID

import pytest
from rest_framework.exceptions import ValidationError

from archives.rules import checking
from dust import ids
from dust.errors import InvalidError
from dust.identity import Identity, local_issuer
from dust.livequery.registry import Kind
from dust.livequery.testing import mutate
from dust.rest.serializers import Shape
from gamesessions.models import GameSession
from tests.archives.documents import item, snake
from tests.house.routes import operations
from tests.house.test_function_access import FUNCTIONS, LINES
from tests.rest import PLAY, restore_boards

REST = "/api/v1"
TWINS = {
    "users:sync": f"PATCH {REST}/me/",
    "gameSessions:create": f"POST {REST}/sessions/",
    "gameSessions:update": f"PATCH {REST}/sessions/<session>/",
    "gameSessions:finish": f"POST {REST}/sessions/<session>/finish/",
    "leaderboard:submit": f"POST {REST}/leaderboards/<board>/entries/",
    "levels:upsert": f"PUT {REST}/ingest/levels/<key>/",
    "pages:upsert": f"PUT {REST}/ingest/pages/<key>/",
    "pageVariants:insert": f"PUT {REST}/ingest/variants/<key>/",
    "archives:save": f"POST {REST}/archives/",
    "runs:start": f"POST {REST}/runs/",
    "runs:lifeline": f"POST {REST}/runs/<run>/lifelines/",
    "runs:archive": f"POST {REST}/runs/<run>/archive/",
    "runs:next": f"POST {REST}/runs/<run>/next/",
    "runs:finish": f"POST {REST}/runs/<run>/finish/",
}
"""The endpoint that does the same as a function."""

ALONE = {"cachedContent:seed"}
"""What nothing in REST does: operators have the admin."""

NUMBERED = {
    "gameSessions:update": {"score", "level", "combo", "pagesCompleted", "accuracy"},
    "gameSessions:finish": {"finalScore", "level", "accuracy"},
    "leaderboard:submit": {"score", "accuracy", "level", "pagesCompleted"},
}
"""The functions that take the numbers of a game, and which."""

_players = count(1)


def body_of(path: str) -> type[Shape]:
    """Return the shape that the function's twin takes."""
    body = operations()[TWINS[path]].body
    assert body is not None
    return body


def is_taken_by_rest(shape: type[Shape], body: dict[str, Any]) -> bool:
    try:
        shape.read(body)
    except ValidationError:
        return False
    return True


def is_taken(path: str, args: dict[str, Any]) -> bool:
    """Return whether a function takes the arguments, from somebody who is in a new game."""
    caller = Identity(local_issuer.ISSUER, f"player {next(_players)}")
    if "sessionId" in args:
        args = args | {"sessionId": mutate("gameSessions:create", caller=caller)}
    try:
        mutate(path, args, caller=caller)
    except InvalidError:
        return False
    return True


class TestFunctions:
    def test_have_a_twin_or_stand_here_alone(self) -> None:
        mutations = {path for path, spec in FUNCTIONS.items() if spec.kind is Kind.MUTATION}

        assert TWINS.keys() | ALONE == mutations

    @pytest.mark.parametrize("path", TWINS)
    def test_may_be_called_as_often_as_their_twins_and_together_with_them(self, path: str) -> None:
        assert FUNCTIONS[path].limit == operations()[TWINS[path]].limit

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize(
        ("path", "name"),
        [(path, name) for path, names in NUMBERED.items() for name in sorted(names)],
    )
    def test_take_the_numbers_that_their_twins_do(self, path: str, name: str) -> None:
        restore_boards()
        shape, in_rest = body_of(path), checking.snake(name).removeprefix("final_")
        field: Any = shape().fields[in_rest]
        body = {**PLAY} if "Sessions" not in path else {"version": 1}
        args = {**LINES[path].args}
        if path == "leaderboard:submit":
            args["leaderboardType"] = "coop"  # where any level may be played

        for value in (field.min_value, field.max_value):
            for number in (value - 1, value, value + 1, value + 0.5):
                by_rest = is_taken_by_rest(shape, body | {in_rest: number})
                assert (number, is_taken(path, args | {name: float(number)})) == (number, by_rest)

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize(
        "items",
        [
            [item()] * 500,
            [item()] * 501,
            [item(sectionText="t" * 2000)],
            [item(sectionText="t" * 2001)],
            [item(level=0)],
            [item(level=11)],
            [item(level=1.5)],
            [item(contentType="poem")],
        ],
    )
    def test_take_the_items_that_their_twin_does(self, items: list[Any]) -> None:
        some_session = ids.encode(GameSession.TABLE_NUMBER, UUID(int=7))
        body = {"session_id": some_session, "items": snake(items)}

        by_rest = is_taken_by_rest(body_of("archives:save"), body)

        assert is_taken("archives:save", {"sessionId": "", "items": items}) == by_rest
