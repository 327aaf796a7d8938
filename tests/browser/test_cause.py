"""Why the network answers so: every number on the screen against `serving.page.explain`."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from model import signature
from serving.page import explain
from tests.browser import explained
from tests.browser.explained import (
    BAR,
    Asked,
    bars,
    clear,
    erase_row,
    likeliest,
    mark,
    percent,
    point_at,
    released,
    text,
)
from tests.browser.pen import ONE, SEVEN, digit, draw, pixels, places, until, watch

pytestmark = pytest.mark.browser

# Near a border between two digits: one row less, and it is another.
DOUBTFUL = [
    [(0.6, 0.25), (0.42, 0.2), (0.38, 0.4), (0.6, 0.4), (0.62, 0.2), (0.58, 0.85)],
    [(0.42, 0.25), (0.58, 0.18), (0.5, 0.85)],
    [(0.3, 0.2), (0.7, 0.2), (0.42, 0.8), (0.6, 0.8)],
    [(0.3, 0.2), (0.7, 0.2), (0.35, 0.8), (0.7, 0.8)],
]
SCRIBBLE = [(0.15 + 0.7 * (i % 2), 0.15 + 0.07 * i) for i in range(11)]

page, asked = explained.page, explained.asked


def test_the_column_shows_how_much_each_row_speaks_for_the_digit(page, asked):
    draw(page, SEVEN)
    header, tensors = asked.explained()
    influence = tensors[explain.ROW_INFLUENCE]
    expected = (
        bars(page)[np.abs(influence).argmax()] * influence / influence[np.abs(influence).argmax()]
    )
    np.testing.assert_allclose(bars(page), expected, atol=0.51)
    assert text(page, ".why-panel h2") == f"Why {header['digit']}"


def test_the_row_that_matters_most_is_the_one_whose_erasing_costs_most(page, asked):
    draw(page, SEVEN)
    header, tensors = asked.explained()
    digit, erased = header["digit"], tensors[explain.ERASED_ROWS]
    inked = asked.image.any(axis=1)
    row = int(np.where(inked, erased[:, digit], 2).argmin())
    before = released().run(asked.image[None])[signature.PROBABILITIES][0, digit]
    told, after = text(page, ".because"), erased[row, digit]
    if erased[row].argmax() != digit:
        assert told == f"Without row {row + 1}, it would say {erased[row].argmax()}."
    elif before - after < 0.005:
        assert told.startswith("No row matters alone")
        assert percent(after) in told
    else:
        assert told == f"Row {row + 1} matters most: without it {digit} has {percent(after)}."
    assert text(page, ".because") in page.locator("canvas.why").get_attribute("aria-label").replace(
        "\u202f", " "
    )


def test_it_follows_the_pen_while_it_is_down_and_asks_one_question_at_a_time(page, asked):
    under_way, most = set(), []

    def ask(request) -> None:
        if explain.PATH in request.url:
            under_way.add(request)
            most.append(len(under_way))

    page.on("request", ask)
    page.on("requestfinished", lambda request: under_way.discard(request))
    page.on("requestfailed", lambda request: under_way.discard(request))
    draw(page, SEVEN[:3], release=False)
    asked.explained()
    before = bars(page)
    first, *rest = places(page, SEVEN[3:])
    page.mouse.move(*first, steps=10)
    for place in rest:
        page.mouse.move(*place, steps=10)
    asked.explained()
    assert (bars(page) != before).any()
    page.mouse.up()
    assert max(most) == 1


def test_questions_are_few_and_the_last_drawing_gets_its_own(page, asked):
    began = page.evaluate("performance.now()")
    draw(page, [(0.2 + 0.006 * i, 0.5 + 0.3 * np.sin(i / 5)) for i in range(100)])
    seconds = (page.evaluate("performance.now()") - began) / 1000
    assert len(asked.messages) <= 8 * seconds + 2
    asked.explained()


def test_reasons_of_an_earlier_drawing_are_dimmed_until_the_newest_has_its_own(page, asked):
    draw(page, SEVEN)
    asked.explained()
    why = page.locator(".why-panel")
    opacity = "(element) => Number(getComputedStyle(element).opacity)"
    assert why.evaluate(opacity) == 1
    held, is_held = [], True
    page.route(
        f"**{explain.PATH}*",
        lambda route: held.append(route) if is_held else route.continue_(),
    )
    draw(page, BAR)
    until(page, lambda: held)
    assert "Why 7" in why.inner_text()
    assert why.evaluate(opacity) < 0.5
    is_held = False
    held[0].continue_()
    asked.explained()
    assert why.evaluate(opacity) == 1


def test_an_explanation_that_comes_after_the_page_was_cleared_is_dropped(page):
    held = []
    page.route(f"**{explain.PATH}*", lambda route: held.append(route))
    draw(page, SEVEN)
    until(page, lambda: held)
    clear(page)
    with page.expect_request_finished():
        held[0].continue_()
    page.evaluate("new Promise((then) => setTimeout(then, 300))")
    assert text(page, ".because") == ""
    assert not bars(page).any()


def test_a_failed_explanation_leaves_the_reading_alone_and_the_next_one_is_shown(open_page, server):
    page = open_page(server.url, allowed="500")
    asked = Asked(page)
    watch(page)
    clear(page)
    page.route(f"**{explain.PATH}*", lambda route: route.fulfill(status=500))
    with page.expect_response(f"**{explain.PATH}*"):
        draw(page, SEVEN)
    assert digit(page) == "7"
    assert text(page, ".because") == ""
    page.unroute(f"**{explain.PATH}*")
    draw(page, BAR)
    asked.explained()
    assert "row" in text(page, ".because").lower()


def test_where_too_many_ask_it_comes_back_and_shows_no_earlier_reasons_meanwhile(open_page, server):
    page = open_page(server.url, allowed="503")
    asked = Asked(page)
    watch(page)
    draw(page, SEVEN)
    asked.explained()
    page.route(f"**{explain.PATH}*", lambda route: route.fulfill(status=503))
    draw(page, BAR)
    expect(page.locator(".because")).to_be_empty()
    page.unroute(f"**{explain.PATH}*")
    expect(page.locator(".because")).to_contain_text(re.compile("row", re.I))


def test_the_pictures_show_the_gradients_on_request(page, asked):
    draw(page, SEVEN)
    states = pixels(page, "forward")
    page.get_by_role("radio", name="why").check(force=True)
    _, tensors = asked.explained()
    gradient = tensors[explain.ROW_GRADIENT]
    shown = pixels(page, "image + canvas.why-layer, canvas.image ~ canvas.why-layer")
    row, column = np.unravel_index(gradient.argmax(), gradient.shape)
    red, _, blue, _ = map(int, shown[10 * row + 5, 10 * column + 5])
    assert red > blue  # orange speaks for it
    row, column = np.unravel_index(gradient.argmin(), gradient.shape)
    red, _, blue, _ = map(int, shown[10 * row + 5, 10 * column + 5])
    assert blue > red
    assert page.locator(".forward-panel .why-layer").is_visible()
    assert "speak for 7" in text(page, ".why-legend")
    np.testing.assert_array_equal(pixels(page, "forward"), states)  # below, untouched
    page.get_by_role("radio", name="hidden states").check(force=True)
    assert page.locator(".why-layer:visible").count() == 0
    assert page.locator(".why-legend").is_hidden()


def test_without_the_marked_row_the_answer_is_told_and_shown(page, asked):
    draw(page, SEVEN)
    _, tensors = asked.explained()
    mark(page, 9)
    erased = tensors[explain.ERASED_ROWS][8]
    assert text(page, ".because") == text(page, ".without")
    assert text(page, ".without").startswith("Without row 9 it")
    assert likeliest(erased) in text(page, ".without")
    erase_row(page)
    assert "without row 9" in text(page, "#answer-title")
    shown = [
        value.replace("\u202f", " ") for value in page.locator(".bars .value").all_inner_texts()
    ]
    assert shown == [percent(p) for p in erased]
    assert page.locator(".hole").is_visible()
    page.keyboard.press("ArrowDown")  # it goes with the row
    assert "without row 10" in text(page, "#answer-title")
    page.keyboard.press("Escape")
    assert "full network" in text(page, "#answer-title")
    assert page.locator(".hole").is_hidden()
    assert page.get_by_role("button", name="Erase").is_disabled()


def test_the_sentence_says_that_it_is_of_the_whole_drawing_while_a_row_is_erased(page, asked):
    draw(page, SEVEN)
    asked.explained()
    mark(page, 9)
    told = text(page, ".sentence")
    assert told.startswith("After row 9")
    erase_row(page)
    assert text(page, ".sentence") == f"With nothing erased: after{told.removeprefix('After')}"
    erase_row(page)
    assert text(page, ".sentence") == told


def test_a_row_without_ink_cannot_be_erased(page, asked):
    draw(page, SEVEN)
    asked.explained()
    button = page.locator(".erase")
    assert button.is_disabled()
    assert "Mark a row" in button.get_attribute("title")
    ink = np.flatnonzero((asked.image > 0).any(axis=1))
    mark(page, ink[0] + 1)
    assert button.get_attribute("title") == ""
    erase_row(page)
    assert page.locator(".hole").is_visible()
    page.keyboard.press("ArrowUp")
    told = f"Row {ink[0]} has no ink: nothing to erase."
    assert text(page, ".without") == text(page, ".because") == told
    assert button.is_disabled()
    assert button.get_attribute("aria-description") == told
    assert "full network" in text(page, "#answer-title")
    assert page.locator(".hole").is_hidden()
    page.keyboard.press("ArrowDown")
    assert f"without row {ink[0] + 1}" in text(page, "#answer-title")


def test_a_click_keeps_a_stroke_erased_until_the_next(page, asked):
    draw(page, SEVEN)
    draw(page, BAR)
    asked.explained()
    chip = page.get_by_role("button", name="Stroke 2")
    chip.click()
    page.mouse.move(5, 5)
    page.evaluate("document.activeElement.blur()")
    assert "without stroke 2" in text(page, "#answer-title")
    assert chip.get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="Stroke 1").hover()
    assert "without stroke 1" in text(page, "#answer-title")
    chip.click()
    page.mouse.move(5, 5)
    page.evaluate("document.activeElement.blur()")
    assert "full network" in text(page, "#answer-title")
    chip.click()
    page.get_by_role("slider", name="Rows read").fill("9")
    assert "Belief so far" in text(page, "#answer-title")


def test_an_answer_without_a_row_gives_way_to_a_newer_drawing(page, asked):
    draw(page, SEVEN)
    asked.explained()
    mark(page, 13)
    erase_row(page)
    assert "without row 13" in text(page, "#answer-title")
    held = []
    page.route(f"**{explain.PATH}*", lambda route: held.append(route))
    draw(page, BAR)
    assert "full network" in text(page, "#answer-title")
    until(page, lambda: held)
    held[0].continue_()
    page.unroute(f"**{explain.PATH}*")
    expect(page.locator("#answer-title")).to_contain_text("without row 13")


def test_rows_whose_loss_changes_the_answer_are_marked_with_the_new_one(page, asked):
    found = 0
    for strokes in DOUBTFUL:
        clear(page)
        draw(page, strokes)
        header, tensors = asked.explained()
        answers = tensors[explain.ERASED_ROWS].argmax(axis=1)
        flips = {row: int(d) for row, d in enumerate(answers) if d != header["digit"]}
        runs = page.evaluate("""() => [...document.querySelectorAll(".flips li")].map((item) =>
          [...["--from", "--rows"].map((name) => Number(item.style.getPropertyValue(name))),
           Number(item.textContent)])""")
        shown = {row: flip for start, rows, flip in runs for row in range(start, start + rows)}
        assert shown == flips
        assert len(runs) == len([row for row in flips if flips.get(row - 1) != flips[row]])
        assert page.locator(".flips-key").is_visible() == bool(flips)
        if flips:
            assert text(page, ".flips-key b") == str(runs[0][2])
        for row in flips:
            assert re.search(rf"\b{row + 1}\b", text(page, ".without"))
        found += len(flips)
    assert found, "no drawing of the test is close to a border"


def test_without_a_stroke_the_answer_is_told_and_shown_at_once(page, asked):
    draw(page, SEVEN)
    assert page.locator(".chips button").count() == 0  # one stroke less is nothing
    draw(page, BAR)
    _, tensors = asked.explained()
    erased = tensors[explain.ERASED_STROKES]
    assert page.locator(".chips button").count() == 2
    for index, chip in enumerate(page.locator(".chips button").all()):
        assert likeliest(erased[index]) in chip.get_attribute("aria-label").replace("\u202f", " ")
        chip.hover()
        assert digit(page) == str(erased[index].argmax())
        assert likeliest(erased[index]) in text(page, ".without")
        assert page.locator(".missing").is_visible()
    page.mouse.move(5, 5)
    assert "full network" in text(page, "#answer-title")
    assert page.locator(".missing").is_hidden()
    page.get_by_role("button", name="Stroke 2").focus()
    assert "without stroke 2" in text(page, "#answer-title")
    draw(page, [(0.3, 0.9), (0.7, 0.9)])  # whoever draws wants to see the drawing's answer
    assert "full network" in text(page, "#answer-title")


def test_how_far_back_the_last_belief_reaches_is_told(page, asked):
    draw(page, SEVEN)
    header, tensors = asked.explained()
    norms = tensors[explain.THROUGH_TIME]
    image = asked.image
    ink = int((image > 0).any(axis=1).argmax())
    for row, words in [(ink, "where the ink begins"), (11, "row 12")]:
        if row != ink:
            mark(page, row + 1)
        told = text(page, ".felt-note")
        assert f"Its final belief, {header['belief_digit']}," in told
        assert f"row {row + 1}" in told
        assert words in told
        ratio = norms[row] / norms[-1]
        number, unit = re.search(r"with ([\d.]+) (%|times)", told).groups()
        share = float(number) / (100 if unit == "%" else 1)
        assert share == pytest.approx(ratio, rel=0.15)
    assert page.locator(".felt").get_attribute("aria-label").replace("\u202f", " ") == told


def test_a_rejected_drawing_has_no_reasons_for_an_answer_but_for_a_guess(page, asked):
    clear(page)
    draw(page, SCRIBBLE)
    header, tensors = asked.explained()
    page.locator(".scanline > .answer.rejected").wait_for()
    guess = header["digit"]
    assert text(page, ".why-panel h2") == f"For {guess}"
    assert re.search(rf"best guess would be|{guess} (has|keeps)", text(page, ".because"))
    assert "only its best guess" in page.locator("canvas.why").get_attribute("aria-label")
    assert "best guess" in text(page, ".without")
    mark(page, 9)
    erased = tensors[explain.ERASED_ROWS][8]
    told = text(page, ".without")
    assert told.startswith("Without row 9 its best guess")
    assert likeliest(erased) in told
    erase_row(page)
    assert page.locator(".scanline > .answer.doubted").count() == 1  # erasing makes it no digit


def test_why_waits_for_the_answer_and_leaves_no_hole(page, asked):
    draw(page, SEVEN)
    asked.explained()
    decided = text(page, ".because")
    place = page.locator("canvas.why").bounding_box()
    page.get_by_role("slider", name="Rows read").fill("9")
    assert text(page, ".why-panel h2") == "Why"
    assert "when the reading is done" in text(page, ".because")
    assert page.locator("canvas.why").is_visible()
    assert page.locator("canvas.why").bounding_box() == place
    assert page.locator("canvas.why").evaluate("(bars) => getComputedStyle(bars).opacity < 0.2")
    mark(page, 9)  # ends the sweep
    assert "Without row 9" in text(page, ".because")
    page.keyboard.press("Escape")
    page.get_by_role("slider", name="Rows read").fill("28")
    assert text(page, ".why-panel h2") == "Why 7"
    assert text(page, ".because") == decided


def test_an_empty_page_has_nothing_to_explain(page, asked):
    draw(page, SEVEN)
    asked.explained()
    count = len(asked.messages)
    clear(page)
    page.wait_for_timeout(300)
    assert len(asked.messages) == count
    assert text(page, ".why-panel h2") == "Why"
    assert not bars(page).any()
    assert "Draw a digit" in text(page, ".felt-note")
    assert page.locator(".chips button").count() == 0


def test_a_network_without_weights_says_what_is_missing(open_page, tiny_server):
    page = open_page(tiny_server.url)
    name = tiny_server.model.stem
    note = text(page, ".unexplained-note")
    assert f"{name}.npz beside {name}.onnx" in note
    for part in (".why-panel", ".shows", ".through-time", ".inspector", ".erasers"):
        assert page.locator(part).is_hidden(), part
    page.mouse.click(*point_at(page, 1, "forward"))  # names it, opens nothing
    tag = page.locator(".forward-panel .unit-tag").inner_text()
    assert tag.startswith("unit 1 ")
    assert "more" not in tag
    watch(page)
    clear(page)
    draw(page, ONE)
    expect(page.locator(".forward-panel .changed")).to_be_visible()  # needs no weights
