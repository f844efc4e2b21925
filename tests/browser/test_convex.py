"""A page of Convex's React client, in Chromium, whose users are on two servers."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Visit, Visitor, Wire
from tests.dust.serving import ExamplesServing, two_servers
from tests.node import copy_clients, run_node


@pytest.fixture(scope="module")
def servers(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[ExamplesServing, ExamplesServing]]:
    with two_servers(ExamplesServing, tmp_path_factory.mktemp("two")) as servers:
        yield servers


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page, ready to be opened."""
    folder = copy_clients(tmp_path_factory.mktemp("page") / "clients") / "page"
    run_node(folder / "build.js", folder=folder)
    return folder / "index.html"


def address(page: Path, *, server: str, author: str) -> str:
    return f"{page.as_uri()}?{urlencode({'server': server.rstrip('/'), 'author': author})}"


async def send(visitor: Visitor, text: str) -> None:
    await visitor.page.get_by_label("Message").fill(text)
    await visitor.page.get_by_role("button", name="Send").click()


async def sees(visitor: Visitor, *texts: str) -> None:
    """Wait until these are the messages on the page."""
    await expect(visitor.page.get_by_role("listitem")).to_have_text(list(texts))


async def lengths(visitor: Visitor) -> list[int]:
    """Return how many messages have been on the page, one time after the other."""
    shown: list[int] = await visitor.page.evaluate("window.shown.map((texts) => texts.length)")
    return shown


class TestPage:
    async def test_shows_what_users_of_either_server_write_once(
        self, servers: tuple[ExamplesServing, ExamplesServing], page: Path, visit: Visit
    ) -> None:
        first, second = servers
        async with Wire(first.port) as wire:
            ada = visit(address(page, server=wire.url, author="ada"))
            bob = visit(address(page, server=second.url, author="bob"))
            async with ada as ada, bob as bob:
                await send(ada, "one")
                await sees(bob, "one")
                await send(bob, "two")
                await sees(ada, "two", "one")

                wire.target_port = second.port
                wire.cut()
                await send(ada, "three")
                await sees(ada, "three", "two", "one")
                await sees(bob, "three", "two", "one")
                await send(bob, "four")
                await sees(ada, "four", "three", "two", "one")

                seen = await lengths(ada), await lengths(bob)
                assert len(ada.sockets) >= 2

        assert seen[0] == sorted(seen[0])
        assert seen[1] == sorted(seen[1])
