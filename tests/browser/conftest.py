"""A real server and a real Chromium. Every page fails its test on a console error, on an
uncaught exception and on a request that leaves this machine."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.running import running, url_of

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
DESKTOP = {"width": 1440, "height": 860}


class Server:
    """`python -m serving`, which can be killed and started again at the same address."""

    def __init__(self, model: Path | None = None):
        self.model = model
        self.port = "0"
        self.start()

    def start(self) -> None:
        model = ["--model", str(self.model)] if self.model else []
        self._end = ExitStack()
        server = running("--port", self.port, *model, stderr=None)
        self.process = self._end.enter_context(server)
        self.url = url_of(self.process)
        self.port = self.url.rpartition(":")[2]

    def kill(self) -> None:
        self._end.close()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Serves the released network."""
    running = Server()
    yield running
    running.kill()


@pytest.fixture(scope="session")
def tiny_server(tiny_model) -> Iterator[Server]:
    """Serves a network with one layer and no upward reader."""
    running = Server(tiny_model)
    yield running
    running.kill()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser) -> Iterator[Callable[..., Page]]:
    """Open the page at a URL once its opening example is read; takes `new_context`'s options.

    `allowed` is a pattern of console errors that the test causes on purpose; `script` runs in
    the page before its own.
    """
    contexts, troubles = [], []

    def open_page(url: str, allowed: str | None = None, script: str = "", **options) -> Page:
        context = browser.new_context(**{"viewport": DESKTOP, "reduced_motion": "reduce"} | options)
        contexts.append(context)
        page = context.new_page()
        page.add_init_script(script)

        def console(message) -> None:
            if message.type == "error" and not (allowed and re.search(allowed, message.text)):
                troubles.append(message.text)

        def request(request) -> None:
            if not re.match(rf"{re.escape(url.partition('#')[0])}|data:|blob:", request.url):
                troubles.append(f"request to {request.url}")

        page.on("console", console)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", request)
        page.goto(url)
        page.locator(".sentence:not(:empty)").first.wait_for()
        page.wait_for_function("document.querySelector('.digit').textContent.match(/[0-9]/)")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []
