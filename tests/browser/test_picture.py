"""A picture in place of a drawing: chosen, pasted, dropped, taken by the camera; and its steps."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from model.images.preprocess import preprocess
from serving.page.stream import read_input
from tests.browser.pen import ONE, digit, draw, pixels, sentence, settle, watch
from tests.browser.pictures import (
    choose,
    encode,
    ink,
    menu,
    on_pad,
    photo,
    steps,
    upload,
    wait_for_picture,
)

pytestmark = pytest.mark.browser

STEPS = ["picture", "grey", "cleaned", "cropped", "box", "centred"]


@pytest.fixture
def page(open_page, server):
    page = open_page(server.url)
    watch(page)
    return page


# Reading


def test_a_photo_is_read_and_its_steps_are_shown(page):
    choose(page, upload(encode(photo(4))))
    assert digit(page) == "4"
    shown = steps(page).locator("li")
    assert shown.evaluate_all("all => all.map(({ dataset }) => dataset.stage)") == STEPS
    sizes = shown.locator("img").evaluate_all("all => all.map((image) => image.naturalWidth)")
    assert sizes[-2:] == [20, 28]
    assert all(sizes)
    for text in shown.all_inner_texts():
        assert len(text.split()) > 2, "a step without an explanation"
    assert "shadows" in shown.nth(2).inner_text()


def test_what_is_sent_and_shown_are_the_prepared_rows(open_page, server):
    page = open_page(server.url)
    sent = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda data: sent.append(data)))
    page.reload()
    page.locator(".digit:not(:empty)").wait_for()
    watch(page)
    data = encode(photo(2))
    choose(page, upload(data))
    message = read_input(sent[-1])
    expected = preprocess(Image.open(io.BytesIO(data))).image
    assert message.strokes is None
    np.testing.assert_array_equal(message.image, expected)
    pad = pixels(page, "pad-ink")[:, :, 3]
    middles = ((np.arange(28) + 0.5) * len(pad) / 28).astype(int)
    np.testing.assert_array_equal(pad[np.ix_(middles, middles)], expected)


@pytest.mark.parametrize("inverted", [False, True])
def test_a_drawing_and_its_negative(page, inverted):
    drawing = (255 * ink(5, 300)).astype(np.uint8)
    picture = Image.fromarray(255 - drawing if inverted else drawing)
    choose(page, upload(encode(picture, "PNG"), "five.png", "image/png"))
    assert digit(page) == "5"
    assert ("turned round" in steps(page).inner_text()) == inverted


def test_a_large_photo_is_made_smaller_before_it_is_sent(page):
    data = encode(photo(3, 2400, 1800), "BMP")
    assert len(data) > 10 * 2**20  # more than the server takes
    bodies = []
    page.on("request", lambda request: bodies.append(request) if request.method == "POST" else None)
    choose(page, upload(data, "three.bmp", "image/bmp"))
    assert digit(page) == "3"
    [length] = [int(r.all_headers()["content-length"]) for r in bodies if "picture" in r.url]
    assert length < 4e6


def test_a_type_that_only_the_browser_knows(page):
    choose(page, upload(encode(photo(6), "AVIF"), "six.avif", "image/avif"))
    assert digit(page) == "6"


def test_a_pasted_picture(page):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    data = base64.b64encode(encode(photo(8), "PNG")).decode()
    page.evaluate(
        """async (data) => {
          const blob = await (await fetch(`data:image/png;base64,${data}`)).blob();
          await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
        }""",
        data,
    )
    page.keyboard.press("Control+v")
    wait_for_picture(page)
    assert digit(page) == "8"


def test_pasted_text_changes_nothing(page):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("navigator.clipboard.writeText('seven')")
    before = on_pad(page)
    page.keyboard.press("Control+v")
    page.wait_for_timeout(300)
    assert on_pad(page) == before
    assert page.locator(".alert").is_hidden()


def test_a_dropped_picture(page, tmp_path):
    path = tmp_path / "nine.jpg"
    path.write_bytes(encode(photo(9)))
    devtools = page.context.new_cdp_session(page)

    def drag(kind: str) -> None:
        what = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
        where = {"x": 900, "y": 600}  # far from the pad
        devtools.send("Input.dispatchDragEvent", {"type": kind, "data": what, **where})

    cover = page.locator(".pad-cover")
    drag("dragEnter")
    drag("dragOver")
    cover.filter(has_text="Let go").wait_for()
    page.evaluate("""() => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([], "nine.jpg"));
      document.body.dispatchEvent(new DragEvent("dragleave", { dataTransfer, bubbles: true }));
    }""")  # out of the window
    page.locator(".pad-cover:empty").wait_for(state="attached")
    drag("dragEnter")
    drag("dragOver")
    drag("drop")
    wait_for_picture(page)
    assert digit(page) == "9"
    assert cover.inner_text() == ""


# The pad


def test_a_stroke_replaces_the_picture_and_undo_brings_it_back(page):
    example = pixels(page, "image")
    choose(page, upload(encode(photo(4))))
    picture = pixels(page, "image")
    draw(page, ONE)
    assert digit(page) == "1"
    assert steps(page).is_hidden()
    assert page.get_by_role("button", name="Steps").is_hidden()
    page.get_by_role("button", name="Undo").click()
    settle(page)
    np.testing.assert_array_equal(pixels(page, "image"), picture)
    page.get_by_role("button", name="Undo").click()
    settle(page)
    np.testing.assert_array_equal(pixels(page, "image"), example)


def test_clear_and_undo(page):
    choose(page, upload(encode(photo(4))))
    drawn = on_pad(page)
    page.get_by_role("button", name="Clear").click()
    settle(page)
    assert "no digit to read" in sentence(page)
    assert on_pad(page) != drawn
    page.keyboard.press("Control+z")
    settle(page)
    assert on_pad(page) == drawn
    assert digit(page) == "4"


def test_the_steps_close_and_open_again(page):
    choose(page, upload(encode(photo(4))))
    steps(page).get_by_role("button", name="Close").click()
    assert steps(page).is_hidden()
    opener = page.get_by_role("button", name="Steps")
    assert opener.evaluate("(element) => element === document.activeElement")
    opener.press("Enter")
    assert steps(page).is_visible()
    steps(page).get_by_role("button", name="Close").press("Escape")
    assert steps(page).is_hidden()
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("button", name="Undo").click()
    settle(page)
    assert steps(page).is_hidden()  # they were closed
    opener.click()
    assert steps(page).locator("li").count() == len(STEPS)


def test_nothing_below_moves_and_no_button_is_covered(page):
    before = page.locator(".reading").first.bounding_box()
    choose(page, upload(encode(photo(4))))
    assert page.locator(".reading").first.bounding_box() == before
    box = steps(page).bounding_box()
    undo = page.get_by_role("button", name="Undo").bounding_box()
    assert box["y"] + box["height"] <= undo["y"] + 1


def test_by_keyboard_alone(page):
    button = page.get_by_role("button", name="Picture")
    with page.expect_file_chooser() as chooser:
        button.focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Escape")
        assert button.evaluate("(element) => element === document.activeElement")
        page.keyboard.press("Enter")
        page.keyboard.press("Enter")
    chooser.value.set_files(upload(encode(photo(4))))
    wait_for_picture(page)
    assert digit(page) == "4"


def test_on_a_phone_menu_and_steps_lie_within_the_window(open_page, server):
    page = open_page(server.url, viewport={"width": 360, "height": 740}, has_touch=True)
    watch(page)
    page.get_by_role("button", name="Picture").click()
    items = page.get_by_role("menu", name="Picture").bounding_box()
    assert items["x"] >= 0
    assert items["x"] + items["width"] <= 360
    page.keyboard.press("Escape")
    choose(page, upload(encode(photo(4))))
    box = steps(page).bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 360
    assert box["y"] + box["height"] <= 740
    assert (
        page.locator(".answer .digit").first.bounding_box()["y"] < box["y"]
    )  # the answer is in sight


# Trouble


def refused(page, file: dict, message: str) -> None:
    before = on_pad(page)
    with page.expect_file_chooser() as chooser:
        menu(page, "Choose a file")
    chooser.value.set_files(file)
    page.locator(".alert", has_text=message).wait_for()
    assert on_pad(page) == before
    assert digit(page) == "3"
    assert "is of the drawing before" in page.locator(".alert").inner_text()
    assert page.locator(".scanline.stale").count() == 0  # it is whole and right
    assert steps(page).is_hidden()
    assert page.locator(".pad-cover").inner_text() == ""


def test_what_is_no_readable_picture_is_told_and_the_drawing_stays(open_page, server):
    page = open_page(server.url, allowed=r"status of 4\d\d")
    watch(page)
    refused(page, upload(b"seven", "seven.txt", "text/plain"), "not an image, or a broken one")
    blank = Image.new("RGB", (400, 300), "white")
    refused(page, upload(encode(blank)), "no ink is found: write the digit large")
    pair = Image.fromarray(np.concatenate([255 * ink(4, 300), 255 * ink(2, 300)], axis=1)).convert(
        "L"
    )
    refused(page, upload(encode(pair, "PNG"), "42.png", "image/png"), "2 digits seem to be in it")
    huge = Image.new("L", (6000, 6000))
    refused(page, upload(encode(huge, "PNG"), "huge.png", "image/png"), "make it smaller")
    draw(page, ONE)
    assert page.locator(".alert").is_hidden()


def test_a_picture_that_comes_late_does_not_replace_what_was_drawn(page):
    held = []
    page.route("**/live/picture", lambda route: held.append(route))
    with page.expect_file_chooser() as chooser:
        menu(page, "Choose a file")
    chooser.value.set_files(upload(encode(photo(4))))
    page.locator(".pad-cover", has_text="Reading your picture").wait_for()
    while not held:
        page.wait_for_timeout(20)
    page.get_by_role("button", name="Clear").click()
    draw(page, ONE)
    with page.expect_response("**/live/picture"):
        held[0].continue_()
    page.wait_for_timeout(300)
    settle(page)
    assert digit(page) == "1"
    assert steps(page).is_hidden()
    assert page.locator(".pad-cover").inner_text() == ""


def test_a_server_that_is_away_is_told(open_page, server):
    page = open_page(server.url, allowed="ERR_FAILED")
    watch(page)
    page.route("**/live/picture", lambda route: route.abort())
    refused(page, upload(encode(photo(4))), "The server does not answer")
    page.unroute("**/live/picture")
    choose(page, upload(encode(photo(4))))
    assert digit(page) == "4"


def test_of_two_pictures_the_newer_stays(page):
    held = []
    page.route("**/live/picture", lambda route: held.append(route))
    for count, number in enumerate((4, 7), start=1):
        with page.expect_file_chooser() as chooser:
            menu(page, "Choose a file")
        chooser.value.set_files(upload(encode(photo(number))))
        while len(held) < count:
            page.wait_for_timeout(20)
    first, second = held
    assert "Reading your picture" in page.locator(".pad-cover").inner_text()
    second.continue_()
    wait_for_picture(page)
    with page.expect_response("**/live/picture"):
        first.continue_()
    page.wait_for_timeout(300)
    settle(page)
    assert digit(page) == "7"
