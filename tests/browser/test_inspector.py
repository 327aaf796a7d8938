"""Looking into one unit, with pointer, finger and keyboard."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from model import reference, signature, weights
from model.export import onnx_graph
from serving.page import explain
from serving.page.stream import read_input
from serving.page.units import exciting, inspect_unit
from tests.browser import explained
from tests.browser.conftest import Server
from tests.browser.explained import clear, column_of, look_into, point_at, released, text
from tests.browser.pen import SEVEN, draw, until
from tests.support.networks import CONFIGS, random_network

pytestmark = pytest.mark.browser

page, asked = explained.page, explained.asked


def test_pointing_at_a_column_names_its_unit(page):
    page.mouse.move(*point_at(page, 7, "backward"))
    tag = page.locator(".backward-panel .unit-tag")
    assert re.fullmatch(r"unit 7 · speaks most for \d · click for more", tag.inner_text())
    page.mouse.move(5, 5)
    assert tag.is_hidden()
    look_into(page, 7, "backward")
    assert re.fullmatch(r"unit 7 · speaks most for \d · more below", tag.inner_text())


def test_a_click_opens_the_unit_that_was_named_where_the_pointer_is_between_pixels(page):
    box = page.locator("canvas.forward").first.bounding_box()
    tag = page.locator(".forward-panel .unit-tag")
    checked = 0
    for step, part in enumerate([0.0, 0.25, 0.5, 0.75, 0.999] * 2):
        x = int(box["x"] + (step + 0.5) * box["width"] / 10) + part
        page.mouse.move(x, box["y"] + 0.4 * box["height"])
        if tag.is_hidden():
            continue  # between two groups
        unit = re.match(r"unit (\d+) ", tag.inner_text())[1]
        page.mouse.down()
        page.mouse.up()
        expect(page.locator(".inspector h2")).to_have_text(re.compile(rf"^Unit {unit} "))
        checked += 1
    assert checked


def groups(page, direction: str) -> list[dict]:
    """A reader's units as `serving.page.units` groups them."""
    return page.evaluate(
        """async (direction) => {
          const { layers } = await (await fetch("live/config.json")).json();
          return layers[0][direction].groups;
        }""",
        direction,
    )


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_groups_and_units_tell_for_which_digit_they_speak_most(page, direction):
    labels = page.locator(f".{direction}-panel .groups span")
    for label, group in zip(labels.all(), groups(page, direction), strict=True):
        digit, units = group["digit"], group["units"]
        told = "speaks for no digit" if digit is None else f"speaks most for {digit}"
        assert label.inner_text() == ("" if digit is None else str(digit))
        assert re.match(rf"{len(units)} units?: {told}", label.get_attribute("title"))
    digit, unit = next((g["digit"], g["units"][0]) for g in groups(page, direction) if g["units"])
    look_into(page, unit, direction)
    assert text(page, ".inspector-hint").startswith(f"Speaks most for {digit}:")


def test_a_click_on_a_state_shows_its_arithmetic(page):
    """As the reference has it, for the row and the unit that were clicked, and for the next row."""
    draw(page, SEVEN)
    sent = []
    page.on("request", lambda r: sent.append(r) if explain.STATE_PATH in r.url else None)
    page.mouse.click(*point_at(page, 7, "forward"))
    equation = page.locator(".state-equation")
    expect(equation).to_contain_text("h₁₂[7] = relu")
    page.keyboard.press("ArrowDown")
    expect(equation).to_contain_text("h₁₃[7] = relu")
    image = read_input(sent[-1].post_data_buffer).image
    output = signature.hidden_forward(1)
    terms = reference.state_terms(released().weights, image, output, 13, 7)
    last = re.search(r"relu\((−?[\d.]+)\) = ([\d.]+)$", equation.inner_text()).groups()
    numbers = [float(number.replace("−", "-")) for number in last]
    assert numbers == pytest.approx([terms.total, terms.state], abs=0.006, rel=0.01)
    products = page.locator(".state-terms table:last-child td:last-child").all_inner_texts()
    by_size = sorted(terms.recurrent, key=abs, reverse=True)[:5]
    assert [float(text.replace("−", "-")) for text in products] == pytest.approx(by_size, abs=0.006)


