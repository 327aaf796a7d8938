"""axe-core finds nothing serious on the page, in every state that people meet; no width scrolls."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import Server
from tests.browser.explained import point_at
from tests.browser.pen import SEVEN, draw, settle, watch
from tests.browser.pictures import encode, photo, upload

pytestmark = pytest.mark.browser

SCRIBBLE = [(0.15 + 0.7 * (i % 2), 0.15 + 0.07 * i) for i in range(11)]
BEYOND = """(width) => [...document.querySelectorAll(".scanline *")]
  .filter((element) => element.offsetParent)
  .filter((element) => !element.closest(".spoken, .said, .picture-steps li"))
  .filter((element) => {
    const { left, right } = element.getBoundingClientRect();
    return left < 0 || right > width;
  })
  .map((element) => `${element.tagName} ${element.className}`)"""
WIDTHS = [360, 390, 820, 961, 1024, 1100, 1280, 1440, 1920]


@pytest.fixture(scope="module")
def doubting_server(doubting_model):
    running = Server(doubting_model)
    yield running
    running.kill()


def opened(page: Page) -> None:
    page.locator(".networks select").nth(1).wait_for()


def save_menu(page: Page) -> None:
    page.get_by_role("button", name="Save").click()
    page.get_by_role("menu", name="Save").wait_for()


def picture_menu(page: Page) -> None:
    page.get_by_role("button", name="Picture").click()
    page.get_by_role("menu", name="Picture").wait_for()


def picture_steps(page: Page) -> None:
    with page.expect_file_chooser() as chooser:
        picture_menu(page)
        page.get_by_role("menuitem", name="Choose a file").click()
    chooser.value.set_files(upload(encode(photo(4))))
    page.get_by_role("region", name="How your picture became 28 × 28").wait_for()


def unit(page: Page) -> None:
    page.locator("canvas.forward").first.scroll_into_view_if_needed()
    page.mouse.click(*point_at(page, 7, "forward"))
    page.locator(".unit").wait_for()


def compared(page: Page) -> None:
    opened(page)
    page.get_by_label("Compare with").select_option(index=1)
    page.wait_for_function(
        "document.querySelector('.comparison .digit')?.textContent.match(/[0-9]/)"
    )


def marked(page: Page) -> None:
    page.get_by_role("slider", name="Row cursor").focus()
    page.keyboard.press("ArrowDown")


def rejected(page: Page) -> None:
    draw(page, SEVEN)
    draw(page, SCRIBBLE)
    page.locator(".rejected .doubt").wait_for()


STATES = [opened, save_menu, picture_menu, picture_steps, unit, compared, marked, rejected]


def findings(page: Page) -> list[str]:
    violations = Axe().run(page).response["violations"]
    return [
        f"{found['impact']} {found['id']}: {node['target']} {node['failureSummary']}"
        for found in violations
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"]
    ]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_nothing_serious_and_nothing_beyond_the_window(open_page, server, doubting_server, state):
    """In light and dark, on a desktop and a phone; and in windows of all widths, but for a
    picture's steps, which a narrow window shows as a strip, swept inside itself."""
    page = open_page((doubting_server if state is rejected else server).url)
    watch(page)
    state(page)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 860})
        within = "(width) => document.documentElement.scrollWidth <= width"
        page.wait_for_function(within, arg=width)  # what is measured moves a frame or two later
        page.wait_for_function(f"(width) => ({BEYOND})(width).length === 0", arg=width)
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 860})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert findings(page) == [], (width, scheme)
        page.emulate_media(color_scheme=None, forced_colors="active")
        assert findings(page) == [], (width, "forced colours")
        page.emulate_media(forced_colors="none")


def test_the_reading_is_a_table_too(open_page, server):
    """What the pictures show, row by row, in the order in which a screen reader comes to it."""
    page = open_page(server.url)
    watch(page)
    draw(page, SEVEN)
    settle(page)
    page.wait_for_function("window.explained === window.drawn")
    page.get_by_text("The reading as a table").click()
    expect(page.locator(".as-table tbody tr")).to_have_count(28)
    told = page.locator(".scanline").aria_snapshot()
    places = [
        told.index(part)
        for part in ("Drawing pad", "Answer", "What it sees", "Why 7", "The reading as a table")
    ]
    assert places == sorted(places)
    rows = [
        row.locator("th, td").all_inner_texts() for row in page.locator(".as-table tbody tr").all()
    ]
    assert [row[0] for row in rows] == [str(row) for row in range(1, 29)]
    for _, belief, down, up, why in rows:
        assert re.fullmatch(r"\d, [<>\u202f\d ]+\u202f?%", belief)
        for units in (down, up):
            assert re.fullmatch(r"(unit \d+: −?[\d.]+(, )?){3}", units)
        assert re.search(r"ink|7|undecided|guess", why)
    assert rows[-1][1].startswith("7")
    assert 'row "28 7,' in told
    page.get_by_role("button", name="Clear").click()
    settle(page)
    expect(page.locator(".as-table tbody")).to_have_count(0)


def test_own_colours_leave_the_pictures_and_what_is_chosen(open_page, server):
    page = open_page(server.url, forced_colors="active")
    colours = page.evaluate("""() => {
      const parts = [".bars .winner i", ".bars .track", "body"];
      return parts.map((part) => getComputedStyle(document.querySelector(part)).backgroundColor);
    }""")
    assert len(set(colours)) == 3
    chosen, other = (
        page.locator(f".shows input{state} + span").evaluate(
            "(e) => getComputedStyle(e).backgroundColor"
        )
        for state in (":checked", ":not(:checked)")
    )
    assert chosen != other


def test_a_language_from_right_to_left_and_the_largest_zoom_lose_nothing(open_page, server):
    page = open_page(server.url, locale="ar")
    assert page.locator("html").get_attribute("lang") == "en"
    for width in (1280, 390, 320):  # 320: a window of 1280 at 400 %
        page.set_viewport_size({"width": width, "height": 860})
        page.wait_for_function(
            "(width) => document.documentElement.scrollWidth <= width", arg=width
        )
        page.evaluate("document.documentElement.dir = 'rtl'")
        page.wait_for_function(
            "(width) => document.documentElement.scrollWidth <= width", arg=width
        )
        page.evaluate("document.documentElement.dir = ''")
