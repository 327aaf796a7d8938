"""The row cursor, the layers, networks of other shapes, themes and widths."""

import re

import pytest

from tests.browser.pen import digit, pixels, sentence

pytestmark = pytest.mark.browser


@pytest.fixture
def page(open_page, server):
    return open_page(server.url)


def hover_row(page, row: int) -> None:
    box = page.locator("canvas.forward").bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + (row - 0.5) * box["height"] / 28)


def is_marked(page) -> bool:
    return page.locator(".reading.marked").count() == 1


def test_hover_marks_a_row_and_leaving_it_does_not(page):
    assert not is_marked(page)
    assert "settles" in sentence(page)
    hover_row(page, 15)
    assert is_marked(page)
    assert "After row 15 of 28, reading down, it believes" in sentence(page)
    assert "rows 1 to 15" in page.locator(".knowledge").inner_text()
    page.mouse.move(5, 5)
    assert not is_marked(page)


def test_a_click_pins_a_row_and_escape_unpins_it(page):
    hover_row(page, 9)
    page.mouse.down()
    page.mouse.up()
    page.mouse.move(5, 5)
    assert "row 9 of 28" in sentence(page)
    page.keyboard.press("Escape")
    assert not is_marked(page)


def test_a_click_pins_the_row_that_was_marked_where_the_pointer_is_between_pixels(page):
    box = page.locator("canvas.forward").first.bounding_box()
    for quarter in range(80):
        page.mouse.move(box["x"] + 20, box["y"] + 40 + quarter / 4)
        told = sentence(page)
        page.mouse.down()
        page.mouse.up()
        assert sentence(page) == told
        page.keyboard.press("Escape")


def test_the_cursor_frames_the_same_row_in_all_panels(page):
    hover_row(page, 20)
    tops = page.evaluate("""() => [...document.querySelectorAll(".rows")].map((rows) => {
      const style = getComputedStyle(rows, "::after");
      return rows.getBoundingClientRect().top + parseFloat(style.top);
    })""")
    assert len(tops) == 5
    assert max(tops) - min(tops) < 0.5


def test_the_keyboard_alone_moves_the_cursor(page):
    slider = page.get_by_role("slider", name="Row cursor")
    slider.focus()
    page.keyboard.press("ArrowDown")
    assert slider.get_attribute("aria-valuenow") == "1"
    assert "row 1 of 28" in slider.get_attribute("aria-valuetext")
    for key, row in [("PageDown", 8), ("ArrowUp", 7), ("End", 28), ("ArrowDown", 28), ("Home", 1)]:
        page.keyboard.press(key)
        assert slider.get_attribute("aria-valuenow") == str(row), key
    page.keyboard.press("Escape")
    assert not is_marked(page)


def test_arrow_keys_need_no_focus(page):
    page.keyboard.press("ArrowDown")
    assert "row 1 of 28" in sentence(page)
    page.keyboard.press("ArrowDown")
    assert "row 2 of 28" in sentence(page)
    page.keyboard.press("Escape")
    assert not is_marked(page)
    page.keyboard.press("End")  # scrolls, as on any page
    assert not is_marked(page)


def test_page_keys_belong_to_the_page_where_no_picture_has_the_focus(page):
    page.get_by_role("button", name="Copy link").focus()
    for key in ("PageDown", "Home", "End", "PageUp"):
        page.keyboard.press(key)
        assert not is_marked(page), key
    page.keyboard.press("ArrowDown")
    assert is_marked(page)


def test_arrow_keys_in_a_form_control_are_its_own(page):
    page.get_by_role("radio", name="1").focus()
    page.keyboard.press("ArrowDown")
    assert page.get_by_role("radio", name="2").is_checked()
    assert not is_marked(page)
    page.evaluate("""() => {
      const field = document.body.appendChild(document.createElement("textarea"));
      field.focus();
    }""")
    page.keyboard.press("ArrowDown")
    assert not is_marked(page)


def test_where_nothing_hovers_no_arrow_keys_are_told_of(open_page, server):
    page = open_page(server.url)
    assert "arrow keys" in page.locator(".knowledge").inner_text()
    page = open_page(server.url, has_touch=True, is_mobile=True)
    assert "arrow keys" not in page.locator(".knowledge").inner_text()
    assert "Tap a row" in page.locator(".knowledge").inner_text()


def settled(page, rows: list[tuple[int, float]], ink: int) -> int | None:
    """`settledAt` of belief.js for (leader, probability) by row."""
    return page.evaluate(
        """async ([rows, ink]) => {
          const { settledAt } = await import(new URL("live/reading/answer.js", document.baseURI));
          return settledAt(rows.map(([digit, probability]) => ({ digit, probability })), ink);
        }""",
        [rows, ink],
    )


