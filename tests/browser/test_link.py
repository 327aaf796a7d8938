"""A link holds the whole state: it shows the same elsewhere, and a broken one harms nothing."""

import base64
import struct
import zlib
from collections.abc import Iterator

import numpy as np
import pytest

from tests.browser.conftest import Server
from tests.browser.explained import erase_row, look_into
from tests.browser.pen import ONE, SEVEN, digit, draw, pixels, sentence, until, watch
from tests.conftest import save_tiny_model

pytestmark = pytest.mark.browser

PANELS = ("image", "forward", "backward", "belief")
CLIPBOARD = ["clipboard-read", "clipboard-write"]


@pytest.fixture
def page(open_page, server):
    page = open_page(server.url, permissions=CLIPBOARD)
    watch(page)
    return page


@pytest.fixture(scope="module")
def two_networks(tmp_path_factory) -> Iterator[Server]:
    """Serves the networks `first` and `other`."""
    folder = tmp_path_factory.mktemp("two")
    save_tiny_model(folder / "first.onnx")
    save_tiny_model(folder / "other.onnx", doubts=True)
    running = Server(folder)
    yield running
    running.kill()


def packed(data: bytes) -> str:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return base64.urlsafe_b64encode(deflate.compress(data) + deflate.flush()).decode().rstrip("=")


def varint(number: int) -> bytes:
    return bytes([number & 127 | 128]) + varint(number >> 7) if number > 127 else bytes([number])


def ink(strokes) -> str:
    """Strokes, points in 1/4096 of the pad, as `link.js` documents it."""
    data, last = varint(len(strokes)), (0, 0)
    for stroke in strokes:
        data += varint(len(stroke))
        for point in stroke:
            steps = [to - start for to, start in zip(point, last, strict=True)]
            data += b"".join(varint(step << 1 ^ step >> 31) for step in steps)
            last = point
    return packed(data)


def rest(page) -> str:
    """Wait until the address is up to date; gives it."""
    # By the page's clock: however slow it is, its own timer of 700 ms ends before this one.
    page.evaluate("new Promise((then) => setTimeout(then, 1000))")
    return page.url


def reopen(open_page, server, link: str, frames: list | None = None):
    """Open `link` in a fresh browser context; `frames` gets what the server sends."""
    page = open_page(server.url)
    page.goto("about:blank")
    if frames is not None:
        listen(page, frames)
    page.goto(link)
    page.locator(".scanline > .narration .sentence:not(:empty)").wait_for()
    return page


def listen(page, frames: list) -> None:
    page.on(
        "websocket", lambda socket: socket.on("framereceived", lambda data: frames.append(data))
    )


def tensors(frame: bytes) -> bytes:
    (length,) = struct.unpack_from("<I", frame)
    return frame[4 + length :]


def notice(page) -> str:
    page.locator(".notice:not(:empty)").wait_for()
    return page.locator(".notice").inner_text()


def shown(page) -> dict:
    return {
        "digit": digit(page),
        "bars": page.locator(".scanline > .answer .bars").inner_text(),
        "sentence": sentence(page),
        "row": page.get_by_role("slider", name="Row cursor").get_attribute("aria-valuenow"),
        "layer": page.locator(".layers input:checked").input_value(),
        "model": page.locator(".scanline > .legend .model").inner_text(),
    }


def test_a_link_reopens_drawing_answer_row_and_layer_bit_for_bit(open_page, server):
    first, again = [], []
    page = open_page(server.url)
    listen(page, first)
    page.reload()
    page.locator(".digit:not(:empty)").wait_for()
    watch(page)
    draw(page, SEVEN)
    draw(page, [(0.35, 0.53), (0.71, 0.52)])
    page.keyboard.press("ArrowUp")
    page.get_by_role("radio", name="2").check(force=True)
    link = rest(page)
    other = reopen(open_page, server, link, again)
    other.wait_for_function("document.querySelector('.digit')?.textContent.match(/[0-9]/)")
    until(other, lambda: shown(other) == shown(page))
    assert shown(other)["row"] == "28"
    assert shown(other)["layer"] == "2"
    for panel in PANELS:
        np.testing.assert_array_equal(pixels(other, panel), pixels(page, panel))
    until(other, lambda: tensors(again[-1]) == tensors(first[-1]))
    assert other.locator(".origin").inner_text() == ""  # the own drawing, not an example


