"""The page at ``/``, in Chromium: what is submitted shows everywhere, whatever the network does."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.async_api import WebSocketRoute, expect

from tests.browser.conftest import Visit, Wire
from tests.dust.serving import EMBEDDED, ROOT, Serving
from tests.players import Players

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"
LONGEST_NAME = "W" * 64
LARGEST_SCORE = 2**53 - 1


class TestLive:
    async def test_two_browsers_show_a_score_without_reload(
        self, server: Serving, players: Players, visit: Visit
    ) -> None:
        async with visit(server.url) as one, visit(server.url) as other:
            for visitor in (one, other):
                await visitor.is_live()
                await visitor.page.evaluate("window.isTheSamePage = true")

            await asyncio.to_thread(players.submit, server, "alice", 50_000)

            for visitor in (one, other):
                await visitor.sees(1, "alice", "50,000")
                await visitor.is_live()
                assert await visitor.page.evaluate("window.isTheSamePage")

    async def test_an_entry_moves_and_is_told_of(
        self, server: Serving, players: Players, visit: Visit
    ) -> None:
        await asyncio.to_thread(players.submit, server, "bob", 60_000, board="solo:5")
        await asyncio.to_thread(players.submit, server, "carol", 61_000, board="solo:5")
        async with visit(f"{server.url}/#solo:5") as visitor:
            await visitor.sees(1, "carol", "61,000")
            await visitor.sees(2, "bob", "60,000")

            await asyncio.to_thread(players.submit, server, "bob", 62_000, board="solo:5")

            await visitor.sees(1, "bob", "62,000")
            await visitor.sees(2, "carol", "61,000")
            await expect(visitor.page.get_by_role("log")).to_have_text("bob leads with 62000.")

    async def test_a_newcomer_is_told_how_and_it_works(self, server: Serving, visit: Visit) -> None:
        async with visit(f"{server.url}/#solo:7") as visitor:
            await visitor.is_live()
            told = await visitor.page.locator("pre").inner_text()
            environment = {
                "DUST_DATA_DIR": str(server.folder / "data"),
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            }
            await asyncio.to_thread(
                subprocess.run,
                ["/bin/sh", "-ec", told],
                cwd=ROOT,
                env=os.environ | EMBEDDED | environment,
                check=True,
            )

            name = visitor.page.get_by_role("rowheader", name="alice")
            await expect(visitor.page.locator("tr", has=name)).to_contain_text("1,250")


class TestRecovery:
    async def test_of_a_connection_that_is_killed(
        self, server: Serving, players: Players, visit: Visit, wire: Wire
    ) -> None:
        async with visit(f"{wire.url}#solo:6") as visitor:
            await visitor.is_live()

            wire.cut()
            await expect(visitor.page.get_by_role("status")).to_contain_text("Reconnecting, as of")
            await asyncio.to_thread(players.submit, server, "dave", 70_000, board="solo:6")

            await visitor.is_live()
            await visitor.sees(1, "dave", "70,000")
            first, *_, last = visitor.sockets
            assert "version=" not in first
            assert re.search(r"\?version=\w+$", last)

    async def test_of_a_server_that_restarts(
        self, tmp_path: Path, visit: Visit, wire: Wire
    ) -> None:
        with Players(tmp_path / "data") as players:
            before = await asyncio.to_thread(lambda: Serving(folder=tmp_path, **EMBEDDED))
            with before:
                wire.target_port = before.port
                async with visit(wire.url) as visitor:
                    await visitor.is_live()

                    await asyncio.to_thread(before.stop)
                    await expect(visitor.page.get_by_role("status")).to_contain_text("Reconnecting")
                    after = await asyncio.to_thread(lambda: Serving(folder=tmp_path, **EMBEDDED))
                    with after:
                        wire.target_port = after.port
                        await visitor.is_live()
                        await asyncio.to_thread(players.submit, after, "alice", 80_000)

                        await visitor.sees(1, "alice", "80,000")

    async def test_of_a_connection_that_has_gone_silent(
        self, players: Players, visit: Visit, wire: Wire
    ) -> None:
        async with visit(wire.url) as visitor:
            await visitor.page.clock.install()
            await visitor.page.reload()
            await visitor.is_live()

            wire.is_stuck = True
            await visitor.page.clock.run_for(36_000)
            await expect(visitor.page.get_by_role("status")).to_contain_text("Reconnecting")
            wire.is_stuck = False
            wire.cut()

            await visitor.is_live()

    async def test_of_a_browser_that_was_offline(
        self, server: Serving, players: Players, visit: Visit
    ) -> None:
        async with visit(f"{server.url}/#solo:8") as visitor:
            await visitor.is_live()

            await visitor.context.set_offline(offline=True)
            await expect(visitor.page.get_by_role("status")).to_contain_text("Offline, as of")
            await asyncio.to_thread(players.submit, server, "erin", 90_000, board="solo:8")
            await visitor.context.set_offline(offline=False)

            await visitor.is_live()
            await visitor.sees(1, "erin", "90,000")


class TestPicker:
    async def test_goes_by_keyboard_and_by_address(
        self, server: Serving, players: Players, visit: Visit
    ) -> None:
        await asyncio.to_thread(players.submit, server, "alice", 5_000, board="solo:4")
        async with visit(f"{server.url}/#solo:3") as visitor:
            page = visitor.page
            await expect(page.get_by_role("heading", name="Level 3")).to_be_visible()

            await page.get_by_role("radio", name="Level 3").focus()
            await page.keyboard.press("ArrowRight")

            await expect(page.get_by_role("radio", name="Level 4")).to_be_checked()
            await expect(page.get_by_role("table", name="Level 4")).to_be_visible()
            await visitor.sees(1, "alice", "5,000")
            await visitor.is_live()
            assert page.url.endswith("#solo:4")
            assert await page.title() == "DUST: Level 4"

    async def test_takes_up_a_board_that_was_shown_before(
        self, server: Serving, visit: Visit
    ) -> None:
        async with visit(server.url) as visitor:
            await visitor.is_live()
            for name in ("Co-op", "Level 1"):
                await visitor.page.get_by_role("radio", name=name, exact=True).check()
                await visitor.is_live()

        assert ["version=" in url for url in visitor.sockets] == [False, False, True]


class TestShown:
    async def test_names_are_only_ever_text(
        self, server: Serving, players: Players, visit: Visit
    ) -> None:
        await asyncio.to_thread(players.submit, server, HOSTILE, 1, board="solo:2")
        await asyncio.to_thread(players.submit, server, HOSTILE, 9_999, board="solo:2")
        async with visit(f"{server.url}/#solo:2") as visitor:
            await visitor.sees(1, HOSTILE, "9,999")

            assert await visitor.page.locator("main img, main script").count() == 0

    @pytest.mark.parametrize("width", [320, 360])
    async def test_fits_a_phone_with_the_longest_of_everything(
        self, server: Serving, players: Players, visit: Visit, width: int
    ) -> None:
        for name, score in ((LONGEST_NAME, LARGEST_SCORE), ("low", -LARGEST_SCORE)):
            await asyncio.to_thread(players.submit, server, name, score, board="coop")
        viewport = {"width": width, "height": 740}
        async with visit(f"{server.url}/#coop", viewport=viewport) as visitor:
            await visitor.sees(1, LONGEST_NAME, "9,007,199,254,740,991")
            closed_at_first = await visitor.page.locator("pre").is_hidden()
            await visitor.page.get_by_text("Put a score here").click()
            await expect(visitor.page.locator("pre")).to_be_visible()

            right_edge = await visitor.page.evaluate("document.documentElement.scrollWidth")
            short = visitor.page.locator(".name", has_text=re.compile("^low$"))
            is_whole = await short.evaluate("name => name.scrollWidth <= name.clientWidth")

        assert closed_at_first
        assert right_edge == width
        assert is_whole

    async def test_an_empty_board_says_so(self, server: Serving, visit: Visit) -> None:
        def answer(socket: WebSocketRoute) -> None:
            socket.send('{"type":"top","version":"x","results":[],"next_cursor":null}')

        async with visit("about:blank") as visitor:
            await visitor.page.route_web_socket(re.compile("/ws/"), answer)
            await visitor.page.goto(server.url)

            await visitor.is_live()
            await expect(visitor.page.get_by_text("Nothing has been saved here")).to_be_visible()

    async def test_what_will_never_be_there_is_not_asked_for_again(
        self, server: Serving, visit: Visit
    ) -> None:
        asked = []

        async def refuse(socket: WebSocketRoute) -> None:
            asked.append(socket.url)
            await socket.close(code=4404)

        async with visit("about:blank") as visitor:
            await visitor.page.clock.install()
            await visitor.page.route_web_socket(re.compile("/ws/"), refuse)
            await visitor.page.goto(server.url)
            status = visitor.page.get_by_role("status")
            await expect(status).to_have_text("There is no such board")
            await visitor.page.clock.run_for(120_000)
            await expect(status).to_have_text("There is no such board")

        assert len(asked) == 1

    async def test_is_read_as_a_table(self, server: Serving, visit: Visit) -> None:
        async with visit(server.url) as visitor:
            await visitor.is_live()
            table = visitor.page.get_by_role("table", name="Level 1")
            columns = await table.get_by_role("columnheader").all_inner_texts()

            assert columns == ["Rank", "Player", "Accuracy", "Pages saved", "Score"]
            assert await table.get_by_role("rowheader").count() > 1
            await expect(table).to_have_attribute("aria-busy", "false")
