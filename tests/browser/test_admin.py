"""The admin on a phone, in Chromium: nothing of it is wider than the screen."""

import pytest

from tests.browser.conftest import Visit
from tests.dust.serving import EMBEDDED, Serving, manage
from tests.players import Players

PHONE = {"width": 360, "height": 740}
PASSWORD = "correct horse battery"
TOO_WIDE = """
document.documentElement.scrollWidth <= innerWidth ? [] :
[...document.querySelectorAll("body *")]
  .filter((each) => each.getBoundingClientRect().right > innerWidth)
  .map((each) => `${each.tagName}.${each.className}`).concat("its text")
"""


@pytest.fixture(scope="module")
def entry(server: Serving, players: Players) -> None:
    """An entry with a long name on the board, and a superuser."""
    players.submit(server, "W" * 64, 50_000)
    environment = {"DUST_DATA_DIR": str(server.folder / "data"), **EMBEDDED}
    environment["DJANGO_SUPERUSER_PASSWORD"] = PASSWORD
    made = manage("createsuperuser", "--noinput", "--login", "root", **environment)
    assert made.returncode == 0, made.stderr


class TestPhone:
    async def test_moderates_without_scrolling_sideways(
        self, server: Serving, entry: None, visit: Visit
    ) -> None:
        async with visit(f"{server.url}/admin/", viewport=PHONE, has_touch=True) as visitor:
            page = visitor.page
            wide = {"login": await page.evaluate(TOO_WIDE)}
            await page.get_by_label("Login").fill("root")
            await page.get_by_label("Password").fill(PASSWORD)
            await page.get_by_role("button", name="Log in").click()
            await page.get_by_role("link", name="Entries", exact=True).first.click()
            await page.wait_for_url("**/leaderboard/entry/")
            wide["list"] = await page.evaluate(TOO_WIDE)

            await page.get_by_label("Action:").select_option(label="Hide, for a reason")
            await page.get_by_placeholder("The reason, for the log").fill("a bot")
            await page.locator("input.action-select").first.check()
            await page.get_by_role("button", name="Go").click()
            await page.get_by_text("Entries hidden: 1.").wait_for()
            await page.locator("#result_list tbody th a").first.click()
            await page.wait_for_url("**/change/")
            wide["entry"] = await page.evaluate(TOO_WIDE)
            await page.goto(f"{server.url}/admin/accounts/user/")
            wide["users"] = await page.evaluate(TOO_WIDE)
            await page.locator("#result_list tbody th a").first.click()
            await page.wait_for_url("**/change/")
            wide["user"] = await page.evaluate(TOO_WIDE)

            assert not any(wide.values()), wide