def copied(page) -> str:
    page.get_by_role("button", name="Copy link").click()
    assert "copied" in notice(page)
    return page.evaluate("navigator.clipboard.readText()")


def looked_into(page) -> dict:
    page.locator(".unit").wait_for()
    return {
        "title": page.locator(".inspector h2").inner_text(),
        "trace": page.locator(".trace").get_attribute("aria-label"),
        "tag": page.locator(".backward-panel .unit-tag").inner_text(),
    }


def test_an_erased_row_and_the_unit_are_kept(open_page, server, page):
    draw(page, SEVEN)
    page.locator(".because:not(:empty)").wait_for()
    page.get_by_role("radio", name="2").check(force=True)
    look_into(page, 7, "backward")
    page.get_by_role("slider", name="Row cursor").focus()
    page.keyboard.press("Home")
    for _ in range(8):
        page.keyboard.press("ArrowDown")
    erase_row(page)
    other = reopen(open_page, server, copied(page))
    other.locator("#answer-title", has_text="without row 9").wait_for()
    assert shown(other) == shown(page)
    assert shown(other)["layer"] == "2"
    assert other.locator(".hole").is_visible()
    page.mouse.move(5, 5)
    assert looked_into(other) == looked_into(page)
    erase_row(other)
    assert "erase=" not in rest(other)


def test_an_erased_stroke_is_kept(open_page, server, page):
    draw(page, SEVEN)
    draw(page, [(0.4, 0.55), (0.72, 0.55)])
    page.get_by_role("button", name="Stroke 1").click()
    other = reopen(open_page, server, copied(page))
    other.locator("#answer-title", has_text="without stroke 1").wait_for()
    assert shown(other) == shown(page)
    assert other.locator(".missing").is_visible()
    draw_again = ink([[(1100, 700), (3000, 700), (1800, 3500)]])
    other.evaluate("(ink) => { location.hash = `ink=${ink}` }", draw_again)
    other.locator("#answer-title", has_text="full network").wait_for()


@pytest.mark.parametrize(
    "part", ["erase=row", "erase=99", "erase=1.5", "erase=x", "unit=up-3", "unit=forward-999"]
)
def test_what_is_not_there_is_neither_erased_nor_looked_into(open_page, server, part):
    page = reopen(open_page, server, f"{server.url}/#{part}&ink={WHOLE}")
    page.locator(".because:not(:empty)").wait_for()
    assert "full network" in page.locator("#answer-title").inner_text()
    assert page.locator(".unit").is_hidden()
    assert page.locator(".hole").is_hidden()


def test_copy_link_gives_the_address(page):
    draw(page, SEVEN)
    link = copied(page)
    assert "ink=" in link
    assert link == rest(page)


def test_where_copying_is_forbidden_the_link_can_be_taken_by_hand(open_page, server):
    page = open_page(server.url)
    page.evaluate("() => { navigator.clipboard.write = () => Promise.reject(new Error()) }")
    page.get_by_role("button", name="Copy link").click()
    dialog = page.get_by_role("dialog")
    assert "ink=" in dialog.get_by_role("textbox").input_value()
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")


def test_the_address_follows_the_drawing_and_makes_no_history(open_page, server):
    page = open_page(server.url)
    watch(page)
    assert "#" not in rest(page)  # nobody has done anything yet
    length = page.evaluate("history.length")
    draw(page, SEVEN)
    one = rest(page)
    assert "ink=" in one
    draw(page, ONE)
    assert rest(page) != one
    assert page.evaluate("history.length") == length


def test_a_reload_keeps_the_drawing(page):
    draw(page, SEVEN)
    before = pixels(page, "image")
    rest(page)
    page.reload()
    page.wait_for_function("document.querySelector('.digit')?.textContent === '7'")
    np.testing.assert_array_equal(pixels(page, "image"), before)


def test_an_example_stays_one(open_page, server, page):
    page.keyboard.press("ArrowDown")
    other = reopen(open_page, server, rest(page))
    other.wait_for_function("document.querySelector('.digit')?.textContent === '3'")
    assert "example" in other.locator(".origin").inner_text()


