"""Make the pictures of the README (``make screenshots``): light, dark and phone."""

from playwright.sync_api import sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS, Server
from tests.browser.pen import draw, watch
from tests.support.running import ROOT

FIVE = [(0.70, 0.15), (0.37, 0.17), (0.34, 0.45), (0.48, 0.41), (0.64, 0.48)]
FIVE += [(0.69, 0.63), (0.61, 0.79), (0.45, 0.86), (0.29, 0.80)]
REST = 4000  # milliseconds until the drawing is read and explained, and its last change has faded
FOLDER = ROOT / "docs" / "screenshots"
SCREENS = {
    "light": {"viewport": {"width": 1440, "height": 860}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1440, "height": 860}, "color_scheme": "dark"},
    "phone": {
        "viewport": {"width": 360, "height": 740},
        "color_scheme": "light",
        "device_scale_factor": 2,
        "has_touch": True,
        "is_mobile": True,
    },
}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    server = Server()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for name, screen in SCREENS.items():
            page = browser.new_context(**screen).new_page()
            page.goto(server.url)
            page.wait_for_function("document.querySelector('.digit')?.textContent.match(/[0-9]/)")
            watch(page)
            draw(page, FIVE)
            page.wait_for_timeout(REST)
            page.screenshot(path=FOLDER / f"{name}.png", full_page=name == "phone")
        browser.close()
    server.kill()


if __name__ == "__main__":
    main()