def test_the_drawings_that_excite_a_unit_are_shown(page):
    look_into(page, 7, "forward")
    expected = exciting(released(), signature.hidden_forward(1), 7)
    captions = page.locator(".exciting figcaption").all_inner_texts()
    assert [int(re.search(r"row (\d+)", text)[1]) for text in captions] == [
        each["row"] for each in expected
    ]


def test_on_an_empty_pad_the_unit_chosen_has_no_states(page):
    look_into(page, 7, "forward")
    page.mouse.move(5, 5)
    tag = page.locator(".forward-panel .unit-tag")
    assert tag.is_visible()
    clear(page)
    assert tag.is_hidden()
    assert "Nothing is drawn" in page.locator(".trace").get_attribute("aria-label")
    assert page.locator(".unit").is_visible()  # its weights are what they were
    draw(page, SEVEN)
    assert tag.is_visible()
    assert "strongest at row" in page.locator(".trace").get_attribute("aria-label")


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_a_click_looks_into_a_unit(page, direction):
    draw(page, SEVEN)
    page.mouse.click(*point_at(page, 7, direction))
    unit = page.locator(".unit")
    unit.wait_for()
    reader = {"forward": "downward", "backward": "upward"}[direction]
    assert text(page, ".inspector h2") == f"Unit 7 of the {reader} reader, layer 1"
    name = {
        "forward": signature.hidden_forward(1),
        "backward": signature.hidden_backward(1),
    }[direction]
    expected = inspect_unit(released().weights, name, "7")
    assert page.locator(".strips canvas").count() == len(expected["input"])
    for way in ("from", "to"):
        shown = page.locator(f".unit-{way} b").all_inner_texts()
        assert [int(number) for number in shown] == [each["unit"] for each in expected[way]]
        weights = page.locator(f".unit-{way} small").all_inner_texts()
        assert [float(weight.replace("−", "-")) for weight in weights] == pytest.approx(
            [each["weight"] for each in expected[way]], abs=0.006
        )
    votes = page.locator(".unit-votes li small").all_inner_texts()
    assert [float(vote.replace("−", "-")) for vote in votes] == pytest.approx(
        expected["votes"] or [], abs=0.006
    )
    if expected["votes"] is None:
        assert "next layer" in text(page, ".unit-votes p")


def test_the_strip_is_orange_where_ink_excites_the_unit(page):
    look_into(page, 7, "forward")
    expected = inspect_unit(released().weights, signature.hidden_forward(1), "7")["input"]
    weights = np.array(expected)
    row, pixel = np.unravel_index(weights.argmax(), weights.shape)
    red, blue = page.evaluate(
        """([row, pixel]) => {
          const canvas = document.querySelectorAll(".strips canvas")[row];
          const { data } = canvas.getContext("2d").getImageData(pixel, 0, 1, 1);
          return [data[0], data[2]];
        }""",
        [int(row), int(pixel)],
    )
    assert red > blue


def test_the_trace_follows_the_drawing(page, asked):
    look_into(page, 7, "forward")
    draw(page, SEVEN)
    asked.explained()
    states = released().read(asked.image).hidden_states
    trace = states[signature.hidden_forward(1)][:, 7]
    label = page.locator(".trace").get_attribute("aria-label")
    row, value = re.search(r"at row (\d+), (.+)", label).groups()
    assert int(row) == np.abs(trace).argmax() + 1
    assert float(value.replace("−", "-")) == pytest.approx(trace[int(row) - 1], abs=0.06)


def test_the_keyboard_alone_chooses_units_and_partners(page):
    canvas = page.get_by_role("slider", name="States of the downward reader")
    canvas.focus()
    page.keyboard.press("ArrowRight")
    page.locator(".unit").wait_for()
    first = text(page, ".inspector h2")
    assert canvas.get_attribute("aria-valuenow") == "0"
    page.keyboard.press("ArrowRight")
    expect(page.locator(".inspector h2")).not_to_have_text(first)
    assert canvas.get_attribute("aria-valuenow") == "1"
    second = text(page, ".inspector h2")
    assert re.search(r"\d+", second)[0] in canvas.get_attribute("aria-valuetext")
    page.keyboard.press("ArrowDown")  # the row cursor's, as everywhere
    assert page.locator(".reading.marked").count() == 1
    partners = page.locator(".unit-from button")
    number = re.search(r"\d+", second)[0]
    other = next(b for b in partners.all() if b.locator("b").inner_text() != number)
    wanted = other.locator("b").inner_text()
    other.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".inspector h2")).to_have_text(re.compile(rf"^Unit {wanted} "))
    assert page.evaluate("document.activeElement.id") == "inspector-title"