def test_an_empty_pad_stays_empty(open_page, server, page):
    page.get_by_role("button", name="Clear").click()
    other = reopen(open_page, server, rest(page))
    other.get_by_text("no digit to read").first.wait_for()
    assert not any(letter.isdigit() for letter in digit(other))


def test_a_link_in_the_same_tab_is_followed(page):
    three = rest(page)
    draw(page, SEVEN)
    seven = rest(page)
    page.get_by_role("button", name="Clear").click()
    assert rest(page) not in (three, seven)
    page.evaluate("(link) => { location.hash = new URL(link).hash }", seven)
    page.wait_for_function("document.querySelector('.digit')?.textContent === '7'")


def test_a_link_names_its_network(open_page, two_networks):
    page = open_page(two_networks.url)
    assert page.locator(".scanline > .legend .model").inner_text().startswith("first")
    link = f"{two_networks.url}/#model=other&row=9&ink={ink([[(1000, 900), (3000, 3000)]])}"
    other = reopen(open_page, two_networks, link)
    other.wait_for_function("document.querySelector('.model').textContent.startsWith('other')")
    other.wait_for_function("document.querySelector('.digit')?.textContent.match(/[0-9]/)")
    assert "row 9 of 28" in sentence(other)
    watch(other)
    draw(other, ONE)
    assert "model=other" in rest(other)


def test_a_network_that_is_not_there_is_told_and_the_drawing_shown(open_page, server):
    page = open_page(server.url, allowed="404")
    page.goto("about:blank")
    page.goto(f"{server.url}/#model=nobody&ink={ink([[(1100, 700), (3000, 700), (1800, 3500)]])}")
    assert "nobody" in notice(page)
    page.wait_for_function("document.querySelector('.digit')?.textContent === '7'")
    assert page.locator(".scanline > .legend .model").inner_text().startswith("scanline")


def test_a_link_names_the_network_compared_with(open_page, two_networks):
    drawing = ink([[(1000, 900), (3000, 3000)]])
    link = f"{two_networks.url}/#model=first&compare=other&ink={drawing}"
    page = reopen(open_page, two_networks, link)
    page.locator(".comparison .model", has_text="other").wait_for()
    page.keyboard.press("ArrowDown")
    assert "compare=other" in rest(page)


def test_an_options_choice_is_kept(open_page, server, page):
    page.locator(".network summary").click()
    page.get_by_role("switch", name="Response time").check()
    other = reopen(open_page, server, rest(page))
    assert other.get_by_role("switch", name="Response time").is_checked()


WHOLE = ink([[(1000 + 50 * i, 1000 + i * i) for i in range(30)]])
BROKEN = {
    "ink cut short": f"model=scanline&ink={WHOLE[:-6]}",
    "no base64": "ink=%%%%",
    "no deflate": "ink=AAAA",
    "text after the drawing": f"ink={packed(bytes([0, 0]))}",
    "a point outside": f"ink={ink([[(4000, 4000), (4200, 4000)]])}",
    "endless number": f"ink={packed(bytes([255] * 50))}",
    "too many points": f"ink={ink([[(7, 7)] * 5001])}",
    "too many strokes": f"ink={ink([[(7, 7)]] * 101)}",
    "too much ink": f"ink={ink([[(0, 0), (4096, 0)] * 30])}",
    "a bomb": f"ink={packed(bytes(4_000_000))}",
    "too long": "ink=" + "A" * 30_000,
    "a picture of another size": f"image={packed(bytes(783))}",
    "row 29": f"row=29&ink={WHOLE}",
    "row x": f"row=x&ink={WHOLE}",
    "layer 0": f"layer=0&ink={WHOLE}",
    "another page's anchor": "top",
    "a network's name without end": f"model={'x' * 200}&ink={WHOLE}",
    "a stroke without points": f"ink={ink([[]])}",
    "a very long option": f"speed={'9' * 200}&ink={WHOLE}",
}


