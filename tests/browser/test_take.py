"""What people take along is what they see: pictures, numbers, and code that asks again."""

import csv
import json
import re
import struct
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model import signature
from serving.predictor import Predictor
from serving.stream import IMAGE
from tests.browser.conftest import Server
from tests.browser.explained import percent
from tests.browser.pen import ONE, SEVEN, digit, draw, sentence, settle, watch

pytestmark = pytest.mark.browser

SVG = "{http://www.w3.org/2000/svg}"
SCRIBBLE = [(0.15 + 0.7 * (i % 2), 0.15 + 0.07 * i) for i in range(11)]

REST = 1200  # milliseconds within which the page has noticed that the pen rests
ITEMS = ["Picture, PNG", "Picture, SVG", "Numbers, CSV", "Numbers, NPZ", "Copy Python", "Copy curl"]


@pytest.fixture
def page(open_page, server):
    page = open_page(server.url, permissions=["clipboard-read", "clipboard-write"])
    watch(page)
    draw(page, SEVEN)
    return page


@pytest.fixture(scope="module")
def doubting_server(doubting_model):
    running = Server(doubting_model)
    yield running
    running.kill()


def choose(page, item: str) -> None:
    page.get_by_role("button", name="Save").click()
    page.get_by_role("menuitem", name=item).click()


def saved(page, item: str, folder: Path) -> Path:
    with page.expect_download() as download:
        choose(page, item)
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def copied(page, item: str) -> str:
    page.evaluate("document.querySelector('.notice').textContent = ''")  # of the one before
    choose(page, item)
    page.locator(".notice", has_text="copied").wait_for()
    return page.evaluate("navigator.clipboard.readText()")


def last_frame(page) -> dict[str, np.ndarray]:
    """What the server sent for a drawing, by name, as `serving.stream` documents it."""
    frames = []
    page.on(
        "websocket", lambda socket: socket.on("framereceived", lambda data: frames.append(data))
    )
    page.reload()
    page.wait_for_function("document.querySelector('.digit')?.textContent.match(/[0-9]/)")
    watch(page)
    draw(page, SEVEN)
    page.wait_for_timeout(300)
    (length,) = struct.unpack_from("<I", frames[-1])
    header = frames[-1][4 : 4 + length]
    tensors, at = {}, 4 + length
    for name, shape in re.findall(r'"name": "(\w+)", "shape": \[([\d, ]+)\]', header.decode()):
        shape = [int(size) for size in shape.split(",")]
        tensors[name] = np.frombuffer(frames[-1], "<f4", np.prod(shape), at).reshape(shape)
        at += 4 * tensors[name].size
    assert at == len(frames[-1])
    return tensors


def test_npz_holds_every_array_of_the_reading(page, tmp_path):
    frame = last_frame(page)
    path = saved(page, "Numbers, NPZ", tmp_path)
    assert path.name == "scanline-reads-7.npz"
    with np.load(path) as file:
        assert set(file) == set(frame) == {IMAGE, *Predictor().output_names}
        for name in file:
            assert file[name].dtype == np.float32
            np.testing.assert_array_equal(file[name], frame[name], err_msg=name)
    assert subprocess.run([sys.executable, "-m", "zipfile", "-t", path]).returncode == 0


def test_csv_holds_every_number_exactly(page, tmp_path):
    frame = last_frame(page)
    with saved(page, "Numbers, CSV", tmp_path).open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == sum(array.size for array in frame.values())
    kinds = {line["output"]: line["of"] for line in lines}
    assert kinds[IMAGE] == "pixel"
    assert kinds[signature.PROBABILITIES] == kinds[signature.STEP_PROBABILITIES] == "digit"
    assert kinds[signature.hidden_forward(1)] == "unit"
    assert kinds[signature.SCORE] == ""
    for line in lines:
        place = [int(line["row"]) - 1] if line["row"] else []
        place += [int(line["index"])] if line["index"] else [0]
        assert np.float32(line["value"]) == frame[line["output"]][tuple(place)]


def test_svg_has_texts_cells_and_the_themes_colours(open_page, server, tmp_path):
    for scheme, background in (("light", "#faf9f5"), ("dark", "#101216")):
        page = open_page(server.url, color_scheme=scheme)
        watch(page)
        draw(page, SEVEN)
        page.keyboard.press("ArrowDown")
        root = ET.parse(saved(page, "Picture, SVG", tmp_path)).getroot()
        assert root.find(f"{SVG}rect").get("fill") == background
        texts = [text.text for text in root.iter(f"{SVG}text")]
        assert root.find(f"{SVG}title").text == sentence(page)
        told = " ".join(texts)
        assert all(word in told for word in sentence(page).split(" "))
        for value in page.locator(".scanline > .answer .bars .value").all_inner_texts():
            assert value in texts
        for title in page.locator(".reading h2:visible").all_inner_texts():
            assert title in texts
        assert digit(page) in texts
        groups = root.findall(f"{SVG}g[@shape-rendering]")
        assert len(groups) >= len(page.locator(".reading .panel canvas:visible").all())
        assert all(len(group) > 1 for group in groups[:1])
        assert not list(root.iter(f"{SVG}image"))


