"""The Tab key goes through the page as the eye does: down, and to the right."""

from itertools import pairwise

import pytest

pytestmark = pytest.mark.browser

WHERE = """() => {
  const { x, y, width, height } = document.activeElement.getBoundingClientRect();
  const name = document.activeElement.className || document.activeElement.textContent;
  return { name, left: x, right: x + width, top: y + scrollY, bottom: y + height + scrollY };
}"""


def follows(after: dict, before: dict) -> bool:
    """Whether one looks at `after` later: it lies below, or to the right of the same line."""
    if after["top"] >= before["bottom"] - 1:
        return True
    return after["left"] >= before["right"] - 1


@pytest.mark.parametrize("width", [390, 820, 1440])
def test_the_focus_goes_where_the_eye_goes(open_page, server, width):
    page = open_page(server.url, viewport={"width": width, "height": 860})
    page.locator(".networks select").nth(1).wait_for()
    page.locator(".pad-ink").focus()
    stops = [page.evaluate(WHERE)]
    while "docs" not in page.evaluate("document.activeElement.href ?? ''"):
        page.keyboard.press("Tab")
        stops.append(page.evaluate(WHERE))
        assert len(stops) < 60, "the focus never reaches the foot"
    assert len(stops) > 25
    assert [(a["name"], b["name"]) for a, b in pairwise(stops) if not follows(b, a)] == []


def test_a_turned_phone_keeps_its_choices(open_page, server):
    page = open_page(server.url, viewport={"width": 390, "height": 844})
    page.get_by_label("Compare with").wait_for()
    for width in (844, 390):
        page.set_viewport_size({"width": width, "height": 1234 - width})
        legend = page.locator(".legend").first.bounding_box()
        for choice in (".networks", ".export"):
            assert (page.locator(choice).bounding_box()["y"] > legend["y"]) == (width == 390)