def test_what_is_broken_is_found(page):
    found = page.evaluate(
        """async (fragments) => {
          const file = new URL("live/export/link.js", document.baseURI).href;
          const { LinkError, readFragment } = await import(file);
          const limits = { points: 5000, strokes: 100, length: 50 };
          const read = (text) => readFragment(text, { steps: 28, pixels: 28, limits });
          const answers = fragments.map((text) => read(text).then(() => "read", (error) => error));
          return (await Promise.all(answers)).map((error) => error instanceof LinkError);
        }""",
        [*BROKEN.values(), f"model=scanline&row=28&ink={WHOLE}"],
    )
    assert dict(zip([*BROKEN, "whole"], found, strict=True)) == dict.fromkeys(BROKEN, True) | {
        "whole": False
    }


@pytest.mark.parametrize("fault", ["ink cut short", "too long", "row 29"])
def test_a_broken_link_is_told_and_ignored(open_page, server, fault):
    page = reopen(open_page, server, f"{server.url}/#{BROKEN[fault]}")
    assert "damaged" in notice(page)
    page.wait_for_function("document.querySelector('.digit')?.textContent === '3'")
    assert "example" in page.locator(".origin").inner_text()


def test_a_layer_that_the_network_lacks_is_its_last(open_page, server):
    page = reopen(open_page, server, f"{server.url}/#layer=9&ink={WHOLE}")
    page.wait_for_function("document.querySelector('.digit')?.textContent.match(/[0-9]/)")
    assert page.locator(".layers input:checked").input_value() == "2"


def test_a_pictures_pixels_are_kept(open_page, server):
    image = np.zeros((28, 28), np.uint8)
    image[5:8, 7:20] = 255
    for row in range(8, 24):
        image[row, 19 - (row - 8) // 2 : 22 - (row - 8) // 2] = 200
    page = reopen(open_page, server, f"{server.url}/#image={packed(image.tobytes())}")
    page.wait_for_function("document.querySelector('.digit')?.textContent === '7'")
    seen = pixels(page, "image")[:, :, 0].astype(int)
    np.testing.assert_array_equal(seen > seen.min(), image > 0)
    page.keyboard.press("ArrowDown")
    assert f"image={packed(image.tobytes())}"[:20] in rest(page)


def test_the_worst_drawing_fits_and_comes_back_exactly(page):
    """5,000 points in 100 strokes, as far apart as the limits allow, at random."""
    random = np.random.default_rng(0)
    steps = random.normal(0, 0.0075, (100, 50, 2))
    strokes = np.abs(np.mod(np.cumsum(steps.reshape(-1, 2), axis=0), 2) - 1).reshape(steps.shape)
    ink_length = np.hypot(*np.diff(strokes, axis=1).reshape(-1, 2).T).sum()
    assert 40 < ink_length < 50
    length, back = page.evaluate(
        """async (strokes) => {
          const file = (name) => import(new URL(`live/${name}.js`, document.baseURI).href);
          const { readFragment, writeFragment } = await file("export/link");
          const { onGrid } = await file("core/protocol");
          const limits = { points: 5000, strokes: 100, length: 50 };
          const state = { model: "m", layer: 1, row: null, options: [], isExample: false };
          const text = await writeFragment({ ...state, drawing: { strokes } });
          const { drawing } = await readFragment(text, { steps: 28, pixels: 28, limits });
          const same = (a, b) =>
            a.every((point, i) => point.every((x, k) => onGrid(x) === b[i][k]));
          return [text.length, strokes.every((stroke, i) => same(stroke, drawing.strokes[i]))];
        }""",
        strokes.tolist(),
    )
    assert back
    assert length < 20_000
    print(f"longest link: {length} characters")


def test_a_link_may_compare_with_the_network_that_reads_now(open_page, server):
    page = open_page(server.url)
    watch(page)
    page.get_by_label("Compare with").select_option("elman")
    page.wait_for_function(
        "document.querySelector('.comparison .digit')?.textContent.match(/[0-9]/)"
    )
    page.evaluate("(ink) => { location.hash = `model=elman&compare=scanline&ink=${ink}` }", WHOLE)
    page.wait_for_function("document.querySelector('.networks select').value === 'elman'")
    page.locator(".comparison > header .model", has_text="scanline").wait_for()
    assert page.get_by_label("Compare with").input_value() == "scanline"