def test_the_svgs_cells_are_the_image(page, tmp_path):
    path = saved(page, "Picture, SVG", tmp_path)
    [first, *_] = ET.parse(path).getroot().findall(f"{SVG}g[@shape-rendering]")
    seen = np.zeros((28, 28))
    for cell in first:
        red = int(cell.get("fill")[1:3], 16)
        for column, row, run in re.findall(r"M(\d+) (\d+)h(\d+)v1", cell.get("d")):
            seen[int(row), int(column) : int(column) + int(run)] = red
    frame = last_frame(page)
    light = frame[IMAGE] / signature.WHITE
    ink = 0x14 + light * (255 - 0x14)
    np.testing.assert_allclose(seen, ink, atol=1.5)


def texts_of(svg: ET.Element) -> str:
    """All that is written in it, in order; a text may go over several lines."""
    return " ".join(text.text for text in svg.iter(f"{SVG}text"))


def test_a_picture_of_why_shows_why_and_its_scale(page, tmp_path):
    memory = ET.parse(saved(page, "Picture, SVG", tmp_path)).getroot()
    page.locator(".shows").get_by_text("why").click()
    page.locator(".shows-why").wait_for()
    why = ET.parse(saved(page, "Picture, SVG", tmp_path)).getroot()

    def fills(svg: ET.Element) -> list[set[str]]:
        groups = svg.findall(f"{SVG}g[@shape-rendering]")
        return [{cell.get("fill") for cell in group} for group in groups]

    image, bars, down, up, belief, *scales = fills(why)
    blue = fills(memory)[1]  # of the column Why: both ends of the scale
    assert fills(memory)[1] == bars
    assert fills(memory)[4] == belief
    for before, now in zip(fills(memory)[:4], (image, None, down, up), strict=True):
        assert now is None or now != before
    assert blue & image
    assert len(scales) == 2
    assert "More ink where it is orange would speak for 7" in texts_of(why)
    assert "against 0 for" in texts_of(why)
    assert "One column is one unit" not in texts_of(why)
    assert "One column is one unit" in texts_of(memory)


def test_a_picture_has_what_is_to_be_seen_below_the_panels_alone(page, tmp_path):
    page.locator(".because:not(:empty)").wait_for()
    told = texts_of(ET.parse(saved(page, "Picture, SVG", tmp_path)).getroot())
    assert page.locator(".because").inner_text() in told
    assert "one row is one step" not in told  # the page has put it away


def test_a_picture_taken_on_the_way_has_the_belief_of_the_way(page, tmp_path):
    page.get_by_role("slider", name="Rows read").fill("0")
    for _ in range(12):
        page.get_by_role("button", name="One row on").click()
    path = saved(page, "Picture, SVG", tmp_path)
    assert path.name == "scanline-reads-7.svg"  # the answer, not the belief
    svg = ET.parse(path).getroot()
    assert "Belief so far" in texts_of(svg)
    drawn = [rect for rect in svg.iter(f"{SVG}rect") if rect.get("height") == "14"]
    widths = [float(rect.get("width")) for rect in drawn if rect.get("width") != "3"]  # a leader's
    tracks, bars = widths[::2], widths[1::2]
    belief = last_frame(page)[signature.STEP_PROBABILITIES][11]
    np.testing.assert_allclose(np.divide(bars, tracks), belief, atol=0.01)


def test_png_is_the_same_picture(page, tmp_path):
    svg = ET.parse(saved(page, "Picture, SVG", tmp_path)).getroot()
    with Image.open(saved(page, "Picture, PNG", tmp_path)) as picture:
        picture.load()
    assert picture.size == (2 * float(svg.get("width")), 2 * float(svg.get("height")))
    colours = np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)
    assert len(colours) > 200
    ink = np.asarray(picture.convert("L"))[96 : 96 + 600, 96 : 96 + 600]  # the pad
    assert ink.min() < 30
    assert ink.max() == 255


def test_a_network_without_upward_reader_makes_pictures_too(open_page, tiny_server, tmp_path):
    page = open_page(tiny_server.url)
    root = ET.parse(saved(page, "Picture, SVG", tmp_path)).getroot()
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert not any("Reading up" in text for text in texts)
    assert saved(page, "Picture, PNG", tmp_path).stat().st_size > 10_000


def test_the_python_code_gets_the_answer_on_the_screen(page, tmp_path):
    script = tmp_path / "ask.py"
    script.write_text(copied(page, "Copy Python"))
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    *lines, verdict = run.stdout.splitlines()
    answers = dict(line.split() for line in lines)
    compare(page, [float(answers[str(digit)]) for digit in range(10)])
    assert verdict == f"answer: {digit(page)}"


def test_the_curl_command_gets_the_answer_on_the_screen(page):
    command = copied(page, "Copy curl")
    run = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    outputs = {output["name"]: output["data"] for output in json.loads(run.stdout)["outputs"]}
    compare(page, outputs[signature.PROBABILITIES])
    frame = last_frame(page)
    np.testing.assert_allclose(outputs[signature.SCORE], frame[signature.SCORE][0], atol=1e-6)


