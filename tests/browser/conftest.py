"""A real browser, a real server, and a network in between that a test can cut.

The browser is the Chromium on the ``PATH``; driven from the event loop, so that what tests in the
same process do with the database is no concern of Playwright's.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.dust.serving import EMBEDDED, Serving
from tests.players import Players

PATIENCE_MS = 30_000

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
]

NOTE_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`refused: ${event.violatedDirective} ${event.blockedURI}`));
"""

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with Serving(folder=tmp_path_factory.mktemp("browser"), **EMBEDDED) as server:
        yield server


@pytest.fixture(scope="module")
def players(server: Serving) -> Iterator[Players]:
    with Players(server.folder / "data") as players:
        yield players


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        pytest.fail("The browser tests need Chromium on the PATH, e.g. apt-get install chromium.")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        await browser.close()


class Visitor:
    """Somebody with a browser of their own, whose console must stay empty."""

    def __init__(self, context: BrowserContext, page: Page) -> None:
        self.context = context
        self.page = page
        self.sockets: list[str] = []
        self.complaints: list[str] = []
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self._note("error", str(error)))
        page.on("dialog", lambda dialog: self._note("error", f"dialog: {dialog.message}"))
        page.on("websocket", lambda socket: self.sockets.append(socket.url))

    def _note(self, kind: str, text: str) -> None:
        # What becomes of a connection that is cut is for the page to say, and for tests to see.
        if kind in {"error", "warning"} and not text.startswith("WebSocket connection to"):
            self.complaints.append(text)

    async def is_live(self) -> None:
        await expect(self.page.get_by_role("status")).to_have_text("Live")

    async def sees(self, place: int, name: str, score: str) -> None:
        """Wait until the entry is at this place of the board."""
        row = self.page.locator("tbody tr").nth(place - 1)
        await expect(row.get_by_role("rowheader")).to_contain_text(name)
        await expect(row.get_by_role("cell").last).to_have_text(score)


Visit = Callable[..., Any]


@pytest.fixture
def visit(chromium: Browser) -> Visit:
    """Returns how to open a page in a browser of its own."""

    @asynccontextmanager
    async def visitor(url: str, **options: Any) -> AsyncIterator[Visitor]:
        context = await chromium.new_context(**options)
        page = await context.new_page()
        await page.add_init_script(NOTE_VIOLATIONS)
        visitor = Visitor(context, page)
        await page.goto(url)
        yield visitor
        await context.close()
        assert visitor.complaints == []

    return visitor


class Wire:
    """A TCP connection to the server's port for every connection to its own; it can be cut."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.is_stuck = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Wire":
        self._listener = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}/"
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._listener.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Break every connection there is."""
        for writer in self._writers:
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        except ConnectionRefusedError:
            writer.transport.abort()
            return
        self._writers.add(far_writer)
        for carrying in (self._carry(reader, far_writer), self._carry(far_reader, writer)):
            self._tasks.add(asyncio.create_task(carrying))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while part := await reader.read(65536):
                if not self.is_stuck:
                    writer.write(part)
        writer.close()


@pytest.fixture
async def wire(server: Serving) -> AsyncIterator[Wire]:
    async with Wire(server.port) as wire:
        yield wire
