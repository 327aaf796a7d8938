"""What a stroke changed, beside the states' pictures."""

from functools import partial

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from model import signature
from tests.browser import explained
from tests.browser.conftest import PATIENCE
from tests.browser.explained import BAR, clear, released, text
from tests.browser.pen import SEVEN, draw, pixels, settle, until, watch

pytestmark = pytest.mark.browser

page, asked = explained.page, explained.asked


def changed(page: Page, direction: str) -> np.ndarray:
    return (pixels(page, f"{direction} ~ .changed canvas")[:, :, 3] > 0).sum(axis=1)


def is_near(page: Page, direction: str, sizes: np.ndarray) -> bool:
    return np.allclose(changed(page, direction), sizes, atol=0.51)


def test_rows_that_the_stroke_changed_have_bars(page, asked):
    clear(page)
    draw(page, SEVEN)
    asked.explained()
    before = released().read(asked.image).hidden_states
    draw(page, BAR, release=False)  # while the pen is down, too
    asked.explained()
    after = released().read(asked.image).hidden_states
    moved = {
        direction: np.linalg.norm(after[name] - before[name], axis=1)
        for direction, name in [
            ("forward", signature.hidden_forward(1)),
            ("backward", signature.hidden_backward(1)),
        ]
    }
    most = max(sizes.max() for sizes in moved.values())
    for direction, sizes in moved.items():  # a moment after the reading
        until(page, partial(is_near, page, direction, 24 * sizes / most))
    page.mouse.up()
    told = "The last stroke changed the downward states in row"
    page.locator(".changed-note", has_text=told).wait_for()


def test_the_bars_of_a_change_can_be_switched_off_and_go_with_undo(page):
    clear(page)
    draw(page, SEVEN)
    draw(page, BAR)
    margin = page.locator(".forward-panel .changed")
    expect(margin).to_be_visible()
    page.get_by_role("checkbox", name="Show which rows").uncheck()
    expect(margin).to_be_hidden()
    page.get_by_role("checkbox", name="Show which rows").check()
    expect(margin).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    settle(page)
    expect(margin).to_be_hidden()
    assert "Draw a stroke" in text(page, ".changed-note")


def test_the_bars_of_a_change_fade_once_the_pen_rests(open_page, server):
    page = open_page(server.url, reduced_motion="no-preference")
    watch(page)
    clear(page)
    draw(page, SEVEN)
    margin = page.locator(".forward-panel .changed")
    assert margin.evaluate("(margin) => getComputedStyle(margin).opacity") == "1"
    expect(margin).to_have_css("opacity", "0", timeout=PATIENCE)
