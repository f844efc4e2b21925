"""Every list that REST shows is bounded, however much there is: D23."""

from typing import Any

import pytest
from django.test import Client
from rest_framework.serializers import ListSerializer

from accounts.models import User
from archives.models import Archive, CachedContent, PageVariant
from archives.rules import content
from dust.identity import local_issuer
from gamesessions import rules as sessions
from gamesessions.models import GameSession, Save
from leaderboard.rules import LEVEL_OF_BOARD
from tests.factories import SaveFactory
from tests.house.routes import API, operations
from tests.house.rows import NOW, fill
from tests.house.stage import BOARD, filled_in
from tests.rest import get

pytestmark = pytest.mark.django_db

MANY = 210
"""Rows, of which half are more than any list shows."""

AROUND = f"GET {API}leaderboards/<board>/around/"
PAGED = [
    f"GET {API}archives/",
    f"GET {API}leaderboards/<board>/",
    f"GET {API}projects/<project>/levels/<level>/variants/",
    f"GET {API}sessions/",
]
"""Where ``limit`` says how many, and there is a next page."""

CUT_OFF = {
    f"GET {API}content/demo/": content.MAX_LISTED,
    f"GET {API}leaderboards/": len(LEVEL_OF_BOARD),
    f"GET {API}projects/<project>/counts/": content.MAX_LEVELS_IN_PROJECT,
    f"GET {API}projects/<project>/levels/": content.MAX_LEVELS_IN_PROJECT,
    f"GET {API}sessions/<session>/saves/": sessions.MAX_SAVES,
}
"""Of what is shown on one page there are no more, or the rest is not shown."""

WHOLE = {
    f"GET {API}archives/<archive>/": "what one archive holds, which is limited when it is saved",
    f"GET {API}archives/export/": "all that is the caller's: streamed, and so often an hour",
    f"GET {API}projects/<project>/pages/<page>/document/": "one document, limited when it comes",
}
"""What has many in it for a reason."""


def lists() -> dict[str, Any]:
    """Return the query of every endpoint that answers with many of something."""
    found = {}
    for endpoint, operation in operations().items():
        fields = operation.answers[min(operation.answers)]().fields.values()
        if endpoint.startswith("GET ") and any(isinstance(each, ListSerializer) for each in fields):
            found[endpoint] = operation.query().fields
    return found


@pytest.fixture
def variables() -> dict[str, str]:
    """More of everything than is listed, all of it the owner's who stands amid a board."""
    rows = fill(MANY)
    owner = rows["accounts.User"][MANY // 2]
    User.objects.filter(pk=owner.pk).update(issuer=local_issuer.ISSUER, subject="owner")
    GameSession.objects.update(user=owner, status="completed", ended_at=NOW)
    Archive.objects.update(user=owner)
    CachedContent.objects.update(is_demo=True)
    _spread(rows["archives.PageVariant"])
    session = rows["gamesessions.GameSession"][0]
    versions = range(2, 2 * sessions.MAX_SAVES)
    Save.objects.bulk_create(SaveFactory.build(session=session, version=n) for n in versions)
    return {
        "<board>": BOARD,
        "<level>": "level-0",
        "<project>": rows["archives.Page"][0].project_id,
        "<session>": session.public_id,
    }


def _spread(variants: list[Any]) -> None:
    """Put half of the variants on one level, and the others on a level each."""
    for number, variant in enumerate(variants):
        variant.level_id = f"level-{max(0, number - MANY // 2)}"
    PageVariant.objects.bulk_update(variants, ["level_id"])


class Listing:
    """Asks for a list as the owner."""

    def __init__(self, client: Client, endpoint: str, variables: dict[str, str]) -> None:
        self._client = client
        self._path = filled_in(endpoint.removeprefix("GET "), variables)

    def answer(self, query: str = "") -> Any:
        return get(self._client, self._path + query, "owner")

    def count(self, query: str = "") -> int:
        return len(self.answer(query).json()["results"])


class TestLists:
    def test_are_all_known_here(self) -> None:
        assert lists().keys() == {*PAGED, AROUND, *CUT_OFF, *WHOLE}

    @pytest.mark.parametrize("endpoint", PAGED)
    def test_d23_show_a_page_and_no_more_than_a_limit_may_say(
        self, client: Client, variables: dict[str, str], endpoint: str
    ) -> None:
        listing = Listing(client, endpoint, variables)
        limit = lists()[endpoint]["limit"]

        refused = [listing.answer(f"?limit={number}") for number in (0, limit.max_value + 1)]

        assert limit.default <= limit.max_value <= 100
        assert listing.count() == limit.default
        assert listing.count(f"?limit={limit.max_value}") == limit.max_value
        assert listing.answer(f"?limit={limit.max_value}").json()["next_cursor"]
        assert [(each.status_code, [*each.json()["fields"]]) for each in refused] == [
            (400, ["limit"])
        ] * 2

    def test_d23_around_somebody_go_no_further_than_a_radius_may_say(
        self, client: Client, variables: dict[str, str]
    ) -> None:
        listing = Listing(client, AROUND, variables)
        radius = lists()[AROUND]["radius"]

        refused = listing.answer(f"?radius={radius.max_value + 1}")

        assert listing.count() == 2 * radius.default + 1
        assert listing.count(f"?radius={radius.max_value}") == 2 * radius.max_value + 1
        assert (refused.status_code, [*refused.json()["fields"]]) == (400, ["radius"])

    @pytest.mark.parametrize("endpoint", CUT_OFF)
    def test_d23_without_pages_end_all_the_same(
        self, client: Client, variables: dict[str, str], endpoint: str
    ) -> None:
        listing = Listing(client, endpoint, variables)

        refused = listing.answer("?limit=1000")

        assert listing.count() == CUT_OFF[endpoint]
        assert (refused.status_code, [*refused.json()["fields"]]) == (400, ["limit"])
