"""The guided steps: each sets the page, none takes one's own drawing away."""

import pytest
from playwright.sync_api import expect

from tests.browser.pen import SEVEN, draw, watch

pytestmark = pytest.mark.browser


def test_six_steps_by_keyboard_each_with_its_preset(open_page, server):
    page = open_page(server.url)
    start = page.get_by_role("button", name="Guided tour")
    start.press("Enter")
    card, network = page.locator(".tour"), page.locator(".networks select")
    seen = []
    for step in range(1, 7):
        expect(card.locator("h2")).to_contain_text(f"{step} / 6")
        expect(card.locator(".tour-question")).to_contain_text("?")
        seen.append([network.nth(0).input_value(), network.nth(1).input_value()])
        card.get_by_role("button", name="Next" if step < 6 else "Done").press("Enter")
    expect(card).to_be_hidden()
    expect(start).to_be_focused()
    expected = [["elman", ""], ["elman", ""], ["bidirectional", ""], ["elman", ""]]
    assert seen == [*expected, ["elman", "elman-saturated"], ["elman", "elman-unclipped"]]


def test_a_short_link_opens_a_step_with_its_preset(open_page, server):
    page = open_page(f"{server.url}/#tour=2")
    expect(page.locator(".networks select").first).to_have_value("elman")
    expect(page.locator(".state-equation")).to_contain_text("h₁₄[38] = tanh")
    page.get_by_role("button", name="End the tour").press("Enter")
    expect(page.locator(".tour")).to_be_hidden()


def test_ones_own_drawing_stays(open_page, server):
    page = open_page(server.url)
    watch(page)
    page.get_by_role("button", name="Clear").click()
    draw(page, SEVEN)
    page.get_by_role("button", name="Guided tour").press("Enter")
    expect(page.locator(".networks select").first).to_have_value("elman")
    expect(page.locator(".scanline > .answer .digit")).to_have_text("7")


def test_both_networks_gradients_stand_in_one_plot(open_page, server):
    page = open_page(f"{server.url}/#tour=5")
    key = page.locator(".felt-key")
    expect(key).to_contain_text("elman-saturated")
    lines = [page.locator(f".felt .{line}").get_attribute("d") for line in ("line", "second")]
    assert all(line.count("L") == 27 for line in lines)
    expect(page.locator(".felt-note")).to_contain_text("For elman-saturated, row")
