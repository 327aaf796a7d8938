"""A real server and a real Chromium. Every page fails its test on a console error, on an
uncaught exception and on a request that leaves this machine."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from tests.support.running import running, url_of

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
DESKTOP = {"width": 1440, "height": 860}
PATIENCE = 120_000  # milliseconds: what is waited for comes, also on a busy machine
MOST_TABS = 4  # that are kept: each is a process


class Server:
    """`python -m serving`, which can be killed and started again at the same address."""

    def __init__(self, model: Path | None = None, *flags: str):
        self.model = model
        self.flags = [*flags]
        self.port = "0"
        self.start()

    def start(self) -> None:
        self._end = ExitStack()
        model = ["--model", str(self.model)] if self.model else []
        server = running("--port", self.port, *model, *self.flags, group=True, stderr=None)
        self.process = self._end.enter_context(server)
        self.url = url_of(self.process)
        self.port = self.url.rpartition(":")[2]

    def signal(self, number: int) -> None:
        """To the process and to its worker."""
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.signal(signal.SIGKILL)
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


class Tab:
    """A page in a context of its own, opened anew for one test after the other: the process that
    a new page starts costs four times as much as everything that the page then does.

    Its troubles are console errors, uncaught exceptions, and requests to elsewhere.
    """

    def __init__(self, browser: Browser, script: str, options: dict[str, Any]):
        self._options = options
        self._context = browser.new_context(**options)
        self._context.set_default_timeout(PATIENCE)
        self.page = page = self._context.new_page()
        page.add_init_script(script)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("request", self._see)

    def open(self, url: str, allowed: str | None, wait: bool) -> Page:
        self.troubles: list[str] = []
        self._allowed = allowed
        self._at = re.escape(url.partition("#")[0])
        self.page.goto(url)
        if not wait:
            return self.page
        self.page.locator(".sentence:not(:empty)").first.wait_for()
        self.page.wait_for_function("document.querySelector('.digit').textContent.match(/[0-9]/)")
        return self.page

    def leave(self) -> list[str]:
        """Leave nothing of this test to the next one; gives the troubles that it had."""
        page, troubles = self.page, self.troubles
        self.troubles = []
        page.unroute_all(behavior="ignoreErrors")
        page.mouse.up()
        if page.url.startswith("http"):
            page.evaluate("try { localStorage.clear() } catch {}")  # a test may have forbidden it
        page.goto("about:blank")
        page.set_viewport_size(self._options["viewport"])
        scheme = self._options.get("color_scheme", "light")
        page.emulate_media(color_scheme=scheme, reduced_motion=self._options.get("reduced_motion"))
        return troubles

    def close(self) -> None:
        self._context.close()

    def _hear(self, message: ConsoleMessage) -> None:
        is_allowed = self._allowed and re.search(self._allowed, message.text)
        if message.type == "error" and not is_allowed:
            self.troubles.append(message.text)

    def _see(self, request: Request) -> None:
        if not re.match(rf"{self._at}|data:|blob:|about:", request.url):
            self.troubles.append(f"request to {request.url}")


@pytest.fixture(scope="session")
def tabs() -> dict[str, Tab]:
    """Those that no test uses, by what they were opened with, the least used first."""
    return {}


@pytest.fixture
def open_page(browser, tabs) -> Iterator[Callable[..., Page]]:
    """Open the page at a URL once its opening example is read; takes `new_context`'s options.

    `allowed` is a pattern of console errors that the test causes on purpose; `script` runs in
    the page before its own; `wait=False` does not wait for the example.
    """
    used: list[tuple[str, Tab]] = []

    def open_page(
        url: str, allowed: str | None = None, script: str = "", wait: bool = True, **options
    ) -> Page:
        options = {"viewport": DESKTOP, "reduced_motion": "reduce"} | options
        key = repr((sorted(options.items()), script))
        tab = tabs.pop(key, None) or Tab(browser, script, options)
        used.append((key, tab))
        return tab.open(url, allowed, wait)

    yield open_page
    troubles = []
    for key, tab in used:
        if tab.page.is_closed() or key in tabs:
            troubles += tab.troubles
            tab.close()
        else:
            troubles += tab.leave()
            tabs[key] = tab
    while len(tabs) > MOST_TABS:
        tabs.pop(next(iter(tabs))).close()
    assert troubles == []
