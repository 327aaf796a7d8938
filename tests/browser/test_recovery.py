"""A server that goes away, comes back or refuses: said on screen, and nothing is lost."""

import re
import signal

import numpy as np
import pytest

from tests.browser.conftest import Server
from tests.browser.pen import SEVEN, digit, draw, pixels, places, sentence, settle, until, watch

pytestmark = pytest.mark.browser

# Chromium itself reports what cannot be reached; no page can keep it from doing so.
NETWORK = r"WebSocket connection|ERR_CONNECTION|Failed to load resource|net::"


@pytest.fixture
def own_server():
    running = Server()
    yield running
    running.kill()


def is_dim(page) -> bool:
    parts = [page.locator(part).first for part in (".verdict", ".bars", ".rows")]
    shades = {part.evaluate("(e) => +getComputedStyle(e).opacity < 0.5") for part in parts}
    assert len(shades) == 1
    return shades.pop()


def test_a_lost_server_is_told_and_the_drawing_survives(open_page, own_server):
    page = open_page(own_server.url, allowed=NETWORK)
    watch(page)
    draw(page, SEVEN[:2])
    half = pixels(page, "pad-ink")
    own_server.kill()
    alert = page.locator(".alert")
    alert.wait_for()
    assert "Your drawing is kept" in alert.inner_text()
    # Without a server the pen still draws.
    first, *rest = places(page, SEVEN[1:])
    page.mouse.move(*first)
    page.mouse.down()
    for place in rest:
        page.mouse.move(*place, steps=5)
    page.mouse.up()
    assert (pixels(page, "pad-ink") != half).any()
    assert "earlier drawing" in sentence(page)
    assert is_dim(page)
    own_server.start()
    alert.wait_for(state="hidden")
    settle(page)
    assert digit(page) == "7"
    assert "earlier drawing" not in sentence(page)
    assert not is_dim(page)


def test_what_was_read_before_the_server_went_stays_bright(open_page, own_server):
    page = open_page(own_server.url, allowed=NETWORK)
    watch(page)
    draw(page, SEVEN)
    own_server.kill()
    page.get_by_text("Next attempt in 2").wait_for()
    assert not is_dim(page)
    page.get_by_role("button", name="Undo").click()
    assert is_dim(page)


def test_try_now_can_be_read_and_does_not_wait(open_page, own_server):
    page = open_page(own_server.url, allowed=NETWORK)
    attempts = []
    page.on("websocket", lambda _: attempts.append(1))
    own_server.kill()
    retry = page.get_by_role("button", name="Try now")
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        for part in (".alert-text", ".retry"):  # beside the button, and on it
            page.locator(part).hover()
            text, ground = page.locator(".retry").evaluate(
                "(e) => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor]"
            )
            lighter, darker = sorted((luminance(text), luminance(ground)), reverse=True)
            assert (lighter + 0.05) / (darker + 0.05) > 7  # WCAG 2.2, level AAA
    page.get_by_text("Next attempt in 4").wait_for()
    before = len(attempts)
    retry.click()
    until(page, lambda: len(attempts) > before)


def luminance(colour: str) -> float:
    """Relative luminance of `rgb(...)`, as WCAG 2.2 defines it."""
    channels = np.array([int(part) for part in re.findall(r"\d+", colour)[:3]]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_a_server_that_hangs_is_told_and_can_be_tried_at_any_time(open_page, own_server):
    """It takes connections and says nothing, as behind a route that is lost."""
    page = open_page(own_server.url, allowed=NETWORK)
    watch(page)
    attempts = []
    page.on("websocket", lambda _: attempts.append(1))
    own_server.signal(signal.SIGSTOP)
    first, *rest = places(page, SEVEN)
    page.mouse.move(*first)
    page.mouse.down()
    for place in rest:
        page.mouse.move(*place, steps=5)
    page.mouse.up()
    alert = page.locator(".alert")
    alert.wait_for()
    page.get_by_text("Next attempt in 1").wait_for()  # the first one was given up
    before = len(attempts)
    for tries in (1, 2):  # the second while the first still hangs
        page.get_by_role("button", name="Try now").click()
        until(page, lambda enough=before + tries: len(attempts) >= enough)
    own_server.signal(signal.SIGCONT)
    alert.wait_for(state="hidden")
    settle(page)
    assert digit(page) == "7"


def test_a_notice_leaves_the_alerts_button_within_reach(open_page, own_server):
    page = open_page(own_server.url, allowed=NETWORK)
    own_server.kill()
    page.get_by_role("button", name="Try now").wait_for()
    for width in (390, 1440):
        page.set_viewport_size({"width": width, "height": 844})
        page.get_by_role("button", name="Save").click()
        page.get_by_role("menuitem", name="CSV").click()
        page.wait_for_function("""() => {
          const [alert, notice] = [".alert", ".notice"].map((name) => document.querySelector(name));
          const above = notice.getBoundingClientRect();
          return above.height && above.bottom <= alert.getBoundingClientRect().top;
        }""")
        page.get_by_role("button", name="Try now").click()


def test_a_refused_drawing_is_told_and_the_next_one_is_read(open_page, server):
    page = open_page(server.url)
    watch(page)
    before = pixels(page, "image")
    page.evaluate("""() => {
      const send = WebSocket.prototype.send;
      WebSocket.prototype.send = function (data) {
        WebSocket.prototype.send = send;
        send.call(this, data.slice(0, -1));
      };
    }""")
    page.get_by_role("button", name="Clear").click()
    page.locator(".alert").wait_for()
    assert "could not read" in page.locator(".alert").inner_text()
    np.testing.assert_array_equal(pixels(page, "image"), before)
    assert is_dim(page)
    draw(page, SEVEN)
    assert digit(page) == "7"
    assert page.locator(".alert").is_hidden()


def test_a_full_server_is_told_and_the_page_comes_in_when_there_is_room(open_page):
    server = Server(None, "--max-live", "1")
    first = open_page(server.url)
    second = open_page(server.url, wait=False)
    alert = second.locator(".alert")
    alert.wait_for()
    assert "1 live views are open, which is the limit" in alert.inner_text()
    first.goto("about:blank")
    alert.wait_for(state="hidden")
    assert digit(second) == "3"
    second.goto("about:blank")  # else it misses the server and says so
    server.kill()


def test_a_stream_that_was_closed_for_silence_is_opened_again_by_the_pen(open_page, server):
    page = open_page(server.url, script="/* with a stream that the test can close */")
    streams = []

    def pass_on(stream) -> None:
        streams.append(stream)
        stream.connect_to_server()

    page.route_web_socket("**/live?*", pass_on)
    page.reload()
    page.locator(".spoken", has_text="reads 3").wait_for()
    watch(page)
    streams[0].close(code=4408)
    page.wait_for_timeout(1000)  # in which it would open another
    assert len(streams) == 1
    assert page.locator(".alert").is_hidden()
    draw(page, SEVEN)
    assert digit(page) == "7"
    assert len(streams) == 2
