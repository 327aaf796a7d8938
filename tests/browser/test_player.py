"""Time: the two readers' sweep, played, stepped and scrubbed."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from model.predictor import Predictor
from tests.browser.pen import ONE, SEVEN, digit, draw, pixels, sentence, settle, watch

pytestmark = pytest.mark.browser

MET = "Here they meet"


@pytest.fixture
def page(open_page, server):
    """With motion, and before the sweep that would start by itself."""
    page = open_page(server.url, reduced_motion="no-preference")
    page.keyboard.press("Shift")
    watch(page)
    page.wait_for_function("document.querySelector('.spoken').textContent.includes('reads 3')")
    return page


@pytest.fixture
def still(open_page, server):
    page = open_page(server.url)
    watch(page)
    return page


def time(page) -> int | None:
    """Rows that each reader has read; None when nothing sweeps."""
    return page.evaluate("""() => {
      const reading = document.querySelector(".reading");
      const isSweeping = reading.classList.contains("sweeping");
      return isSweeping ? Number(reading.style.getPropertyValue("--time")) : null;
    }""")


def seek(page, rows: int) -> None:
    page.get_by_role("slider", name="Rows read").fill(str(rows))


def wait_for_time(page, at_least: int) -> None:
    page.wait_for_function(
        """(least) => {
          const reading = document.querySelector(".reading.sweeping");
          return reading && Number(reading.style.getPropertyValue("--time")) >= least;
        }""",
        arg=at_least,
    )


def wait_for_end(page) -> None:
    page.wait_for_function("!document.querySelector('.reading.sweeping')")


def heads(page) -> dict[str, float]:
    """Where each visible head lies, in rows from the top of its picture."""
    return page.evaluate("""() => Object.fromEntries(
      [...document.querySelectorAll(".reading .head")]
        .filter((head) => head.offsetParent)
        .map((head) => {
          const rows = head.closest(".rows");
          const box = rows.getBoundingClientRect();
          const line = head.getBoundingClientRect();
          const middle = (line.top + line.bottom) / 2 - box.top;
          const name = rows.querySelector("canvas").className;
          return [`${name} ${head.classList[1]}`, (28 * middle) / box.height];
        }),
    )""")


def test_playing_sweeps_to_the_end_and_then_shows_everything(page):
    page.locator(".speed").select_option("2")
    before = {panel: pixels(page, panel) for panel in ("image", "forward", "backward", "belief")}
    page.evaluate("""() => {
      const words = document.querySelector(".narration");
      const told = { childList: true, characterData: true, subtree: true };
      window.told = "";
      new MutationObserver(() => (window.told += words.textContent)).observe(words, told);
    }""")
    page.get_by_role("button", name="Watch it read").click()
    wait_for_time(page, 3)
    assert page.get_by_role("button", name="Pause").is_visible()
    wait_for_end(page)
    told = page.evaluate("window.told")
    assert 0 < told.index(MET) < told.index("Both readers are through: the full network answers 3")
    assert "settles on 3" in sentence(page)
    assert page.get_by_role("button", name="Watch it read").is_visible()
    assert heads(page) == {}
    for panel, pixel in before.items():
        np.testing.assert_array_equal(pixels(page, panel), pixel)


@pytest.mark.parametrize("digit", "0358")
def test_sentence_answer_and_belief_say_the_same_after_every_row(page, digit):
    """Where the readers meet, too, which is where the sentence once spoke of both."""
    for key in (str((int(digit) + 1) % 10), digit):  # the page opens with a 3: not that one's
        page.keyboard.press(key)
        page.wait_for_function(
            f"document.querySelector('.scanline .spoken').textContent.includes('reads {key}')"
        )
    for rows in range(1, 28):
        seek(page, rows)
        told = re.match(r"Row (\d+): (no ink yet|it (?:believes|leans to) (\d))", sentence(page))
        assert int(told[1]) == rows
        shown = page.locator(".scanline > .answer")
        doubted = "doubted" in shown.get_attribute("class")
        assert doubted == ("believes" not in told[2])
        if told[3]:
            assert shown.locator(".digit").inner_text() == told[3]
        leader = page.evaluate(
            """(row) => {
              const runs = [...document.querySelectorAll(".leaders li")];
              const at = (run, name) => Number(run.style.getPropertyValue(name));
              const run = runs.find((each) => row < at(each, "--from") + at(each, "--rows"));
              return [run.textContent, run.classList.contains("unsure")];
            }""",
            rows - 1,
        )
        assert leader[0] in ("", shown.locator(".digit").inner_text())
        assert leader[1] == doubted


def test_the_readers_come_from_both_ends_and_meet_in_the_middle(page):
    for rows in (0, 9, 14, 20, 28):
        seek(page, rows)
        assert time(page) == rows
        expected = {"image down": rows, "forward down": rows, "belief down": rows}
        expected |= {"image up": 28 - rows, "backward up": 28 - rows}
        assert heads(page) == pytest.approx(expected, abs=0.15)
    seek(page, 9)
    assert "Row 9: it" in sentence(page)
    assert "The upward reader is at row 20." in sentence(page)
    assert "rows 10 to 19" in page.locator(".knowledge").first.inner_text()
    seek(page, 13)
    assert "rows 14 and 15" in page.locator(".knowledge").first.inner_text()
    seek(page, 14)
    assert MET in page.locator(".knowledge").first.inner_text()
    seek(page, 20)
    assert "The upward reader is at row 9." in sentence(page)


def badges(page) -> list[dict]:
    """The badges of the heads: their words, and top and bottom in rows of their picture."""
    return page.evaluate("""() => [...document.querySelectorAll(".reading .head")]
      .filter((head) => head.offsetParent)
      .map((head) => [head, getComputedStyle(head, "::after")])
      .filter(([, badge]) => badge.display !== "none" && badge.content !== "none")
      .map(([head, badge]) => {
        const box = head.closest(".rows").getBoundingClientRect();
        const top = head.getBoundingClientRect().top + parseFloat(badge.top) - box.top;
        return { top, bottom: top + parseFloat(badge.height), height: box.height };
      })""")


def test_no_badge_of_a_head_covers_the_words_around_its_picture(page):
    for rows in (1, 14, 27, 28):
        seek(page, rows)
        shown = badges(page)
        assert len(shown) == 4
        for badge in shown:
            assert badge["top"] >= 0
            assert badge["bottom"] <= badge["height"]
    seek(page, 0)
    assert badges(page) == []  # no row is read, so none is named


def veiled(page, picture: str) -> list[int]:
    """Rows of a picture, 1 for the first, whose colours differ from those of everything shown."""
    shots = []
    for rows in (28, 9):
        seek(page, rows)
        page.add_style_tag(content=".head { visibility: hidden }")
        shots.append(row_colours(page, picture))
    return [row + 1 for row in range(28) if np.abs(shots[0][row] - shots[1][row]).max() > 8]


def row_colours(page, picture: str) -> np.ndarray:
    shot = page.locator(f"canvas.{picture}").first.screenshot()
    colours = np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)
    height = len(colours) / 28
    return np.stack([colours[int((row + 0.4) * height)] for row in range(28)])


def test_rows_that_a_reader_has_not_read_are_veiled(page):
    unread_by_down, unread_by_up = set(range(10, 29)), set(range(1, 20))
    for picture, unread in [
        ("forward", unread_by_down),
        ("belief", unread_by_down),
        ("backward", unread_by_up),
        ("image", unread_by_down & unread_by_up),
    ]:
        rows = set(veiled(page, picture))
        assert rows <= unread, picture
        # In the image only ink can be veiled: this three has some in each of these rows.
        assert rows == unread, picture


def test_the_answers_place_shows_the_belief_so_far_and_does_not_call_it_the_answer(page):
    title = page.locator("#answer-title")
    assert "Answer of the full network" in title.inner_text()
    answer = page.locator(".scanline > .answer .value").all_inner_texts()
    seen = pixels(page, "image")[:, :, 0].astype(int)
    image = np.round(255 * (seen - seen.min()) / (seen.max() - seen.min())).astype(np.uint8)
    beliefs = Predictor().read(image).step_probabilities
    for rows in (9, 20):
        seek(page, rows)
        assert "Belief so far" in title.inner_text()
        assert "Answer" not in title.inner_text()
        shown = page.locator(".scanline > .answer .value").all_inner_texts()
        told = [float(re.search(r"\d+", text)[0]) for text in shown]  # "> 99 %" too
        # The picture on the screen has fewer shades than the image that was read.
        np.testing.assert_allclose(told, 100 * beliefs[rows - 1], atol=2)
        assert digit(page) == str(beliefs[rows - 1].argmax())
    seek(page, 0)
    assert not any(character.isdigit() for character in digit(page))
    assert "Nothing is read yet" in page.locator(".knowledge").first.inner_text()
    seek(page, 28)
    assert "Answer of the full network" in title.inner_text()
    assert page.locator(".scanline > .answer .value").all_inner_texts() == answer


def test_a_belief_that_is_a_lean_is_grey_and_called_so(page):
    seek(page, 1)
    assert "Row 1: no ink yet" in sentence(page)
    assert page.locator(".scanline > .answer.doubted").count() == 1
    seek(page, 27)
    assert "Row 27: it believes 3" in sentence(page)
    assert page.locator(".scanline > .answer.doubted").count() == 0


def test_steps_by_button_and_key(page):
    seek(page, 0)
    page.get_by_role("button", name="One row on").click()
    assert time(page) == 1
    page.keyboard.press(".")
    page.keyboard.press(".")
    assert time(page) == 3
    page.keyboard.press(",")
    assert time(page) == 2
    page.get_by_role("button", name="One row back").click()
    assert time(page) == 1
    page.keyboard.press(",")
    page.keyboard.press(",")
    assert time(page) == 0


def test_no_step_leads_beyond_an_end_and_playing_begins_anew(page):
    back = page.get_by_role("button", name="One row back")
    on = page.get_by_role("button", name="One row on")
    assert on.is_disabled()  # all rows are read
    assert back.is_enabled()
    page.keyboard.press(".")
    assert time(page) is None
    seek(page, 27)
    on.focus()
    page.keyboard.press("Enter")
    assert time(page) == 28
    assert on.is_disabled()
    page.keyboard.press(".")
    assert time(page) == 28
    page.keyboard.press("ArrowLeft")  # the focus has gone on to the slider
    assert time(page) == 27
    seek(page, 0)
    assert back.is_disabled()
    assert on.is_enabled()
    page.keyboard.press(",")
    assert time(page) == 0
    seek(page, 28)
    page.get_by_role("button", name="Watch it read").click()
    assert time(page) < 5


def test_a_step_is_spoken(page):
    seek(page, 0)
    page.get_by_role("button", name="One row on").click()
    assert page.locator(".spoken").first.text_content() == sentence(page)
    page.keyboard.press(".")
    assert "Row 2" in page.locator(".spoken").first.text_content()


def test_space_plays_and_pauses_where_no_control_has_the_focus(page):
    page.keyboard.press(" ")
    wait_for_time(page, 2)
    page.keyboard.press(" ")
    paused = time(page)
    page.wait_for_timeout(700)
    assert time(page) == paused
    page.keyboard.press(" ")
    wait_for_time(page, paused + 1)
    page.keyboard.press("Escape")
    assert time(page) is None
    assert page.evaluate("window.scrollY") == 0
    page.get_by_role("button", name="Clear").focus()
    page.keyboard.press(" ")
    settle(page)
    assert time(page) is None
    assert "no digit to read" in sentence(page)


@pytest.mark.parametrize("stops", ["pen", "example", "clear", "row"])
def test_whatever_one_does_next_stops_it(page, stops):
    page.keyboard.press(" ")
    wait_for_time(page, 2)
    if stops == "pen":
        draw(page, ONE)
        assert digit(page) == "1"
    elif stops == "example":
        page.keyboard.press("8")
    elif stops == "clear":
        page.keyboard.press("Delete")
    else:
        page.locator("canvas.forward").first.click(position={"x": 20, "y": 55})
        assert "row 6 of 28" in sentence(page) or "row 5 of 28" in sentence(page)
    wait_for_end(page)
    assert "Answer of the full network" in page.locator("#answer-title").inner_text()
    page.wait_for_timeout(600)
    assert time(page) is None


def test_the_pointer_marks_rows_while_paused_and_not_while_playing(page):
    seek(page, 9)
    page.locator("canvas.forward").first.hover(position={"x": 20, "y": 5})
    assert "After row 1 of 28" in sentence(page)
    assert heads(page) == {}
    assert "Answer of the full network" in page.locator("#answer-title").inner_text()
    page.keyboard.press(".")  # the pointer still lies there
    assert "Row 10" in sentence(page)
    page.keyboard.press(" ")
    page.locator("canvas.forward").first.hover(position={"x": 20, "y": 55})
    wait_for_time(page, 11)
    assert page.locator(".scanline > .reading.marked").count() == 0
    assert "Row 1" in sentence(page)


def test_the_speed_doubles(page):
    page.evaluate("""() => {
      window.ticks = [];
      new MutationObserver(() => {
        const time = document.querySelector(".reading").style.getPropertyValue("--time");
        if (window.ticks.at(-1)?.[0] !== time) window.ticks.push([time, performance.now()]);
      }).observe(document.querySelector(".reading"), { attributeFilter: ["style"] });
    }""")
    paces = []
    for speed in ("0.5", "2"):
        page.locator(".speed").select_option(speed)
        page.evaluate("document.activeElement.blur()")
        page.evaluate("window.ticks.length = 0")
        page.keyboard.press(" ")
        wait_for_time(page, 5)
        page.keyboard.press("Escape")
        ticks = [at for time, at in page.evaluate("window.ticks") if 1 <= int(time) <= 5]
        paces.append(np.median(np.diff(ticks)))
    assert paces[0] > 1.5 * paces[1]  # four times, on an idle machine


def test_an_empty_pad_has_nothing_to_play(page):
    page.keyboard.press("Delete")
    settle(page)
    for control in (".play", ".step-back", ".step-on", ".scrub"):
        assert page.locator(f".transport {control}").is_disabled()
    for key in (" ", ".", ","):
        page.keyboard.press(key)
    assert time(page) is None
    draw(page, SEVEN)
    page.keyboard.press(",")
    assert time(page) == 27


def test_after_the_opening_digit_the_sweep_plays_once(open_page, server):
    page = open_page(server.url, reduced_motion="no-preference")
    watch(page)
    wait_for_time(page, 1)
    page.locator(".speed").select_option("2")
    wait_for_end(page)
    page.keyboard.press("8")
    page.wait_for_function("document.querySelector('.spoken').textContent.includes('reads 8')")
    page.wait_for_timeout(500)
    assert time(page) is None


@pytest.mark.parametrize("action", ["key", "pointer", "draw"])
def test_nothing_plays_by_itself_once_someone_does_something(open_page, server, action):
    page = open_page(server.url, reduced_motion="no-preference")
    watch(page)
    if action == "key":
        page.keyboard.press("Shift")
    elif action == "pointer":
        page.locator("h1").click()
    else:
        draw(page, ONE)
    page.wait_for_function("document.querySelector('.spoken').textContent.includes('reads')")
    page.wait_for_timeout(500)
    assert time(page) is None


def test_where_motion_is_reduced_a_still_to_step_from_is_offered(still):
    still.wait_for_function("document.querySelector('.spoken').textContent.includes('reads 3')")
    still.wait_for_timeout(300)
    assert time(still) is None
    assert "Motion is reduced" in still.locator(".transport").inner_text()
    still.get_by_role("button", name="Half way").click()
    assert time(still) == 14
    assert MET in still.locator(".knowledge").first.inner_text()
    still.wait_for_timeout(600)
    assert time(still) == 14
    still.get_by_role("button", name="One row on").click()
    assert time(still) == 15
    still.keyboard.press("Escape")
    assert time(still) is None


def test_one_reader_has_one_head(open_page, tiny_server):
    page = open_page(tiny_server.url)
    seek(page, 9)
    assert heads(page) == pytest.approx(
        {"image down": 9, "forward down": 9, "belief down": 9}, abs=0.15
    )
    assert "upward" not in sentence(page)
    assert "rows 10 to 28" in page.locator(".knowledge").first.inner_text()
    seek(page, 28)
    assert "All rows are read" in sentence(page)


def test_the_scrubber_speaks(still):
    slider = still.get_by_role("slider", name="Rows read")
    assert slider.get_attribute("aria-valuetext") == "all rows read"
    slider.focus()
    still.keyboard.press("ArrowLeft")
    assert time(still) == 27
    assert slider.get_attribute("aria-valuetext") == sentence(still)
    still.keyboard.press("Home")
    assert time(still) == 0


@pytest.mark.parametrize("width", [360, 820, 1280, 1440])
def test_nothing_jumps_while_it_plays(open_page, server, width):
    page = open_page(server.url, viewport={"width": width, "height": 860})
    seek(page, 28)  # on a phone this scrolls to the slider
    forward = page.locator("canvas.forward").first
    tops = {round(forward.bounding_box()["y"])}
    for rows in range(29):
        seek(page, rows)
        tops.add(round(forward.bounding_box()["y"]))
    assert len(tops) == 1
