"""What the page was told about the causes of an answer, and what it shows of that.

A test module takes the fixtures from here: ``page, asked = explained.page, explained.asked``.
"""

from functools import cache

import numpy as np
import pytest
from playwright.sync_api import Page

from model.predictor import Predictor
from serving.page import explain
from serving.page.stream import read_input
from tests.browser.pen import pixels, settle, until, watch
from tests.serving.page.test_stream import unpack

BAR = [(0.4, 0.55), (0.72, 0.55)]  # of a seven


@pytest.fixture
def page(open_page, server) -> Page:
    """The page of the released network, ready for `settle`."""
    page = open_page(server.url)
    watch(page)
    return page


@pytest.fixture
def asked(page) -> "Asked":
    return Asked(page)


@cache
def released() -> Predictor:
    """The network that the fixture `server` serves."""
    return Predictor()


class Asked:
    """What a page asks the server for an explanation of, and what that is."""

    def __init__(self, page: Page):
        self.page = page
        self.messages: list[bytes] = []
        page.on("request", self._note)

    def _note(self, request) -> None:
        if explain.PATH in request.url:
            self.messages.append(request.post_data_buffer)

    @property
    def image(self) -> np.ndarray:
        """The drawing asked about last, as the network sees it."""
        return read_input(self.messages[-1]).image

    def explained(self) -> tuple[dict, dict[str, np.ndarray]]:
        """Wait until the newest drawing is explained on the screen; gives what `explain` gives."""
        settle(self.page)
        self.page.wait_for_function("window.explained === window.drawn")
        newest = self.page.evaluate("window.drawn")
        until(self.page, lambda: self.messages and read_input(self.messages[-1]).sequence == newest)
        network = released()
        return unpack(explain.explain(self.messages[-1], network, network.weights))


def clear(page: Page) -> None:
    """Empty the pad of whatever is on it."""
    page.get_by_role("button", name="Clear").click()
    settle(page)


def text(page: Page, selector: str) -> str:
    return page.locator(selector).inner_text().replace("\u202f", " ")


def percent(probability: float) -> str:
    """As the page writes it; Python's own `round` goes to the even number."""
    rounded = int(100 * probability + 0.5)
    return "> 99 %" if rounded == 100 and probability < 1 else f"{rounded} %"


def likeliest(probabilities: np.ndarray) -> str:
    """As the page writes an answer: "1 (63 %)"."""
    return f"{probabilities.argmax()} ({percent(probabilities.max())})"


def bars(page: Page) -> np.ndarray:
    """Lengths of the column's bars by row, in canvas pixels; those to the left are negative."""
    filled = pixels(page, "why")[:, :, 3] > 0
    half = filled.shape[1] // 2
    return filled[:, half + 1 :].sum(axis=1) - filled[:, :half].sum(axis=1)


def mark(page: Page, row: int) -> None:
    """Pin a row, 1 for the first, with the keyboard."""
    page.get_by_role("slider", name="Row cursor").focus()
    page.keyboard.press("Home")
    for _ in range(row - 1):
        page.keyboard.press("ArrowDown")


def column_of(page: Page, unit: int, direction: str) -> float:
    """Where a unit's column stands in its picture, 0..1."""
    return page.evaluate(
        """async ([unit, direction]) => {
          const { layers } = await (await fetch("live/config.json")).json();
          const columns = layers[0][direction].groups
            .flatMap(({ units }, i) => (i ? [-1, ...units] : units));
          return (columns.indexOf(unit) + 0.5) / columns.length;
        }""",
        [unit, direction],
    )


def point_at(page: Page, unit: int, direction: str) -> tuple[float, float]:
    box = page.locator(f"canvas.{direction}").first.bounding_box()
    x = box["x"] + box["width"] * column_of(page, unit, direction)
    return x, box["y"] + box["height"] * 0.4


def look_into(page: Page, unit: int, direction: str) -> None:
    """Click a unit's column, and wait until the page has what the server knows of it."""
    page.mouse.click(*point_at(page, unit, direction))
    page.locator(".unit").wait_for()


def erase_row(page: Page) -> None:
    """Erase the marked row with the keyboard, or bring it back, once the page offers it."""
    page.locator(".erase:enabled").wait_for()
    page.keyboard.press("e")
