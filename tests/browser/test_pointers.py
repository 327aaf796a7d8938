"""Pens, fingers and palms that behave oddly; and pages that get fewer events of them."""

import pytest

from tests.browser.pen import SEVEN, digit, draw, places, settle, watch

pytestmark = pytest.mark.browser

# What Chromium keeps from a page that is neither https nor localhost.
PLAIN_HTTP = """
  delete PointerEvent.prototype.getCoalescedEvents;
  delete window.onpointerrawupdate;
"""


@pytest.fixture
def page(open_page, server):
    page = open_page(server.url, has_touch=True)
    watch(page)
    return page


def press(page, place: tuple[float, float]) -> None:
    page.mouse.move(*place)
    page.mouse.down()


def drawn(page) -> int:
    settle(page)
    return page.evaluate("window.drawn")


def test_a_page_from_plain_http_reads_all_of_a_stroke(open_page, server):
    page = open_page(server.url, script=PLAIN_HTTP)
    assert not page.evaluate("'onpointerrawupdate' in window")
    watch(page)
    draw(page, SEVEN)
    assert digit(page) == "7"


def test_a_pen_whose_lift_was_never_told_draws_no_further(page):
    first, second, *rest = places(page, SEVEN)
    press(page, first)
    page.mouse.move(*second, steps=5)
    before = drawn(page)
    page.evaluate(
        """([x, y]) => {
          const where = { pointerId: 1, buttons: 0, clientX: x, clientY: y };
          const canvas = document.querySelector(".pad-ink");
          canvas.dispatchEvent(new PointerEvent("pointerrawupdate", where));
        }""",
        rest[-1],
    )
    for place in rest:
        page.mouse.move(*place, steps=5)
    assert drawn(page) == before
    page.mouse.up()
    press(page, first)
    assert drawn(page) > before


def test_a_pen_that_was_taken_away_draws_no_further(page):
    """As by a dialog that opens in mid-stroke: the pad loses its hold of the pointer."""
    first, second, *rest = places(page, SEVEN)
    press(page, first)
    page.mouse.move(*second, steps=5)
    page.evaluate("document.querySelector('.pad-ink').releasePointerCapture(1)")
    page.mouse.move(*second)  # only now the browser tells
    before = drawn(page)
    for place in rest:
        page.mouse.move(*place, steps=5)
    assert drawn(page) == before


def test_a_pen_takes_over_from_the_palm(page):
    """The palm rests on the pad first; its mark goes, and the pen's alone is read."""
    devices = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        points = [{"x": x, "y": y} for x, y in points]
        devices.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def pen(kind: str, place: tuple[float, float], buttons: int) -> None:
        event = {"type": kind, "x": place[0], "y": place[1], "buttons": buttons, "clickCount": 1}
        event |= {"button": "left" if buttons else "none", "pointerType": "pen"}
        devices.send("Input.dispatchMouseEvent", event)

    palm, moved = places(page, [(0.8, 0.9), (0.85, 0.8)])
    touch("touchStart", palm)
    touch("touchMove", moved)
    strokes = places(page, SEVEN)
    pen("mousePressed", strokes[0], 1)
    for place in strokes:
        pen("mouseMoved", place, 1)
    touch("touchMove", palm)
    touch("touchEnd")
    pen("mouseReleased", strokes[-1], 1)
    settle(page)
    assert digit(page) == "7"
    page.get_by_role("button", name="Undo").click()
    assert "An example" in page.locator(".origin").inner_text()  # there was one stroke, no more
