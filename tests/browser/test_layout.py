"""Everything has its place: on a phone the reading is in view, and nothing covers or crowds."""

from itertools import pairwise, product

import pytest

from tests.browser.pen import SEVEN, draw, watch
from tests.browser.pictures import choose, encode, photo, upload

pytestmark = pytest.mark.browser

PHONES = [(390, 844), (360, 740)]


def phone(open_page, server, size, **options):
    viewport = dict(zip(("width", "height"), size, strict=True))
    page = open_page(server.url, viewport=viewport, has_touch=True, is_mobile=True, **options)
    watch(page)
    return page


def resize(page, size: tuple[int, int]) -> None:
    page.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))


def box(page, selector: str) -> dict[str, float]:
    return page.locator(selector).first.bounding_box()


@pytest.mark.parametrize("size", PHONES)
def test_a_phones_first_screen_has_drawing_answer_time_and_reading(open_page, server, size):
    page = phone(open_page, server, size, reduced_motion="no-preference")
    pad = box(page, ".pad")
    for beside in (".digit", ".bars"):
        assert box(page, beside)["x"] >= pad["x"] + pad["width"]
        assert box(page, beside)["y"] < pad["y"] + pad["height"]
    last = box(page, ".bars li:last-child")
    assert last["y"] + last["height"] <= pad["y"] + pad["height"] + 2
    for part in (".image-panel .rows", ".belief-panel .rows", ".transport .play"):
        where = box(page, part)
        assert where["y"] + where["height"] <= size[1], part


def test_a_phone_shows_how_the_opening_example_is_read(open_page, server):
    page = phone(open_page, server, PHONES[1], reduced_motion="no-preference")
    page.locator(".sweeping").wait_for()
    head = box(page, ".image-panel .head.down")
    assert 0 < head["y"] < PHONES[1][1]


def test_the_picture_is_square_while_it_is_read(open_page, server):
    page = open_page(server.url)
    page.get_by_role("button", name="Half way").click()
    page.locator(".sweeping .because", has_text="when the reading is done").wait_for()
    for width in (1024, 1100, 1280):
        resize(page, (width, 860))
        image = box(page, "canvas.image")
        assert image["width"] == image["height"]
        assert image["x"] + image["width"] < box(page, "canvas.why")["x"]


@pytest.mark.parametrize("size", PHONES)
def test_a_phones_targets_are_large_enough(open_page, server, size):
    page = phone(open_page, server, size)
    for button in page.locator(".scanline button:visible, .scanline select:visible").all():
        where = button.bounding_box()
        assert where["height"] >= 44
        assert where["width"] >= 24
    for name in ("Undo", "Clear", "Picture", "Copy link", "Save"):
        assert page.get_by_role("button", name=name).bounding_box()["width"] >= 44
    assert box(page, ".play")["width"] >= 44


def test_the_hint_never_lies_over_ink(open_page, server):
    page = open_page(server.url)
    watch(page)
    pad, hint = box(page, ".pad"), box(page, ".origin")
    assert hint["x"] >= pad["x"] + pad["width"]
    assert page.locator(".pad-hint").inner_text() == ""
    page.get_by_role("button", name="Clear").click()
    assert page.locator(".pad-hint").inner_text() == "Draw a digit here"
    assert page.locator(".origin").inner_text() == ""
    draw(page, SEVEN)
    assert page.locator(".pad-hint").inner_text() == ""


def test_the_parts_keep_apart(open_page, server):
    page = open_page(server.url)
    order = [".title", ".narration", ".tools", ".examples", ".bar", ".reading", ".legend"]
    for size in ((1440, 860), (1920, 1080), (1100, 800)):
        resize(page, size)
        for above, below in pairwise(order):
            upper = box(page, above)
            assert box(page, below)["y"] >= upper["y"] + upper["height"], (above, below)
        examples = box(page, ".examples")
        assert box(page, ".bar")["y"] - examples["y"] - examples["height"] >= 12


def test_everything_of_the_reading_fits_a_laptops_window(open_page, server):
    page = open_page(server.url)
    legend = box(page, ".legend .scale:visible")
    assert legend["y"] + legend["height"] <= 860


def test_the_networks_names_are_to_be_read_in_full(open_page, server):
    page = open_page(server.url)
    selects = page.locator(".networks select").all()
    for select, width in product(selects, (360, 1440)):
        resize(page, (width, 860))
        fits = select.evaluate("""(select) => {
          const style = getComputedStyle(select);
          const context = document.createElement("canvas").getContext("2d");
          context.font = style.font;
          const widths = [...select.options].map(({ text }) => context.measureText(text).width);
          const around = 2 * parseFloat(style.paddingLeft) + 24; // and the arrow
          return Math.max(...widths) + around <= select.clientWidth;
        }""")
        assert fits


def test_the_marked_rows_line_strikes_through_no_words(open_page, server):
    page = open_page(server.url, viewport={"width": 390, "height": 844})
    page.get_by_label("Compare with").select_option("elman")
    page.wait_for_function(
        "document.querySelector('.comparison .digit')?.textContent.match(/[0-9]/)"
    )
    page.get_by_role("slider", name="Row cursor").focus()
    for _ in range(14):
        page.keyboard.press("ArrowDown")
    page.get_by_role("radio", name="elman").check(force=True)
    card = page.locator(".comparison .card")
    card.scroll_into_view_if_needed()
    at = card.evaluate("""(card) => {
      const words = card.querySelector(".sentence").getBoundingClientRect();
      return [words.x + words.width / 2, words.y + words.height / 2];
    }""")
    on_top = page.evaluate("([x, y]) => document.elementFromPoint(x, y).className", at)
    assert on_top == "sentence"
    assert card.evaluate("(card) => getComputedStyle(card).position") == "relative"
    page_colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert card.evaluate("(card) => getComputedStyle(card).backgroundColor") == page_colour


