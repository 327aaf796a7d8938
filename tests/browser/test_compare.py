"""Which network reads, and two of them on the same drawing."""

import json
import re
import shutil

import numpy as np
import pytest

from model.predictor import RELEASE, Predictor
from serving.page.stream import read_input
from tests.browser.conftest import Server
from tests.browser.explained import percent
from tests.browser.pen import ONE, SEVEN, digit, draw, pixels, sentence, until, watch
from tests.conftest import THRESHOLDS, save_tiny_model

pytestmark = pytest.mark.browser

SECOND = ".comparison:not([hidden])"
FAILED = "Failed to load resource"  # Chromium's own words for an answer that is no 200
DESCRIPTION = "Three units that were never trained."


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The released network, its twin, one that only reads down, one that doubts, a broken one."""
    folder = tmp_path_factory.mktemp("networks")
    for path in RELEASE.glob("scanline.*"):
        shutil.copy(path, folder)
    for suffix in (".onnx", ".npz"):
        shutil.copy(RELEASE / f"scanline{suffix}", folder / f"twin{suffix}")
    save_tiny_model(folder / "tiny.onnx")
    card = {"description": DESCRIPTION, "parameters": 99, "test": {"error_percent": 90.1}}
    (folder / "tiny.card.json").write_text(json.dumps(card))
    save_tiny_model(folder / "doubting.onnx", doubts=True)
    (folder / "doubting.card.json").write_text(json.dumps({"thresholds": THRESHOLDS}))
    save_tiny_model(folder / "broken.onnx", probabilities="output_0")
    return folder


@pytest.fixture(scope="module")
def several(folder):
    running = Server(folder)
    yield running
    running.kill()


@pytest.fixture
def page(open_page, several):
    return open_page(several.url)


def network(page):
    page.locator(".networks select").nth(1).wait_for()
    return page.get_by_label("Network", exact=True)


def compared(page):
    network(page)
    return page.get_by_label("Compare with")


def second(page, part: str):
    return page.locator(f".comparison {part}")


def compare(page, name: str) -> None:
    compared(page).select_option(name)
    wait_for_second(page)


def wait_for_second(page) -> None:
    page.locator(SECOND).wait_for()
    page.wait_for_function(
        "document.querySelector('.comparison .digit').textContent.match(/[0-9]/)"
    )


def choose(page, name: str) -> None:
    network(page).select_option(name)
    page.locator(".legend .model").first.filter(has_text=name).wait_for()


def test_the_networks_are_offered_by_name(page):
    options = network(page).locator("option").all_inner_texts()
    assert options == [
        "scanline · strongest",
        "broken",
        "doubting",
        "tiny",
        "twin",
    ]
    others = compared(page).locator("option").all_inner_texts()
    assert others == ["no other", *options[1:]]


def test_one_network_alone_offers_no_choice(open_page, tiny_server):
    page = open_page(tiny_server.url)
    assert page.locator(".networks").is_hidden()


def test_choosing_a_network_tells_what_it_is_and_lacks(page):
    choose(page, "tiny")
    about = page.locator(".network .about").text_content()
    assert about.startswith(DESCRIPTION)
    assert "no upward reader" in about
    assert "no score" in about
    assert page.locator(".backward-panel").is_hidden()
    choose(page, "doubting")
    about = page.locator(".network .about").text_content()
    assert "no upward reader" in about
    assert "no score" not in about


def test_a_network_that_cannot_be_used_changes_nothing(open_page, several):
    page = open_page(several.url, allowed=FAILED)
    before = digit(page)
    network(page).select_option("broken")
    notice = page.locator(".notice", has_text="broken cannot be used: this model cannot be used")
    notice.wait_for()
    page.wait_for_function("document.querySelector('.networks select').value === 'scanline'")
    assert digit(page) == before
    compared(page).select_option("broken")
    page.wait_for_function("document.querySelectorAll('.networks select')[1].value === ''")
    notice.wait_for()
    assert page.locator(SECOND).count() == 0


def test_the_second_network_reads_the_newest_drawing(page, folder):
    sent = []

    def listen(socket) -> None:
        if socket.url.endswith("model=tiny"):
            socket.on("framesent", lambda message: sent.append(message))

    page.on("websocket", listen)
    watch(page)
    compare(page, "tiny")
    assert page.locator(SECOND).get_attribute("aria-label") == "The same drawing, read by tiny"
    assert second(page, ".model").inner_text() == "tiny · 99 weights · 90.1\u202f% MNIST test error"
    assert DESCRIPTION in second(page, ".about").inner_text()
    assert second(page, "canvas.image").count() == 0
    page.locator(".clear").click()
    page.wait_for_function("document.querySelector('.comparison .digit').textContent === '–'")
    assert "Nothing is drawn" in second(page, ".sentence").inner_text()
    draw(page, SEVEN)
    newest = page.evaluate("window.drawn")
    # The second has its own connection, and may lag.
    until(page, lambda: read_input(sent[-1]).sequence == newest)
    reading = Predictor(folder / "tiny.onnx").read(read_input(sent[-1]).image)
    certainty = percent(reading.confidence).replace(" ", "\u202f")
    told = f"tiny: The network reads {reading.digit}, {certainty}."
    page.locator(".comparison .said").filter(has_text=told).wait_for(state="attached")  # said last
    assert second(page, ".digit").inner_text() == str(reading.digit)
    assert second(page, ".winner .value").inner_text() == certainty
    compared(page).select_option("")
    page.locator(".comparison").wait_for(state="hidden")


def test_the_second_says_that_it_lacks_weights_and_what_a_column_is_stays_told(page):
    compare(page, "tiny")
    assert "no weights file here" in second(page, ".about").inner_text()
    assert page.get_by_text("One column is one unit’s hidden state").is_visible()
    choose(page, "tiny")  # they change places
    second(page, ".model").filter(has_text="scanline").wait_for()
    assert "no weights" not in second(page, ".about").inner_text()


def test_the_second_gives_its_reasons_too(page):
    watch(page)
    compare(page, "doubting")
    page.locator(".clear").click()
    draw(page, ONE)
    second(page, ".doubt").filter(has_text="Not sure").wait_for()
    assert second(page, ".guess").inner_text() == "4 or 9"


def test_the_second_says_nothing_while_the_pen_moves_nor_in_anothers_name(page):
    watch(page)
    compare(page, "twin")
    spoken = second(page, ".spoken")
    spoken.filter(has_text="reads").wait_for(state="attached")
    page.evaluate("""() => {
      window.said = [];
      const spoken = document.querySelector(".comparison .spoken");
      new MutationObserver(() => window.said.push([spoken.textContent, window.isDown]))
        .observe(spoken, { childList: true, characterData: true, subtree: true });
      addEventListener("pointerdown", () => (window.isDown = true), true);
      addEventListener("pointerup", () => (window.isDown = false), true);
    }""")
    draw(page, ONE)
    page.wait_for_function("window.said.length")
    assert [text for text, is_down in page.evaluate("window.said") if is_down] == []
    page.evaluate("window.said.length = 0")
    compared(page).select_option("tiny")
    second(page, ".model").filter(has_text="tiny").wait_for()
    page.wait_for_function("window.said.length")
    assert page.evaluate("window.said")[0][0] == ""  # not tiny with twin's answer


def test_one_row_cursor_marks_both(page):
    compare(page, "tiny")
    assert second(page, ".axis").get_attribute("tabindex") is None
    assert page.get_by_role("slider", name="Row cursor").count() == 1
    canvas = second(page, "canvas.forward")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 8.5 * box["height"] / 28)
    assert page.locator(".reading.marked").count() == 2
    assert "After row 9 of 28" in sentence(page)
    assert "After row 9 of 28" in second(page, ".sentence").inner_text()
    assert "rows 1 to 9 and no more" in second(page, ".knowledge").inner_text()
    page.mouse.move(5, 5)
    assert page.locator(".reading.marked").count() == 0


def test_both_readings_stand_in_the_same_columns(page):
    compare(page, "twin")
    for panel in ("forward", "backward", "belief"):
        first, below = (
            page.locator(f"{place} canvas.{panel}").bounding_box()
            for place in (".scanline > .reading", ".comparison")
        )
        for side in ("x", "width", "height"):
            assert first[side] == pytest.approx(below[side], abs=1), (panel, side)


def test_time_runs_in_both(page):
    compare(page, "tiny")
    page.get_by_role("slider", name="Rows read").fill("0")
    page.get_by_role("button", name="One row on").click()
    page.get_by_role("button", name="One row on").click()
    assert page.locator(".reading.sweeping").count() == 2
    assert second(page, ".reading").evaluate("(e) => e.style.getPropertyValue('--time')") == "2"
    assert second(page, ".forward-panel .head").is_visible()
    page.keyboard.press("Escape")
    assert page.locator(".reading.sweeping").count() == 0


def test_each_has_its_own_layer(page):
    compare(page, "twin")
    first = page.locator(".scanline > .legend .layers")
    before = pixels(page, "forward"), pixels(page, "forward", ".comparison")
    np.testing.assert_array_equal(*before)  # the same network, the same drawing
    second(page, ".layers").get_by_role("radio", name="2").check(force=True)
    assert first.get_by_role("radio", name="1").is_checked()
    np.testing.assert_array_equal(pixels(page, "forward"), before[0])
    assert (pixels(page, "forward", ".comparison") != before[1]).any()
    assert "reads both of layer 1" in second(page, ".forward-note").inner_text()
    first.get_by_role("radio", name="2").check(force=True)
    assert second(page, ".layers").get_by_role("radio", name="2").is_checked()


def test_the_first_never_waits_for_the_second(page):
    asked, held = [], []

    def hold(route) -> None:
        server = route.connect_to_server()
        server.on_message(lambda message: held.append((route, message)))

        def forward(message) -> None:
            asked.append(message)
            server.send(message)

        route.on_message(forward)

    page.route_web_socket(re.compile("model=tiny"), hold)
    watch(page)
    compared(page).select_option("tiny")
    page.locator(SECOND).wait_for()
    draw(page, SEVEN)  # ends when the first network has read all of it
    assert second(page, ".digit").inner_text() == "–"
    assert len(asked) == 1  # one in flight, whatever was drawn meanwhile
    for count in (1, 2):
        until(page, lambda: held)
        assert len(asked) == count  # then the newest
        route, message = held.pop()
        route.send(message)
    page.wait_for_function("document.querySelector('.comparison .digit').textContent !== '–'")
    assert read_input(asked[-1]).sequence == page.evaluate("window.painted")
    page.close()  # its streams would be held in the next test, too


def test_a_connection_that_ends_is_told_and_made_anew(page):
    routes = []

    def follow(route) -> None:
        routes.append(route)
        route.connect_to_server()

    page.route_web_socket(re.compile("model=tiny"), follow)
    compare(page, "tiny")
    routes[0].close()
    second(page, ".sentence").filter(has_text="Not read yet").wait_for()
    assert page.locator(".alert").is_hidden()  # the first is well
    second(page, ".sentence").filter(has_text="Reading down").wait_for()
    assert len(routes) == 2
    page.close()


def test_choosing_the_second_as_the_first_lets_them_change_places(page):
    compare(page, "tiny")
    choose(page, "tiny")
    page.locator(SECOND).filter(has_text="scanline").wait_for()
    assert compared(page).input_value() == "scanline"
    assert second(page, ".backward-panel").is_visible()
    assert page.locator(".scanline > .reading .backward-panel").is_hidden()
    wait_for_second(page)


def test_the_keyboard_compares(page):
    compared(page).focus()
    page.keyboard.press("t")
    page.locator(SECOND).filter(has_text="tiny").wait_for()
    page.keyboard.press("ArrowDown")
    page.locator(SECOND).filter(has_text="twin").wait_for()
    assert page.locator(".reading.marked").count() == 0


def link(page) -> str:
    page.wait_for_function("location.hash.includes('compare=')")
    return page.url


def test_a_link_keeps_the_comparison(open_page, several):
    page = open_page(several.url)
    compare(page, "twin")
    second(page, ".layers").get_by_role("radio", name="2").check(force=True)
    page.wait_for_function("location.hash.includes('layer2=2')")
    again = open_page(f"{several.url}#{link(page).partition('#')[2]}")
    wait_for_second(again)
    assert compared(again).input_value() == "twin"
    assert second(again, ".layers").get_by_role("radio", name="2").is_checked()


def test_a_link_to_a_network_that_is_not_here_says_so(open_page, several):
    page = open_page(f"{several.url}#compare=gone", allowed=FAILED)
    page.locator(".notice", has_text="gone cannot be used: no model 'gone' here").wait_for()
    assert page.locator(SECOND).count() == 0
    page = open_page(f"{several.url}#compare=scanline")
    assert page.locator(SECOND).count() == 0


@pytest.mark.parametrize(
    "names", [("scanline", "tiny"), ("tiny", "scanline"), ("scanline", "twin")]
)
def test_no_width_scrolls_sideways(open_page, several, names):
    page = open_page(several.url)
    choose(page, names[0])
    compare(page, names[1])
    for width in (360, 820, 1280, 1920):
        page.set_viewport_size({"width": width, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        right = page.evaluate("""() => Math.max(...[...document.querySelectorAll(".comparison *")]
          .filter((element) => element.offsetParent && !element.closest(".said"))
          .map((element) => element.getBoundingClientRect().right))""")
        assert right <= width


def test_a_phone_shows_one_of_both_a_tap_apart(open_page, several):
    page = open_page(
        f"{several.url}#compare=tiny",
        viewport={"width": 390, "height": 844},
        has_touch=True,
        is_mobile=True,
    )
    page.wait_for_function("document.querySelector('.comparison .digit')?.textContent")
    first, other = page.locator(".scanline > .reading"), page.locator(".comparison")
    assert first.is_visible()
    assert other.is_hidden()
    top = first.bounding_box()["y"]
    page.get_by_role("radio", name="tiny").tap(force=True)
    assert other.is_visible()
    assert first.is_hidden()
    assert other.bounding_box()["y"] == pytest.approx(top, abs=2)
    page.get_by_role("radio", name="scanline").tap(force=True)
    assert first.is_visible()
