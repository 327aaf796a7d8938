"""While another network comes: nothing of the one before is shown, said or asked for."""

import pytest

from tests.browser.pen import ONE, SEVEN, digit, draw, places, sentence, settle, watch

pytestmark = pytest.mark.browser

# `hold()` keeps what the page sends from the server until `release()`.
HELD = """() => {
  const { send } = WebSocket.prototype;
  const held = [];
  window.hold = () => {
    WebSocket.prototype.send = function (data) { held.push(() => send.call(this, data)); };
  };
  window.release = () => {
    WebSocket.prototype.send = send;
    for (const go of held.splice(0)) go();
  };
}"""
# `said`: what a screen reader was told, and whether a drawing waited to be read then.
HEARD = """() => {
  window.said = [];
  const spoken = document.querySelector(".spoken");
  new MutationObserver(() => {
    const isWaiting = window.drawn !== window.painted;
    if (spoken.textContent) window.said.push([spoken.textContent, isWaiting]);
  }).observe(spoken, { childList: true, characterData: true, subtree: true });
}"""
REST = 1000  # milliseconds after which the page takes the pen to rest, and some


@pytest.fixture
def page(open_page, server):
    page = open_page(server.url)
    watch(page)
    page.get_by_label("Compare with").wait_for()
    page.evaluate(HELD)
    return page


def use(page, name: str) -> None:
    page.get_by_label("Network", exact=True).select_option(name)
    page.locator(".legend .model", has_text=name).first.wait_for()


def test_readers_that_the_network_before_lacked_have_no_past(page):
    """The stroke began with a network that has no upward reader: a comparison would fail."""
    use(page, "elman")
    page.get_by_role("button", name="Clear").click()
    draw(page, SEVEN[:2])
    draw(page, SEVEN[1:])
    use(page, "scanline")
    settle(page)
    assert page.locator(".backward-panel .changed").is_hidden()
    draw(page, ONE)
    page.locator(".backward-panel .changed").wait_for()


def test_a_unit_looked_into_meanwhile_has_no_states_yet(page):
    use(page, "elman")
    page.evaluate("hold()")
    use(page, "scanline")
    page.locator("canvas.backward").first.click(position={"x": 20, "y": 50})
    page.locator(".unit").wait_for()
    assert page.locator(".trace path.line").get_attribute("d") in (None, "")
    page.evaluate("release()")
    settle(page)
    page.wait_for_function("document.querySelector('.trace path.line').getAttribute('d')")


def test_the_network_before_answers_nothing_in_the_new_ones_name(page):
    page.evaluate("hold()")
    use(page, "elman")
    assert digit(page) == "–"
    assert "Waiting" in sentence(page)
    page.evaluate("release()")
    page.locator(".sentence", has_text="settles").first.wait_for()
    assert digit(page) == "3"


def test_a_change_in_time_is_no_rest_of_an_empty_pad(page):
    """Within 0.7 s of the last reading, to a network whose first one takes longer."""
    page.evaluate(HEARD)
    page.evaluate("""() => {
      const root = document.querySelector(".scanline");
      root.addEventListener("painted", () => {
        window.hold();
        const select = document.querySelector(".networks select");
        select.value = "elman";
        select.dispatchEvent(new Event("change"));
      }, { once: true });
    }""")
    page.keyboard.press("7")
    page.locator(".legend .model", has_text="elman").first.wait_for()
    page.wait_for_timeout(REST)
    assert page.evaluate("window.said") == []
    page.evaluate("release()")
    page.wait_for_function("window.said.length")
    assert "reads 7" in page.evaluate("window.said")[0][0]


def test_a_slow_reading_is_no_rest_of_the_pen(page):
    page.evaluate(HEARD)
    draw(page, SEVEN[:2], release=False)
    page.evaluate("hold()")
    for place in places(page, SEVEN[2:]):
        page.mouse.move(*place, steps=5)
    page.wait_for_timeout(REST)
    page.evaluate("release()")
    page.mouse.up()
    settle(page)
    page.wait_for_function("window.said.at(-1)?.[0].includes('reads 7')")
    said = page.evaluate("window.said")
    assert [text for text, is_waiting in said if is_waiting] == []
