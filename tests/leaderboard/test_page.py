"""The page's HTML and headers; what it does in a browser is in ``tests/browser``."""

import re
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from leaderboard import rules

STATIC = Path(rules.__file__).parent / "static/leaderboard"


class TestPage:
    def test_is_for_everybody_and_remembers_nobody(self, client: Client) -> None:
        answer = client.get("/")

        assert answer.status_code == 200
        assert answer["content-type"] == "text/html; charset=utf-8"
        assert not answer.cookies
        assert not answer.has_header("Vary")

    def test_offers_every_board(self, client: Client) -> None:
        offered = re.findall(r'name="board" value="([^"]+)"', client.get("/").text)

        assert offered == list(rules.LEVEL_OF_BOARD)

    def test_allows_nothing_but_its_own_files_and_sockets(self, client: Client) -> None:
        answer = client.get("/")

        policy = dict(part.split(" ", 1) for part in answer["content-security-policy"].split("; "))
        allowed = {sources for name, sources in policy.items() if name != "default-src"}
        assert policy["default-src"] == "'none'"
        assert allowed == {"'self'", "'none'"}
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", answer.text)

    def test_asks_nothing_of_other_machines(self, client: Client) -> None:
        texts = [path.read_text() for path in STATIC.iterdir()] + [client.get("/").text]

        named = {host for text in texts for host in re.findall(r"https?://([\w.-]+)", text)}
        assert named <= {"testserver", "www.w3.org"}  # itself, and the name of SVG

    @pytest.mark.parametrize("has_local_issuer", [True, False])
    def test_tells_how_to_get_a_token_where_it_can_give_one(
        self, client: Client, settings: Settings, has_local_issuer: bool
    ) -> None:
        settings.LOCAL_ISSUER = has_local_issuer

        page = client.get("/", headers={"host": "localhost:8000"}, secure=True).text

        assert "curl https://localhost:8000/api/v1/" in page
        assert ("manage.py token alice" in page) is has_local_issuer
        assert ("your identity provider" in page) is not has_local_issuer