@pytest.mark.parametrize(
    ("drawing", "verdict"),
    [([SEVEN], "answer: 7"), ([ONE], "not sure: 4 or 9"), ([SEVEN, SCRIBBLE], "not a digit")],
)
def test_the_code_rejects_what_the_page_rejects(
    open_page, doubting_server, tmp_path, drawing, verdict
):
    page = open_page(doubting_server.url, permissions=["clipboard-read", "clipboard-write"])
    watch(page)
    for stroke in drawing:
        draw(page, stroke)
    page.wait_for_timeout(REST)
    is_rejected = page.locator(".answer.rejected").count() == 1
    assert is_rejected == (not verdict.startswith("answer"))
    script = tmp_path / "ask.py"
    script.write_text(copied(page, "Copy Python"))
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == verdict
    command = copied(page, "Copy curl")
    assert f"# {signature.SCORE} above 0.7: not a digit" in command
    assert f"# none of {signature.PROBABILITIES} reaches 0.6: not sure" in command
    run = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    names = {output["name"] for output in json.loads(run.stdout)["outputs"]}
    assert names == {signature.PROBABILITIES, signature.SCORE}


def test_without_thresholds_the_code_has_no_verdict_of_its_own(open_page, tiny_server, tmp_path):
    page = open_page(tiny_server.url, permissions=["clipboard-read", "clipboard-write"])
    script = tmp_path / "ask.py"
    script.write_text(copied(page, "Copy Python"))
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == f"answer: {digit(page)}"
    assert "not sure" not in script.read_text()
    assert "#" not in copied(page, "Copy curl")


def compare(page, probabilities: list[float]) -> None:
    shown = page.locator(".scanline > .answer .bars .value").all_inner_texts()
    shown = [text.replace("\u202f", " ") for text in shown]
    assert [percent(value) for value in probabilities] == shown
    assert str(np.argmax(probabilities)) == digit(page)
    frame = last_frame(page)  # of the same drawing
    np.testing.assert_allclose(probabilities, frame[signature.PROBABILITIES], atol=1e-6)


def test_the_menu_works_by_keyboard_alone(page):
    page.get_by_role("button", name="Save").focus()
    page.keyboard.press("ArrowDown")
    items = page.get_by_role("menuitem")
    assert [text.split("\n")[0] for text in items.all_inner_texts()] == ITEMS

    def focused() -> str:
        return page.evaluate("document.activeElement.querySelector('b')?.textContent")

    assert focused() == ITEMS[0]
    steps = [("ArrowDown", 1), ("End", 5), ("ArrowDown", 0), ("ArrowUp", 5), ("Home", 0), ("n", 2)]
    for key, index in steps:
        page.keyboard.press(key)
        assert focused() == ITEMS[index], key
    assert page.locator(".reading.marked").count() == 0, "the row cursor moved along"
    page.keyboard.press("Escape")
    assert page.get_by_role("menu").count() == 0
    assert page.evaluate("document.activeElement.textContent") == "Save"
    page.keyboard.press("ArrowUp")
    assert focused() == ITEMS[-1]
    page.keyboard.press("Enter")
    page.locator(".notice", has_text="copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()").startswith("curl")


def test_the_menu_closes_when_one_looks_elsewhere(page):
    save = page.get_by_role("button", name="Save")
    for leave in (lambda: page.mouse.click(5, 5), lambda: page.keyboard.press("Tab"), save.click):
        save.click()
        assert save.get_attribute("aria-expanded") == "true"
        leave()
        assert page.get_by_role("menu").count() == 0
        assert save.get_attribute("aria-expanded") == "false"


def test_an_empty_pad_has_only_its_link(page):
    page.get_by_role("button", name="Clear").click()
    settle(page)
    choose(page, "Numbers, CSV")
    page.locator(".notice", has_text="Nothing is drawn yet").wait_for()


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_menu_fits_the_window(open_page, server, width, scheme):
    page = open_page(server.url, viewport={"width": width, "height": 740}, color_scheme=scheme)
    page.get_by_role("button", name="Save").click()
    box = page.get_by_role("menu").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    for item in page.get_by_role("menuitem").all():
        assert item.bounding_box()["height"] >= 44
        assert item.evaluate("(e) => e.scrollWidth <= e.clientWidth")


def test_what_cannot_be_made_is_told(open_page, server):
    page = open_page(server.url, allowed="net::|Failed to load")
    page.route("**/live/numbers.js", lambda route: route.abort())
    choose(page, "Numbers, CSV")
    page.locator(".notice", has_text="could not be made").wait_for()


def test_keys_in_the_box_to_copy_from_stay_there(page):
    page.evaluate("() => { navigator.clipboard.write = () => Promise.reject(new Error()); }")
    page.get_by_role("button", name="Copy link").click()
    box = page.get_by_role("dialog")
    box.get_by_role("button", name="Close").focus()
    page.keyboard.press("Delete")
    assert digit(page) == "7"
    page.keyboard.press("Escape")
    box.wait_for(state="detached")
