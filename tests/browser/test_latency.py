"""Latency on request; and the way back to a server that went, for a network chosen later, too."""

import re

import pytest

from tests.browser.conftest import Server
from tests.browser.pen import ONE, SEVEN, digit, draw, settle, until, watch
from tests.conftest import save_tiny_model

pytestmark = pytest.mark.browser

NETWORK = r"WebSocket connection|ERR_CONNECTION|Failed to load resource|net::"
TOLD = (
    r"([\d.]+)\sms from pen to picture, median of (\d+): ([\d.]+)\sms; .* the server ([\d.]+)\sms"
)


@pytest.fixture
def two_networks(tmp_path):
    """A server of its own, with the networks `first` and `other`, which sees a seven in all."""
    save_tiny_model(tmp_path / "first.onnx")
    save_tiny_model(tmp_path / "other.onnx", doubts=True)
    running = Server(tmp_path)
    yield running
    running.kill()


def use(page, name: str) -> None:
    page.evaluate("(name) => { location.hash = `model=${name}` }", name)
    page.wait_for_function(
        "(name) => document.querySelector('.model').textContent.startsWith(name)", arg=name
    )


def latency(page) -> str:
    return page.locator(".latency .figures").inner_text()


def test_nothing_is_measured_unless_asked(open_page, server):
    page = open_page(server.url)
    watch(page)
    draw(page, SEVEN)
    assert latency(page) == ""


def test_latency_tells_the_last_the_median_and_the_servers_part(open_page, server):
    page = open_page(server.url)
    watch(page)
    page.locator(".network summary").click()
    page.get_by_role("switch", name="Response time").check()
    page.keyboard.press("7")  # an example has no pen
    page.wait_for_function("document.querySelector('.digit').textContent === '7'")
    settle(page)
    assert latency(page) == "draw to measure"
    page.locator(".pad-ink").scroll_into_view_if_needed()
    draw(page, SEVEN)
    page.wait_for_function("document.querySelector('.latency').textContent.includes('median')")
    last, count, median, part = map(float, re.search(TOLD, latency(page)).groups())
    assert 0 < part < last
    assert part < median
    assert 1 <= count <= 50
    page.get_by_role("switch", name="Response time").uncheck()
    assert latency(page) == ""


def test_a_lost_server_comes_back_with_the_network_chosen_later(open_page, two_networks):
    page = open_page(two_networks.url, allowed=NETWORK)
    watch(page)
    use(page, "other")
    draw(page, SEVEN)
    shown = page.locator(".scanline > .answer .bars").inner_text()
    assert digit(page) == "7"
    two_networks.kill()
    page.get_by_text("Next attempt in 1").wait_for()  # it backs off
    page.get_by_text("Next attempt in 4").wait_for()
    page.get_by_role("button", name="Undo").click()
    two_networks.start()
    page.locator(".alert").wait_for(state="hidden")
    settle(page)
    draw(page, SEVEN)
    assert page.locator(".scanline > .answer .bars").inner_text() == shown
    assert page.locator(".scanline > .legend .model").inner_text().startswith("other")


def test_only_the_network_in_use_has_a_connection(open_page, two_networks):
    page = open_page(two_networks.url)
    watch(page)
    sockets = []
    page.on("websocket", lambda socket: sockets.append(socket))
    for name in ("other", "first", "other"):
        use(page, name)
    draw(page, ONE)
    assert [socket.is_closed() for socket in sockets] == [True, True, False]


def test_quick_changes_of_the_network_end_with_the_last(open_page, two_networks):
    page = open_page(two_networks.url)
    watch(page)
    held = []
    page.route("**/live/config.json?model=first*", lambda route: held.append(route))
    use(page, "other")
    for count in (1, 2):
        page.evaluate("location.hash = 'model=first'")
        until(page, lambda count=count: len(held) == count)
        page.evaluate("location.hash = 'model=other'")
        page.wait_for_timeout(50)
    for route in held:
        route.continue_()
    page.wait_for_timeout(1000)
    page.locator(".scanline > .legend .model", has_text="other").wait_for()
    settle(page)
    draw(page, SEVEN)
    assert page.locator(".scanline > .legend .model").inner_text().startswith("other")
    assert page.locator(".alert").is_hidden()
    assert digit(page) == "7"


def test_a_network_that_the_new_server_lacks_is_told(open_page, two_networks):
    page = open_page(two_networks.url, allowed=NETWORK)
    watch(page)
    use(page, "other")
    two_networks.kill()
    two_networks.model = two_networks.model / "first.onnx"
    two_networks.start()
    page.locator(".alert", has_text="no model 'other' here").wait_for()
    page.wait_for_timeout(3000)
    assert "no model 'other' here" in page.locator(".alert").inner_text()
    use(page, "first")
    draw(page, ONE)
    assert page.locator(".alert").is_hidden()