def test_the_foot_leads_to_the_api(open_page, server):
    page = open_page(server.url)
    link = page.get_by_role("link", name="Use via API")
    assert link.evaluate("(link) => link.href") == f"{server.url.rstrip('/')}/docs"
    assert page.request.get(f"{server.url.rstrip('/')}/docs").status == 200


# Windows of all shapes

WINDOWS = [
    *[(1440, 860), (1440, 1200), (1440, 1400), (1280, 1024), (1600, 1200), (2560, 1440)],
    *[(1080, 1920), (1200, 1600), (1024, 1366), (961, 1000), (912, 1368), (768, 1024)],
    *[(390, 844), (844, 390)],
]

OUTSIDE = """() => [...document.querySelectorAll(".scanline *")]
  .filter((element) => !element.closest(".spoken"))
  .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
  .map((element) => element.outerHTML.slice(0, 80))"""

OVERLAPPING = """(selector) => {
  const titles = [...document.querySelectorAll(selector)].map((title) => {
    const text = document.createRange();
    text.selectNodeContents(title);
    return [title.textContent, text.getBoundingClientRect()];
  });
  return titles.flatMap(([one, a], i) => titles.slice(i + 1)
    .filter(([, b]) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)
    .map(([other]) => [one, other]));
}"""


def assert_whole(page) -> None:
    """The states are large, all panels of a line are aligned, and nothing is cut off."""
    image, down, up, belief = (
        box(page, f".{name}-panel .rows") for name in ("image", "forward", "backward", "belief")
    )
    for states in (down, up):
        is_below = states["y"] > image["y"] + image["height"]
        assert is_below or states["width"] >= 0.6 * image["width"]
        assert states["width"] >= 160
    assert down["y"] == up["y"]
    assert belief["y"] == image["y"]
    assert image["height"] == down["height"] == up["height"] == belief["height"]
    assert page.evaluate(OUTSIDE) == []
    assert page.evaluate(OVERLAPPING, ".scanline > .reading h2, .title h1, #answer-title") == []


def test_the_reading_is_whole_in_a_window_of_any_shape(open_page, server):
    page = open_page(server.url)
    for size in WINDOWS:
        resize(page, size)
        assert_whole(page)
        narrowest = page.locator(".examples button").evaluate_all(
            "all => Math.min(...all.map((button) => button.getBoundingClientRect().width))"
        )
        assert narrowest >= 24
        pad = box(page, ".pad")
        bar = box(page, ".scanline > .answer .bars li:last-child")
        assert max(pad["y"] + pad["height"], bar["y"] + bar["height"]) <= size[1]


def test_a_pad_is_square_from_the_start(open_page, server):
    """A canvas starts 300 pixels wide and half as high: also a pad of that width."""
    page = open_page(server.url, viewport={"width": 1200, "height": 900})
    size = "({ clientWidth, width, height }) => [clientWidth, width, height]"
    assert page.locator(".pad-ink").evaluate(size) == [300, 300, 300]


def test_both_readings_are_whole_and_in_common_columns(open_page, server):
    page = open_page(server.url)
    page.get_by_label("Compare with").select_option("elman")
    page.wait_for_function(
        "document.querySelector('.comparison .digit')?.textContent.match(/[0-9]/)"
    )
    for size in ((1440, 860), (1440, 1400), (1200, 1600), (1024, 1366)):
        resize(page, size)
        assert_whole(page)
        for panel in (".forward-panel .rows", ".belief-panel .rows"):
            assert abs(box(page, panel)["x"] - box(page, f".comparison {panel}")["x"]) <= 1
            assert box(page, panel)["height"] == box(page, f".comparison {panel}")["height"]


def test_a_pictures_steps_stay_clear_of_the_buttons(open_page, server):
    page = open_page(server.url)
    watch(page)
    choose(page, upload(encode(photo(4))))
    ring = 5
    for size in ((1440, 860), (1366, 768), (1280, 720), (1024, 1366)):
        resize(page, size)
        ends = page.locator(".picture-steps small").evaluate_all(
            "all => all.map((caption) => caption.getBoundingClientRect().bottom)"
        )
        assert max(ends) + ring <= box(page, ".tools")["y"]


BADGE = """(head) => {
  const style = getComputedStyle(head, "::after");
  const { x, y } = head.getBoundingClientRect();
  const padding = parseFloat(style.paddingLeft) + parseFloat(style.paddingRight);
  return {
    x: x + parseFloat(style.left),
    y: y + parseFloat(style.top),
    width: parseFloat(style.width) + padding,
    height: parseFloat(style.height),
  };
}"""


def test_the_readers_badges_keep_apart_where_they_meet(open_page, server):
    page = open_page(server.url)
    for size, shows in product(((1440, 860), (390, 844)), ("hidden states", "why")):
        resize(page, size)
        page.locator(".shows label", has_text=shows).click()
        for time in (12, 13, 14):
            page.locator(".scrub").fill(str(time))
            down = page.locator(".image-panel .head.down").evaluate(BADGE)
            up = page.locator(".image-panel .head.up").evaluate(BADGE)
            assert up["x"] + up["width"] <= down["x"] or down["x"] + down["width"] <= up["x"]
