"""Single keys: what they belong to, and that they can be switched off (WCAG 2.2, 2.1.4)."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PATIENCE
from tests.browser.pen import settle, watch

pytestmark = pytest.mark.browser


@pytest.fixture
def page(open_page, server):
    page = open_page(server.url)
    watch(page)
    return page


def switch(page):
    return page.get_by_role("switch", name="Single-key shortcuts")


def reads(page, key: str, expected: str) -> None:
    """Press a key, and wait until the page reads what it is to read then."""
    page.keyboard.press(key)
    settle(page)
    expect(page.locator(".scanline > .answer .digit")).to_have_text(expected, timeout=PATIENCE)


def told_of(page) -> list[str]:
    keys = "all => all.map((element) => element.getAttribute('aria-keyshortcuts'))"
    return page.locator(".scanline [aria-keyshortcuts]").evaluate_all(keys)


def test_single_keys_can_be_switched_off_for_good(page):
    assert set("0123456789es,.") | {"Space"} < set(told_of(page))
    switch(page).uncheck()
    page.locator(".pad-ink").focus()
    reads(page, "7", "3")
    for key in ("s", "e", " ", ".", ","):
        reads(page, key, "3")
    assert page.locator(".sweeping").count() == 0
    assert page.locator(".erase[aria-pressed=true]").count() == 0
    assert told_of(page) == ["Control+Z Control+Shift+Z Control+Y Delete"]
    reads(page, "Delete", "–")  # no character: nobody says it
    reads(page, "Control+z", "3")
    page.reload()
    page.wait_for_function("document.querySelector('.digit')?.textContent === '3'")
    watch(page)
    assert not switch(page).is_checked()
    reads(page, "7", "3")
    switch(page).check()
    reads(page, "7", "7")


def test_a_browser_that_keeps_nothing_has_them_all_the_same(open_page, server):
    forbidden = """Object.defineProperty(window, "localStorage", {
      get() { throw new DOMException("", "SecurityError"); },
    });"""
    page = open_page(server.url, script=forbidden)
    watch(page)
    reads(page, "7", "7")
    switch(page).uncheck()
    reads(page, "4", "7")


@pytest.mark.parametrize("control", [".shows-change", ".scrub", ".shows [value=why]"])
def test_what_takes_no_letters_leaves_them_to_the_page(page, control):
    page.locator(control).focus()
    reads(page, "7", "7")
    reads(page, "Control+z", "3")
    page.locator(control).focus()
    reads(page, "Delete", "–")


def test_space_is_the_boxs_own(page):
    page.locator(".shows-change").focus()
    page.keyboard.press(" ")
    assert not page.locator(".shows-change").is_checked()
    assert page.locator(".sweeping").count() == 0


def test_a_held_key_acts_once(page):
    page.get_by_role("slider", name="Row cursor").focus()
    for _ in range(14):  # to a row with ink
        page.keyboard.press("ArrowDown")
    page.locator(".erase:enabled").wait_for()
    for _ in range(4):  # one press that repeats
        page.keyboard.down("e")
    assert page.locator(".erase").get_attribute("aria-pressed") == "true"
