"""The pad: mouse and touch, undo and clear, and that everything follows while the pen moves."""

import itertools

import numpy as np
import pytest

from model.images.preprocess import preprocess
from model.images.strokes import render
from model.predictor import Predictor
from serving.page.stream import MAX_LENGTH, read_strokes
from tests.browser.explained import percent
from tests.browser.pen import (
    ONE,
    SEVEN,
    digit,
    draw,
    pixels,
    places,
    sentence,
    settle,
    until,
    watch,
)

pytestmark = pytest.mark.browser

PANELS = ("image", "forward", "backward", "belief")


@pytest.fixture
def page(open_page, server):
    page = open_page(server.url)
    watch(page)
    return page


def test_the_page_opens_with_a_digit_that_is_read(page):
    assert digit(page) == "3"
    assert "An example" in page.locator(".origin").inner_text()
    for panel in PANELS:
        assert len(np.unique(pixels(page, panel).reshape(-1, 4), axis=0)) > 10, panel


def test_the_opening_example_is_drawn_stroke_by_stroke(open_page, server):
    script = """
      window.readings = 0;
      addEventListener("painted", () => window.readings++, true);
    """
    page = open_page(server.url, reduced_motion="no-preference", script=script)
    page.wait_for_function("window.readings > 5")


def test_a_seven_is_read_while_the_pen_is_down(page):
    draw(page, SEVEN[:2], release=False)
    bar = {panel: pixels(page, panel) for panel in PANELS}
    first, *rest = places(page, SEVEN[2:])
    page.mouse.move(*first, steps=5)
    settle(page)
    for panel, before in bar.items():
        assert (pixels(page, panel) != before).any(), f"{panel} waits for the button"
    for place in rest:
        page.mouse.move(*place, steps=5)
    settle(page)
    assert digit(page) == "7"  # the button is still down
    page.mouse.up()
    settle(page)
    assert digit(page) == "7"
    assert page.locator(".bars .winner b").inner_text() == "7"


def test_an_own_stroke_replaces_the_example(page):
    draw(page, ONE)
    assert page.locator(".origin").inner_text() == ""
    ink = pixels(page, "pad-ink")[:, :, 3] > 0
    left = ink[:, : ink.shape[1] // 3]
    assert ink.any()
    assert not left.any(), "the example's three is still there"


def test_undo_takes_back_one_stroke(page):
    draw(page, SEVEN)
    before = pixels(page, "image")
    draw(page, [(0.4, 0.55), (0.7, 0.55)])
    assert (pixels(page, "image") != before).any()
    page.get_by_role("button", name="Undo").click()
    settle(page)
    np.testing.assert_array_equal(pixels(page, "image"), before)


def test_clear_leaves_no_digit_and_undo_brings_it_back(page):
    draw(page, SEVEN)
    drawn = pixels(page, "forward")
    page.get_by_role("button", name="Clear").click()
    settle(page)
    assert not any(character.isdigit() for character in digit(page))
    assert "no digit to read" in sentence(page)
    assert page.locator(".bars .winner").count() == 0
    for panel in PANELS:
        opaque = pixels(page, panel).reshape(-1, 4)
        assert len(np.unique(opaque[opaque[:, 3] > 0], axis=0)) == 1, f"{panel} is not blank"
    page.get_by_role("button", name="Undo").click()
    settle(page)
    assert digit(page) == "7"
    np.testing.assert_array_equal(pixels(page, "forward"), drawn)


def test_the_cleared_example_comes_back(page):
    drawn = pixels(page, "image")
    page.get_by_role("button", name="Clear").click()
    settle(page)
    assert "no digit to read" in sentence(page)
    page.get_by_role("button", name="Undo").click()
    settle(page)
    np.testing.assert_array_equal(pixels(page, "image"), drawn)
    assert "An example" in page.locator(".origin").inner_text()
    draw(page, ONE)  # it is an example still: the first own stroke replaces it
    assert page.locator(".origin").inner_text() == ""


def test_a_full_pad_takes_no_more_ink_says_so_and_keeps_what_it_has(page):
    sent = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda data: sent.append(data)))
    page.reload()
    page.locator(".digit:not(:empty)").wait_for()
    watch(page)
    (left, right), top = zip(*places(page, [(0.1, 0.2), (0.9, 0.2)]), strict=True)
    page.mouse.move(left, top[0])
    page.mouse.down()
    for i in range(80):  # 64 sides of the pad
        page.mouse.move(left if i % 2 else right, top[0])
    page.mouse.up()
    settle(page)
    alert = page.locator(".alert", has_text="The pad is full")
    alert.wait_for()
    newest = page.evaluate("window.drawn")
    until(page, lambda: read_strokes(sent[-1])[0] == newest)
    _, strokes = read_strokes(sent[-1])  # nothing that the server would refuse
    length = sum(np.hypot(*np.diff(stroke, axis=0).T).sum() for stroke in strokes)
    assert MAX_LENGTH - 1 < length <= MAX_LENGTH
    full = pixels(page, "pad-ink")
    first, second = places(page, [(0.2, 0.8), (0.8, 0.8)])
    page.mouse.move(*first)
    page.mouse.down()
    page.mouse.move(*second, steps=5)
    page.mouse.up()
    np.testing.assert_array_equal(pixels(page, "pad-ink"), full)
    page.get_by_role("button", name="Undo").click()
    settle(page)
    alert.wait_for(state="hidden")
    draw(page, SEVEN)
    assert digit(page) == "7"


