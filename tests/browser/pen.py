"""Hands and eyes of the browser tests: drawing with a mouse, reading canvases back."""

from collections.abc import Callable
from typing import Any

import numpy as np
from playwright.sync_api import Page

SEVEN = [(0.27, 0.2), (0.74, 0.2), (0.62, 0.45), (0.52, 0.66), (0.44, 0.86)]
ONE = [(0.52, 0.15), (0.5, 0.5), (0.48, 0.85)]


def places(page: Page, points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Points of the pad, 0..1, in pixels of the page."""
    box = page.locator(".pad-ink").bounding_box()
    return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]


def draw(page: Page, points: list[tuple[float, float]], release: bool = True) -> None:
    """Draw one stroke with the mouse, and wait until it is read."""
    first, *rest = places(page, points)
    page.mouse.move(*first)
    page.mouse.down()
    for place in rest:
        page.mouse.move(*place, steps=5)
    if release:
        page.mouse.up()
    settle(page)


def settle(page: Page) -> None:
    """Wait until the newest drawing is on the screen."""
    page.wait_for_function("window.drawn === window.painted")


def until(page: Page, is_so: Callable[[], Any]) -> None:
    """Wait for what the page has sent to the test, or got from it."""
    for _ in range(2400):
        if is_so():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it never came")


def watch(page: Page) -> None:
    """Keep the numbers of the newest drawing, and of the newest painted and explained; see
    `settle`."""
    page.evaluate("""() => {
      const root = document.querySelector(".scanline");
      window.order = [];
      root.addEventListener("drawn", (event) => (window.drawn = event.detail.sequence));
      root.addEventListener("painted", (event) => {
        window.painted = event.detail.sequence;
        window.order.push(window.painted);
      });
      root.addEventListener("explained", ({ detail }) => (window.explained = detail?.sequence));
    }""")


def pixels(page: Page, canvas: str, within: str = "") -> np.ndarray:
    """A canvas read back: uint8 (height, width, 4)."""
    width, height, data = page.evaluate(
        """(selector) => {
          const canvas = document.querySelector(selector);
          const { width, height } = canvas;
          const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
          return [width, height, Array.from(data)];
        }""",
        f"{within} canvas.{canvas}",
    )
    return np.array(data, np.uint8).reshape(height, width, 4)


def digit(page: Page) -> str:
    return page.locator(".scanline > .answer .digit").inner_text()


def sentence(page: Page) -> str:
    return page.locator(".scanline > .narration .sentence").inner_text()
