"""REST: what there is to play, told without the truth."""

from datetime import datetime

import pytest
from django.test import Client

from archives.services import contents
from dust.identity import local_issuer
from tests.archives import documents
from tests.archives.documents import (
    PROJECT,
    mark,
    read_content,
    read_level,
    read_page,
    read_variant,
    section,
    snake,
)
from tests.factories import UserFactory
from tests.rest import get, unspend_limits

pytestmark = pytest.mark.django_db(transaction=True)

API = "/api/v1/"
DESERT = f"{API}projects/{PROJECT}/"
LEVEL = f"{PROJECT}_level_01"


@pytest.fixture(autouse=True)
def _fresh(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    unspend_limits(monkeypatch)


class TestLevels:
    def test_are_listed_easiest_first_d28(self, client: Client, now: datetime) -> None:
        for name, difficulty in [("b", 2), ("c", 1), ("a", 2)]:
            contents.upsert_level(read_level(levelId=name, difficulty=difficulty), now=now)

        answer = get(client, f"{DESERT}levels/")

        assert answer.status_code == 200
        assert [each["level_id"] for each in answer.json()["results"]] == ["c", "a", "b"]
        assert answer.json()["next_cursor"] is None
        assert get(client, f"{API}projects/swamp/levels/").json()["results"] == []

    def test_are_shown(self, client: Client, now: datetime) -> None:
        level = contents.upsert_level(read_level(), now=now).row

        answer = get(client, f"{DESERT}levels/{LEVEL}/")

        assert answer.json() == {
            "id": level.public_id,
            "level_id": LEVEL,
            "project_id": PROJECT,
            "difficulty": 1,
            "page_ids": ["9f86d081884c7d65"],
            "fake_rate": 0.05,
            "subtlety": 0.1,
            "max_fake_spans": 1,
        }
        missing = get(client, f"{DESERT}levels/nowhere/")
        assert (missing.status_code, missing.json()["code"]) == (404, "level_not_found")

    def test_tell_how_much_there_is_to_play(self, client: Client, now: datetime) -> None:
        contents.upsert_variant(read_variant(), now=now)
        blank = read_variant(variantId="b", pageId="b", alteredContent=" ")
        contents.upsert_variant(blank, now=now)

        answer = get(client, f"{DESERT}counts/")

        assert answer.json() == {
            "results": [{"level_id": LEVEL, "valid_variants": 1}],
            "next_cursor": None,
        }


class TestVariants:
    def test_are_listed_a_page_at_a_time(self, client: Client, now: datetime) -> None:
        for number in range(5):
            variant = read_variant(variantId=f"v{number}", pageId=f"p{number}")
            contents.upsert_variant(variant, now=now)
        seen: list[str] = []
        path = f"{DESERT}levels/{LEVEL}/variants/?limit=2"
        while path:
            page = get(client, path).json()
            seen += [each["variant_id"] for each in page["results"]]
            cursor = page["next_cursor"]
            path = cursor and f"{DESERT}levels/{LEVEL}/variants/?limit=2&cursor={cursor}"

        assert seen == [f"v{number}" for number in range(5)]
        refused = get(client, f"{DESERT}levels/{LEVEL}/variants/?cursor=x")
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_id")

    @pytest.mark.parametrize("limit", ["0", "101", "many"])
    def test_are_listed_no_further_than_allowed(self, client: Client, limit: str) -> None:
        answer = get(client, f"{DESERT}levels/{LEVEL}/variants/?limit={limit}")

        assert (answer.status_code, list(answer.json()["fields"])) == (400, ["limit"])


class TestPages:
    PAGE = f"{DESERT}pages/9f86d081884c7d65/"

    def test_are_described_to_everybody(self, client: Client, now: datetime) -> None:
        page = contents.upsert_page(read_page(), now=now).row

        assert get(client, self.PAGE).json() == {
            "id": page.public_id,
            "page_id": "9f86d081884c7d65",
            "project_id": PROJECT,
            "title": "Lighthouses",
            "tags": ["wiki"],
            "element_count": 2,
        }
        assert get(client, f"{DESERT}pages/nowhere/").json()["code"] == "page_not_found"

    def test_are_shown_whole_to_staff_alone(self, client: Client, now: datetime) -> None:
        contents.upsert_page(read_page(), now=now)
        path = f"{self.PAGE}document/"
        UserFactory.create(
            issuer=local_issuer.ISSUER, username="staff", is_staff=True, is_superuser=True
        )

        shown = get(client, path, "staff")

        document = snake(documents.page())
        del document["page_id"]
        document["elements"][1] |= dict.fromkeys(("text", "src", "srcset", "alt", "href"))
        assert (shown.status_code, shown.json()) == (200, document)
        assert get(client, path, "alice").status_code == 403
        assert get(client, path).status_code == 401
        assert get(client, f"{DESERT}pages/nowhere/document/", "staff").status_code == 404


class TestContent:
    RANDOM = f"{API}content/random/"

    def test_is_picked_unseen_until_there_is_no_more(self, client: Client, now: datetime) -> None:
        for number in range(3):
            contents.save_content(read_content(key=f"key-{number}"), now=now)
        seen: list[str] = []
        for _ in range(3):
            picked = get(client, f"{self.RANDOM}?difficulty=3&seen={','.join(seen)}")
            seen.append(picked.json()["id"])

        none_left = get(client, f"{self.RANDOM}?difficulty=3&seen={','.join(seen)}")

        assert len(set(seen)) == 3
        assert (none_left.status_code, none_left.json()["code"]) == (404, "content_not_found")

    def test_is_described_and_never_kept_by_caches(self, client: Client, now: datetime) -> None:
        row = contents.save_content(read_content(), now=now).row

        answer = get(client, f"{self.RANDOM}?difficulty=1&content_type=news")

        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.json() == {
            "id": row.public_id,
            "title": "A lighthouse in the desert",
            "content_type": "news",
            "difficulty": 3,
            "section_count": 3,
            "is_demo": False,
        }

    def test_is_the_same_for_the_same_seed(self, client: Client, now: datetime) -> None:
        for number in range(8):
            contents.save_content(read_content(key=f"key-{number}"), now=now)

        def picks(seed: str) -> set[str]:
            answers = [get(client, f"{self.RANDOM}?difficulty=3{seed}") for _ in range(12)]
            return {answer.json()["id"] for answer in answers}

        assert len(picks("&seed=mine")) == 1
        assert len(picks("")) > 1

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("", "difficulty"),
            ("difficulty=0", "difficulty"),
            ("difficulty=11", "difficulty"),
            ("difficulty=3&content_type=poem", "content_type"),
            ("difficulty=3&seen=" + ",".join("x" * 201), "seen"),
            ("difficulty=3&mood=sad", "mood"),
        ],
    )
    def test_is_asked_for_in_order(self, client: Client, query: str, field: str) -> None:
        answer = get(client, f"{self.RANDOM}?{query}")

        assert (answer.status_code, list(answer.json()["fields"])) == (400, [field])

    def test_of_the_demo_comes_in_its_order(self, client: Client, now: datetime) -> None:
        for key in ("b", "a"):
            contents.save_content(read_content(key=key, isDemo=True, title=key), now=now)

        answer = get(client, f"{API}content/demo/")

        assert [each["title"] for each in answer.json()["results"]] == ["b", "a"]


