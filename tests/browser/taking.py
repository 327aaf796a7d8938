"""Taking a reading along: its files, and what the server sent for it.

A test module takes the fixture from here: ``page = taking.page``.
"""

import re
import struct
from pathlib import Path

import numpy as np
import pytest

from tests.browser.pen import SEVEN, draw, watch


@pytest.fixture
def page(open_page, server):
    page = open_page(server.url, permissions=["clipboard-read", "clipboard-write"])
    watch(page)
    draw(page, SEVEN)
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
    page.wait_for_timeout(300)
    (length,) = struct.unpack_from("<I", frames[-1])
    header = frames[-1][4 : 4 + length]
    tensors, at = {}, 4 + length
    for name, shape in re.findall(r'"name": "(\w+)", "shape": \[([\d, ]+)\]', header.decode()):
        shape = [int(size) for size in shape.split(",")]
        tensors[name] = np.frombuffer(frames[-1], "<f4", np.prod(shape), at).reshape(shape)
        at += 4 * tensors[name].size
    assert at == len(frames[-1])
    return tensors
