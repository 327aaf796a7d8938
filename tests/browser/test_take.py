"""What people take along is what they see: numbers, and code that asks again."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
from playwright.sync_api import expect

from model import signature
from model.predictor import Predictor
from serving.page.stream import IMAGE
from tests.browser import taking
from tests.browser.conftest import PATIENCE, Server
from tests.browser.explained import percent
from tests.browser.pen import ONE, SEVEN, digit, draw, settle, watch
from tests.browser.taking import choose, last_frame, saved

pytestmark = pytest.mark.browser

page = taking.page

SCRIBBLE = [(0.15 + 0.7 * (i % 2), 0.15 + 0.07 * i) for i in range(11)]

ITEMS = ["Picture, PNG", "Picture, SVG", "Numbers, CSV", "Numbers, NPZ", "Copy Python", "Copy curl"]


@pytest.fixture(scope="module")
def doubting_server(doubting_model):
    running = Server(doubting_model)
    yield running
    running.kill()


def copied(page, item: str) -> str:
    page.evaluate("document.querySelector('.notice').textContent = ''")  # of the one before
    choose(page, item)
    page.locator(".notice", has_text="copied").wait_for()
    return page.evaluate("navigator.clipboard.readText()")


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
    rejected = int(not verdict.startswith("answer"))
    expect(page.locator(".answer.rejected")).to_have_count(rejected, timeout=PATIENCE)
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


def test_what_cannot_be_made_is_told(open_page, server):
    page = open_page(server.url, allowed="net::|Failed to load")
    page.route("**/live/bundle/more-*.js", lambda route: route.abort())
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