class TestTruth:
    """Nothing that REST shows to players tells them what is true: D20."""

    def test_d20_is_in_no_answer(self, client: Client, now: datetime) -> None:
        secrets = ["SNIPPET", "EXPLANATION", "BODY", "REASON", "HTML", "SOURCE", "isTrue", "fake_m"]
        marks = [mark(snippet="SNIPPET", explanation="EXPLANATION")]
        contents.upsert_variant(
            read_variant(fakeMarks=marks, alteredContent="<p>SNIPPET BODY</p>"), now=now
        )
        contents.upsert_page(read_page(html="HTML", url="https://SOURCE"), now=now)
        contents.upsert_level(read_level(), now=now)
        sections = [section(1), section(2, isTrue=False, falseReason="REASON", text="BODY")]
        for is_demo in (True, False):
            contents.save_content(
                read_content(key=f"{is_demo}", isDemo=is_demo, sections=sections), now=now
            )
        paths = [
            f"{DESERT}levels/",
            f"{DESERT}levels/{LEVEL}/",
            f"{DESERT}levels/{LEVEL}/variants/",
            f"{DESERT}counts/",
            f"{DESERT}pages/9f86d081884c7d65/",
            f"{DESERT}pages/9f86d081884c7d65/document/",
            f"{API}content/random/?difficulty=3",
            f"{API}content/demo/",
        ]

        for path in paths:
            for player in (None, "alice"):
                answer = get(client, path, player)
                told = answer.content.decode()
                assert answer.status_code in {200, 401, 403}
                assert [secret for secret in secrets if secret in told] == []
