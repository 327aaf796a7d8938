"""A picture that people take along is what they see."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from model import signature
from serving.page.stream import IMAGE
from tests.browser import taking
from tests.browser.explained import BAR, Asked, clear, erase_row, mark
from tests.browser.pen import SEVEN, digit, draw, sentence, watch
from tests.browser.taking import last_frame, saved

pytestmark = pytest.mark.browser

page = taking.page
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def explained(page):
    """The page with a drawing that is explained on the screen."""
    asked = Asked(page)
    clear(page)
    draw(page, SEVEN)
    asked.explained()
    return page


def test_svg_has_texts_cells_and_the_themes_colours(open_page, server, tmp_path):
    for scheme, background in (("light", "#faf9f5"), ("dark", "#101216")):
        page = open_page(server.url, color_scheme=scheme)
        watch(page)
        draw(page, SEVEN)
        page.locator(".why-panel h2", has_text="Why 7").wait_for()
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
    page.locator(".shows label", has_text="why").click()
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
    assert len(picture.convert("RGB").getcolors(2**24)) > 200
    ink = np.asarray(picture.convert("L"))[96 : 96 + 600, 96 : 96 + 600]  # the pad
    assert ink.min() < 30
    assert ink.max() == 255


def test_a_network_without_upward_reader_makes_pictures_too(open_page, tiny_server, tmp_path):
    page = open_page(tiny_server.url)
    root = ET.parse(saved(page, "Picture, SVG", tmp_path)).getroot()
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert not any("Reading up" in text for text in texts)
    assert saved(page, "Picture, PNG", tmp_path).stat().st_size > 10_000


def test_an_erased_row_is_hatched_as_on_the_page(explained, tmp_path):
    page = explained
    mark(page, 13)
    whole = ET.parse(saved(page, "Picture, SVG", tmp_path)).getroot()
    erase_row(page)
    svg = ET.parse(saved(page, "Picture, SVG", tmp_path)).getroot()
    assert "Answer without row 13" in texts_of(svg)
    assert len(svg.findall(f"{SVG}svg")) == len(whole.findall(f"{SVG}svg")) + 1
    [hole] = [part for part in svg.findall(f"{SVG}svg") if part.get("height") == "16"]
    [frame, *_] = [rect for rect in svg.findall(f"{SVG}rect") if rect.get("height") == "20"]
    assert float(hole.get("y")) == float(frame.get("y")) + 2  # on the marked row
    assert hole.find(f"{SVG}path").get("d").count("M") > 10


def test_an_erased_stroke_is_dotted_as_on_the_page(page, tmp_path):
    asked = Asked(page)
    draw(page, BAR)
    asked.explained()
    chip = page.get_by_role("button", name="Stroke 2")
    chip.click()
    svg = ET.parse(saved(page, "Picture, SVG", tmp_path)).getroot()
    assert "Answer without stroke 2" in texts_of(svg)
    drawn, covered, dotted = [part.find(f"{SVG}path") for part in svg.findall(f"{SVG}svg")]
    assert covered.get("d") == dotted.get("d")
    assert drawn.get("d").endswith(dotted.get("d"))
    assert dotted.get("stroke-dasharray")
    assert covered.get("stroke") != drawn.get("stroke")


def test_a_comparison_is_in_the_picture_and_nothing_is_cut_off(explained, tmp_path):
    page = explained
    alone = ET.parse(saved(page, "Picture, SVG", tmp_path)).getroot()
    page.get_by_label("Compare with").select_option("bidirectional")
    second = page.locator(".comparison")
    second.locator(".sentence:not(:empty)").wait_for()
    page.wait_for_function(
        "document.querySelector('.comparison .digit').textContent.match(/[0-9]/)"
    )
    svg = ET.parse(saved(page, "Picture, SVG", tmp_path)).getroot()
    told = texts_of(svg)
    assert f"Compared with {second.locator('.model').inner_text()}" in told
    assert told.count("Reading up") == 2
    assert told.count(sentence(page)) == 1
    assert second.locator(".sentence").inner_text() in told.replace(sentence(page), "", 1)
    assert texts_of(alone) in told  # the first network's comes as ever
    groups = svg.findall(f"{SVG}g[@shape-rendering]")
    assert len(groups) == len(alone.findall(f"{SVG}g[@shape-rendering]")) + 5  # 3 panels, 2 scales
    width, height = float(svg.get("width")), float(svg.get("height"))
    for rect in svg.findall(f"{SVG}rect"):
        assert float(rect.get("x")) + float(rect.get("width")) <= width
        assert float(rect.get("y")) + float(rect.get("height")) <= height
    states = [group.get("transform") for group in groups]
    starts = [re.match(r"translate\(([\d.]+)", place)[1] for place in states]
    assert starts[2] == starts[7]  # the states of both stand below each other
