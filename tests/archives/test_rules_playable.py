"""What the server adds to the adapter: pages that can be won, and what is shown of them."""

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from archives.rules.adapter import adapt
from archives.rules.content import MAX_SECTIONS, PageContent, Section
from archives.rules.playable import (
    energy_of,
    is_selectable,
    is_winnable,
    make_playable,
    redact,
    selectable,
    with_place_ids,
)
from archives.rules.sections import text_section
from tests.archives.variants import mark, page, paragraph, variant

TITLE = '<h1 data-element-id="title">The title</h1>'
HEAD = '<h2 data-element-id="head">A part of it</h2>'
OTHER_HEAD = '<h2 data-element-id="other">Another part of it</h2>'
IMAGE = '<img data-element-id="image" src="https://e.x/a.png" alt="A picture">'


def adapted(content: str, *false: str) -> PageContent:
    """Return the page as adapted, the sections of these ids false."""
    return adapt(variant(content, [mark(element_id=key) for key in false] or [mark()]))


def shown(made: PageContent) -> list[tuple[str, bool, float]]:
    return [(each.id, each.is_true, each.archive_cost) for each in made.sections]


class TestSelectable:
    def test_dust_sc_2_is_what_costs_something(self) -> None:
        made = adapted(f"{IMAGE}{TITLE}{HEAD}{page('a', 'b')}", "b")

        assert [each.id for each in selectable(made)] == ["a", "b"]

    def test_is_no_picture_whatever_it_costs(self) -> None:
        picture = replace(text_section("i", ""), image_src="https://e.x/a.png")

        assert not is_selectable(picture)
        assert is_selectable(replace(picture, image_src=UNSET))


class TestEnergy:
    def test_dust_sc_1_is_what_the_true_ones_cost(self) -> None:
        made = adapted(f"{IMAGE}{TITLE}{HEAD}{page('a', 'b', 'c', 'd')}", "b")

        assert energy_of(made) == 3

    def test_counts_costs(self) -> None:
        sections = [replace(text_section("a", "A."), archive_cost=2.0), text_section("b", "B.")]
        made = replace(adapted(page("x", "y"), "y"), sections=sections)

        assert energy_of(made) == 3


