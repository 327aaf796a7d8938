"""Menus where the browser or the labels are awkward."""

import pytest

pytestmark = pytest.mark.browser

# Safari gives a button no focus when it is pressed: what had it loses it to nobody.
SAFARI = """
  addEventListener("mousedown", (event) => {
    if (event.defaultPrevented || !event.target.closest("button")) return;
    document.activeElement.blur();
    event.preventDefault();
  });
"""


def test_its_own_button_closes_a_menu_in_safari_too(open_page, server):
    page = open_page(server.url, script=SAFARI)
    button, menu = page.get_by_role("button", name="Save"), page.get_by_role("menu", name="Save")
    for _ in range(2):
        button.click()
        menu.wait_for()
        button.click()
        assert menu.is_hidden()


def test_it_opens_inside_the_window(open_page, server):
    page = open_page(server.url)
    menu = page.get_by_role("menu", name="Save")
    for width in range(320, 1601, 160):
        page.set_viewport_size({"width": width, "height": 900})
        page.get_by_role("button", name="Save").click()
        box = menu.bounding_box()
        assert box["x"] >= 0, width
        assert box["x"] + box["width"] <= width, width
        for item in menu.get_by_role("menuitem").all():
            assert item.bounding_box()["height"] >= 44, width
            assert item.evaluate("(e) => e.scrollWidth <= e.clientWidth"), width
        page.keyboard.press("Escape")


def test_a_letter_goes_through_all_items_that_begin_with_it(open_page, server):
    page = open_page(server.url)
    page.get_by_role("button", name="Save").click()
    labels = page.get_by_role("menu", name="Save").locator("li b").all_inner_texts()
    letter = next(label[0] for label in labels if sum(label[0] == x[0] for x in labels) > 1)
    starting = [label for label in labels if label[0] == letter]
    met = []
    for _ in starting:
        page.keyboard.press(letter.lower())
        met.append(page.locator("[role=menuitem]:focus b").inner_text())
    assert sorted(met) == sorted(starting)
