"""Names and pictures: what is kept, what is refused, what a token is taken to say."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts import rules
from accounts.rules import Announced
from dust.errors import InvalidError
from tests.accounts.clerk import clerk_user

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "email_address", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


class TestCleanUsername:
    @pytest.mark.parametrize(
        ("text", "name"),
        [
            ("ada", "ada"),
            ("  Ada Lovelace \n", "Ada Lovelace"),
            ("a\x00d\x1ba\x7f", "ada"),
            ("abc\u202edcba", "abcdcba"),
            ("\u200b\ufeffada", "ada"),
            ("e\u0301", "e\u0301"),
            ("👩‍🚀", "👩‍🚀"),
            ("x" * 64, "x" * 64),
            (" " + "é" * 64 + " ", "é" * 64),
            ("<script>", "<script>"),
        ],
    )
    def test_keeps(self, text: str, name: str) -> None:
        assert rules.clean_username(text) == name

    @pytest.mark.parametrize(
        "text", ["", "   ", "\x00", "\u200b", "\u200d \u200c", "\u3000", "\ud800", "x" * 65]
    )
    def test_refuses_naming_field_and_limit(self, text: str) -> None:
        with pytest.raises(InvalidError) as refusal:
            rules.clean_username(text)

        assert refusal.value.fields == {"username": ["Must be 1 to 64 characters long."]}

    @given(text=st.text(max_size=100))
    def test_gives_what_it_would_keep_again(self, text: str) -> None:
        try:
            name = rules.clean_username(text)
        except InvalidError:
            return
        assert rules.clean_username(name) == name == name.strip()


class TestCleanAvatarUrl:
    @pytest.mark.parametrize(
        ("text", "url"),
        [
            ("", ""),
            ("  ", ""),
            ("https://img.clerk.com/a?width=80", "https://img.clerk.com/a?width=80"),
            (" http://img.example/a.png ", "http://img.example/a.png"),
            ("HTTPS://img.example/A", "https://img.example/A"),
            ("https://x.example/" + "a" * 2030, "https://x.example/" + "a" * 2030),
        ],
    )
    def test_keeps(self, text: str, url: str) -> None:
        assert rules.clean_avatar_url(text) == url

    @pytest.mark.parametrize(
        "text",
        [
            "javascript:alert(1)",
            "data:image/png;base64,AAAA",
            "//img.example/a",
            "img.example/a",
            "ftp://img.example/a",
            "https://",
            "https:///a",
            "https:img.example",
            "http://[::1",
            "https://img.example/a b",
            "https://img.example/\x00",
            "java\nscript:alert(1)",
            "https://x.example/" + "a" * 2031,
        ],
    )
    def test_refuses_naming_field_and_limit(self, text: str) -> None:
        with pytest.raises(InvalidError) as refusal:
            rules.clean_avatar_url(text)

        assert list(refusal.value.fields) == ["avatar_url"]
        assert "http(s)" in refusal.value.fields["avatar_url"][0]
        assert "2048" in refusal.value.fields["avatar_url"][0]


class TestUsernameFrom:
    @pytest.mark.parametrize(
        ("claims", "name"),
        [
            ({"nickname": "ada", "name": "Ada Lovelace"}, "ada"),
            ({"preferred_username": "ada_l", "name": "Ada Lovelace"}, "ada_l"),
            ({"name": "Ada Lovelace", "given_name": "Ada"}, "Ada Lovelace"),
            ({"given_name": "Ada"}, "Ada"),
            ({"nickname": "  ", "name": "\x00", "given_name": "Ada"}, "Ada"),
            ({"nickname": 7, "name": None, "given_name": ["Ada"]}, "Archivist"),
            ({"nickname": "ada@example.com", "name": "Ada"}, "Ada"),
            ({"name": "ada@example.com"}, "Archivist"),
            ({"name": "@ada"}, "@ada"),
            ({"name": "x" * 63 + " y"}, "x" * 63),
            ({"name": "x" * 5000}, "x" * 64),
            ({"name": "\u200d" * 64 + "x"}, "Archivist"),
            ({}, "Archivist"),
        ],
    )
    def test_chooses(self, claims: dict[str, Any], name: str) -> None:
        assert rules.username_from(claims) == name

    @given(name=st.text(max_size=100))
    def test_is_always_acceptable(self, name: str) -> None:
        chosen = rules.username_from({"name": name})

        assert rules.clean_username(chosen) == chosen


class TestAvatarUrlFrom:
    @pytest.mark.parametrize(
        ("claims", "url"),
        [
            ({"picture": "https://img.clerk.com/a"}, "https://img.clerk.com/a"),
            ({"picture": "javascript:alert(1)"}, ""),
            ({"picture": "https://x.example/" + "a" * 3000}, ""),
            ({"picture": 7}, ""),
            ({}, ""),
        ],
    )
    def test_takes_the_picture_if_it_can_be_shown(self, claims: dict[str, Any], url: str) -> None:
        assert rules.avatar_url_from(claims) == url


class TestReadAnnounced:
    def test_reads_what_clerk_says(self) -> None:
        assert rules.read_announced(clerk_user()) == Announced(
            subject="user_ada",
            username="ada",
            avatar_url="https://img.clerk.com/ada",
            email="ada@example.com",
            updated_at=datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC),
        )

    def test_says_nothing_that_it_was_not_told(self) -> None:
        assert rules.read_announced({"id": "user_ada"}) == Announced(
            "user_ada", None, None, "", None
        )

    @given(data=st.dictionaries(st.sampled_from([*clerk_user()]), ANY_JSON))
    def test_survives_whatever_is_sent(self, data: dict[str, Any]) -> None:
        found = rules.read_announced(data | {"id": "user_ada"})

        assert found.username is None or rules.clean_username(found.username) == found.username
        assert not found.avatar_url or rules.clean_avatar_url(found.avatar_url) == found.avatar_url
        assert len(found.email) <= rules.EMAIL_MAX


class TestCheckBan:
    def test_trims_the_reason(self, now: datetime) -> None:
        assert rules.check_ban(reason=" a bot\n", until=None, now=now) == "a bot"
