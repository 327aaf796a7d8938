"""A photo by the device's camera, and that the camera is never left on."""

from pathlib import Path

import numpy as np
import pytest

from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.pen import digit, watch
from tests.browser.pictures import menu, photo, steps, wait_for_picture

pytestmark = pytest.mark.browser

CAMERA_SEES = 7


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    """What the camera sees: a wide video of a digit on paper, as raw YUV4MPEG2."""
    path = tmp_path_factory.mktemp("film") / "digit.y4m"
    luma, blue, red = photo(CAMERA_SEES, 640, 480).convert("YCbCr").split()
    half = [np.asarray(plane)[::2, ::2].tobytes() for plane in (blue, red)]
    frame = b"FRAME\n" + luma.tobytes() + b"".join(half)
    path.write_bytes(b"YUV4MPEG2 W640 H480 F10:1 Ip A1:1 C420jpeg\n" + 5 * frame)
    return path


@pytest.fixture(scope="module")
def browser(browser, film):
    """A Chromium with a camera."""
    flags = ["--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={film}"]
    with browser.browser_type.launch(executable_path=CHROMIUM, args=FLAGS + flags) as seeing:
        yield seeing


@pytest.fixture
def camera_page(open_page, server):
    """A page that may use the camera; `window.streams` are the streams that it has got."""
    page = open_page(server.url, permissions=["camera"])
    watch(page)
    page.evaluate("""() => {
      window.streams = [];
      const { mediaDevices } = navigator;
      const real = mediaDevices.getUserMedia.bind(mediaDevices);
      mediaDevices.getUserMedia = async (wanted) => {
        const stream = await real(wanted);
        window.streams.push(stream);
        return stream;
      };
    }""")
    return page


def wait_for_tracks(page, count: int) -> None:
    """Wait until so many are live."""
    tracks = "streams.flatMap((s) => s.getTracks()).filter((t) => t.readyState === 'live')"
    page.wait_for_function(f"{tracks}.length === {count}")


def test_a_photo_by_the_camera(camera_page):
    page = camera_page
    menu(page, "Use the camera")
    dialog = page.get_by_role("dialog", name="Take a photo of a digit")
    take = dialog.get_by_role("button", name="Take")
    page.wait_for_function("document.querySelector('.take-photo:enabled')")
    wait_for_tracks(page, 1)
    assert "One digit in the square" in dialog.inner_text()
    take.click()
    wait_for_picture(page)
    assert digit(page) == str(CAMERA_SEES)
    assert dialog.is_hidden()
    wait_for_tracks(page, 0)
    first = steps(page).locator("img").first
    assert first.evaluate("(image) => image.naturalWidth === image.naturalHeight")


@pytest.mark.parametrize("by", ["Cancel", "Escape"])
def test_the_camera_goes_out_when_nothing_is_taken(camera_page, by):
    page = camera_page
    menu(page, "Use the camera")
    page.wait_for_function("document.querySelector('.take-photo:enabled')")
    if by == "Cancel":
        page.get_by_role("button", name="Cancel").click()
    else:
        page.keyboard.press("Delete")  # the page clears the pad with it, not under a dialog
        page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="hidden")
    wait_for_tracks(page, 0)
    assert digit(page) == "3"  # the opening example, as it was
    assert page.locator(".origin", has_text="Your picture").count() == 0


def test_a_camera_that_comes_after_cancelling_goes_out_again(camera_page):
    """Allowed once the dialog is closed; then for two at once, the first of them closed."""
    page = camera_page
    page.evaluate("""() => {
      const { mediaDevices } = navigator;
      const real = mediaDevices.getUserMedia;
      const asked = [];
      window.allow = () => asked.splice(0).forEach((go) => go());
      mediaDevices.getUserMedia = async (wanted) => {
        await new Promise((resolve) => asked.push(resolve));
        return real(wanted);
      };
    }""")
    menu(page, "Use the camera")
    page.get_by_role("button", name="Cancel").click()
    page.evaluate("window.allow()")
    page.wait_for_function("window.streams.length === 1")
    page.wait_for_function("window.streams[0].getTracks()[0].readyState === 'ended'")

    menu(page, "Use the camera")
    page.get_by_role("button", name="Cancel").click()
    menu(page, "Use the camera")
    page.evaluate("window.allow()")
    page.wait_for_function("window.streams.length === 3")
    page.locator(".take-photo:enabled").wait_for()
    wait_for_tracks(page, 1)
    page.get_by_role("button", name="Cancel").click()
    wait_for_tracks(page, 0)


def test_no_permission_is_told(open_page, server):
    page = open_page(server.url)
    refuse = "Promise.reject(new DOMException('', 'NotAllowedError'))"
    page.evaluate(f"() => {{ navigator.mediaDevices.getUserMedia = () => {refuse} }}")
    menu(page, "Use the camera")
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("allow it in the address bar").wait_for()
    assert dialog.get_by_role("button", name="Take").is_disabled()


def test_no_camera_is_told(browser, server):
    with browser.browser_type.launch(executable_path=CHROMIUM, args=FLAGS) as blind:
        page = blind.new_context(permissions=["camera"], reduced_motion="reduce").new_page()
        page.goto(server.url)
        menu(page, "Use the camera")
        page.get_by_role("dialog").get_by_text("No camera is found").wait_for()


def test_no_camera_for_a_page_that_came_unprotected(camera_page):
    page = camera_page
    page.evaluate("Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")
    menu(page, "Use the camera")
    page.get_by_role("dialog").get_by_text("https or localhost").wait_for()
