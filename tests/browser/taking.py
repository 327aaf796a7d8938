"""Taking a reading along: its files, and what the server sent for it.

A test module takes the fixture from here: ``page = taking.page``.
"""

from pathlib import Path

import numpy as np
import pytest

from tests.browser.pen import SEVEN, draw, until, watch
from tests.serving.page.test_stream import unpack


@pytest.fixture
def page(open_page, server):
    page = open_page(server.url, permissions=["clipboard-read", "clipboard-write"])
    watch(page)
    draw(page, SEVEN)
    page.wait_for_function("window.explained === window.drawn")
    return page


def choose(page, item: str) -> None:
    page.get_by_role("button", name="Save").click()
    page.get_by_role("menuitem", name=item).click()


def saved(page, item: str, folder: Path) -> Path:
    with page.expect_download() as download:
        choose(page, item)
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def last_frame(page) -> dict[str, np.ndarray]:
    """What the server sent for a drawing, by name, as `serving.page.stream` documents it."""
    frames = []
    page.on(
        "websocket", lambda socket: socket.on("framereceived", lambda data: frames.append(data))
    )
    page.reload()
    page.wait_for_function("document.querySelector('.digit')?.textContent.match(/[0-9]/)")
    watch(page)
    draw(page, SEVEN)
    newest = page.evaluate("window.painted")
    until(page, lambda: frames and unpack(frames[-1])[0]["sequence"] == newest)
    return unpack(frames[-1])[1]