def test_redo_by_button_and_keys_until_something_else_is_drawn(page):
    undo, redo = (page.get_by_role("button", name=name) for name in ("Undo", "Redo"))
    assert redo.is_disabled()
    draw(page, SEVEN)
    draw(page, [(0.4, 0.55), (0.7, 0.55)])
    drawn = pixels(page, "image")
    for again in ("button", "Control+Shift+z", "Control+y"):
        undo.click()
        undo.click()
        settle(page)
        assert digit(page) == "3"  # the example
        if again == "button":
            redo.click()
            redo.click()
        else:
            page.keyboard.press(again)
            page.keyboard.press(again)
        settle(page)
        np.testing.assert_array_equal(pixels(page, "image"), drawn)
        assert redo.is_disabled()
    page.keyboard.press("Delete")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+y")
    settle(page)
    assert "no digit to read" in sentence(page)
    undo.click()
    draw(page, ONE)
    assert redo.is_disabled()


def test_undo_and_clear_by_keyboard(page):
    draw(page, SEVEN)
    page.keyboard.press("Delete")
    settle(page)
    assert "no digit to read" in sentence(page)
    page.keyboard.press("Control+z")
    settle(page)
    assert digit(page) == "7"


@pytest.mark.parametrize("stroke", [SEVEN, ONE])
def test_the_screen_shows_the_predictors_numbers(open_page, server, stroke):
    page = open_page(server.url)
    watch(page)
    sent = []  # what went over the wire, from a stream that opens under our ears
    page.on("websocket", lambda socket: socket.on("framesent", lambda data: sent.append(data)))
    page.reload()
    page.locator(".digit:not(:empty)").wait_for()
    watch(page)
    draw(page, stroke)
    _, strokes = read_strokes(sent[-1])
    seen = preprocess(render(strokes))
    reading = Predictor().read(seen.image)
    shown = [
        value.replace("\u202f", " ") for value in page.locator(".bars .value").all_inner_texts()
    ]
    assert shown == [percent(p) for p in reading.probabilities]
    assert digit(page) == str(reading.digit)
    page.locator(".axis").focus()
    for row in range(28):
        page.keyboard.press("ArrowDown")
        belief = reading.step_probabilities[row]
        told = f"{belief.argmax()}, {percent(belief.max())}"
        assert f"row {row + 1} of 28" in sentence(page)
        assert told in sentence(page).replace("\u202f", " ")
    ink = pixels(page, "image")[:, :, 0].astype(int)
    page_colour, full = ink.min(), ink.max()
    np.testing.assert_allclose(
        (ink - page_colour) / (full - page_colour), seen.image / 255, atol=0.01
    )


def test_touch_draws_and_does_not_scroll(open_page, server):
    page = open_page(
        server.url, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True
    )
    watch(page)
    touch = page.context.new_cdp_session(page)

    def send(kind: str, *points) -> None:
        touch.send(
            "Input.dispatchTouchEvent",
            {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]},
        )

    path = places(page, SEVEN)
    send("touchStart", path[0])
    for (x0, y0), (x1, y1) in itertools.pairwise(path):
        for part in np.linspace(0.1, 1, 10):
            send("touchMove", (x0 + part * (x1 - x0), y0 + part * (y1 - y0)))
    settle(page)
    assert digit(page) == "7"  # the finger is still down
    send("touchEnd")
    settle(page)
    assert digit(page) == "7"
    assert page.evaluate("window.scrollY") == 0


def test_readings_are_painted_in_order_and_end_with_the_newest(page):
    draw(page, SEVEN)
    order = page.evaluate("window.order")
    assert order == sorted(set(order)), "a reading was painted twice or after a newer one"
    assert order[-1] == page.evaluate("window.drawn")


def test_a_slow_server_has_one_drawing_in_flight_and_gets_the_newest_next(open_page, server):
    page = open_page(server.url)
    held, sequences = [], []

    def hold(socket) -> None:
        upstream = socket.connect_to_server()

        def forward(data) -> None:
            sequences.append(read_strokes(data)[0])
            held.append(lambda: upstream.send(data))

        socket.on_message(forward)

    page.route_web_socket("**/live?*", hold)
    page.reload()
    until(page, lambda: sequences)
    watch(page)
    first, *rest = places(page, SEVEN)
    page.mouse.move(*first)
    page.mouse.down()
    for place in rest:
        page.mouse.move(*place, steps=5)
    page.mouse.up()
    assert len(sequences) == 1  # the opening example; nothing else until it is answered
    held.pop()()
    until(page, lambda: held)
    newest = page.evaluate("window.drawn")
    assert sequences == [1, newest]
    held.pop()()
    settle(page)
    assert digit(page) == "7"
    page.close()  # its streams would be held in the next test, too


def test_the_focus_goes_to_the_pad_when_its_button_has_done_all(page):
    for name in ("Clear", "Undo"):
        page.get_by_role("button", name=name).focus()
        page.keyboard.press("Enter")
        settle(page)
        assert page.evaluate("document.activeElement.className") == "pad-ink", name
