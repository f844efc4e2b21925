"""Lists a page at a time."""

from dust.rest.pages import page, page_of
from tests.dust.rest.toys import TOY, Toy


class TestPage:
    def test_shows_each_row_and_where_to_go_on(self) -> None:
        assert page(Toy, [TOY | {"hidden": 1}, TOY], next_cursor="abc") == {
            "results": [TOY, TOY],
            "next_cursor": "abc",
        }


class TestPageOf:
    def test_is_the_shape_of_what_page_returns(self) -> None:
        shape = page_of(Toy)

        assert shape.__name__ == "ToyPage"
        assert shape.show(page(Toy, [TOY], next_cursor=None)) == {
            "results": [TOY],
            "next_cursor": None,
        }

    def test_is_one_for_each_shape(self) -> None:
        assert page_of(Toy) is page_of(Toy)