def test_it_settles_on_what_it_believes_to_the_end_and_not_before_the_ink(page):
    sure, unsure, other = (7, 0.6), (7, 0.5), (2, 0.9)
    assert settled(page, [sure] * 6, ink=0) == 0
    assert settled(page, [sure] * 6, ink=4) == 4
    assert settled(page, [other, sure, sure, unsure, sure, sure], ink=1) == 4
    assert settled(page, [sure, sure, sure, other, sure, sure], ink=0) == 4
    assert settled(page, [sure] * 5 + [unsure], ink=0) is None


def test_above_the_ink_nothing_is_settled(page):
    ink = pixels(page, "image")[:, :, 0]
    first = int((ink > ink.min()).any(axis=1).argmax())
    assert first > 0
    assert int(re.search(r"at row (\d+)", sentence(page))[1]) > first
    starts = page.evaluate("""() => [...document.querySelectorAll(".leaders li:not(.unsure)")]
      .map((item) => Number(item.style.getPropertyValue("--from")))""")
    assert starts
    assert min(starts) >= first


def test_rows_before_the_ink_are_called_so(page):
    page.locator(".axis").focus()
    page.keyboard.press("Home")
    assert "met no ink" in sentence(page)


def test_another_layer_shows_other_states_and_says_what_they_know(page):
    first = pixels(page, "forward")
    assert "only the rows above" in page.locator(".forward-note").inner_text()
    page.get_by_role("radio", name="2").check(force=True)
    assert (pixels(page, "forward").mean() != first.mean()).any()
    assert "reads both of layer 1" in page.locator(".forward-note").inner_text()
    knowledge = page.locator(".knowledge")
    assert "each row knows the whole image" in knowledge.inner_text()
    hover_row(page, 10)
    assert "Layer 2 reads both states of layer 1" in knowledge.inner_text()
    assert "The belief is layer 1’s, of rows 1 to 10" in knowledge.inner_text()


def test_a_network_without_upward_reader_says_so(open_page, tiny_server):
    page = open_page(tiny_server.url)
    assert page.locator(".backward-panel").is_hidden()
    assert page.locator(".layers").is_hidden()
    hover_row(page, 12)
    assert "no upward reader" in page.locator(".knowledge").inner_text()
    assert page.locator(".scale-low").inner_text() == "−1"  # tanh: the whole map, ±1
    assert page.locator(".scale-high").inner_text() == "1"


def test_one_strong_unit_does_not_wash_the_others_out(page):
    part = page.evaluate("""async () => {
      const { quantile } = await import(new URL("live/reading/panels.js", document.baseURI).href);
      const data = Float32Array.from({ length: 1000 }, (_, i) => (i < 5 ? -1500 : i / 100));
      return [quantile([{ data }], 0.99), quantile([], 0.99)];
    }""")
    assert 9 < part[0] < 10
    assert part[1] == 0


def test_the_legend_says_that_some_states_are_beyond_it(page):
    assert re.fullmatch(r"≥\u202f[\d.]+", page.locator(".scale-high").inner_text())
    assert page.locator(".scale-low").inner_text() == "0"  # relu


def test_no_width_stretches_the_digit(page):
    for width in (360, 820, 1280, 1920):
        page.set_viewport_size({"width": width, "height": 740})
        box = page.locator("canvas.image").bounding_box()
        assert box["width"] == pytest.approx(box["height"], abs=1)


def test_titles_stay_short(page):
    for width, height in ((1920, 700), (1440, 860), (360, 740)):
        page.set_viewport_size({"width": width, "height": height})
        for layer in ("1", "2"):
            page.get_by_role("radio", name=layer).check(force=True)
            heights = page.evaluate("""() => [...document.querySelectorAll(".panel header")]
              .map((header) => header.getBoundingClientRect().height)""")
            assert max(heights) < 3.5 * 0.9375 * 16 * 1.3  # lines


def test_dark_and_light_paint_other_colours(open_page, server):
    pictures = [
        pixels(open_page(server.url, color_scheme=scheme), "forward")
        for scheme in ("light", "dark")
    ]
    light, dark = (picture[:, :, :3].mean() for picture in pictures)
    assert light > 128 > dark


def test_a_change_of_theme_repaints(open_page, server):
    page = open_page(server.url, color_scheme="light")
    assert pixels(page, "forward")[:, :, :3].mean() > 128
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("""() => {
      const canvas = document.querySelector("canvas.forward");
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      const colours = data.filter((_, i) => i % 4 < 3);
      return colours.reduce((sum, value) => sum + value, 0) < 128 * colours.length;
    }""")


def test_the_answer_is_announced_once_the_pen_rests(page):
    status = page.locator(".spoken[role=status]")
    page.wait_for_function("document.querySelector('.spoken').textContent !== ''")
    assert f"The network reads {digit(page)}" in status.inner_text()


def test_only_certainty_is_a_hundred_percent(page):
    written = page.evaluate("""async () => {
      const { percent } = await import("./live/core/strings.js");
      return [0, 0.004, 0.5, 0.994, 0.9951, 0.9999, 1].map(percent);
    }""")
    told = [value.replace("\u202f", " ") for value in written]
    assert told == ["0 %", "0 %", "50 %", "99 %", "> 99 %", "> 99 %", "100 %"]