class TestMakePlayable:
    def test_leaves_a_page_that_can_be_won_as_it_is(self) -> None:
        made = adapted(f"{IMAGE}{TITLE}{HEAD}{page('a', 'b')}", "b")

        assert make_playable(made) == made

    def test_lets_players_choose_headlines_where_the_only_lie_is_one(self) -> None:
        made = adapted(f"{TITLE}{page('a')}{HEAD}{OTHER_HEAD}{page('b')}", "head")

        played = make_playable(made)

        assert shown(played) == [
            ("a", True, 1),
            ("head", False, 1),
            ("other", True, 1),
            ("b", True, 1),
        ]
        assert energy_of(played) == 3

    def test_lets_players_choose_headlines_where_the_only_truth_is_one(self) -> None:
        made = adapted(f"{IMAGE}{page('a', 'b')}{HEAD}{page('c')}", "a", "b", "c")

        played = make_playable(made)

        assert [key for key, is_true, cost in shown(played) if is_true and cost] == ["head"]
        assert energy_of(played) == 1

    def test_adds_something_true_where_all_is_false(self) -> None:
        made = adapted(page("a", "b"), "a", "b")

        played = make_playable(made)

        assert played.sections[:2] == made.sections
        assert shown(played)[2:] == [("note", True, 1)]
        assert played.sections[2].text == "The address of this page begins with “archive:”."
        assert played.url.startswith("archive:")

    def test_adds_something_false_where_all_is_true(self) -> None:
        # Pictures cannot be chosen, not even the one that was called false for want of a lie.
        made = adapted(f"{IMAGE}{page('a', 'b')}")
        assert shown(made)[0] == ("image", False, 0)

        played = make_playable(made)

        assert played.sections[:3] == made.sections
        assert shown(played)[3:] == [("note", False, 1)]
        assert played.sections[3].text == "The address of this page begins with “gopher:/”."
        assert played.sections[3].false_reason

    def test_adds_a_lie_that_is_one(self) -> None:
        made = replace(adapted(f"{IMAGE}{page('a')}{page('b')}"), url="gopher://e.x/")

        assert "telnet" in make_playable(made).sections[-1].text

    def test_adds_both_where_nothing_can_be_chosen(self) -> None:
        picture = replace(text_section("image", "", cost=0), image_src="https://e.x/a.png")
        made = replace(adapted(page("a", "b")), sections=[picture])

        played = make_playable(made)

        assert shown(played) == [
            ("image", True, 0),
            ("note", True, 1),
            ("note__2", False, 1),
        ]

    def test_gives_what_it_adds_an_id_of_its_own(self) -> None:
        made = adapted(page("note", "note"), "note")

        assert [key for key, *_ in shown(make_playable(made))] == ["note", "note__2", "note__3"]

    def test_shortens_ids_and_titles_that_are_too_long(self) -> None:
        title = "x" * 3000
        made = adapted(
            f'<h1 data-element-id="t">{title}</h1>{page("y" * 300, "y" * 301, "b")}', "b"
        )

        played = make_playable(made)

        assert len(played.title) == 1000
        assert [len(key) for key, *_ in shown(played)] == [251, 254, 1]

    @pytest.mark.parametrize("false", [0, MAX_SECTIONS - 1, MAX_SECTIONS, 349])
    def test_cuts_pages_that_are_too_long_and_keeps_the_first_lie(self, false: int) -> None:
        keys = [f"k{at}" for at in range(350)]
        made = adapted(page(*keys), f"k{false}")

        played = make_playable(made)

        assert is_winnable(played)
        assert len(played.sections) == MAX_SECTIONS
        assert [key for key, is_true, _ in shown(played) if not is_true] == [f"k{false}"]
        assert [key for key, *_ in shown(played)] == sorted(
            {*keys[: MAX_SECTIONS - (false >= MAX_SECTIONS)], f"k{false}"}, key=keys.index
        )

    def test_keeps_the_first_truth_of_pages_that_are_too_long(self) -> None:
        keys = [f"k{at}" for at in range(350)]

        played = make_playable(adapted(page(*keys), *keys[:300]))

        assert [key for key, is_true, _ in shown(played) if is_true] == ["k300"]


class TestWithPlaceIds:
    def test_names_sections_by_where_they_stand(self) -> None:
        made = adapted(f"{IMAGE}{page('real-1', 'fake-1')}", "fake-1")

        placed = with_place_ids(made)

        assert shown(placed) == [("s1", True, 0), ("s2", True, 1), ("s3", False, 1)]
        assert [each.text for each in placed.sections] == [each.text for each in made.sections]


class TestRedact:
    def test_shows_the_page(self) -> None:
        made = adapted(f"{IMAGE}{TITLE}{paragraph('a')}{paragraph('b')}", "b")

        seen = redact(made)

        assert (seen.id, seen.title, seen.url) == (made.id, "The title", made.url)
        assert (seen.difficulty, seen.decay_duration, seen.content_type) == (1, 120, "news")
        assert [(each.id, each.archive_cost) for each in seen.sections] == [
            ("image", 0),
            ("title", 0),
            ("a", 1),
            ("b", 1),
        ]
        assert (seen.sections[0].image_src, seen.sections[0].image_alt) == (
            "https://e.x/a.png",
            "A picture",
        )

    def test_d20_shows_no_answer(self) -> None:
        secret = "SECRET"
        made = adapt(variant(page("a", "b"), [mark(element_id="b", explanation=secret)]))
        issues = {
            name: secret
            for name in Section.__struct_fields__
            if name.endswith(("_issue", "_reason", "_language"))
        }
        made = replace(made, sections=[replace(each, **issues) for each in made.sections])

        assert len(issues) == 5
        assert secret in repr(made)
        assert secret not in repr(redact(made))
