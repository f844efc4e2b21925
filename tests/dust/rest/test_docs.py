"""The documentation shows in a real browser, under the policy that every page is sent with."""

import shutil
import threading
from collections.abc import Iterator
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.wsgi import get_wsgi_application
from django.test import Client
from playwright.sync_api import Browser, sync_playwright
from typing_extensions import override

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class QuietHandler(WSGIRequestHandler):
    @override
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    """Where Django is served, by a thread that ends with the test."""
    application = StaticFilesHandler(get_wsgi_application())
    with make_server("127.0.0.1", 0, application, handler_class=QuietHandler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    assert chromium, "the browser tests need chromium on the PATH"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


class TestDocsPage:
    def test_shows_every_operation_and_breaks_no_policy(
        self, address: str, browser: Browser
    ) -> None:
        page = browser.new_page()
        complaints: list[str] = []
        addresses: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: addresses.append(request.url))

        answer = page.goto(f"{address}/api/docs/")
        page.wait_for_selector(".opblock")

        assert answer
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert page.locator(".opblock").count() >= 7
        assert complaints == []
        assert all(each.startswith(address) for each in addresses)
        assert page.context.cookies() == []


class TestSchema:
    def test_is_json_for_everybody(self, client: Client) -> None:
        answer = client.get("/api/schema/", headers={"authorization": "Bearer stale"})

        assert answer.status_code == 200
        assert answer.json()["info"]["title"] == "DUST"
