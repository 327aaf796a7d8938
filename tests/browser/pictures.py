"""Pictures of digits, and the hands that bring them to the page."""

import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from model.images.strokes import render
from tests.browser.pen import settle

TEMPLATES = json.loads(Path("serving/page/static/drawing/digits.json").read_text())


def ink(number: int, size: int, brush: float = 0.06) -> np.ndarray:
    """One of the page's own digits: float (size, size), 0 to 1."""
    return render([np.array(stroke) for stroke in TEMPLATES[str(number)]], size, brush) / 255


def photo(number: int, width: int = 800, height: int = 600) -> Image.Image:
    """A digit in blue ink on paper, half in a shadow, with a camera's noise."""
    y, x = np.mgrid[0:height, 0:width]
    page = 225 - 50 * x / width
    page *= 1 - 0.3 / (1 + np.exp(-(x + y - 0.6 * (width + height)) / 12))
    page += np.random.default_rng(number).normal(0, 5, page.shape)
    side = height * 3 // 5
    top, left = (height - side) // 2, (width - side) // 2
    share = np.zeros(page.shape)
    share[top : top + side, left : left + side] = ink(number, side)
    colours = [page * (1 - share * (1 - tone / 255)) for tone in (40, 50, 110)]
    return Image.fromarray(np.stack(colours, axis=-1).clip(0, 255).astype(np.uint8))


def encode(picture: Image.Image, kind: str = "JPEG", **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def upload(data: bytes, name: str = "digit.jpg", mime: str = "image/jpeg") -> dict:
    return {"name": name, "mimeType": mime, "buffer": data}


def on_pad(page) -> str:
    """What the pad shows, to be compared: its pixels one by one would take a second."""
    return page.locator(".pad-ink").evaluate("(canvas) => canvas.toDataURL()")


def menu(page, item: str) -> None:
    page.get_by_role("button", name="Picture").click()
    page.get_by_role("menuitem", name=item).click()


def choose(page, file: dict) -> None:
    """Choose a file with the mouse, and wait until it is read."""
    with page.expect_file_chooser() as chooser:
        menu(page, "Choose a file")
    chooser.value.set_files(file)
    wait_for_picture(page)


def wait_for_picture(page) -> None:
    page.locator(".origin", has_text="Your picture").wait_for()
    settle(page)


def steps(page):
    return page.get_by_role("region", name="How your picture became 28 × 28")