def test_a_finger_looks_into_a_unit(open_page, server):
    page = open_page(server.url, viewport={"width": 390, "height": 800}, has_touch=True)
    page.locator("canvas.forward").first.scroll_into_view_if_needed()
    page.touchscreen.tap(*point_at(page, 7, "forward"))
    page.locator(".unit").wait_for()
    hit = int(re.match(r"Unit (\d+) ", text(page, ".inspector h2"))[1])
    # On a phone a column is narrower than a pixel.
    apart = column_of(page, hit, "forward") - column_of(page, 7, "forward")
    assert abs(apart) < 0.01


def test_a_unit_that_cannot_be_had_is_said_and_can_be_chosen_again(open_page, server):
    page = open_page(server.url, allowed="500")
    page.route(f"**{explain.UNIT_PATH}*", lambda route: route.fulfill(status=500))
    page.mouse.click(*point_at(page, 7, "forward"))
    expect(page.locator(".inspector-hint")).to_contain_text("Choose it again")
    assert page.locator(".unit").is_hidden()
    page.unroute(f"**{explain.UNIT_PATH}*")
    look_into(page, 7, "forward")
    assert "Choose it again" not in text(page, ".inspector-hint")


def test_another_layer_closes_the_unit(page):
    look_into(page, 7, "forward")
    page.get_by_role("radio", name="2").check(force=True)
    assert page.locator(".unit").is_hidden()
    assert page.locator(".unit-tag:visible").count() == 0


def test_a_network_of_one_layer_without_upward_reader_is_explained(open_page, tmp_path_factory):
    folder = tmp_path_factory.mktemp("elman")
    network = weights.from_keras(random_network(CONFIGS["elman"]))
    (folder / "elman.onnx").write_bytes(onnx_graph.build(network).SerializeToString())
    weights.save_arrays(network, folder / "elman.npz")
    server = Server(folder / "elman.onnx")
    try:
        page = open_page(server.url)
        expect(page.locator(".because")).not_to_be_empty()
        look_into(page, 3, "forward")
        assert text(page, ".inspector h2") == "Unit 3 of the downward reader"
        assert page.locator(".unit-votes li").count() == 10
    finally:
        server.kill()


PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def test_a_finger_chooses_a_unit_in_a_magnified_strip_and_a_sheet_shows_it(open_page, server):
    """Columns are a pixel wide there: a few pixels of the finger are a unit."""
    page = open_page(server.url, **PHONE)
    page.locator("canvas.forward").scroll_into_view_if_needed()
    where = page.locator("canvas.forward").bounding_box()
    x, y = where["x"] + 0.3 * where["width"], where["y"] + 0.5 * where["height"]
    finger = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        finger.send(
            "Input.dispatchTouchEvent",
            {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]},
        )

    def named() -> int:
        return int(
            re.match(r"unit (\d+) ", page.locator(".forward-panel .unit-tag").inner_text())[1]
        )

    units = [unit for group in groups(page, "forward") for unit in group["units"]]
    touch("touchStart", (x, y))
    for moved in range(1, 60):
        touch("touchMove", (x + moved, y))
    magnifier = page.locator(".forward-panel .magnifier")
    expect(magnifier).to_be_visible()
    assert magnifier.bounding_box()["y"] + magnifier.bounding_box()["height"] <= where["y"]
    page.wait_for_timeout(200)  # moves come with the frames
    before = units.index(named())
    for moved in range(60, 78):
        touch("touchMove", (x + moved, y))
    unit = units[before + 2]
    until(page, lambda: named() == unit)
    touch("touchEnd")
    expect(magnifier).to_be_hidden()
    expect(page.locator(".inspector h2")).to_have_text(re.compile(rf"^Unit {unit} "))
    page.wait_for_function("scrollY === window.last || void (window.last = scrollY)", polling=100)
    sheet, states = page.locator(".inspector"), page.locator("canvas.forward")
    top = sheet.bounding_box()["y"]
    assert top < 844 <= top + sheet.bounding_box()["height"] + 1
    assert states.bounding_box()["y"] + states.bounding_box()["height"] <= top

    page.get_by_role("button", name="Close").tap()
    expect(page.locator(".inspector .unit")).to_be_hidden()
    expect(page.locator(".inspector h2")).to_have_text("One unit")
